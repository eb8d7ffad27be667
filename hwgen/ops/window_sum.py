"""Sums over windows with a stride and padding, a factor for every kind of window (MACV)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwgen.engine.sides import Sides, both
from hwgen.engine.sizing import Sizing
from hwgen.ops.base import HLS_LANES, Array, Op, Types, register, span
from hwgen.ops.types import TensorType
from hwgen.ops.xnor import Span, padded_spans


@register
@dataclass(frozen=True, eq=False)
class WindowSum(Op):
    """acc[y, x] = m[r] * sum of the cells v[y s - p + i, x s - p + j] on the grid, 0 <= i, j < k.

    r: the region of (y, x), results whose windows have the same rows and columns on the grid,
    row by row; m (regions, C). Source v (H*W, C) on `in_grid`. Averages that count the padding
    have one factor, others one for every number of cells. far: rows and columns of padding at the
    end of the grid beyond p.
    """

    kernel: Sides
    stride: Sides
    padding: Sides
    m: Array
    in_grid: tuple[int, int]
    far: Sides = 0

    UNIT: ClassVar[str] = "MACV"
    HLS: ClassVar[tuple[str, ...]] = ("vector_operands", *HLS_LANES)
    READS: ClassVar[tuple[str, ...]] = ("feature",)
    PADDED_ROWS: ClassVar[bool] = True

    def spans(self, axis: int) -> list[Span]:
        """Rows (axis 0) or columns of results by which taps lie on the grid."""
        places = (self.kernel, self.stride, self.padding, self.far)
        kernel, stride, padding, far = (both(place)[axis] for place in places)
        return padded_spans(self.in_grid[axis], kernel, stride, (padding, padding + far))

    def regions(self) -> list[tuple[Span, Span]]:
        """Kinds of rows with kinds of columns."""
        return [(rows, columns) for rows in self.spans(0) for columns in self.spans(1)]

    def out_grid(self) -> tuple[int, int]:
        height, width = (sum(span.size for span in self.spans(axis)) for axis in (0, 1))
        return height, width

    def sums(self, v: Array) -> tuple[Array, Array | None]:
        (h, w), (sy, sx) = self.out_grid(), both(self.stride)
        kernel = both(self.kernel)
        image = v.astype(np.int64).reshape(len(v), *self.in_grid, -1)
        around = ((p, p + f) for p, f in zip(both(self.padding), both(self.far)))
        image = np.pad(image, ((0, 0), *around, (0, 0)))
        acc = np.zeros((len(v), h, w, image.shape[-1]), dtype=np.int64)
        for i in range(kernel[0]):
            for j in range(kernel[1]):
                acc += image[:, i : i + sy * (h - 1) + 1 : sy, j : j + sx * (w - 1) + 1 : sx]
        for m, (rows, columns) in zip(self.m, self.regions(), strict=True):
            down = slice(rows.first, rows.first + rows.size)
            acc[:, down, columns.first : columns.first + columns.size] *= m
        return acc.reshape(len(v), h * w, -1), None

    def acc_bounds(self, v: TensorType) -> tuple[int, int]:
        ends = [
            span(v.lo, v.hi, np.repeat(m[:, None], len(rows.taps) * len(columns.taps), 1))
            for m, (rows, columns) in zip(self.m, self.regions(), strict=True)
        ]
        return min(low for low, _ in ends), max(high for _, high in ends)

    def result(self, v: TensorType) -> tuple[tuple[int, ...], tuple[int, int]]:
        h, w = self.out_grid()
        return (h * w, v.channels), (h, w)

    def source_rows(self, first: int, count: int) -> list[int] | None:
        stride, padding = both(self.stride)[0], both(self.padding)[0]
        low = stride * first - padding
        high = stride * (first + count - 1) - padding + both(self.kernel)[0]
        return list(range(max(0, low), min(self.in_grid[0], high)))

    def beats(self, s: Sizing, types: Types) -> int:
        cells = (y.size * x.size * len(y.taps) * len(x.taps) for y, x in self.regions())
        return self.channel_words(s) * sum(cells)

    def parameter_words(self, s: Sizing) -> int:
        return len(self.regions()) * self.chain_words(s)

    def violations(self, v: TensorType) -> Iterator[str]:
        if v.grid != self.in_grid:
            yield f"in_grid {self.in_grid}; the source is on {v.grid}"
        if not all(span.taps for axis in (0, 1) for span in self.spans(axis)):
            yield f"kernel {self.kernel}, padding {self.padding}; a result must see the grid"
        if len(self.m) != len(self.regions()):
            yield f"{len(self.m)} factors of {len(self.regions())} regions"
