"""Attention: one instruction per head and window, over all its queries."""

from __future__ import annotations

from hwgen.engine.numerics import HEAD_DIM
from hwgen.ops.attention import Attention
from hwgen.schedule.builder import Builder
from hwgen.schedule.plan import Part
from hwgen.schedule.steps.common import (
    Walk,
    channel_words,
    post_fields,
    post_slots,
    results,
    token_range,
)
from hwgen.schedule.steps.registry import step


@step("Attention")
def attention(b: Builder, op: Attention, part: Part | None) -> None:
    q, k, v = (b.places[t] for t in op.sources)
    shape, keys = (b.types[t].shape for t in op.sources[:2])
    windows, (queries, tokens) = (shape[0] if len(shape) == 3 else 1), (shape[-2], keys[-2])
    first_query = 0
    if part is not None:
        first_query, queries = token_range(op, part)
    assert q.stride == k.stride == v.stride, op.name
    assert not any(place.padded for place in (q, k, v)), op.name
    words = HEAD_DIM // b.s.lanes
    for head in range(shape[-1] // HEAD_DIM):
        kappa = op.kappa[head]
        b.config(
            "att",
            kappa1=int(kappa[0]),
            kappa2=int(kappa[1]),
            kappa3=int(kappa[2]),
            neg=int(op.neg[head]),
        )
        first = head * words
        block = b.load(cm=channel_words(b, op.m, first, words), qm=post_slots(b, op, first, words))
        for win in range(windows):
            token0 = win * queries + first_query
            walk = Walk(words, queries, 0, 1, w2=1, token0=token0, word0=first)
            fields, streams, dst, bit = results(b, op, walk, {})
            fields |= {
                "n0": 1, "n1": 1, "cm_base": block.cm, "cm_mask": words - 1, "cm_s2": 1,
                "q_base": block.qm, "q_mask": words - 1, "t_stride": q.stride,
                "queries": queries, "tokens": tokens, "q_bits": q.address(token0, first),
                "k_bits": k.address(win * tokens, first), "v_bits": v.address(win * tokens, first),
            }  # fmt: skip
            b.compute(
                "ATT", block, list(op.sources), streams, dst, bit, **fields, **post_fields(op)
            )
