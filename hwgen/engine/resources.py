"""Quick resource estimate of an engine from its sizes (`hwgen.targets.fit` refuses by it).

Coefficients are fitted to Yosys counts of engines of all shapes (`hwgen.results.residuals`; `hwgen
synth` counts one engine); an estimate is never reported as synthesis.
"""

from __future__ import annotations

from math import ceil

from hwgen.engine.numerics import UNIT_CHANNELS, head_units
from hwgen.engine.sizing import Sizing

RESOURCES = ("lut", "ff", "bram36", "dsp")
ULTRA_WIDTH, ULTRA_DEPTH = 72, 4096
BLOCK_DEPTH = 512  # words of a block RAM in its widest shape
PIECE = 2048  # words of a piece of FM or TM, at most
ULTRA_COST = 1024 / 129  # of an ultra RAM in BRAM36, by which Yosys chooses


def block_rams(width: int, depth: int) -> float:
    """BRAM36 of a simple dual-port memory, in 512 x 36 or 1024 x 18 halves."""
    wide = ceil(width / 36) * ceil(depth / 512)
    deep = ceil(width / 18) * ceil(depth / 1024)
    return min(wide, deep) / 2


def feature_memory(s: Sizing, words: int) -> tuple[float, int]:
    """(BRAM36, URAM) of FM or TM (feature_memory.v)."""
    width = s.lanes * s.act_bits // 8
    if not s.ultra:
        ninths, rest = divmod(width, 9)
        narrow = 0 < rest <= 4 and words > PIECE
        quads = 2 * (ninths + (rest > 0 and not narrow))
        return quads * block_rams(36, words) + (4 * ceil(words / 4096) if narrow else 0), 0
    blocks = block_rams(width, words)
    rams = ceil(width / ULTRA_WIDTH) * ceil(words / ULTRA_DEPTH)
    return (0, 8 * rams) if ULTRA_COST * rams <= blocks else (8 * blocks, 0)


def least_feature_memories(s: Sizing, words: int) -> float:
    """BRAM36 of FM and TM that hold so many words together, without ultra RAM and however these
    are divided; more words never need fewer."""
    s, blocks = s.replace(ultra=0), max(2, ceil(words / BLOCK_DEPTH))
    parts = [feature_memory(s, BLOCK_DEPTH * n)[0] for n in range(1, blocks)]
    return min(map(sum, zip(parts, parts[::-1], strict=True)))


def _store(s: Sizing) -> tuple[float, int]:
    """(BRAM36, URAM) of the weight store: rows and tail."""
    (rows, tail), width = s.store_rows, 16 * s.lanes
    blocks = block_rams(width, tail)
    if s.ultra:
        return blocks, ceil(width / ULTRA_WIDTH) * rows
    return blocks + block_rams(width, rows * ULTRA_DEPTH), 0


def _heads(s: Sizing) -> float:
    """LUT of attention heads beyond those of 64 channels: more words of the keys, sums of units,
    masks where heads share a unit (hwgen/units/attention.py has what was counted)."""
    words = 1 << (head_units(s.head) - 1).bit_length()
    sums = s.pk * (78 * (words - 1) + 13) if words > 1 else 0
    return sums + 300 * (s.head % UNIT_CHANNELS != 0)


def estimate(s: Sizing, family: str = "xc7") -> dict[str, float]:
    """Estimated lut, ff, bram36, uram, dsp of the whole engine.

    family: Yosys's. It packs nothing into multipliers of ECP5; what
    UltraScale adds: the rows of a weight store of ultra RAM, less LUT RAM.
    """
    lanes = s.lanes
    banks = 48 * 32  # of CM: no LUT RAM is shallower
    slots = 16 * s.cm_slots + banks + 16 * s.om_slots + 90 * max(32, s.qm_slots)  # bits of a lane
    # arithmetic, pooling, address and DMA multiplexers; parameters; an array row
    lut_lane = 338 + 23 * s.act_bits + slots / 48 + s.kw
    ff_lane = 875 + 2.69 * s.kw
    if family == "ecp5":
        lut_lane, ff_lane = lut_lane + 320, ff_lane + 640
    elif family != "xc7":
        lut_lane, ff_lane = lut_lane - 10, ff_lane + 81
    lut_rest = 7115 + 12.6 * s.kw + 270 * s.pk + _heads(s)
    either = [feature_memory(s, n) for n in (s.fm_words, s.tm_words)] + [_store(s)]
    return {
        "lut": lanes * lut_lane + lut_rest,
        "ff": lanes * ff_lane + 11895 + 10.45 * s.kw + 651 * s.pk,
        "bram36": sum(blocks for blocks, _ in either)
        + 4 * ceil(s.kw / 64) * ceil(s.bm_rows / 2048)  # byte writes: 64 of 72 bits
        + block_rams(16 * lanes, s.wb_words)
        + block_rams(16 * lanes, s.ps_words),
        "uram": sum(rams for _, rams in either),
        "dsp": 6 * lanes + 10,
    }
