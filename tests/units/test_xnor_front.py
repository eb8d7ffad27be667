"""XNOR front end against a NumPy reference, bit for bit and cycle for cycle."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import pytest

from hwgen.paths import templates_dir
from hwgen.tools.lint import lint_verilog
from hwgen.tools.verilator import verilator_env
from hwgen.units.xnor_front import XnorFront, column_cycles, issue_cycles, result_cycles

CASES = {
    "micro": XnorFront(lanes=16, kw=128, gu=4, gs=8, bm_rows=66, ps_words=40),
    "small": XnorFront(lanes=16, kw=64, gu=4, gs=4, bm_rows=96, ps_words=64),
    "least": XnorFront(lanes=8, kw=64, gu=2, gs=4, bm_rows=96, ps_words=64),
    "wide": XnorFront(lanes=32, kw=256, gu=8, gs=16, bm_rows=300, ps_words=128),
    "square": XnorFront(lanes=64, kw=64, gu=2, gs=4, bm_rows=300, ps_words=64),
}
FULL = ("least", "square")
BUILT = [pytest.param(c, marks=[pytest.mark.full] * (c in FULL)) for c in CASES]


def sources(unit: XnorFront) -> list[Path]:
    return [templates_dir() / name for name in unit.verilog]


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    """Objects of the simulator's own library, built once."""
    return tmp_path_factory.mktemp("verilated")


def simulate(
    unit: XnorFront, files, build: Path, library: Path, rounds: int = 60, testcase=None
) -> tuple[int, int]:
    """(tests, failures) of the cocotb module."""
    from cocotb_tools.check_results import get_results
    from cocotb_tools.runner import get_runner

    env = verilator_env()
    with pytest.MonkeyPatch.context() as patch:
        # most of a build is the simulator's own library: do not optimise it
        env["MAKEFLAGS"] = env.get("MAKEFLAGS", "") + " OPT_GLOBAL=-O0 OPT_FAST=-O0 OPT_SLOW=-O0"
        for name, value in env.items():
            patch.setenv(name, value)
        build.mkdir(parents=True, exist_ok=True)
        for done in library.glob("verilated*.o"):
            shutil.copy(done, build)
        runner = get_runner("verilator")
        runner.build(
            sources=[Path(f) for f in files],
            hdl_toplevel="xnor_front",
            parameters=unit.parameters(),
            build_args=["--default-language", "1364-2005", "-Wno-fatal", "--output-split", "0"],
            build_dir=build,
            log_file=build.parent / f"{build.name}.log",
        )
        for done in build.glob("verilated*.o"):
            shutil.copy(done, library)
        xml = build / "results.xml"
        with contextlib.suppress(SystemExit):  # the runner's way to report failures under pytest
            runner.test(
                hdl_toplevel="xnor_front",
                test_module="tests.units.cocotb_xnor_front",
                build_dir=build,
                test_dir=build,
                testcase=testcase,
                results_xml=str(xml),
                extra_env={"XNOR_ROUNDS": str(rounds)},
                log_file=build / "sim.log",
            )
    return get_results(xml)


@pytest.mark.slow
@pytest.mark.parametrize("case", BUILT)
def test_simulation(case, tmp_path, library):
    tests, failures = simulate(CASES[case], sources(CASES[case]), tmp_path / "build", library)
    assert (tests, failures) == (6, 0), (tmp_path / "build" / "sim.log").read_text()[-3000:]


MUTANTS = {
    "left column not masked": (
        "activation_window.v",
        "conv_2 && !pattern_2[0]",
        "conv_2",
    ),
    "next phase not masked": ("activation_window.v", "conv_2 && !pattern_2[1]", "conv_2"),
    "rows of one bank at once": (
        "activation_fetch.v",
        "row_step_p == ODD_ROWS",
        "1'b1",
    ),
    "no bypass": ("partial_sums.v", "store_3 && index_3 == index_1", "1'b0"),
}


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS)
def test_planted_rtl_fault_is_caught(mutant, tmp_path, library):
    name, old, new = MUTANTS[mutant]
    files = []
    for path in sources(CASES["small"]):
        text = path.read_text()
        if path.name == name:
            assert text.count(old) == 1
            text = text.replace(old, new)
        (tmp_path / path.name).write_text(text)
        files.append(tmp_path / path.name)
    tests, failures = simulate(
        CASES["small"], files, tmp_path / "build", library, testcase="program"
    )
    assert (tests, failures) == (1, 1)


@pytest.mark.parametrize("case", CASES)
def test_lint(case):
    assert (
        lint_verilog(sources(CASES[case]), "xnor_front", parameters=CASES[case].parameters()) == []
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"kw": 96, "gs": 8}, "KW_must_be_LANES_times_a_power_of_two"),
        ({"gs": 16}, "GU_GS_must_be_powers_of_two_with_9_GS_in_KW"),
        ({"kw": 512, "gs": 32}, "GS_must_not_exceed_LANES"),
        ({"bm_rows": 4}, "BM_ROWS_must_be_8_to_65536"),
    ],
)
def test_parameter_guards(changed, message):
    unit = XnorFront(**changed)
    found = lint_verilog(
        sources(unit), "xnor_front", parameters=unit.parameters(), skip=("pyverilog",)
    )
    assert any(message in line for line in found)


def test_cycle_formulas():
    assert issue_cycles(False, 14, 3) == 42
    assert issue_cycles(True, 14, 2, 1) == 2 * 14 + 1
    assert issue_cycles(True, 14, 2, 3) == 2 * 14 + 1
    assert issue_cycles(True, 14, 2, 2, column=3) == 2 * 14 * 3 + 1
    assert issue_cycles(True, 10, 1, 1, width=14) == 11
    assert result_cycles(True, 3, 1) == [2 + 12, 3 + 12, 4 + 12]
    assert result_cycles(True, 1, 1, column=3) == [4 + 12]
    for n2, xd, width in ((1, 1, 1), (1, 3, 2), (7, 5, 7), (4, 3, 9), (14, 1, 14)):
        for column in (1, 3):
            cycles = result_cycles(True, n2, 2, xd, width, column)
            issue = issue_cycles(True, n2, 2, xd, width, column)
            assert len(cycles) == 2 * n2
            assert cycles == sorted(set(cycles))
            assert cycles[-1] == issue + XnorFront.fire_to_result


def test_a_column_takes_one_cycle_when_its_rows_lie_in_three_banks():
    for rows in range(1, 12):
        for xd in range(1, 8):
            banks = {rows * xd * k % 4 for k in (0, 1, 2)}
            assert column_cycles(8 * rows, xd, 8) == (1 if len(banks) == 3 else 3)
    assert column_cycles(12, 1, 8) == 3  # an image row ends inside a memory row
