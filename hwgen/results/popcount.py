"""Cost of a binary multiply-accumulate: the XNOR array with its partial sums, counted by Yosys.

`python -m hwgen.results.popcount` writes reports/popcount.json and the table in docs/popcount.md.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hwgen.atomic import write_text_atomic
from hwgen.paths import CHECKOUT, reports_dir, rtl_source
from hwgen.results import markers
from hwgen.synth.count import Count, count
from hwgen.synth.run import cell_counts, command
from hwgen.synth.units import elaborate, split
from hwgen.targets import get_target
from hwgen.tools.versions import require

LANES = 16
WIDTHS = (64, 128, 256)
TARGET = "zynq"
TREE = ("popcount_xnor3", "popcount_xnor8", "popcount_pairs", "popcount_total")

# The function of popcount.v, as one would write it down.
PLAIN = """\
module popcount #(
    parameter KW = 128,
    parameter POP_W = 8
) (
    input  wire             clk,
    input  wire [   KW-1:0] act,
    input  wire [   KW-1:0] weight,
    output reg  [POP_W-1:0] pop
);
    reg [POP_W-1:0] sum, sum_1, sum_2, sum_3, sum_4;
    integer k;
    always @* begin
        sum = {POP_W{1'b0}};
        for (k = 0; k < KW; k = k + 1) sum = sum + (act[k] == weight[k]);
    end
    always @(posedge clk) begin
        sum_1 <= sum;
        sum_2 <= sum_1;
        sum_3 <= sum_2;
        sum_4 <= sum_3;
        pop   <= sum_4;
    end
endmodule
"""

# Everything between the activation vector and the post lanes.
ARRAY = """\
module array_and_sums #(
    parameter LANES = 16,
    parameter KW = 128
) (
    input  wire                clk,
    input  wire                rst,
    input  wire                w_fill,
    input  wire                w_we,
    input  wire [         7:0] w_col,
    input  wire [16*LANES-1:0] w_data,
    input  wire                swap,
    input  wire [    4*KW-1:0] act,
    input  wire                i_valid,
    input  wire                i_restart,
    input  wire                i_first,
    input  wire                i_last,
    input  wire [         3:0] i_pattern,
    output wire                r_valid,
    output wire [16*LANES-1:0] r_pop,
    output wire [         3:0] r_pattern
);
    wire [16*LANES-1:0] pop;
    xnor_array #(
        .LANES(LANES),
        .KW(KW)
    ) u_array (
        .clk(clk),
        .w_fill(w_fill),
        .w_we(w_we),
        .w_col(w_col),
        .w_data(w_data),
        .swap(swap),
        .act(act),
        .pop(pop)
    );
    partial_sums #(
        .LANES(LANES),
        .PS_WORDS(256),
        .POP_W($clog2(KW + 1))
    ) u_ps (
        .clk(clk),
        .rst(rst),
        .i_valid(i_valid),
        .i_restart(i_restart),
        .i_first(i_first),
        .i_last(i_last),
        .i_pattern(i_pattern),
        .pop(pop),
        .r_valid(r_valid),
        .r_pop(r_pop),
        .r_pattern(r_pattern)
    );
endmodule
"""


def lane_cost(kw: int, plain: bool = False, cache: Path | None = None) -> dict[str, float]:
    """lut, ff, carry4 of one lane of kw columns, and lut_per_mac = lut / kw.

    One of LANES equal shares of `xnor_array` and `partial_sums`: shadow and current weights and
    their write enables, XNOR, adder tree, partial-sum adder with its bypasses and index. The
    memory of the partial sums is a block RAM. plain: with the popcount of PLAIN.
    """
    target = get_target(TARGET)
    names = ["xnor_array", "partial_sums", "register_copy", *(() if plain else ("popcount", *TREE))]
    files = [rtl_source(f"{name}.v") for name in names]
    with tempfile.TemporaryDirectory(prefix="hwgen_popcount_") as tmp:
        work = Path(tmp)
        (work / "array_and_sums.v").write_text(ARRAY)
        files.append(work / "array_and_sums.v")
        if plain:
            (work / "popcount.v").write_text(PLAIN)
            files.append(work / "popcount.v")
        sizes = {"LANES": LANES, "KW": kw}
        modules = elaborate(files, "array_and_sums", work, sizes)
    units = split(modules, "array_and_sums")
    cells = cell_counts(modules, units, target, cache=cache)
    total, chains = Count(), 0
    for unit in units:
        times = sum(unit.names.values())
        total += count(cells[unit.top]) * times
        chains += cells[unit.top].get("CARRY4", 0) * times
    return {
        "lut": round(total.lut / LANES, 1),
        "ff": round(total.ff / LANES, 1),
        "carry4": round(chains / LANES, 1),
        "lut_per_mac": round(total.lut / LANES / kw, 3),
    }


def measure() -> dict:
    """The content of reports/popcount.json."""
    version = ".".join(map(str, require("pyosys")))
    rows = [{"kw": kw, "hwgen": lane_cost(kw), "plain": lane_cost(kw, plain=True)} for kw in WIDTHS]
    return {
        "schema": "hwgen.popcount/1",
        "source": f"Yosys {version} {command(get_target(TARGET))}",
        "lanes": LANES,
        "rows": rows,
    }


def table(report: dict) -> str:
    """The Markdown between the markers of docs/popcount.md."""
    lines = [
        f"One lane of {report['lanes']}, counted by {report['source']}:",
        "",
        "| K | LUT | per MAC and cycle | FF | CARRY4 | plain: LUT | plain: per MAC and cycle "
        "| BISMO (Vivado), published by others: LUT |",
        "|" + " ---: |" * 8,
    ]
    for row in report["rows"]:
        ours, plain, kw = row["hwgen"], row["plain"], row["kw"]
        lines.append(
            f"| {kw} | {ours['lut']:g} | {ours['lut_per_mac']:.2f} | {ours['ff']:g} "
            f"| {ours['carry4']:g} | {plain['lut']:g} | {plain['lut_per_mac']:.2f} "
            f"| {1.17 * kw + 44:.0f} ({1.17 + 44 / kw:.2f}) |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    report = measure()
    text = json.dumps(report, indent=2) + "\n"
    write_text_atomic(reports_dir() / "popcount.json", text)
    page = CHECKOUT / "docs" / "popcount.md"
    write_text_atomic(page, markers.fill(page.read_text(), table(report)))


if __name__ == "__main__":
    main()
