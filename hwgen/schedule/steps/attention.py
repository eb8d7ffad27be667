"""Attention: one instruction per window, head and 64 channels of its values, over all queries."""

from __future__ import annotations

from hwgen.engine.numerics import UNIT_CHANNELS
from hwgen.errors import FitError
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
    window_range,
)
from hwgen.schedule.steps.registry import step
from hwgen.units.attention import Attention as AttentionUnit


@step("Attention")
def attention(b: Builder, op: Attention, part: Part | None) -> None:
    q, k, v = (b.places[t] for t in op.sources)
    shape, keys = (b.types[t].shape for t in op.sources[:2])
    queries, tokens = shape[-2], keys[-2]
    windows, first_query = range(1), 0
    if len(shape) == 3:
        windows = window_range(op, part)
    else:
        first_query, queries = token_range(op, part)
    assert q.stride == k.stride == v.stride, op.name
    assert not any(place.padded for place in (q, k, v)), op.name
    if op.head != b.s.head:
        raise FitError(
            op.name,
            f"heads of {op.head} channels",
            f"the engine's have {b.s.head}",
            f"--set head={op.head}; one engine has heads of one width",
        )
    unit = AttentionUnit(b.s.lanes, b.s.kw, b.s.pk, head=op.head)
    for head in range(len(op.kappa)):
        kappa = op.kappa[head]
        b.config(
            "att",
            kappa1=int(kappa[0]),
            kappa2=int(kappa[1]),
            kappa3=int(kappa[2]),
            neg=int(op.neg[head]),
        )
        channel = head * op.head
        offset = channel % UNIT_CHANNELS
        start = (channel - offset) // b.s.lanes  # element of the head's first unit
        for v_unit in range(unit.units(offset)):
            own, words = unit.own_words(offset, v_unit)
            value = start + v_unit * unit.words  # .. of the values
            first = value + own  # result word
            block = b.load(
                cm=channel_words(b, op.m, first, words), qm=post_slots(b, op, first, words)
            )
            for win in windows:
                token0 = win * queries + first_query
                walk = Walk(words, queries, 0, 1, w2=1, token0=token0, word0=first)
                fields, streams, dst, bit = results(b, op, walk, {})
                mask = (1 << (words - 1).bit_length()) - 1  # holds the words
                fields |= {
                    "n0": 1, "n1": 1, "cm_base": block.cm, "cm_mask": mask, "cm_s2": 1,
                    "q_base": block.qm, "q_mask": mask, "t_stride": q.stride,
                    "queries": queries, "tokens": tokens, "q_bits": q.address(token0, start),
                    "k_bits": k.address(win * tokens, start),
                    "v_bits": v.address(win * tokens, value),
                    "offset": offset // 8, "v_unit": v_unit,
                }  # fmt: skip
                b.compute(
                    "ATT", block, list(op.sources), streams, dst, bit, **fields, **post_fields(op)
                )
