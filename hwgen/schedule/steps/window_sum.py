"""WindowSum: an instruction for every region and channel word, whose windows lie on the grid."""

from __future__ import annotations

from hwgen.engine.sides import both
from hwgen.ops.window_sum import WindowSum
from hwgen.schedule.builder import Builder
from hwgen.schedule.plan import Part
from hwgen.schedule.steps.common import (
    Walk,
    channel_words,
    post_fields,
    post_slots,
    results,
    row_range,
)
from hwgen.schedule.steps.registry import step


@step("WindowSum")
def window_sum(b: Builder, op: WindowSum, part: Part | None) -> None:
    place, width, (oh, ow) = b.places[op.sources[0]], op.in_grid[1], op.out_grid()
    down, across = both(op.stride)
    first, count = row_range(part, oh)
    for word in range(place.words):
        for m, (rows, columns) in zip(op.m, op.regions(), strict=True):
            top, bottom = max(rows.first, first), min(rows.first + rows.size, first + count)
            if top >= bottom:
                continue
            block = b.load(cm=channel_words(b, m, word, 1), qm=post_slots(b, op, word, 1))
            y, x = (
                s * r - p + span.taps[0]
                for r, s, p, span in zip(
                    (top, columns.first), (down, across), both(op.padding), (rows, columns)
                )
            )
            walk = Walk(columns.size, bottom - top, 1, ow, token0=top * ow + columns.first,
                        word0=word)  # fmt: skip
            fields, streams, dst, bit = results(b, op, walk, {})
            fields |= {
                "n0": len(columns.taps), "n1": len(rows.taps), "src_mem": place.memory,
                "src_base": place.address(y * width + x, word), "src_s0": place.stride,
                "src_s1": width * place.stride, "src_s2": across * place.stride,
                "src_s3": down * width * place.stride, "cm_base": block.cm,
                "q_base": block.qm,
            }  # fmt: skip
            b.compute("MACV", block, [op.sources[0]], streams, dst, bit, **fields,
                      **post_fields(op))  # fmt: skip
