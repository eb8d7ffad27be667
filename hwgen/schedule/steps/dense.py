"""PatchConv: scalars of the source times weight words (stem, full-precision conv, classifier)."""

from __future__ import annotations

from hwgen.ops.dense import PatchConv
from hwgen.schedule.builder import Builder
from hwgen.schedule.plan import Part
from hwgen.schedule.steps import step
from hwgen.schedule.steps.common import Walk, post_fields, post_slots, results, row_range


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
    for j in range(out_channels // lanes):
        block = b.load(wb=words[:, j * lanes : (j + 1) * lanes], qm=post_slots(b, op, j, 1))
        walk = Walk(ow, rows, 1, ow, token0=first * ow, word0=j)
        fields, streams, dst, bit = results(b, op, walk, {})
        fields |= {
            "n0": k * c, "n1": k, "src_mem": place.memory, "src_base": source,
            "src_s0": 1, "src_s1": width * c, "src_s2": k * c, "src_s3": k * width * c,
            "wb_w": block.wb, "q_base": block.qm,
        }  # fmt: skip
        b.compute("MACS", block, [op.sources[0]], streams, dst, bit, **fields, **post_fields(op))
