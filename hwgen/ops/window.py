"""Merge tokens of windows: pooling, mean and mixing (MACV)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwgen.engine.sizing import Sizing
from hwgen.ops.base import HLS_LANES, Array, Grid, Op, Shape, Types, register, span
from hwgen.ops.types import TensorType
from hwgen.ops.vector import Result, _grid


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
    READS: ClassVar[tuple[str, ...]] = ("feature",)
    PADDED_ROWS: ClassVar[bool] = True

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

    def beats(self, s: Sizing, types: Types) -> int:
        rows, columns = (
            sum(len(merge_cells(self.window, i, side)) for i in range(side // self.window))
            for side in self.in_grid
        )
        return self.channel_words(s) * rows * columns

    def parameter_words(self, s: Sizing) -> int:
        return self.chain_words(s)

    def source_rows(self, first: int, count: int) -> list[int] | None:
        height = self.in_grid[0]
        cells = [merge_cells(self.window, i, height) for i in range(first, first + count)]
        return list(range(cells[0].start, cells[-1].stop))

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
    READS: ClassVar[tuple[str, ...]] = ("feature",)
    PADDED_ROWS: ClassVar[bool] = False

    def sums(self, z: Array) -> tuple[Array, Array | None]:
        return z[:, :, -z.shape[1] :].sum(1), self.m

    def acc_bounds(self, z: TensorType) -> tuple[int, int]:
        return span(z.lo, z.hi, np.repeat(self.m[:, None], z.shape[0], 1))

    def result(self, z: TensorType) -> Result:
        side = round(z.shape[0] ** 0.5)
        return (z.shape[0], z.channels), (side, z.shape[0] // side)

    def beats(self, s: Sizing, types: Types) -> int:
        windows = types[self.sources[0]].shape[0]
        return self.result_words(s) * windows

    def parameter_words(self, s: Sizing) -> int:
        return self.chain_words(s)

    def source_rows(self, first: int, count: int) -> list[int] | None:
        return None

    def last_tokens(self, tensor: str) -> int:
        return self.out.shape[0] if tensor in self.sources else 0

    def violations(self, z: TensorType) -> Iterator[str]:
        if len(z.shape) != 3 or z.shape[1] < z.shape[0]:
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
    READS: ClassVar[tuple[str, ...]] = ("feature",)
    PADDED_ROWS: ClassVar[bool] = True

    def sums(self, z: Array) -> tuple[Array, Array | None]:
        return z[:, :, : self.window**2], self.m

    def residual(self, value: Array, acc: Array) -> Array:
        return value[:, :, None] if value.ndim == acc.ndim - 1 else value

    def acc_bounds(self, z: TensorType) -> tuple[int, int]:
        return span(z.lo, z.hi, self.m[:, None])

    def result(self, z: TensorType) -> Result:
        return (z.shape[0], self.window**2, z.channels), (0, 0)

    def beats(self, s: Sizing, types: Types) -> int:
        return self.result_words(s)

    def parameter_words(self, s: Sizing) -> int:
        return self.chain_words(s)

    def source_rows(self, first: int, count: int) -> list[int] | None:
        return list(range(first, first + count))

    def residual_fits(self, t: TensorType, shape: Shape, grid: Grid) -> bool:
        return t.shape[:-1] == shape[:1] or super().residual_fits(t, shape, grid)

    def violations(self, z: TensorType) -> Iterator[str]:
        if len(z.shape) != 3 or z.shape[1] < self.window**2:
            yield f"source of shape {z.shape}; must be windows of {self.window}**2 or more tokens"
