"""PatchConv: scalars of the source times weight words (stem, full-precision conv, classifier).

16-bit weights stay in CM, four products a beat; 8-bit ones are read from WB, two of a word a beat.
"""

from __future__ import annotations

from hwgen.ops.base import Array
from hwgen.ops.dense import PatchConv
from hwgen.schedule.builder import Builder
from hwgen.schedule.plan import Part
from hwgen.schedule.steps.common import Walk, post_fields, post_slots, results, row_range
from hwgen.schedule.steps.registry import step


def pairs(weight: Array) -> Array:
    """(taps, L) 8-bit weights as (taps / 2, L) words: even taps in the low bytes, odd above."""
    return weight[0::2] % 256 + 256 * weight[1::2]


@step("PatchConv")
def patch_conv(b: Builder, op: PatchConv, part: Part | None) -> None:
    lanes, place = b.s.lanes, b.places[op.sources[0]]
    (height, width), (out_channels, k, _, c) = op.in_grid, op.weight.shape
    words = op.weight.reshape(out_channels, k * k * c).T  # (taps, O)
    ow = width // k
    first, rows = row_range(part, height // k)
    if b.types[op.sources[0]].kind == "image":
        source = place.address(part.strip if part and place.slots else 0) * lanes
        source += 0 if part is None or place.slots else first * k * width * c
    else:
        source = place.address(first * k * width) * lanes
    per_beat = op.products
    assert source % per_beat == 0, f"{op.name}: element {source} does not begin a beat"
    for j in range(out_channels // lanes):
        tile, qm = words[:, j * lanes : (j + 1) * lanes], post_slots(b, op, j, 1)
        if per_beat == 4:
            block = b.load(cm=tile, cm_quad=True, qm=qm)
            weights = {"quad": 1, "cm_base": block.cm, "cm_s0": 1, "cm_s1": k * c // 4}
        else:
            block = b.load(wb=pairs(tile) if per_beat == 2 else tile % 256, qm=qm)
            weights = {"wb_w": block.wb}
        walk = Walk(ow, rows, 1, ow, token0=first * ow, word0=j)
        fields, streams, dst, bit = results(b, op, walk, {})
        fields |= {
            "n0": k * c // per_beat, "n1": k, "src_mem": place.memory, "src_base": source,
            "src_s0": per_beat, "src_s1": width * c, "src_s2": k * c, "src_s3": k * width * c,
            "q_base": block.qm, **weights,
        }  # fmt: skip
        b.compute("MACS", block, [op.sources[0]], streams, dst, bit, **fields, **post_fields(op))
