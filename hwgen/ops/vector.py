"""Per-channel multiply-accumulates of feature words: affine, filters, pools, mixes (MACV)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwgen.ir.types import TensorType
from hwgen.ops.base import Array, Op, register, span


@register
@dataclass(frozen=True, eq=False)
class Pointwise(Op):
    """acc = x * m per channel: affine maps, extra thresholds. Source (..., C), m (C,)."""

    m: Array

    UNIT: ClassVar[str] = "MACV"

    def accumulate(self, x: Array) -> Array:
        return x * self.m

    def acc_bounds(self, x: TensorType) -> tuple[int, int]:
        return span(x.lo, x.hi, self.m[:, None])


@register
@dataclass(frozen=True, eq=False)
class CrossFilter(Op):
    """acc[y, x] = sum_r m[r] * v[y + dy_r mod H, x + dx_r mod W]: circular filter, per channel.

    Source (H*W, C) on `in_grid`; offsets R pairs (dy, dx); m (R, C). The six shift branches of
    BHViT and the residual fold into one such filter with 9 taps.
    """

    offsets: tuple[tuple[int, int], ...]
    m: Array
    in_grid: tuple[int, int]

    UNIT: ClassVar[str] = "MACV"

    def accumulate(self, v: Array) -> Array:
        grid = v.reshape(v.shape[0], *self.in_grid, -1)
        acc = 0
        for (dy, dx), m in zip(self.offsets, self.m, strict=True):
            acc = acc + np.roll(grid, (-dy, -dx), (1, 2)) * m
        return acc.reshape(v.shape)

    def acc_bounds(self, v: TensorType) -> tuple[int, int]:
        return span(v.lo, v.hi, self.m.T)


@register
@dataclass(frozen=True, eq=False)
class AvgPool(Op):
    """acc = m * sum of the k x k cells (stride k). Source (H*W, C), m (C,)."""

    kernel: int
    m: Array
    in_grid: tuple[int, int]

    UNIT: ClassVar[str] = "MACV"

    def accumulate(self, x: Array) -> Array:
        k, (h, w) = self.kernel, self.in_grid
        cells = x.reshape(x.shape[0], h // k, k, w // k, k, -1).sum((2, 4))
        return cells.reshape(x.shape[0], -1, x.shape[-1]) * self.m

    def acc_bounds(self, x: TensorType) -> tuple[int, int]:
        return span(x.lo, x.hi, np.repeat(self.m[:, None], self.kernel**2, 1))


def merge_cells(window: int, index: int, size: int) -> range:
    """Rows (or columns) that merge token `index` covers: pooling k = stride = w, padding w // 2."""
    start = window * index - window // 2
    return range(max(0, start), min(size, start + window))


@register
@dataclass(frozen=True, eq=False)
class MergePool(Op):
    """Merge tokens: acc = m * max, or m * sum, over w x w cells, stride w, padding w // 2.

    Source (H*W, C) on `in_grid`; result (n*n, C), n = H / w. Padding never wins the maximum and
    adds nothing to the sum; the average's constant 1 / w**2 is folded into m.
    """

    window: int
    mode: str  # "max" or "sum"
    m: Array
    in_grid: tuple[int, int]

    UNIT: ClassVar[str] = "MACV"

    def accumulate(self, x: Array) -> Array:
        h, w = self.in_grid
        grid = x.reshape(x.shape[0], h, w, -1)
        cells = []
        for i in range(h // self.window):
            for j in range(w // self.window):
                rows, cols = merge_cells(self.window, i, h), merge_cells(self.window, j, w)
                part = grid[:, rows.start : rows.stop, cols.start : cols.stop]
                cells.append(part.max((1, 2)) if self.mode == "max" else part.sum((1, 2)))
        return np.stack(cells, 1) * self.m

    def acc_bounds(self, x: TensorType) -> tuple[int, int]:
        taps = 1 if self.mode == "max" else self.window**2
        return span(min(x.lo, 0), max(x.hi, 0), np.repeat(self.m[:, None], taps, 1))


@register
@dataclass(frozen=True, eq=False)
class MergeMean(Op):
    """acc[i] = m * sum over windows of merge token i of every window.

    Source (n*n, T, C) with T = w*w + n*n (the last n*n are merge tokens) -> (n*n, C).
    """

    m: Array

    UNIT: ClassVar[str] = "MACV"

    def accumulate(self, z: Array) -> Array:
        return z[:, :, -z.shape[1] :].sum(1) * self.m

    def acc_bounds(self, z: TensorType) -> tuple[int, int]:
        return span(z.lo, z.hi, np.repeat(self.m[:, None], z.shape[0], 1))


@register
@dataclass(frozen=True, eq=False)
class WindowMix(Op):
    """acc = m * z without the merge tokens; `pre` holds one row (C) per window, added to each token.

    Source (windows, T, C) -> (windows, w*w, C).
    """

    m: Array
    window: int

    UNIT: ClassVar[str] = "MACV"

    def accumulate(self, z: Array) -> Array:
        return z[:, :, : self.window**2] * self.m

    def residual(self, value: Array, acc: Array) -> Array:
        return value[:, :, None] if value.ndim == acc.ndim - 1 else value

    def acc_bounds(self, z: TensorType) -> tuple[int, int]:
        return span(z.lo, z.hi, self.m[:, None])


@register
@dataclass(frozen=True, eq=False)
class TokenMean(Op):
    """acc = m * sum over all tokens. Source (tokens, C) -> (1, C); m carries 1 / tokens."""

    m: Array

    UNIT: ClassVar[str] = "MACV"

    def accumulate(self, x: Array) -> Array:
        return x.sum(1, keepdims=True) * self.m

    def acc_bounds(self, x: TensorType) -> tuple[int, int]:
        return span(x.lo, x.hi, np.repeat(self.m[:, None], x.tokens, 1))
