"""Integer matrix products: stem, full-precision downsampling, classifier (MACS).

Weights of few taps stay beside the lanes, four products a beat, and have 16 bits. All others
stream through the weight buffer and have 8 bits, two products a beat.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwgen.engine.numerics import PARAM_BITS
from hwgen.engine.sizing import Sizing
from hwgen.ops.base import HLS_LANES, Array, Op, Types, register, span
from hwgen.ops.types import TensorType

QUAD_TAPS = 128  # taps that the four banks of CM hold
NARROW_BITS = 8


def weight_bits(kernel: int, channels: int) -> int:
    """Bits of the weights of a kernel x kernel layer with `channels` inputs: 16 or 8.

    Four elements that begin at a multiple of 4 lie in one word: kernel rows of a multiple of 4 can
    go into the lanes four at a time, with their weights in CM if these are at most QUAD_TAPS.
    """
    quad = kernel * channels % 4 == 0 and kernel * kernel * channels <= QUAD_TAPS
    return PARAM_BITS if quad else NARROW_BITS


@register
@dataclass(frozen=True, eq=False)
class PatchConv(Op):
    """acc[n, o] = sum over the k x k patch n of x w: stride = kernel, no padding.

    Source: image (H, W, Ci) or feature (H*W, Ci) on `in_grid`; weight (O, k, k, Ci) of
    `weight_bits(k, Ci)` bits, 8-bit ones from -127 to 127.
    kernel 1 is a linear layer per token (the classifier on a 1 x 1 grid).
    """

    weight: Array
    in_grid: tuple[int, int]

    UNIT: ClassVar[str] = "MACS"
    HLS: ClassVar[tuple[str, ...]] = ("scalar_operands", *HLS_LANES)
    READS: ClassVar[tuple[str, ...]] = ("feature", "image")
    PADDED_ROWS: ClassVar[bool] = True

    @property
    def taps(self) -> int:
        """Products of a result."""
        return self.weight[0].size

    @property
    def products(self) -> int:
        """Products of a beat: 4 with 16-bit weights, 2 with 8-bit ones, 1 where rows are odd."""
        _, k, _, c = self.weight.shape
        return 4 if weight_bits(k, c) == PARAM_BITS else 2 - k * c % 2

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

    def beats(self, s: Sizing, types: Types) -> int:
        return self.result_words(s) * self.taps // self.products

    def parameter_words(self, s: Sizing) -> int:
        return self.chain_words(s, self.buffer_words() or self.taps)

    def buffer_words(self) -> int:
        return 0 if self.products == 4 else self.taps // self.products

    def violations(self, x: TensorType) -> Iterator[str]:
        k = self.weight.shape[1]
        if x.grid != self.in_grid:
            yield f"in_grid {self.in_grid}; the source is on {x.grid}"
        if self.weight.shape[3] != x.channels:
            yield f"weight of {self.weight.shape[3]} inputs; the source has {x.channels} channels"
        if self.in_grid[0] % k or self.in_grid[1] % k:
            yield f"kernel {k} on grid {self.in_grid}; must divide it"
        bits = weight_bits(k, self.weight.shape[3])
        if np.abs(self.weight).max(initial=0) >= 1 << (bits - 1):
            low, high = self.weight.min(), self.weight.max()
            yield f"weight in [{low}, {high}]; {self.taps} taps have {bits} bits"
