"""A filter of every channel over windows with a stride and padding (MACV)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwgen.engine.sizing import Sizing
from hwgen.ops.base import HLS_LANES, Array, register, span
from hwgen.ops.max_pool import MaxPool
from hwgen.ops.types import TensorType


@register
@dataclass(frozen=True, eq=False)
class ChannelFilter(MaxPool):
    """acc[y, x] = sum of m[i k_x + j] * v[y s - p + i, x s - p + j], 0 <= i, j < k, per channel.

    Sources v (H*W, C) on `in_grid` and pad (1, C), v outside the grid. m (cells, C). Depthwise
    convolutions, averages of windows that overlap.
    """

    HLS: ClassVar[tuple[str, ...]] = ("TapTable", "vector_operands", *HLS_LANES)

    def sums(self, v: Array, pad: Array) -> tuple[Array, Array | None]:
        h, w = self.result_grid
        acc = np.zeros((len(v), h * w, v.shape[-1]), dtype=np.int64)
        for cells, m in zip(self.windows(v, pad), self.m, strict=True):
            acc += cells.reshape(acc.shape) * m
        return acc, None

    def acc_bounds(self, v: TensorType, pad: TensorType) -> tuple[int, int]:
        return span(min(v.lo, pad.lo), max(v.hi, pad.hi), self.m.T)

    def parameter_words(self, s: Sizing) -> int:
        return self.chain_words(s, self.cells)

    def outside(self, v: TensorType, pad: TensorType) -> Iterator[str]:
        if pad.shape != (1, v.channels) or pad.frac != v.frac:
            yield f"pad {pad.shape} at frac {pad.frac}; must be (1, {v.channels}) at {v.frac}"
