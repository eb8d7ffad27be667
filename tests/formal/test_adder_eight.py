"""adder_eight.v sums exactly, proven by SAT for every input; a sum one bit short is found."""

from __future__ import annotations

import pytest

from hwgen.paths import templates_dir
from hwgen.tools.yosys import try_yosys

FILES = ("adder_eight.v", "count5.v")
WIRES = r"""
module \$dff (input CLK, input [WIDTH-1:0] D, output [WIDTH-1:0] Q);
    parameter WIDTH = 1;
    parameter CLK_POLARITY = 1;
    assign Q = D;  // the inputs hold: latency does not count
endmodule
"""


def check(width: int) -> str:
    total = " + ".join(f"in[{i * width} +: {width}]" for i in range(8))
    return (
        f"module check(input [{8 * width - 1}:0] in, output equal);\n"
        f"  wire [{width + 2}:0] sum;\n"
        f"  adder_eight #(.W({width})) u_sum (.clk(1'b0), .in(in), .sum(sum));\n"
        f"  wire [{width + 2}:0] want = {total};\n"
        "  assign equal = sum == want;\nendmodule\n"
    )


def proven(width: int, folder, edit=("", "")) -> bool:
    texts = {name: (templates_dir() / "rtl/lib" / name).read_text() for name in FILES}
    assert edit[0] in texts[FILES[0]]
    texts[FILES[0]] = texts[FILES[0]].replace(*edit)
    texts |= {"check.v": check(width), "wires.v": WIRES}
    for name, text in texts.items():
        (folder / name).write_text(text)
    script = [f'read_verilog "{folder / name}"' for name in (*FILES, "check.v")]
    script += ["hierarchy -check -top check", "proc", "flatten"]
    script += [f'techmap -map "{folder / "wires.v"}"', "opt", "check -assert"]
    log, error = try_yosys([*script, "sat -verify -prove equal 1 check"], None)
    assert error or "SAT proof finished - no model found: SUCCESS!" in log
    return not error


@pytest.mark.parametrize("width", [1, 2, 3])
def test_sums_are_exact(width, tmp_path):
    assert proven(width, tmp_path)


def test_a_lost_carry_is_found(tmp_path):
    edit = ("reg [W+2:0] two_q;", "reg [W+1:0] two_q;")
    assert not proven(3, tmp_path, edit)
