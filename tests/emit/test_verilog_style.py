"""Style of the Verilog: the repository has no findings, and every rule finds a planted fault."""

from __future__ import annotations

import pytest

from hwgen.emit.rtl import write_rtl
from hwgen.emit.verilog_style import Source, check, emitted_lint, findings
from hwgen.engine.sizing import Sizing

GOOD = """// counter: q = number of cycles with `we`, and a memory.
//
// Reset: control only. // not a second `module x` and no tab
`default_nettype none
module counter #(
    parameter W = 8
) (
    input  wire         clk,
    input  wire         we,
    output wire [W-1:0] q
);
    (* ram_style = "distributed" *)
    reg [W-1:0] mem [0:15];
    reg [W-1:0] first_q, second_q;
    wire [W-1:0] word;

    generate
        if (W < 2) begin : gen_guard
            ERROR_counter_W_must_be_2_or_more u_stop ();
        end
    endgenerate

    adder #(
        .W(W)
    ) u_adder (
        .a(first_q), .b(second_q),
        .y(word)
    );
    inverter u_inverter (.a(word[W-1:0]), .y(q));

    always @(posedge clk) begin
        if (we) mem[word[3:0]] <= word;
        for (first_q = 0; first_q < 3; first_q = first_q + 1)
            second_q <= mem[0];
    end
endmodule
`default_nettype wire
"""

FAULTS = {
    "no none": ("`default_nettype none\n", "", "4: the code must begin with `default_nettype none"),
    "none behind the module": (
        "`default_nettype none\nmodule counter #(",
        "module counter #(\n`default_nettype none",
        "4: the code must begin with `default_nettype none",
    ),
    "no wire": (
        "endmodule\n`default_nettype wire\n",
        "endmodule\n",
        "36: the code must end with `default_nettype wire",
    ),
    "tab": ("    reg [W-1:0] mem", "\treg [W-1:0] mem", "13: no tabs"),
    "trailing blank": ("endmodule\n", "endmodule \n", "36: no trailing blanks"),
    "long line": (
        "// Reset:",
        "// " + 8 * "0123456789 " + "Reset:",
        "3: 149 characters; at most 100",
    ),
    "indentation": (
        "        if (we) mem",
        "      if (we) mem",
        "32: indentation must be a multiple of 4",
    ),
    "second module": (
        "endmodule\n",
        "endmodule\nmodule other;\nendmodule\n",
        "37: second module, other; one per file",
    ),
    "other name": ("module counter #", "module count #", "5: module count in counter.v"),
    "no header": ("// counter: q", "\n// counter: q", "1: no header comment"),
    "positional parameter": (
        ".W(W)\n    ) u_adder",
        "W\n    ) u_adder",
        "24: positional connection W",
    ),
    "positional pin": (".y(word)\n", "word\n", "27: positional connection word"),
    "positional pin of a plain instance": (
        "(.a(word[W-1:0]), .y(q))",
        "(.a(word[W-1:0]), {q, q})",
        "29: positional connection {q, q}",
    ),
    "array": (
        '    (* ram_style = "distributed" *)\n',
        "\n",
        "13: an array needs (* ram_style = ... *)",
    ),
    "array on one line": (
        "first_q, second_q;",
        "first_q, second_q [0:3];",
        "14: an array needs (* ram_style = ... *)",
    ),
}


def test_repository_has_no_findings() -> None:
    assert check() == []


def test_sound_file_has_no_findings() -> None:
    assert findings([Source("counter.v", GOOD)]) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_fault_is_found(fault: str) -> None:
    old, new, finding = FAULTS[fault]
    assert GOOD.count(old) == 1
    assert findings([Source("counter.v", GOOD.replace(old, new))]) == [f"counter.v:{finding}"]


def test_lint_of_the_emitted_engine(tmp_path) -> None:
    """A width that does not fit, deep inside, comes out with its place."""
    files = write_rtl(tmp_path, Sizing())
    path = tmp_path / "sequencer.v"
    path.write_text(path.read_text().replace("done <= 1'b1;", "done <= 2'd1;", 1))
    found = emitted_lint(files)
    assert len(found) == 1
    assert found[0].startswith("verilator: %Warning-WIDTHTRUNC: sequencer.v:")
