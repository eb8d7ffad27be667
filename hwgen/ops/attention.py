"""Quantization-decomposition attention on bits (BHViT Eq. 9-11)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwgen.ir.types import TensorType
from hwgen.ops.base import Array, Op, register, signed
from hwgen.ops.numerics import HEAD_DIM, attention_levels

MAX_TOKENS = 256  # of a window: size of the attention unit's tables
KAPPA_BITS = 24


@register
@dataclass(frozen=True, eq=False)
class Attention(Op):
    """acc = m * sum_t level[q, t] v[t], levels 0..3 of the softmax of q k^T / 8 by thresholds.

    Sources q, k, v: bits (windows, T, C) or (tokens, C) as one window; heads of 64 channels.
    kappa (heads, 3): (k - 1/2 - zero_point) alpha / 3 at scale 2**-20, at least 0; neg (heads,):
    1 where alpha < 0 (then a level is reached at or below its threshold). m (C,) holds alpha.
    """

    kappa: Array
    neg: Array
    m: Array

    UNIT: ClassVar[str] = "ATT"

    def scores(self, q: Array, k: Array) -> Array:
        """popcount(xnor(q, k)) per head: (batch, windows, heads, T, T) in [0, 64]."""
        return np.rint((self._heads(q) @ self._heads(k).swapaxes(-1, -2) + HEAD_DIM) / 2).astype(
            np.int64
        )

    def levels(self, q: Array, k: Array) -> Array:
        """Quantised attention levels 0..3, same shape as the scores."""
        p = self.scores(q, k)
        per_head = [
            attention_levels(p[:, :, h], self.kappa[h], bool(self.neg[h]))
            for h in range(p.shape[2])
        ]
        return np.stack(per_head, 2)

    def sums(self, q: Array, k: Array, v: Array) -> tuple[Array, Array | None]:
        context = self.levels(q, k).astype(np.float32) @ self._heads(v)
        context = context.swapaxes(2, 3)  # (batch, windows, T, heads, 64)
        return context.reshape(q.shape), self.m

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
        if tensor in self.sources[1:]:
            return None  # every query reads all keys and values
        return super().operand_rows(tensor, first, count)

    def violations(self, q: TensorType, k: TensorType, v: TensorType) -> Iterator[str]:
        if q.channels % HEAD_DIM or self.kappa.shape != (q.channels // HEAD_DIM, 3):
            yield f"{q.channels} channels, {len(self.kappa)} heads; a head has {HEAD_DIM} channels"
        if k.shape[-2] > MAX_TOKENS:
            yield f"{k.shape[-2]} keys; at most {MAX_TOKENS}"
        if k.shape != v.shape or k.channels != q.channels or k.shape[:-2] != q.shape[:-2]:
            yield f"q, k, v of {q.shape}, {k.shape}, {v.shape}; must be equal"
        if self.kappa.min() < 0 or self.kappa.max() >= 1 << KAPPA_BITS:
            yield f"kappa up to {self.kappa.max()}; must fit {KAPPA_BITS} bits"

    @staticmethod
    def _heads(x: Array) -> Array:
        x = signed(x if x.ndim == 4 else x[:, None])
        b, w, t, c = x.shape
        return x.reshape(b, w, t, c // HEAD_DIM, HEAD_DIM).swapaxes(2, 3)
