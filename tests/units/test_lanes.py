"""lanes.v against NumPy, bit for bit; lint of every front end; planted RTL fault."""

from __future__ import annotations

import contextlib
import re

import numpy as np
import pytest
from cocotb_tools.runner import VerilatorControlFile, get_results, get_runner

from hwgen.floats.kinds import GELU
from hwgen.tools.lint import lint_verilog
from hwgen.tools.verilator import verilator_env
from hwgen.units import lanes
from hwgen.units.lanes import Lanes
from tests.units.lanes_reference import gelu_chords

UNITS = [Lanes(16, 16, 64, 64, 32), Lanes(32, 12, 16, 32, 64)]
LEAST = Lanes(8, 12, 32, 32, 8)
WIDE = Lanes(64, 13, 256, 256, 16)


def simulate(unit: Lanes, folder, monkeypatch, phases=3, seed=1, edit=None) -> tuple[int, int]:
    """(tests, failed) of cocotb_lanes; `edit` = (file, old, new) plants an RTL fault."""
    for name, value in verilator_env().items():
        # Few cycles: time goes into compiling, so no optimisation.
        monkeypatch.setenv(name, value + " OPT_FAST=-O0" * (name == "MAKEFLAGS"))
    sources = lanes.Lanes().sources()
    if edit is not None:
        name, old, new = edit
        index = next(i for i, s in enumerate(sources) if s.name == name)
        text = sources[index].read_text()
        assert text.count(old) == 1, (name, old)
        sources[index] = folder / name
        sources[index].write_text(text.replace(old, new))
    # The runner makes every signal public, and compiling their table takes minutes: ports suffice.
    text = next(s for s in sources if s.name == "lanes.v").read_text()
    ports = re.findall(r"^    (?:input|output) +wire .*?(\w+),?$", text, re.M)
    public = folder / "ports.vlt"
    rules = [f'public_flat_rw -module "lanes" -var "{port}"' for port in ports]
    public.write_text("\n".join(["`verilator_config", *rules, ""]))
    runner = get_runner("verilator")
    command = runner._build_command
    runner._build_command = lambda: [
        [arg for arg in line if arg != "--public-flat-rw"] for line in command()
    ]
    runner.build(
        sources=[VerilatorControlFile(public), *sources],
        hdl_toplevel="lanes",
        parameters=unit.parameters(),
        build_args=["--default-language", "1364-2005", "-Wno-fatal"],
        build_dir=folder / "build",
        always=True,
        log_file=folder / "build.log",
    )
    p = unit.parameters()
    results = folder / "results.xml"
    with contextlib.suppress(SystemExit):  # a failed test; counted below
        runner.test(
            hdl_toplevel="lanes",
            test_module="tests.units.cocotb_lanes",
            build_dir=folder / "build",
            test_dir=folder,
            results_xml=str(results),
            log_file=folder / "test.log",
            extra_env={
                "LANES_UNIT": " ".join(str(v) for v in p.values()),
                "LANES_SEED": str(seed),
                "LANES_PHASES": str(phases),
            },
        )
    return get_results(results)


@pytest.mark.slow
@pytest.mark.parametrize("unit", UNITS, ids=lambda u: f"{u.lanes}x{u.act_bits}")
def test_every_result_bit_for_bit(unit, tmp_path, monkeypatch):
    tests, failed = simulate(unit, tmp_path, monkeypatch)
    assert (tests, failed) == (3, 0), (tmp_path / "test.log").read_text()[-3000:]


@pytest.mark.full
def test_wrong_rounding_in_rtl_is_seen(tmp_path, monkeypatch):
    edit = ("lane.v", "$signed({19'd0, half_7})", "$signed({19'd0, 1'b0})")
    tests, failed = simulate(UNITS[0], tmp_path, monkeypatch, phases=1, edit=edit)
    assert (tests, failed) == (3, 2)


@pytest.mark.full
@pytest.mark.parametrize("unit", [LEAST, WIDE], ids=lambda u: f"{u.lanes}x{u.act_bits}")
def test_other_sizes(unit, tmp_path, monkeypatch):
    tests, failed = simulate(unit, tmp_path, monkeypatch, phases=8)
    assert (tests, failed) == (3, 0), (tmp_path / "test.log").read_text()[-3000:]


@pytest.mark.parametrize("unit", [*UNITS, LEAST, WIDE], ids=lambda u: f"{u.lanes}x{u.act_bits}")
def test_front_ends_accept_without_a_warning(unit, tmp_path):
    assert lint_verilog(lanes.Lanes().sources(), "lanes", parameters=unit.parameters()) == []


@pytest.mark.parametrize(
    ("parameter", "value", "message"),
    [
        ("LANES", 24, "ERROR_lanes_LANES_must_be_a_power_of_two_of_at_least_8"),
        ("ACT_BITS", 17, "ERROR_lane_ACT_BITS_must_be_8_to_16"),
        ("QM_SLOTS", 48, "ERROR_param_ram_SLOTS_must_be_a_power_of_two"),
    ],
)
def test_bad_parameter_names_the_rule(parameter, value, message, tmp_path):
    found = lint_verilog(
        lanes.Lanes().sources(), "lanes",
        parameters={**Lanes().parameters(), parameter: value}, skip=("yosys", "pyverilog"),
    )  # fmt: skip
    assert any(message in line for line in found), found


def test_latencies_are_those_of_the_verilog_header():
    text = (lanes.templates_dir() / "rtl/lanes/lanes.v").read_text()
    for name in ("PRE_AT", "MID_AT", "OUT_AT", "Y_AT", "ACC_AT"):
        (value,) = re.findall(rf"{name}\s+(\d+)", text)
        assert int(value) == getattr(lanes, name) == getattr(Lanes(), name.lower())
        assert int(value) >= 3


def test_chords_of_the_reference_and_of_the_package_agree():
    gelu = GELU.chords({}, 12)
    for ours, theirs in zip(gelu_chords(), (gelu.slope, gelu.intercept)):
        assert np.array_equal(ours, theirs)
