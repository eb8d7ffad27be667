"""Large memories become what the resource estimate counts: ultra RAM where the part has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwgen.engine.resources import feature_memory
from hwgen.engine.sizing import Sizing
from hwgen.paths import rtl_source
from hwgen.synth import count_rtl
from hwgen.targets import get_target

SOURCE = """\
module features (
    input  wire             clk,
    input  wire [7:0]       we,
    input  wire [{AW}-1:0]    waddr,
    input  wire [{WIDTH}-1:0] wword,
    input  wire             re,
    input  wire [{AW}-1:0]    raddr,
    output wire [{WIDTH}-1:0] rword
);
    feature_memory #(.WORDS({WORDS}), .WIDTH({WIDTH}), .AW({AW}), .ULTRA({ULTRA})) u_memory (
        .clk(clk), .we(we), .waddr(waddr), .wword(wword), .re(re), .raddr(raddr), .rword(rword)
    );
endmodule
"""


@pytest.mark.parametrize(
    ("name", "lanes", "act_bits", "words", "blocks", "ultra"),
    [
        ("zynq", 32, 16, 4096, 60, 0),  # groups of 64 bits: 7 ninths, and 1 bit
        ("zynq", 32, 12, 7168, 78, 0),  # of 48 bits: 5 ninths, and 3 bits
        ("zynq", 16, 16, 2560, 20, 0),  # 2,048 words, and 512 in pieces of 36 bits
        ("kv260", 32, 16, 4096, 0, 8),
    ],
)
def test_feature_memory(
    name: str, lanes: int, act_bits: int, words: int, blocks: int, ultra: int, tmp_path: Path
) -> None:
    target = get_target(name)
    part = int(target.uram > 0)
    file = tmp_path / "features.v"
    values = {"WORDS": words, "WIDTH": lanes * act_bits, "AW": (words - 1).bit_length()}
    file.write_text(SOURCE.format(ULTRA=part, **values))
    files = [file, rtl_source("feature_memory.v")]
    total, _ = count_rtl(files, "features", target, cache=tmp_path)
    assert (total.bram36, total.uram) == (blocks, ultra)
    if not part:  # a LUT a bit selects among up to four pieces
        assert total.lut <= lanes * act_bits + 16
    sizing = Sizing(lanes=lanes, act_bits=act_bits, ultra=part)
    assert feature_memory(sizing, words) == (blocks, ultra)
