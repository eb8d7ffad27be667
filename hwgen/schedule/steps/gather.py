"""Gather: a piece after the other, each the words of its source's tokens."""

from __future__ import annotations

from hwgen.ops.gather import Gather
from hwgen.schedule.builder import Builder
from hwgen.schedule.plan import Part
from hwgen.schedule.steps.common import (
    Walk,
    channel_words,
    post_fields,
    post_slots,
    results,
    row_width,
    token_range,
    word_groups,
)
from hwgen.schedule.steps.registry import step
from hwgen.schedule.steps.vector import GROUP, cycling, split_tokens


@step("Gather")
def gather(b: Builder, op: Gather, part: Part | None) -> None:
    (start, tokens), width = token_range(op, part), row_width(b, op)
    word = 0  # of the result
    for i, channel, channels in op.pieces:
        place, lanes = b.places[op.sources[i]], b.s.lanes
        for at, count in word_groups(channels // lanes, GROUP):
            first, there = word + at, channel // lanes + at
            block = b.load(
                cm=channel_words(b, op.m, first, count), qm=post_slots(b, op, first, count)
            )
            if width:  # rows of bits lie apart
                walks = [
                    (Walk(width, tokens // width, 1, width, token0=start, word0=first + k),
                     {"src_base": place.address(start, there + k), "src_s2": place.stride,
                      "src_s3": width * place.stride,
                      "cm_base": block.cm + k, "q_base": block.qm + k})
                    for k in range(count)
                ]  # fmt: skip
            else:
                walks = [
                    (Walk(count, n, 0, 1, w2=1, token0=t, word0=first),
                     {"src_base": place.address(t, there), "src_s2": 1, "src_s3": place.stride,
                      "cm_base": block.cm, "q_base": block.qm, **cycling(count)})
                    for t, n in split_tokens(start, tokens)
                ]  # fmt: skip
            for walk, source in walks:
                fields, streams, dst, bit = results(b, op, walk, {})
                fields |= {"src_mem": place.memory, **post_fields(op), **source}
                b.compute("MACV", block, [op.sources[i]], streams, dst, bit, **fields)
        word += channels // b.s.lanes
