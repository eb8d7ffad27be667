"""Integer matrix products: stem, full-precision downsampling, classifier (MACS)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwgen.ir.types import TensorType
from hwgen.ops.base import Array, Op, register, span


@register
@dataclass(frozen=True, eq=False)
class PatchConv(Op):
    """acc[n, o] = sum over the k x k patch n of x w: stride = kernel, no padding.

    Source: image (H, W, Ci) or feature (H*W, Ci) on `in_grid`; weight (O, k, k, Ci) 16-bit.
    kernel 1 is a linear layer per token (the classifier on a 1 x 1 grid).
    """

    weight: Array
    in_grid: tuple[int, int]

    UNIT: ClassVar[str] = "MACS"

    def sums(self, x: Array) -> tuple[Array, Array | None]:
        o, k, _, c = self.weight.shape
        h, w = self.in_grid
        x = x.reshape(x.shape[0], h // k, k, w // k, k, c).transpose(0, 1, 3, 2, 4, 5)
        x = x.reshape(x.shape[0], (h // k) * (w // k), k * k * c).astype(np.float64)
        acc = x @ self.weight.reshape(o, -1).T.astype(np.float64)  # below 2**40: exact in float64
        return acc, None

    def acc_bounds(self, x: TensorType) -> tuple[int, int]:
        return span(x.lo, x.hi, self.weight.reshape(self.weight.shape[0], -1))

    def result(self, x: TensorType) -> tuple[tuple[int, ...], tuple[int, int]]:
        h, w = (side // self.weight.shape[1] for side in self.in_grid)
        return (h * w, self.weight.shape[0]), (h, w)

    def source_rows(self, first: int, count: int) -> list[int] | None:
        k = self.weight.shape[1]
        return list(range(k * first, k * (first + count)))

    def violations(self, x: TensorType) -> Iterator[str]:
        k = self.weight.shape[1]
        if x.grid != self.in_grid:
            yield f"in_grid {self.in_grid}; the source is on {x.grid}"
        if self.weight.shape[3] != x.channels:
            yield f"weight of {self.weight.shape[3]} inputs; the source has {x.channels} channels"
        if self.in_grid[0] % k or self.in_grid[1] % k:
            yield f"kernel {k} on grid {self.in_grid}; must divide it"
