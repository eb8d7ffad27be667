"""Static timing of netlists whose answer is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwgen.cli import main
from hwgen.errors import HwgenError
from hwgen.report import render_report, sections
from hwgen.report.clock import summary_lines
from hwgen.report.schema import Timing
from hwgen.sta import NetModel, analyse_rtl
from hwgen.sta.blocks import blocks
from hwgen.sta.cells import models
from hwgen.targets import get_target
from tests.report import sample
from tests.sta.handmade import CLK_TO_Q, ff, lut, module, slowest

CE_SETUP, LUT6_I0, LUT6_I5 = 109, 642, 127  # of cells_sim.v


def test_a_lut_between_two_registers() -> None:
    """Clock to output, a net of one sink, the LUT's first input; into the flip-flop of its slice
    no net."""
    cells = {"a": ff("0", 1), "l": lut([1, "0", "0", "0", "0", "0"], 2), "b": ff(2, 3)}
    assert slowest({"top": module(cells)}) == pytest.approx((CLK_TO_Q + LUT6_I0) / 1000 + 1.0)


def test_each_input_of_a_lut_has_its_own_delay() -> None:
    cells = {"a": ff("0", 1), "l": lut(["0", "0", "0", "0", "0", 1], 2), "b": ff(2, 3)}
    assert slowest({"top": module(cells)}) == pytest.approx((CLK_TO_Q + LUT6_I5) / 1000 + 1.0)


def test_fan_out_counts_over_the_whole_net() -> None:
    """Four sinks: base + slope log2(4); none of them in the driver's slice."""
    cells = {"a": ff("0", 1), "l": lut([1, 1, 1, "0", "0", "0"], 2), "b": ff(2, 3), "c": ff(1, 4)}
    assert slowest({"top": module(cells)}) == pytest.approx((CLK_TO_Q + LUT6_I0) / 1000 + 2.0)


def test_a_net_is_never_slower_than_the_limit() -> None:
    cells = {"a": ff("0", 1), **{f"s{k}": ff(1, 100 + k) for k in range(64)}}
    assert slowest({"top": module(cells)}) == pytest.approx(CLK_TO_Q / 1000 + 3.0)


def test_setup_of_a_clock_enable_counts() -> None:
    cells = {"a": ff("0", 1), "b": ff("0", 2, ce=1)}
    assert slowest({"top": module(cells)}) == pytest.approx((CLK_TO_Q + CE_SETUP) / 1000 + 1.0)


def test_a_chain_of_carries_has_no_nets_inside() -> None:
    def carry(s: object, ci: object, co: int, o: int) -> list:
        zero = ["0", "0", "0"]
        return ["CARRY4", {}, {
            "CI": ["input", [ci]], "CYINIT": ["input", ["0"]], "DI": ["input", ["0", *zero]],
            "S": ["input", [s, *zero]], "CO": ["output", [co + k for k in range(4)]],
            "O": ["output", [o + k for k in range(4)]],
        }]  # fmt: skip

    cells = {"a": ff("0", 1), "l": lut([1], 2), "c0": carry(2, "0", 10, 20)}
    cells |= {"c1": carry("0", 13, 30, 40), "b": ff(40, 50)}
    # clk-q, net, LUT1, (into S without a net), S0 -> CO3, CI -> O0, into D without a net
    lut1 = models([("LUT1", ())])["LUT1", ()].arcs[("I0", 0), ("O", 0)]
    assert slowest({"top": module(cells)}) == pytest.approx((303 + lut1 + 508 + 222) / 1000 + 1.0)


def test_instances_are_joined_at_their_ports() -> None:
    """A path through two modules; what is between them is one net with all its sinks."""
    inner = module(
        {"l": lut([5, "0", "0", "0", "0", "0"], 6)},
        {"i": ["input", [5]], "o": ["output", [6]]},
    )
    pins = {"clk": ["input", [1000]], "i": ["input", [1]], "o": ["output", [2]]}
    outer = module({"a": ff("0", 1), "u": ["inner", {}, pins], "b": ff(2, 3)})
    expected = (CLK_TO_Q + LUT6_I0) / 1000 + 1.0
    assert slowest({"top": outer, "inner": inner}) == pytest.approx(expected)


def test_a_constant_from_outside_ends_the_paths_inside() -> None:
    inner = module({"b": ff(5, 6)}, {"i": ["input", [5]], "o": ["output", [6]]})
    pins = {"clk": ["input", [1000]], "i": ["input", ["0"]], "o": ["output", [2]]}
    outer = module({"u": ["inner", {}, pins], "b": ff(2, 3)})
    assert slowest({"top": outer, "inner": inner}) == pytest.approx(CLK_TO_Q / 1000 + 1.0)


def test_a_loop_without_a_register_is_named() -> None:
    cells = {"l": lut([2, 3], 2), "a": ff(2, 3)}
    with pytest.raises(HwgenError, match=r"u_loop.*is in a loop without a register"):
        slowest({"top": module(cells, names={"u_loop": [2]})})


def test_a_pin_without_a_delay_is_an_error() -> None:
    cells = {"a": ff("0", 1), "d": ["DSP48E1", {}, {"OPMODE": ["input", [1]]}]}
    with pytest.raises(HwgenError, match=r"DSP48E1.OPMODE\[0\] of d; has no delay"):
        blocks({"top": module(cells)})


def test_an_unknown_cell_is_an_error() -> None:
    with pytest.raises(HwgenError):
        blocks({"top": module({"x": ["GTPE2_CHANNEL", {}, {}]})})


def test_registers_inside_a_dsp_cut_its_paths() -> None:
    slow = models([("DSP48E1", (("AREG", "00"), ("BREG", "00"), ("MREG", "0"), ("PREG", "0")))])
    fast = models([("DSP48E1", (("AREG", "01"), ("BREG", "01"), ("MREG", "1"), ("PREG", "1")))])
    (a,), (b,) = slow.values(), fast.values()
    assert (("B", 0), ("P", 0)) in a.arcs
    assert not b.arcs
    assert b.setups["B", 0] < 500 < b.launches["P", 0] + 500


SOURCE = """\
module top (
    input  wire        clk,
    input  wire [31:0] a,
    output reg  [31:0] y
);
    reg [31:0] a_q;
    always @(posedge clk) begin
        a_q <= a;
        y <= DEEP;
    end
endmodule
"""


def analysed(text: str, tmp_path: Path, target: str = "zynq") -> Timing:
    file = tmp_path / "top.v"
    file.write_text(text)
    return analyse_rtl([file], "top", get_target(target), cache=tmp_path)


def test_more_logic_is_slower_and_the_path_is_named(tmp_path: Path) -> None:
    short = analysed(SOURCE.replace("DEEP", "a_q ^ 32'd5"), tmp_path)
    deep = analysed(
        SOURCE.replace("DEEP", "((a_q + 32'd7) ^ (a_q >> 3)) + {a_q[0], a_q[31:1]}"), tmp_path
    )
    assert deep.critical_ns > short.critical_ns + 1
    assert deep.fmax_mhz == pytest.approx(1000 / deep.critical_ns)
    path = deep.paths[0]
    assert path.start.startswith("a_q[")
    assert path.start_line == "top.v:6"
    assert path.end.startswith("y[")
    assert path.end_line == "top.v:4"
    assert path.slack_ns == pytest.approx(5 - path.ns)
    assert path.stages[0].ns < path.stages[-1].ns < path.ns + 1e-9
    assert deep.failing == sum(n for k, n in enumerate(deep.histogram) if k * 0.25 >= 5)
    assert sum(deep.histogram) == deep.endpoints
    assert "no placement" in deep.source


MEMORY = """\
module top (
    input  wire        clk,
    input  wire        we,
    input  wire [ 4:0] at,
    input  wire [11:0] d,
    output reg  [11:0] y
);
    reg [11:0] d_q;
    reg [ 4:0] at_q;
    reg        we_q;
    (* ram_style = "distributed" *) reg [11:0] kept[0:31];
    always @(posedge clk) begin
        {d_q, at_q, we_q} <= {d, at, we};
        if (we_q) kept[at_q] <= d_q ^ {12{at_q[0]}};
        y <= kept[at_q];
    end
endmodule
"""


def test_a_path_into_a_memory_is_listed_once_with_its_line(tmp_path: Path) -> None:
    """LUT RAM of 12 bits is two blocks, kept.0.0 and kept.0.1."""
    into = [path for path in analysed(MEMORY, tmp_path).paths if path.end.startswith("kept")]
    assert len(into) == len({path.start.split("[")[0] for path in into}) > 0
    assert {path.end_line for path in into} == {"top.v:11"}


def test_a_wider_net_model_is_slower(tmp_path: Path) -> None:
    file = tmp_path / "top.v"
    file.write_text(SOURCE.replace("DEEP", "a_q + 32'd5"))
    found = [
        analyse_rtl([file], "top", get_target("zynq"), nets=NetModel(base=b), cache=tmp_path)
        for b in (0.5, 1.5)
    ]
    assert found[1].critical_ns > found[0].critical_ns + 0.9
    assert "0.50 + 0.09" in found[0].nets


def test_a_family_without_delays_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HwgenError, match="cell delays are known of xc7"):
        analysed(SOURCE.replace("DEEP", "a_q"), tmp_path, "ecp5-85k")


MULTIPLIED = SOURCE.replace("DEEP", "((a_q[31:16] ^ a_q[15:0]) * a_q[15:0]) ^ a_q")


@pytest.fixture(scope="module")
def derated(tmp_path_factory: pytest.TempPathFactory) -> Timing:
    return analysed(MULTIPLIED, tmp_path_factory.mktemp("derated"), "kv260")


def test_ultrascale_plus_has_an_estimate_by_a_derating(derated: Timing, tmp_path: Path) -> None:
    """Every ns of the same netlist is in proportion to the factor; the source names it."""
    assert derated.source.startswith(
        "by a derating of 0.72 from 7-series, estimated, no placement (Yosys "
    )
    assert "all delays x 0.72" in derated.nets
    file = tmp_path / "top.v"
    file.write_text(MULTIPLIED)
    half, whole = (
        analyse_rtl([file], "top", get_target("kv260"), factor=f, cache=tmp_path) for f in (0.5, 1)
    )
    assert half.critical_ns == pytest.approx(whole.critical_ns / 2)
    assert derated.critical_ns == pytest.approx(whole.critical_ns * 0.72)
    assert half.source.startswith("by a derating of 0.5 from 7-series, estimated, no placement (")
    assert whole.source.startswith("estimated, no placement (")
    assert "DSP48E2" in [stage.cell for stage in derated.paths[0].stages]


def test_reports_say_that_an_estimate_is_derated(derated: Timing) -> None:
    """Text, JSON and HTML; frames/s are for the smaller of the planned 250 MHz and the estimate."""
    said = "by a derating of 0.72 from 7-series, estimated, no placement"
    planned = get_target("kv260").clock_mhz
    assert planned == 250
    report = sample.report()
    report.target.clock_mhz = planned
    for fmax in (200.0, 300.0):
        timing = derated.model_copy(update={"fmax_mhz": fmax})
        found = type(report).model_validate(report.model_dump() | sections.timed(report, timing))
        assert found.fps.clock_mhz == min(fmax, planned)
        source = said if fmax < planned else f"planned; 300 MHz {said}"
        assert found.fps.clock_source == source
        assert found.fps.predicted == pytest.approx(
            min(fmax, planned) * 1e6 / report.cycles.predicted
        )
        assert said in "\n".join(summary_lines(found))
        assert said in found.model_dump_json()
        assert said in render_report(found)


@pytest.mark.parametrize("bad", ["0", "-0.5", "11", "nan", "inf", "fast"])
def test_a_wrong_derating_is_one_line(bad: str, capsys: pytest.CaptureFixture, tmp_path) -> None:
    assert main(["timing", str(tmp_path), "--derating", bad]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert "--derating" in err
    assert "must be above 0 and at most 10" in err or bad == "fast"
