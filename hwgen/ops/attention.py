"""Quantization-decomposition attention on bits (BHViT Eq. 9-11)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwgen.engine.numerics import LANE_CHANNELS, UNIT_CHANNELS, attention_levels, attention_scores
from hwgen.engine.sizing import Sizing
from hwgen.ops.base import HLS_LANES, Array, Op, Types, register, signed
from hwgen.ops.types import TensorType
from hwgen.units.attention import Attention as AttentionUnit

MAX_TOKENS = 256  # keys of a window: size of the attention unit's memories
MAX_HEAD = 256  # channels of a head
MAX_QUERIES = 4095  # of a window: its field in the instruction
KAPPA_BITS = 24
SCORES_AT_ONCE = 1 << 20  # of the golden execution: 8 MiB of scores
# A level that no score reaches (neg = 0): EXP 2**20 >= NEVER sum(EXP) holds for no key, as
# the sum is at least the key's own EXP and EXP > 0. One level instead of three: kappa2 = kappa3.
NEVER = (1 << KAPPA_BITS) - 1


@register
@dataclass(frozen=True, eq=False)
class Attention(Op):
    """acc = m * sum_j level[i, j] v[j], levels 0..3 of softmax(q k^T / sqrt(d)) by thresholds.

    Sources: bits, q (windows, N, C), k and v (windows, M, C), or (N, C) and (M, C) as one window;
    N up to MAX_QUERIES, M up to MAX_TOKENS; heads of d = C / heads channels, up to MAX_HEAD. The
    result has q's shape and grid. kappa (heads, 3): (k - 1/2 - zero_point) alpha / 3 at scale
    2**-20, at least 0, NEVER for a level that is not there; neg (heads,): 1 where alpha < 0 (then a
    level is reached at or below its threshold). m (C,) holds alpha.
    """

    kappa: Array
    neg: Array
    m: Array

    UNIT: ClassVar[str] = "ATT"
    HLS: ClassVar[tuple[str, ...]] = (
        "score",
        "compare_levels",
        "Attention",
        "context_operands",
        *HLS_LANES,
    )
    READS: ClassVar[tuple[str, ...]] = ("bits",)
    PADDED_ROWS: ClassVar[bool] = False
    OWN_WIDTH: ClassVar[tuple[str, ...]] = ("kappa",)

    def scores(self, q: Array, k: Array) -> Array:
        """Scores of popcount(xnor(q, k)) per head: (batch, windows, heads, N, M), 7 bits."""
        return self._scores(self._heads(q), self._heads(k))

    @property
    def head(self) -> int:
        """Channels of a head."""
        return len(self.m) // len(self.kappa)

    def levels(self, q: Array, k: Array) -> Array:
        """Quantised attention levels 0..3, same shape as the scores."""
        return self._levels(self.scores(q, k))

    def sums(self, q: Array, k: Array, v: Array) -> tuple[Array, Array | None]:
        context = np.empty(q.shape, dtype=np.float32)
        scores = int(np.prod(q.shape[1:-1])) * k.shape[-2] * len(self.kappa)  # of an image
        count = max(1, SCORES_AT_ONCE // scores)  # images: scores are larger than all else
        for first in range(0, len(q), count):
            some = slice(first, first + count)
            levels = self._levels(self._scores(self._heads(q[some]), self._heads(k[some])))
            sums = levels.astype(np.float32) @ self._heads(v[some])  # (.., windows, heads, N, d)
            context[some] = sums.swapaxes(2, 3).reshape(q[some].shape)
        return context, self.m

    def acc_bounds(self, q: TensorType, k: TensorType, v: TensorType) -> tuple[int, int]:
        top = int(np.abs(self.m).max()) * 3 * k.shape[-2]
        return -top, top

    def result(
        self, q: TensorType, k: TensorType, v: TensorType
    ) -> tuple[tuple[int, ...], tuple[int, int]]:
        return q.shape, q.grid

    def source_rows(self, first: int, count: int) -> list[int] | None:
        return list(range(first, first + count))

    def operand_rows(self, tensor: str, first: int, count: int) -> list[int] | None:
        if tensor in self.sources[1:] and len(self.out.shape) == 2:
            return None  # every query reads all keys and values
        return super().operand_rows(tensor, first, count)

    def beats(self, s: Sizing, types: Types) -> int:
        unit = AttentionUnit(s.lanes, s.kw, s.pk, head=self.head)
        shape = types[self.sources[1]].shape
        queries, keys, total = self.out.tokens, shape[-2], 0
        windows = shape[0] if len(shape) == 3 else 1
        for first in range(0, self.out.channels, self.head):
            units = unit.units(first % UNIT_CHANNELS)
            if unit.overlaps(keys):
                total += units * queries * unit.period(keys, units)
            else:  # every instruction alone
                total += units * windows * unit.cycles(queries // windows, keys, units)
        return total

    def parameter_words(self, s: Sizing) -> int:
        return self.chain_words(s)

    def head_channels(self) -> int | None:
        return self.head

    def lane_channels(self) -> tuple[int, ...]:
        return (self.head,)

    def violations(self, q: TensorType, k: TensorType, v: TensorType) -> Iterator[str]:
        heads = len(self.kappa)
        if self.kappa.shape != (heads, 3) or q.channels % (LANE_CHANNELS * heads):
            yield (
                f"{q.channels} channels, {heads} heads; a head has a multiple of {LANE_CHANNELS}"
            )
        elif q.channels > MAX_HEAD * heads:
            yield f"heads of {q.channels // heads} channels; at most {MAX_HEAD}"
        if k.shape[-2] > MAX_TOKENS:
            yield f"{k.shape[-2]} keys; a window has at most {MAX_TOKENS}"
        if q.shape[-2] > MAX_QUERIES:
            yield f"{q.shape[-2]} queries; a window has at most {MAX_QUERIES}"
        others = [t.shape[:-2] + t.shape[-1:] for t in (q, k)]
        if k.shape != v.shape or others[0] != others[1]:
            yield (
                f"q, k, v of {q.shape}, {k.shape}, {v.shape}; k and v must be equal, "
                "q of as many windows and channels"
            )
        if self.kappa.min() < 0 or self.kappa.max() >= 1 << KAPPA_BITS:
            yield f"kappa up to {self.kappa.max()}; must fit {KAPPA_BITS} bits"

    def _levels(self, scores: Array) -> Array:
        per_head = [
            attention_levels(scores[:, :, h], self.kappa[h], bool(self.neg[h]), self.head)
            for h in range(scores.shape[2])
        ]
        return np.stack(per_head, 2)

    def _scores(self, q: Array, k: Array) -> Array:
        equal = np.rint((q @ k.swapaxes(-1, -2) + self.head) / 2).astype(np.int64)
        return attention_scores(equal, self.head)

    def _heads(self, x: Array) -> Array:
        """(batch, windows, heads, tokens, d) of +1.0 / -1.0."""
        x = signed(x if x.ndim == 4 else x[:, None])
        b, w, t, c = x.shape
        return x.reshape(b, w, t, c // self.head, self.head).swapaxes(2, 3)
