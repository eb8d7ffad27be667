"""Pieces that every step uses: post-chain fields, parameter words, result streams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hwgen.engine import isa
from hwgen.engine.numerics import PARAM_BITS, SH3_OFF
from hwgen.ops.base import Op
from hwgen.schedule.builder import Builder
from hwgen.schedule.hazards import Writes, nest_order
from hwgen.schedule.plan import Part

Array = np.ndarray


def post_slots(b: Builder, op: Op, first: int, count: int) -> dict[str, Array]:
    """(count, L) constants of channel words first .. of every field that the chain reads."""
    lanes, p = b.s.lanes, op.post
    b3 = np.zeros((first + count) * lanes, dtype=np.int64) if p.b3 is None else p.b3
    c3 = isa.c3(b3, SH3_OFF if p.m3 is None else p.sh3)
    values = {"c3": _low(c3), "c3_high": c3 >> PARAM_BITS}
    out = {}
    for name in p.fields:
        vector = values.get(name, getattr(p, name, None))
        none = np.zeros((count, lanes), dtype=np.int64)
        out[name] = none if vector is None else channel_words(b, vector, first, count)
    return out


def _low(value: Array) -> Array:
    """The low 16 bits, as a signed number."""
    half = 1 << (PARAM_BITS - 1)
    return (value + half) % (2 * half) - half


def channel_words(b: Builder, m: Array, first: int, count: int) -> Array:
    """(count, L) words of a per-channel vector."""
    return np.asarray(m)[first * b.s.lanes : (first + count) * b.s.lanes].reshape(count, b.s.lanes)


def post_fields(op: Op) -> dict[str, int]:
    """Mode fields of the post chain."""
    p = op.post
    return {
        "sh1": p.sh1, "rp": int(p.slope is not None), "sh2": p.sh2,
        "chords": int(p.chords is not None), "aff": int(p.m3 is not None), "sh3": p.sh3,
        "bit_y3": int(p.bit_y3),
    }  # fmt: skip


@dataclass(frozen=True)
class Walk:
    """How result tokens and words follow levels 2 and 3.

    token(i2, i3) = token0 + i2 * t2 + i3 * t3; word(i2, i3) = word0 + i2 * w2 (w2 in {0, 1}).
    """

    n2: int
    n3: int
    t2: int
    t3: int
    w2: int = 0
    xd: int = 1
    token0: int = 0
    word0: int = 0

    def tokens(self) -> tuple[Array, Array]:
        """(token, word) of every result in issue order."""
        i2, i3 = nest_order(self.n2, self.n3, self.xd)
        return self.token0 + i2 * self.t2 + i3 * self.t3, self.word0 + i2 * self.w2


def results(
    b: Builder, op: Op, walk: Walk, residual: dict[str, Walk]
) -> tuple[dict, dict, Writes | None, Writes | None]:
    """Stream fields, stream tensors and expected writes of an instruction.

    `residual` maps pre / mid / out to the walk of that operand where it differs from the result's.
    """
    fields: dict[str, int] = {"n2": walk.n2, "n3": walk.n3, "xd": walk.xd}
    streams: dict[str, str] = {}
    for name in ("pre", "mid", "out"):
        tensor = getattr(op.post, name)
        if tensor is None:
            continue
        place, w = b.places[tensor], residual.get(name, walk)
        streams[name] = tensor
        fields |= {
            f"{name}_en": 1, f"{name}_mem": place.memory,
            f"{name}_base": place.address(w.token0, w.word0 % place.words),
            f"{name}_s2": w.t2 * place.stride + w.w2, f"{name}_s3": w.t3 * place.stride,
        }  # fmt: skip
    token, word = walk.tokens()
    if walk.w2:  # level 2 may run on over the words of the next tokens
        words = b.places[op.name if op.feature is not None else f"{op.name}.bits"].words
        token, word = token + word // words, word % words
    dst = bit = None
    if op.feature is not None:
        place = b.places[op.name]
        parts = 1 << op.post.pool
        part, first = walk.word0 % parts, walk.word0 // parts
        fields |= {
            "dst_en": 1, "dst_mem": place.memory, "dst_base": place.address(walk.token0, first),
            "dst_s2": walk.t2 * place.stride + walk.w2, "dst_s3": walk.t3 * place.stride,
            "pool": op.post.pool, "pool_pos": part,
        }  # fmt: skip
        assert op.post.pool == 0 or walk.w2 == 0
        groups = 8 >> op.post.pool
        mask = 255 if parts == 1 else ((1 << groups) - 1) << (part * groups)
        own = word if parts == 1 else np.full_like(word, first)
        dst = Writes(
            op.name,
            place.memory,
            place.address(token, own),
            token,
            own,
            mask,
            op.post.pool,
            part,
        )
    if op.bits is not None:
        name = f"{op.name}.bits"
        place = b.places[name]
        fields |= {
            "bit_en": 1, "bit_base": place.address(walk.token0, walk.word0),
            "bit_s2": place.step(walk.t2) + walk.w2, "bit_s3": place.step(walk.t3),
        }  # fmt: skip
        bit = Writes(name, place.memory, place.address(token, word), token, word)
    return fields, streams, dst, bit


def set_taps(
    b: Builder, taps: Sequence[tuple[int | None, int]], width: int, sx: int, pad: int | None
) -> None:
    """SET of the tap table: (address offset, None: outside; columns right) of every tap, `sx` words
    a column. What is outside the image of `width` columns is word `pad`; None: it wraps."""
    payload = {f"off{k}": off or 0 for k, (off, _) in enumerate(taps)}
    payload |= {f"dx{k}": dx for k, (_, dx) in enumerate(taps)}
    if pad is not None:
        out = sum(1 << k for k, (off, _) in enumerate(taps) if off is None)
        payload |= {"padded": 1, "pad": pad, "out": out}
    b.config("taps", width=width, sx=sx, **payload)


def token_range(op: Op, part: Part | None) -> tuple[int, int]:
    """(first, count) of the result tokens of a part."""
    _, width = op.out.rows
    return (part.first * width, part.count * width) if part else (0, op.out.tokens)


def window_range(op: Op, part: Part | None) -> range:
    """The windows of a part of a result (windows, T, C)."""
    first, tokens = token_range(op, part)
    inside = op.out.shape[1]
    return range(first // inside, (first + tokens) // inside)


def row_range(part: Part | None, height: int) -> tuple[int, int]:
    """(first, count) of the result rows of a part."""
    return (part.first, part.count) if part else (0, height)


def row_width(b: Builder, op: Op) -> int:
    """Width of the image rows that the op's instructions must follow (padded in BM), or 0."""
    bits = [f"{op.name}.bits"] if op.bits is not None else []
    places = [b.places[t] for t in (*op.sources, *bits)]
    return max(p.unit_tokens if p.padded else 0 for p in places)


def word_groups(words: int, limit: int) -> list[tuple[int, int]]:
    """Split channel words into (first, count) with power-of-two counts up to `limit`."""
    out, first = [], 0
    while first < words:
        count = 1 << (min(limit, words - first).bit_length() - 1)
        out.append((first, count))
        first += count
    return out
