"""Per-channel multiply-accumulates of feature words: affine, filters, pools, mixes (MACV)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwgen.engine.sizing import Sizing
from hwgen.ops.base import HLS_LANES, Array, Op, Types, register, span
from hwgen.ops.types import TensorType

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
    READS: ClassVar[tuple[str, ...]] = ("feature",)
    PADDED_ROWS: ClassVar[bool] = True
    IN_PLACE: ClassVar[bool] = True

    def sums(self, x: Array) -> tuple[Array, Array | None]:
        return x, self.m

    def acc_bounds(self, x: TensorType) -> tuple[int, int]:
        return span(x.lo, x.hi, self.m[:, None])

    def result(self, x: TensorType) -> Result:
        return x.shape, x.grid

    def source_rows(self, first: int, count: int) -> list[int] | None:
        return list(range(first, first + count))

    def beats(self, s: Sizing, types: Types) -> int:
        return self.result_words(s)

    def parameter_words(self, s: Sizing) -> int:
        return self.chain_words(s)


@register
@dataclass(frozen=True, eq=False)
class AvgPool(Op):
    """acc = m * sum of the k x k cells (stride k). Source (H*W, C), m (C,)."""

    kernel: int
    m: Array
    in_grid: tuple[int, int]

    UNIT: ClassVar[str] = "MACV"
    HLS: ClassVar[tuple[str, ...]] = ("vector_operands", *HLS_LANES)
    READS: ClassVar[tuple[str, ...]] = ("feature",)
    PADDED_ROWS: ClassVar[bool] = True

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

    def beats(self, s: Sizing, types: Types) -> int:
        return self.result_words(s) * self.kernel**2

    def parameter_words(self, s: Sizing) -> int:
        return self.chain_words(s)

    def violations(self, x: TensorType) -> Iterator[str]:
        yield from _grid("pooling", self.in_grid, x, self.kernel)


@register
@dataclass(frozen=True, eq=False)
class TokenMean(Op):
    """acc = m * sum over all tokens. Source (tokens, C) -> (1, C); m carries 1 / tokens."""

    m: Array

    UNIT: ClassVar[str] = "MACV"
    HLS: ClassVar[tuple[str, ...]] = ("vector_operands", *HLS_LANES)
    READS: ClassVar[tuple[str, ...]] = ("feature",)
    PADDED_ROWS: ClassVar[bool] = True

    def sums(self, x: Array) -> tuple[Array, Array | None]:
        return x.sum(1, keepdims=True), self.m

    def acc_bounds(self, x: TensorType) -> tuple[int, int]:
        return span(x.lo, x.hi, np.repeat(self.m[:, None], x.tokens, 1))

    def result(self, x: TensorType) -> Result:
        return (1, x.channels), (1, 1)

    def beats(self, s: Sizing, types: Types) -> int:
        return self.channel_words(s) * types[self.sources[0]].tokens

    def parameter_words(self, s: Sizing) -> int:
        return self.chain_words(s)

    def source_rows(self, first: int, count: int) -> list[int] | None:
        return None
