"""norm_unit.v and rsqrt.v against plain integers, bit for bit; lint; planted faults."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from cocotb_tools.runner import get_results, get_runner

from hwgen.engine.numerics import rshift_round, rsqrt_table
from hwgen.tools.lint import lint_verilog
from hwgen.tools.verilator import verilator_env
from hwgen.units.norm import NormUnit

UNITS = [NormUnit(16, 64), NormUnit(64, 8)]
OTHERS = [NormUnit(32, 4096)]


def name_of(unit: NormUnit) -> str:
    return f"L{unit.lanes}_N{unit.words}"


def build(unit: NormUnit, folder, monkeypatch, edit=None):
    """Builds under Verilator; `edit` = (file, old, new) plants an RTL fault."""
    for name, value in verilator_env().items():
        monkeypatch.setenv(name, value)
    sources = unit.sources()
    if edit is not None:
        file, old, new = edit
        index = next(i for i, s in enumerate(sources) if s.name == file)
        text = sources[index].read_text()
        assert text.count(old) == 1, (file, old)
        sources[index] = folder / file
        sources[index].write_text(text.replace(old, new))
    runner = get_runner("verilator")
    runner.build(
        sources=sources,
        hdl_toplevel="norm_unit",
        parameters=unit.parameters(),
        build_args=["--default-language", "1364-2005", "-Wno-fatal", "-CFLAGS", "-O0"],
        build_dir=folder / "build",
        always=True,
        log_file=folder / "build.log",
    )
    return runner


def simulate(runner, unit: NormUnit, folder, batches=30, seed=1, fault=""):
    """(tests, failed) of cocotb_norm."""
    results = folder / "results.xml"
    with suppress(SystemExit):  # the runner exits where a test fails
        runner.test(
            hdl_toplevel="norm_unit",
            test_module="tests.units.cocotb_norm",
            build_dir=folder / "build",
            test_dir=folder,
            results_xml=str(results),
            log_file=folder / "test.log",
            extra_env={
                "NORM_UNIT": " ".join(str(v) for v in unit.parameters().values()),
                "NORM_SEED": str(seed),
                "NORM_BATCHES": str(batches),
                "NORM_FAULT": fault,
            },
        )
    return get_results(results)


@pytest.mark.slow
@pytest.mark.parametrize("unit", UNITS, ids=name_of)
def test_every_entry(unit, tmp_path, monkeypatch):
    runner = build(unit, tmp_path, monkeypatch)
    assert simulate(runner, unit, tmp_path) == (1, 0), (tmp_path / "test.log").read_text()[-3000:]
    # the same build must see a changed constant and one flipped bit of a lane
    for fault in ("eps", "scale", "bit"):
        assert simulate(runner, unit, tmp_path, batches=7, fault=fault) == (1, 1)


@pytest.mark.full
@pytest.mark.parametrize("unit", OTHERS, ids=name_of)
def test_other_sizes(unit, tmp_path, monkeypatch):
    runner = build(unit, tmp_path, monkeypatch)
    for seed in range(4):
        tests = simulate(runner, unit, tmp_path, batches=100, seed=seed)
        assert tests == (1, 0), (tmp_path / "test.log").read_text()[-3000:]


@pytest.mark.full
def test_missing_rounding_in_rtl_is_seen(tmp_path, monkeypatch):
    edit = ("rsqrt.v", "y8_q + 33'd65536", "y8_q + 33'd0")
    runner = build(UNITS[0], tmp_path, monkeypatch, edit)
    assert simulate(runner, UNITS[0], tmp_path, batches=3) == (1, 1)


@pytest.mark.parametrize("unit", [*UNITS, *OTHERS], ids=name_of)
def test_no_front_end_warns(unit):
    assert lint_verilog(unit.sources(), "norm_unit", parameters=unit.parameters()) == []


def test_rom_is_the_table_of_numerics():
    rom = next(p for p in NormUnit().sources() if p.name == "rsqrt_rom.v").read_text()
    entries = re.findall(r"8'd(\d+): d = \{15'd(\d+), 16'd(\d+)\};", rom)
    guesses = enumerate(rsqrt_table().tolist(), 64)
    want = [(i, y, 2**16 - rshift_round(y * y, 14)) for i, y in guesses]
    assert [tuple(map(int, e)) for e in entries] == want


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"LANES": 2}, "LANES_must_be_a_power_of_two_from_4_to_256"),
        ({"NT_WORDS": 48}, "NT_WORDS_must_be_a_power_of_two"),
    ],
)
def test_guards_name_the_rule(parameters, message):
    found = lint_verilog(
        NormUnit().sources(), "norm_unit", parameters=parameters, skip=("pyverilog", "iverilog")
    )
    assert any(message in line for line in found)
