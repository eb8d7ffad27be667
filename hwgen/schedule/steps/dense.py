"""PatchConv: scalars of the source times weight words (stem, full-precision conv, classifier).

16-bit weights stay in CM, four products a beat; 8-bit ones are read from WB, two of a word a beat.
"""

from __future__ import annotations

from hwgen.engine.sides import both
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
    width, (oh, ow), (down_step, step) = op.in_grid[1], op.out_grid(), op.step
    out_channels, _, _, c = op.weight.shape
    first, count = row_range(part, oh)
    per_beat = op.products
    for j in range(out_channels // lanes):
        for rows, columns in op.regions():
            top, bottom = max(rows.first, first), min(rows.first + rows.size, first + count)
            if top >= bottom:
                continue
            y, x = (
                s * r - p + span.taps[0]
                for r, s, p, span in zip(
                    (top, columns.first), op.step, both(op.border), (rows, columns)
                )
            )
            source = _element(b, op, part, y * width + x)
            assert source % per_beat == 0, f"{op.name}: element {source} does not begin a beat"
            down, across = len(rows.taps), len(columns.taps)
            seen = op.weight[j * lanes : (j + 1) * lanes, rows.taps[0] :, columns.taps[0] :]
            tile = seen[:, :down, :across].reshape(lanes, -1).T  # (taps, L)
            qm = post_slots(b, op, j, 1)
            if per_beat == 4:
                block = b.load(cm=tile, cm_quad=True, qm=qm)
                weights = {"quad": 1, "cm_base": block.cm, "cm_s0": 1, "cm_s1": across * c // 4}
            else:
                block = b.load(wb=pairs(tile) if per_beat == 2 else tile % 256, qm=qm)
                weights = {"wb_w": block.wb}
            walk = Walk(columns.size, bottom - top, 1, ow, token0=top * ow + columns.first, word0=j)
            fields, streams, dst, bit = results(b, op, walk, {})
            fields |= {
                "n0": across * c // per_beat, "n1": down, "src_mem": place.memory,
                "src_base": source, "src_s0": per_beat, "src_s1": width * c, "src_s2": step * c,
                "src_s3": down_step * width * c, "q_base": block.qm, **weights,
            }  # fmt: skip
            b.compute(
                "MACS", block, [op.sources[0]], streams, dst, bit, **fields, **post_fields(op)
            )


def _element(b: Builder, op: PatchConv, part: Part | None, token: int) -> int:
    """Element (of a lane, or a byte of the image) of the first channel of a token of the source."""
    place, lanes = b.places[op.sources[0]], b.s.lanes
    if b.types[op.sources[0]].kind != "image":
        return place.address(token) * lanes
    if part and place.slots:  # the strip begins with the part's first row
        return place.address(part.strip) * lanes
    return place.address(0) * lanes + token * op.weight.shape[3]
