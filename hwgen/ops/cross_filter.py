"""A filter per channel over rows and columns of the grid (MACV, stencil)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import ClassVar

import numpy as np

from hwgen.engine.sizing import Sizing
from hwgen.ops.base import HLS_LANES, Array, Op, Types, register, span
from hwgen.ops.kernels import cross_filter
from hwgen.ops.types import TensorType
from hwgen.ops.vector import CROSS_REACH, TAPS, Result, _grid

STENCIL_WEIGHTS = 12  # words: three slots in four banks


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
    READS: ClassVar[tuple[str, ...]] = ("feature",)
    PADDED_ROWS: ClassVar[bool] = True
    AHEAD: ClassVar[bool] = True

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

    def beats(self, s: Sizing, types: Types) -> int:
        if not self.is_cross:
            return self.result_words(s) * len(self.offsets)
        height, width = self.in_grid  # two rows of results in six beats a column
        return self.channel_words(s) * ceil(height / 2) * 6 * (width + 2 * CROSS_REACH)

    def parameter_words(self, s: Sizing) -> int:
        return self.chain_words(s, STENCIL_WEIGHTS if self.is_cross else len(self.offsets))

    def streams(self) -> tuple[tuple[str, ...], ...]:
        return (self.sources,)

    @property
    def runs_beside(self) -> bool:
        return self.is_cross and self.post.chords is None  # the host may need another table

    def violations(self, v: TensorType, pad: TensorType | None = None) -> Iterator[str]:
        yield from _grid("filter", self.in_grid, v)
        if pad is not None and (pad.shape != (1, v.channels) or pad.frac != v.frac):
            yield f"pad {pad.shape} at frac {pad.frac}; must be (1, {v.channels}) at {v.frac}"
        if len(self.offsets) > TAPS:
            yield f"{len(self.offsets)} taps; must be at most {TAPS}"
        if any(not -8 <= dx <= 7 for _, dx in self.offsets):
            yield "a column offset; must be -8..7"
