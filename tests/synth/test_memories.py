"""Large memories become what the resource estimate counts: ultra RAM where the part has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwgen.engine.resources import estimate
from hwgen.engine.sizing import Sizing
from hwgen.paths import rtl_source
from hwgen.synth import count_rtl
from hwgen.targets import get_target

WORDS, WIDTH = 4096, 512  # eight groups of 64 bits
SOURCE = f"""\
module features (
    input  wire             clk,
    input  wire [7:0]       we,
    input  wire [11:0]      waddr,
    input  wire [{WIDTH - 1}:0] wword,
    input  wire             re,
    input  wire [11:0]      raddr,
    output wire [{WIDTH - 1}:0] rword
);
    feature_memory #(.WORDS({WORDS}), .WIDTH({WIDTH}), .AW(12)) u_memory (
        .clk(clk), .we(we), .waddr(waddr), .wword(wword), .re(re), .raddr(raddr), .rword(rword)
    );
endmodule
"""


@pytest.mark.parametrize(("name", "blocks", "ultra"), [("zynq", 64, 0), ("kv260", 0, 8)])
def test_feature_memory(name: str, blocks: int, ultra: int, tmp_path: Path) -> None:
    file = tmp_path / "features.v"
    file.write_text(SOURCE)
    files = [file, rtl_source("feature_memory.v")]
    total, _ = count_rtl(files, "features", get_target(name), cache=tmp_path)
    assert (total.bram36, total.uram) == (blocks, ultra)
    large = Sizing(lanes=32, act_bits=16, fm_words=2 * WORDS, tm_words=1024)
    small, part = large.replace(fm_words=WORDS), get_target(name).uram > 0
    more = {k: estimate(large, part)[k] - estimate(small, part)[k] for k in ("bram36", "uram")}
    assert more == {"bram36": blocks, "uram": ultra}
