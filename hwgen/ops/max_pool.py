"""Maximum over windows with a stride and padding: the pooling behind the stem of ResNets (MACV)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwgen.engine.sizing import Sizing
from hwgen.ops.base import Array, Op, Types, register, span
from hwgen.ops.types import TensorType
from hwgen.ops.vector import TAPS


@register
@dataclass(frozen=True, eq=False)
class MaxPool(Op):
    """acc[y, x] = m * max of v[y s - p + i, x s - p + j], 0 <= i, j < k, per channel.

    Sources v (H*W, C) on `in_grid` and pad (1, C), v outside the grid: the smallest feature, which
    is never the maximum. m (C,).
    """

    kernel: int
    stride: int
    padding: int
    m: Array
    in_grid: tuple[int, int]

    UNIT: ClassVar[str] = "MACV"
    HLS: ClassVar[tuple[str, ...]] = ("TapTable", "vector_operands", "maximum", "post_lane")
    READS: ClassVar[tuple[str, ...]] = ("feature",)
    PADDED_ROWS: ClassVar[bool] = True

    @property
    def result_grid(self) -> tuple[int, int]:
        h, w = ((side + 2 * self.padding - self.kernel) // self.stride + 1 for side in self.in_grid)
        return h, w

    def windows(self, v: Array, pad: Array) -> list[Array]:
        """(batch, h, w, C) of every tap, row by row."""
        p, s, (h, w) = self.padding, self.stride, self.result_grid
        rows, columns = (side + 2 * p for side in self.in_grid)
        around = np.empty((len(v), rows, columns, v.shape[-1]), dtype=np.int64)
        around[:] = pad[:, None]
        inside = around[:, p : p + self.in_grid[0], p : p + self.in_grid[1]]
        inside[:] = v.reshape(inside.shape)
        return [
            around[:, i : i + s * (h - 1) + 1 : s, j : j + s * (w - 1) + 1 : s]
            for i in range(self.kernel)
            for j in range(self.kernel)
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
        start = first * self.stride - self.padding
        end = start + (count - 1) * self.stride + self.kernel
        return list(range(max(0, start), min(end, self.in_grid[0])))

    def operand_rows(self, tensor: str, first: int, count: int) -> list[int] | None:
        return None if tensor == self.sources[1] else super().operand_rows(tensor, first, count)

    def beats(self, s: Sizing, types: Types) -> int:
        return self.result_words(s) * self.kernel**2

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
        divides = self.kernel == 1 or self.in_grid[1] % self.stride == 0
        if not divides or not self.padding < self.kernel <= TAPS // self.kernel:
            yield (
                f"kernel {self.kernel}, stride {self.stride}, padding {self.padding} on "
                f"{self.in_grid}; the stride must divide the width, windows have at most {TAPS}"
                " cells, the padding is smaller"
            )
        yield from self.outside(v, pad)

    def outside(self, v: TensorType, pad: TensorType) -> Iterator[str]:
        """Rules of the second source."""
        if pad.shape != (1, v.channels) or pad.hi > v.lo:
            yield f"pad {pad.shape} up to {pad.hi}; must be (1, {v.channels}), at most {v.lo}"
