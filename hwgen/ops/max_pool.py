"""Maximum over windows with a stride and padding: the pooling behind the stem of ResNets (MACV)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwgen.engine.sides import Sides, both
from hwgen.engine.sizing import Sizing
from hwgen.ops.base import Array, Op, Types, register, span
from hwgen.ops.types import TensorType
from hwgen.ops.vector import TAPS

REACH = 8  # columns of a window: offsets of taps have 4 bits


@register
@dataclass(frozen=True, eq=False)
class MaxPool(Op):
    """acc[y, x] = m * max of v[y s - p + i, x s - p + j], 0 <= i, j < k, per channel.

    Sources v (H*W, C) on `in_grid` and pad (1, C), v outside the grid: the smallest feature, which
    is never the maximum. m (C,). far: rows and columns of padding at the end of the grid beyond p.
    """

    kernel: Sides
    stride: Sides
    padding: Sides
    m: Array
    in_grid: tuple[int, int]
    far: Sides = 0

    UNIT: ClassVar[str] = "MACV"
    HLS: ClassVar[tuple[str, ...]] = ("TapTable", "vector_operands", "maximum", "post_lane")
    READS: ClassVar[tuple[str, ...]] = ("feature",)
    PADDED_ROWS: ClassVar[bool] = True

    @property
    def result_grid(self) -> tuple[int, int]:
        places = map(both, (self.kernel, self.stride, self.padding, self.far))
        h, w = ((g + 2 * p + f - k) // s + 1 for g, k, s, p, f in zip(self.in_grid, *places))
        return h, w

    @property
    def cells(self) -> int:
        """Taps of a window."""
        down, across = both(self.kernel)
        return down * across

    def windows(self, v: Array, pad: Array) -> list[Array]:
        """(batch, h, w, C) of every tap, row by row."""
        (py, px), (sy, sx), (h, w) = both(self.padding), both(self.stride), self.result_grid
        rows, columns = (
            side + 2 * p + f for side, p, f in zip(self.in_grid, (py, px), both(self.far))
        )
        around = np.empty((len(v), rows, columns, v.shape[-1]), dtype=np.int64)
        around[:] = pad[:, None]
        inside = around[:, py : py + self.in_grid[0], px : px + self.in_grid[1]]
        inside[:] = v.reshape(inside.shape)
        down, across = both(self.kernel)
        return [
            around[:, i : i + sy * (h - 1) + 1 : sy, j : j + sx * (w - 1) + 1 : sx]
            for i in range(down)
            for j in range(across)
        ]

    def sums(self, v: Array, pad: Array) -> tuple[Array, Array | None]:
        largest = np.maximum.reduce(self.windows(v, pad))
        return largest.reshape(len(v), -1, v.shape[-1]), self.m

    def acc_bounds(self, v: TensorType, pad: TensorType) -> tuple[int, int]:
        return span(v.lo, v.hi, self.m[:, None])

    def result(self, v: TensorType, pad: TensorType) -> tuple[tuple[int, ...], tuple[int, int]]:
        h, w = self.result_grid
        return (h * w, v.channels), (h, w)

    def source_rows(self, first: int, count: int) -> list[int] | None:
        stride = both(self.stride)[0]
        start = first * stride - both(self.padding)[0]
        end = start + (count - 1) * stride + both(self.kernel)[0]
        return list(range(max(0, start), min(end, self.in_grid[0])))

    def operand_rows(self, tensor: str, first: int, count: int) -> list[int] | None:
        return None if tensor == self.sources[1] else super().operand_rows(tensor, first, count)

    def beats(self, s: Sizing, types: Types) -> int:
        return self.result_words(s) * self.cells

    def parameter_words(self, s: Sizing) -> int:
        return self.chain_words(s)

    def streams(self) -> tuple[tuple[str, ...], ...]:
        return (self.sources,)

    def finer_scale(self) -> int:
        height, width = self.result_grid
        scale = self.in_grid[0] // height
        return scale if self.in_grid == (scale * height, scale * width) else 0

    def violations(self, v: TensorType, pad: TensorType) -> Iterator[str]:
        if v.grid != self.in_grid:
            yield f"in_grid {self.in_grid}; the source is on {v.grid}"
        kernel, padding = both(self.kernel), both(self.padding)
        divides = kernel[1] == 1 or self.in_grid[1] % both(self.stride)[1] == 0
        small = all(p < k for p, k in zip(padding, kernel)) and kernel[1] <= REACH
        if not divides or not small or self.cells > TAPS:
            yield (
                f"kernel {self.kernel}, stride {self.stride}, padding {self.padding} on "
                f"{self.in_grid}; the stride must divide the width, windows have at most {TAPS}"
                f" cells and {REACH} columns, the padding is smaller"
            )
        yield from self.outside(v, pad)

    def outside(self, v: TensorType, pad: TensorType) -> Iterator[str]:
        """Rules of the second source."""
        if pad.shape != (1, v.channels) or pad.hi > v.lo:
            yield f"pad {pad.shape} up to {pad.hi}; must be (1, {v.channels}), at most {v.lo}"
