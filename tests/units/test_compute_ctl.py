"""compute_ctl.v with real lanes against isa_reference, and its cycles against the model."""

from __future__ import annotations

import os
import re

import pytest
from cocotb_tools.runner import get_results, get_runner

from hwgen.paths import templates_dir
from hwgen.schedule import isa
from hwgen.tools import lint_verilog, verilator_env
from hwgen.units import lanes
from hwgen.units.compute_ctl import ComputeCtl
from tests.units import compute_programs

UNITS = [ComputeCtl(16, 16, 256, 200, 128), ComputeCtl(32, 12, 160, 256, 128)]
HARNESS = compute_programs.__file__.replace("compute_programs.py", "rtl/compute_harness.v")


def simulate(unit, folder, monkeypatch, count=150, seed=1, edit=None) -> tuple[int, int]:
    """(tests, failed) of cocotb_compute_ctl; `edit` = (file, old, new) plants an RTL fault."""
    for name, value in verilator_env().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MAKEFLAGS", f"{os.environ.get('MAKEFLAGS', '')} OPT_FAST=-O1")
    sources = [HARNESS, *unit.sources(), *lanes.write_sources(folder)]
    if edit is not None:
        name, old, new = edit
        index = next(i for i, s in enumerate(sources) if str(s).endswith(f"/{name}"))
        text = sources[index].read_text()
        assert text.count(old) == 1, (name, old)
        sources[index] = folder / name
        sources[index].write_text(text.replace(old, new))
    runner = get_runner("verilator")
    # The runner makes every signal public; the harness's ports suffice and build much faster.
    command = runner._build_command
    shallow = {"--public-flat-rw": ["--public-depth", "1"]}
    runner._build_command = lambda: [
        [word for arg in line for word in shallow.get(arg, [arg])] for line in command()
    ]
    runner.build(
        sources=sources,
        hdl_toplevel="compute_harness",
        parameters=unit.parameters(),
        build_args=["--default-language", "1364-2005", "-Wno-fatal"],
        build_dir=folder / "build",
        always=True,
        log_file=folder / "build.log",
    )
    sizes = (unit.lanes, unit.act_bits, unit.fm_words, unit.tm_words)
    results = runner.test(
        hdl_toplevel="compute_harness",
        test_module="tests.units.cocotb_compute_ctl",
        build_dir=folder / "build",
        test_dir=folder,
        results_xml=str(folder / "results.xml"),
        log_file=folder / "test.log",
        extra_env={
            "CTL_UNIT": " ".join(str(v) for v in sizes),
            "CTL_SEED": str(seed),
            "CTL_COUNT": str(count),
        },
    )
    return get_results(results)


@pytest.mark.slow
@pytest.mark.parametrize("unit", UNITS, ids=lambda u: f"{u.lanes}x{u.act_bits}")
def test_random_programs(unit, tmp_path, monkeypatch):
    tests, failed = simulate(unit, tmp_path, monkeypatch)
    assert (tests, failed) == (3, 0), (tmp_path / "test.log").read_text()[-3000:]


FAULTS = [
    ("mac_source.v", "{19'd0, above}", "20'd0"),
]


@pytest.mark.slow
@pytest.mark.parametrize("edit", FAULTS, ids=lambda e: e[0])
def test_planted_fault_is_seen(edit, tmp_path, monkeypatch):
    _, failed = simulate(UNITS[0], tmp_path, monkeypatch, edit=edit)
    assert failed >= 1


@pytest.mark.parametrize(
    "unit", [*UNITS, ComputeCtl(64, 13, 3136, 16384, 64)], ids=lambda u: f"{u.lanes}"
)
def test_every_front_end_accepts(unit):
    assert lint_verilog(unit.sources(), "compute_ctl", parameters=unit.parameters()) == []


@pytest.mark.parametrize(("name", "value"), [("LANES", 128), ("ACT_BITS", 17), ("FM_WORDS", 20000)])
def test_guard(name, value):
    unit = ComputeCtl()
    found = lint_verilog(
        unit.sources(),
        "compute_ctl",
        parameters=unit.parameters() | {name: value},
        skip=["pyverilog"],
    )
    assert any("ERROR_compute_ctl" in line for line in found)


def test_field_positions_are_those_of_the_instruction_set():
    header = dict(re.findall(r"localparam (\w+) = (\S+);", isa.verilog_header()))
    seen = 0
    for name in ("compute_ctl.v", "compute_decode.v", "compute_set.v", "tap_table.v"):
        text = (templates_dir() / "rtl" / name).read_text()
        for constant, value in re.findall(
            r"localparam ((?:OP|I|C|X|A|SET|P[A-Z]+)_\w+) = (\S+);", text
        ):
            if constant not in ("SET_PAYLOAD",):
                assert header[constant] == value, f"{name}: {constant}"
                seen += 1
    assert seen > 80
    assert (isa.SOURCE_LSB, isa.SET_LSB, isa.TAPS) == (416, 128, 12)
