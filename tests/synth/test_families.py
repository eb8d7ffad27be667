"""Multipliers become DSP blocks, and stay, on every family of the targets."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwgen.synth import count_rtl
from hwgen.targets import get_target, target_names

SOURCE = """\
module scaled (
    input  wire               clk,
    input  wire signed [15:0] a,
    input  wire signed [15:0] b,
    output reg  signed [31:0] y
);
    always @(posedge clk) y <= a * b;
endmodule
"""
FAMILIES = {get_target(name).family: name for name in target_names()}


@pytest.mark.parametrize("name", FAMILIES.values())
def test_a_product_is_one_multiplier(name: str, tmp_path: Path) -> None:
    file = tmp_path / "scaled.v"
    file.write_text(SOURCE)
    total, _ = count_rtl([file], "scaled", get_target(name), cache=tmp_path)
    assert total.dsp == 1
    assert total.lut <= 2
