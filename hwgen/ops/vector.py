"""Per-channel multiply-accumulates of feature words: affine, filters, pools, mixes (MACV)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwgen.ir.types import TensorType
from hwgen.ops.base import HLS_LANES, Array, Op, register, span
from hwgen.ops.kernels import cross_filter

Result = tuple[tuple[int, ...], tuple[int, int]]
TAPS = 12  # of a filter; a tap's column offset has 4 bits
CROSS_REACH = 2  # rows and columns from the middle of a cross that MACV stencil runs


def _grid(op: str, in_grid: tuple[int, int], x: TensorType, divisor: int = 1) -> Iterator[str]:
    if x.grid != in_grid:
        yield f"in_grid {in_grid}; the source is on {x.grid}"
    if in_grid[0] % divisor or in_grid[1] % divisor:
        yield f"{op} {divisor} on grid {in_grid}; must divide it"


@register
@dataclass(frozen=True, eq=False)
class Pointwise(Op):
    """acc = x * m per channel: affine maps, extra thresholds. Source (..., C), m (C,)."""

    m: Array

    UNIT: ClassVar[str] = "MACV"
    HLS: ClassVar[tuple[str, ...]] = ("vector_operands", *HLS_LANES)

    def sums(self, x: Array) -> tuple[Array, Array | None]:
        return x, self.m

    def acc_bounds(self, x: TensorType) -> tuple[int, int]:
        return span(x.lo, x.hi, self.m[:, None])

    def result(self, x: TensorType) -> Result:
        return x.shape, x.grid

    def source_rows(self, first: int, count: int) -> list[int] | None:
        return list(range(first, first + count))


@register
@dataclass(frozen=True, eq=False)
class CrossFilter(Op):
    """acc[y, x] = sum_r m[r] * v[y + dy_r, x + dx_r]: filter per channel, circular or padded.

    Sources v (H*W, C) on `in_grid`, and pad (1, C) where the filter is padded: v outside the grid.
    Without pad rows and columns count modulo H and W. offsets R pairs (dy, dx); m (R, C). The six
    shift branches of BHViT, or the four zero-padded averages of BinaryViT, and the residual fold
    into one such filter with 9 taps.
    """

    offsets: tuple[tuple[int, int], ...]
    m: Array
    in_grid: tuple[int, int]

    UNIT: ClassVar[str] = "MACV"
    HLS: ClassVar[tuple[str, ...]] = (
        "TapTable",
        "StencilRing",
        "stencil_operands",
        "vector_operands",
        *HLS_LANES,
    )

    @property
    def is_cross(self) -> bool:
        """True when all taps lie on the two axes, at most CROSS_REACH cells from the middle."""
        near = all(0 in offset and max(map(abs, offset)) <= CROSS_REACH for offset in self.offsets)
        return near and (self.padded or min(self.in_grid) >= CROSS_REACH)

    @property
    def padded(self) -> bool:
        """True when words outside the grid are those of the second source."""
        return len(self.sources) == 2

    def sums(self, v: Array, pad: Array | None = None) -> tuple[Array, Array | None]:
        grid = v.reshape(v.shape[0], *self.in_grid, -1)
        reach = max(max(abs(d) for d in offset) for offset in self.offsets)
        h, w = self.in_grid
        margin = ((0, 0), (reach, reach), (reach, reach), (0, 0))
        if pad is None:
            around = np.pad(grid, margin, "wrap")
        else:
            around = np.empty((len(v), h + 2 * reach, w + 2 * reach, v.shape[-1]), dtype=np.int64)
            around[:] = pad[:, None]
            around[:, reach : reach + h, reach : reach + w] = grid
        around = around.reshape(len(grid), h + 2 * reach, -1)
        acc = np.empty((len(grid), h, w * grid.shape[-1]), dtype=np.int64)
        top, left = (np.array(self.offsets, dtype=np.int64) + reach).T
        cross_filter(around, np.tile(self.m, w), top, left * grid.shape[-1], acc)
        return acc.reshape(v.shape), None

    def acc_bounds(self, v: TensorType, pad: TensorType | None = None) -> tuple[int, int]:
        lo, hi = (v.lo, v.hi) if pad is None else (min(v.lo, pad.lo), max(v.hi, pad.hi))
        return span(lo, hi, self.m.T)

    def result(self, v: TensorType, pad: TensorType | None = None) -> Result:
        return v.shape, v.grid

    def source_rows(self, first: int, count: int) -> list[int] | None:
        down, height = [dy for dy, _ in self.offsets], self.in_grid[0]
        rows = range(first + min(down), first + count + max(down))
        if self.padded:
            return [row for row in rows if 0 <= row < height]
        return sorted({row % height for row in rows})

    def operand_rows(self, tensor: str, first: int, count: int) -> list[int] | None:
        pad = self.padded and tensor == self.sources[1]
        return None if pad else super().operand_rows(tensor, first, count)

    def violations(self, v: TensorType, pad: TensorType | None = None) -> Iterator[str]:
        yield from _grid("filter", self.in_grid, v)
        if pad is not None and (pad.shape != (1, v.channels) or pad.frac != v.frac):
            yield f"pad {pad.shape} at frac {pad.frac}; must be (1, {v.channels}) at {v.frac}"
        if len(self.offsets) > TAPS:
            yield f"{len(self.offsets)} taps; must be at most {TAPS}"
        if any(not -8 <= dx <= 7 for _, dx in self.offsets):
            yield "a column offset; must be -8..7"


@register
@dataclass(frozen=True, eq=False)
class AvgPool(Op):
    """acc = m * sum of the k x k cells (stride k). Source (H*W, C), m (C,)."""

    kernel: int
    m: Array
    in_grid: tuple[int, int]

    UNIT: ClassVar[str] = "MACV"
    HLS: ClassVar[tuple[str, ...]] = ("vector_operands", *HLS_LANES)

    def sums(self, x: Array) -> tuple[Array, Array | None]:
        k, (h, w) = self.kernel, self.in_grid
        cells = x.reshape(x.shape[0], h // k, k, w // k, k, -1).sum((2, 4))
        return cells.reshape(x.shape[0], -1, x.shape[-1]), self.m

    def acc_bounds(self, x: TensorType) -> tuple[int, int]:
        return span(x.lo, x.hi, np.repeat(self.m[:, None], self.kernel**2, 1))

    def result(self, x: TensorType) -> Result:
        h, w = (side // self.kernel for side in self.in_grid)
        return (h * w, x.channels), (h, w)

    def source_rows(self, first: int, count: int) -> list[int] | None:
        return list(range(self.kernel * first, self.kernel * (first + count)))

    def violations(self, x: TensorType) -> Iterator[str]:
        yield from _grid("pooling", self.in_grid, x, self.kernel)


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
    HLS: ClassVar[tuple[str, ...]] = ("vector_operands", "maximum", *HLS_LANES)

    def sums(self, x: Array) -> tuple[Array, Array | None]:
        h, w = self.in_grid
        grid = x.reshape(x.shape[0], h, w, -1)
        cells = []
        for i in range(h // self.window):
            for j in range(w // self.window):
                rows, cols = merge_cells(self.window, i, h), merge_cells(self.window, j, w)
                part = grid[:, rows.start : rows.stop, cols.start : cols.stop]
                cells.append(part.max((1, 2)) if self.mode == "max" else part.sum((1, 2)))
        return np.stack(cells, 1), self.m

    def acc_bounds(self, x: TensorType) -> tuple[int, int]:
        taps = 1 if self.mode == "max" else self.window**2
        return span(min(x.lo, 0), max(x.hi, 0), np.repeat(self.m[:, None], taps, 1))

    def result(self, x: TensorType) -> Result:
        h, w = (side // self.window for side in self.in_grid)
        return (h * w, x.channels), (h, w)

    def violations(self, x: TensorType) -> Iterator[str]:
        yield from _grid("window", self.in_grid, x, self.window)
        if self.mode not in ("max", "sum"):
            yield f"mode {self.mode}; must be max or sum"


@register
@dataclass(frozen=True, eq=False)
class MergeMean(Op):
    """acc[i] = m * sum over windows of merge token i of every window.

    Source (n*n, T, C) with T = w*w + n*n (the last n*n are merge tokens) -> (n*n, C).
    """

    m: Array

    UNIT: ClassVar[str] = "MACV"
    HLS: ClassVar[tuple[str, ...]] = ("vector_operands", *HLS_LANES)

    def sums(self, z: Array) -> tuple[Array, Array | None]:
        return z[:, :, -z.shape[1] :].sum(1), self.m

    def acc_bounds(self, z: TensorType) -> tuple[int, int]:
        return span(z.lo, z.hi, np.repeat(self.m[:, None], z.shape[0], 1))

    def result(self, z: TensorType) -> Result:
        side = round(z.shape[0] ** 0.5)
        return (z.shape[0], z.channels), (side, z.shape[0] // side)

    def violations(self, z: TensorType) -> Iterator[str]:
        if len(z.shape) != 3 or z.shape[1] <= z.shape[0]:
            yield f"source of shape {z.shape}; must be windows with a merge token each"


@register
@dataclass(frozen=True, eq=False)
class WindowMix(Op):
    """acc = m * z without the merge tokens; `pre` has one row (C) per window, added to its tokens.

    Source (windows, T, C) -> (windows, w*w, C).
    """

    m: Array
    window: int

    UNIT: ClassVar[str] = "MACV"
    HLS: ClassVar[tuple[str, ...]] = ("vector_operands", *HLS_LANES)

    def sums(self, z: Array) -> tuple[Array, Array | None]:
        return z[:, :, : self.window**2], self.m

    def residual(self, value: Array, acc: Array) -> Array:
        return value[:, :, None] if value.ndim == acc.ndim - 1 else value

    def acc_bounds(self, z: TensorType) -> tuple[int, int]:
        return span(z.lo, z.hi, self.m[:, None])

    def result(self, z: TensorType) -> Result:
        return (z.shape[0], self.window**2, z.channels), (0, 0)

    def violations(self, z: TensorType) -> Iterator[str]:
        if len(z.shape) != 3 or z.shape[1] < self.window**2:
            yield f"source of shape {z.shape}; must be windows of {self.window}**2 or more tokens"


@register
@dataclass(frozen=True, eq=False)
class TokenMean(Op):
    """acc = m * sum over all tokens. Source (tokens, C) -> (1, C); m carries 1 / tokens."""

    m: Array

    UNIT: ClassVar[str] = "MACV"
    HLS: ClassVar[tuple[str, ...]] = ("vector_operands", *HLS_LANES)

    def sums(self, x: Array) -> tuple[Array, Array | None]:
        return x.sum(1, keepdims=True), self.m

    def acc_bounds(self, x: TensorType) -> tuple[int, int]:
        return span(x.lo, x.hi, np.repeat(self.m[:, None], x.tokens, 1))

    def result(self, x: TensorType) -> Result:
        return (1, x.channels), (1, 1)
