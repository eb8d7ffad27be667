"""compute_unit.v with real lanes against isa_reference, and its cycles against the model."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

import pytest
from cocotb_tools.runner import get_results, get_runner

from hwgen.paths import rtl_source, templates_dir
from hwgen.tools.lint import lint_verilog
from hwgen.tools.verilator import verilator_env
from hwgen.tools.versions import available
from hwgen.units import compute_unit, lanes
from hwgen.units.attention import Attention
from hwgen.units.compute_unit import ComputeUnit
from hwgen.units.norm import NormUnit
from hwgen.units.xnor_front import XnorFront
from tests.units import compute_programs

UNITS = [ComputeUnit(16, 16, 256, 200, 128), ComputeUnit(32, 12, 160, 256, 128)]
RTL = Path(compute_programs.__file__).parent / "rtl"
UNITS_ON_PINS = {
    name: RTL / "stub" / f"{name}.v" for name in ("xnor_front", "attention", "norm_unit")
}


def whole(unit: ComputeUnit, folder: Path) -> list[Path]:
    """Files of compute_unit and of all that it instantiates."""
    units = (*lanes.Lanes().sources(), *Attention().write_sources(folder), *NormUnit().sources())
    front = [templates_dir() / name for name in XnorFront().verilog]
    return list(dict.fromkeys([*unit.write_sources(folder), *front, *units]))


class Simulation:
    """A build of the harness; `edit` = (file, old, new) plants an RTL fault.

    Icarus, where installed, knows unknown values and builds at once: for short runs.
    """

    def __init__(self, unit: ComputeUnit, folder, edit=None, simulator="verilator"):
        self.unit, self.folder = unit, folder
        sources = [RTL / "compute_harness.v", *UNITS_ON_PINS.values()]
        sources += dict.fromkeys([*unit.write_sources(folder), *lanes.Lanes().sources()])
        if edit is not None:
            name, old, new = edit
            index = next(i for i, s in enumerate(sources) if str(s).endswith(f"/{name}"))
            text = sources[index].read_text()
            assert text.count(old) == 1, (name, old)
            sources[index] = folder / name
            sources[index].write_text(text.replace(old, new))
        self.runner = get_runner(simulator)
        options = {"timescale": ("1ns", "1ps")}
        if simulator == "verilator":
            options = {"build_args": ["--default-language", "1364-2005", "-Wno-fatal"]}
            # The runner makes every signal public; the ports suffice and build much faster.
            command = self.runner._build_command
            shallow = {"--public-flat-rw": ["--public-depth", "1"]}
            self.runner._build_command = lambda: [
                [word for arg in line for word in shallow.get(arg, [arg])] for line in command()
            ]
        with self.environment():
            self.runner.build(
                sources=sources,
                hdl_toplevel="compute_harness",
                parameters=unit.parameters(),
                build_dir=folder / "build",
                always=True,
                log_file=folder / "build.log",
                **options,
            )

    @staticmethod
    @contextlib.contextmanager
    def environment():
        with pytest.MonkeyPatch.context() as patch:
            for name, value in verilator_env().items():
                patch.setenv(name, value)
            patch.setenv("MAKEFLAGS", f"{os.environ.get('MAKEFLAGS', '')} OPT_FAST=-O1")
            yield

    def run(self, seed=1, count=150, fault=0) -> tuple[int, int]:
        """(tests, failed) of cocotb_compute_unit; `fault`: one wrong bit in the loaded CM."""
        u = self.unit
        results = self.folder / f"results{seed}{fault}.xml"
        with self.environment(), contextlib.suppress(SystemExit):  # failures are counted below
            self.runner.test(
                hdl_toplevel="compute_harness",
                test_module="tests.units.cocotb_compute_unit",
                build_dir=self.folder / "build",
                test_dir=self.folder,
                results_xml=str(results),
                log_file=self.log,
                extra_env={
                    "CTL_UNIT": f"{u.lanes} {u.act_bits} {u.fm_words} {u.tm_words}",
                    "CTL_SEED": str(seed),
                    "CTL_COUNT": str(count),
                    "CTL_FAULT": str(fault),
                },
            )
        return get_results(results)

    @property
    def log(self):
        return self.folder / "test.log"


@pytest.fixture(scope="module")
def simulation(tmp_path_factory) -> Simulation:
    return Simulation(UNITS[0], tmp_path_factory.mktemp("ctl"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_random_programs(simulation, seed):
    assert simulation.run(seed) == (3, 0), simulation.log.read_text()[-3000:]


@pytest.mark.slow
def test_wrong_parameter_bit_is_seen(simulation):
    tests, failed = simulation.run(fault=1)
    assert tests == 3
    assert failed >= 1


@pytest.mark.full
def test_random_programs_of_narrow_features(tmp_path):
    simulation = Simulation(UNITS[1], tmp_path)
    for seed in range(4):
        assert simulation.run(seed, 400) == (3, 0), simulation.log.read_text()[-3000:]


def require_icarus() -> None:
    if not available("iverilog"):
        pytest.skip("needs Icarus Verilog")


FAULTS = [
    ("mac_source.v", "left_2_q <= addr_1_q - wsx", "left_2_q <= addr_1_q + wsx"),
    ("mac_source.v", "if (!(beat_6_q && kind_6[0])) extra_7_q", "if (!beat_6_q) extra_7_q"),
    ("stencil_memory.v", "{5'd15, 5'd13, 5'd24}", "{5'd15, 5'd11, 5'd24}"),
    ("mac_source.v", "(phase && one_row_q)", "1'b0"),
    ("mac_source.v", "if (!(beat_6_q && kind_6[1])) extra_7_q", "if (!beat_6_q) extra_7_q"),
    ("mac_source.v", "second_6 = lane_6[1] ?", "second_6 = !lane_6[1] ?"),
    ("lane.v", "{{8{c0_weight[15]}}, c0_weight[15:8]}", "{8'd0, c0_weight[15:8]}"),
    ("lanes.v", "localparam [1:0] BANK = k + 1;", "localparam [1:0] BANK = 3 - k;"),
    ("mac_source.v", "(below || above || out_1_q)", "(below || above)"),
    ("mac_source.v", "taps_1_q && padded", "padded"),
    ("tap_table.v", "{20{entry_dx[3]}}", "20'd0"),
    ("result_nest.v", "if (cm_go[1:0] != 2'd1) cm_phase_q", "if (cm_go[1:0] == 2'd0) cm_phase_q"),
    ("phase_count.v", "few ? less_one(n2[2:0]) : less_one(xd)", "less_one(xd)"),
    ("compute_issue.v", "!fronting_q || b_set", "1'b1 || b_set"),
    ("result_delay.v", ".DEPTH(MID_AT - READ + AHEAD)", ".DEPTH(MID_AT - READ + AHEAD - 1)"),
    ("compute_decode.v", "!a_ahead_dma[15] &&", ""),
    ("compute_decode.v", "&& !a_ahead_ldw[15]", ""),
    ("feature_ports.v", "f_ready = !dst_next;", "f_ready = 1'b1;"),
    ("feature_ports.v", "!src_fm_re && !src_tm_re &&", ""),
    ("mac_nest.v", "step2_q ? done_next : done", "done"),
    ("compute_issue.v", "flight_q != {4'd0, retired}", "flight_q != 7'd0"),
    ("result_nest.v", "retire_c || !current_q ? {2'd0, mark} :", ""),
]


@pytest.mark.slow
def test_no_unknown_value_matters(tmp_path):
    require_icarus()
    simulation = Simulation(UNITS[0], tmp_path, simulator="icarus")
    assert simulation.run(count=40) == (3, 0), simulation.log.read_text()[-3000:]


@pytest.mark.slow
@pytest.mark.parametrize("edit", [pytest.param(edit, id=edit[0]) for edit in FAULTS])
def test_planted_rtl_fault_is_seen(edit, tmp_path):
    require_icarus()
    simulation = Simulation(UNITS[0], tmp_path, edit, "icarus")
    assert any(simulation.run(seed, count=100)[1] for seed in (1, 2)), "not seen by two programs"


@pytest.mark.parametrize(
    "unit", [*UNITS, ComputeUnit(64, 13, 3136, 16384, 64)], ids=lambda u: f"{u.lanes}"
)
def test_every_front_end_accepts(unit, tmp_path):
    assert lint_verilog(whole(unit, tmp_path), "compute_unit", parameters=unit.parameters()) == []


@pytest.mark.parametrize("name", UNITS_ON_PINS)
def test_stand_in_has_the_ports_of_its_unit(name):
    def ports(path):
        text = path.read_text()
        head = text[text.index(f"module {name}") : text.index("\n);\n")]
        return re.findall(r"(input|output)\s+(?:wire|reg)\s*(\[[^\]]*\])?\s*(\w+)", head)

    assert ports(UNITS_ON_PINS[name]) == ports(rtl_source(f"{name}.v"))


def test_stages_are_those_of_the_units():
    text = rtl_source("compute_unit.v").read_text()
    stages = {name: getattr(lanes, name) for name in ("PRE_AT", "MID_AT", "OUT_AT", "Y_AT")}
    # the counters of mac_nest are a cycle before its beats
    stages |= {"ACC_AT": lanes.ACC_AT, "SOURCE": compute_unit.SOURCE - 1, "READ": compute_unit.READ}
    for name, value in stages.items():
        assert re.findall(rf"localparam {name} = (\d+);", text) == [str(value)], name


@pytest.mark.parametrize(("name", "value"), [("LANES", 128), ("ACT_BITS", 17), ("FM_WORDS", 20000)])
def test_guard(name, value, tmp_path):
    unit = ComputeUnit()
    found = lint_verilog(
        whole(unit, tmp_path),
        "compute_unit",
        parameters=unit.parameters() | {name: value},
        skip=["pyverilog"],
    )
    assert any("ERROR_compute_unit" in line for line in found)
