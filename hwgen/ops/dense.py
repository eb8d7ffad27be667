"""Integer matrix products: stem, full-precision downsampling, classifier (MACS).

Weights of few taps stay beside the lanes, four products a beat, and have 16 bits. All others
stream through the weight buffer and have 8 bits, two products a beat.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from hwgen.engine.numerics import PARAM_BITS
from hwgen.engine.sides import Sides, both, sides
from hwgen.engine.sizing import Sizing
from hwgen.ops.base import HLS_LANES, Array, Op, Types, register, span
from hwgen.ops.types import TensorType
from hwgen.ops.xnor import Span, kernel_spans

QUAD_TAPS = 128  # taps that the four banks of CM hold
NARROW_BITS = 8


def weight_bits(kernel: Sides, channels: int) -> int:
    """Bits of the weights of a layer with such a kernel and `channels` inputs: 16 or 8.

    Four elements that begin at a multiple of 4 lie in one word: kernel rows of a multiple of 4 can
    go into the lanes four at a time, with their weights in CM if these are at most QUAD_TAPS.
    """
    down, across = both(kernel)
    quad = across * channels % 4 == 0 and down * across * channels <= QUAD_TAPS
    return PARAM_BITS if quad else NARROW_BITS


@register
@dataclass(frozen=True, eq=False)
class PatchConv(Op):
    """acc[n, o] = sum over the patch n of x w.

    Source: feature (H*W, Ci) on `in_grid`, of any stride (None: the kernel) and `border`, zeros
    around it; or the image (H, W, Ci), of the kernel's stride without border. weight (O, k_y, k_x,
    Ci) of `weight_bits` bits, 8-bit ones from -127 to 127.
    kernel 1 is a linear layer per token (the classifier on a 1 x 1 grid). Results at the border are
    instructions of their own, which leave out the taps in the zeros.
    """

    weight: Array
    in_grid: tuple[int, int]
    stride: Sides | None = None
    border: Sides = 0

    UNIT: ClassVar[str] = "MACS"
    HLS: ClassVar[tuple[str, ...]] = ("scalar_operands", *HLS_LANES)
    READS: ClassVar[tuple[str, ...]] = ("feature", "image")
    PADDED_ROWS: ClassVar[bool] = True

    @property
    def kernel(self) -> tuple[int, int]:
        _, down, across, _ = self.weight.shape
        return down, across

    @property
    def step(self) -> tuple[int, int]:
        """Cells from a patch to the next."""
        return self.kernel if self.stride is None else both(self.stride)

    def spans(self, axis: int) -> list[Span]:
        """Rows (axis 0) or columns of results by which taps lie in the image."""
        places = (self.in_grid, self.kernel, self.step, both(self.border))
        side, kernel, stride, border = (place[axis] for place in places)
        return kernel_spans(side, kernel, stride, border, 1)

    def regions(self) -> list[tuple[Span, Span]]:
        """Kinds of rows with kinds of columns."""
        return [(rows, columns) for rows in self.spans(0) for columns in self.spans(1)]

    def out_grid(self) -> tuple[int, int]:
        height, width = (sum(span.size for span in self.spans(axis)) for axis in (0, 1))
        return height, width

    @property
    def taps(self) -> int:
        """Products of a result."""
        return self.weight[0].size

    @property
    def products(self) -> int:
        """Products of a beat: 4 with 16-bit weights, 2 with 8-bit ones, 1 where rows are odd."""
        _, _, across, c = self.weight.shape
        return 4 if weight_bits(self.kernel, c) == PARAM_BITS else 2 - across * c % 2

    def sums(self, x: Array) -> tuple[Array, Array | None]:
        (o, *_, c), (h, w), (down, across) = self.weight.shape, self.out_grid(), self.step
        x = x.reshape(x.shape[0], *self.in_grid, c).astype(np.float64)
        x = np.pad(x, ((0, 0), *((p, p) for p in both(self.border)), (0, 0)))
        patches = sliding_window_view(x, self.kernel, (1, 2))[:, ::down, ::across]
        rows = np.moveaxis(patches[:, :h, :w], 3, -1).reshape(len(x), h * w, self.taps)
        return rows @ self.weight.reshape(o, -1).T.astype(np.float64), None  # exact: below 2**40

    def acc_bounds(self, x: TensorType) -> tuple[int, int]:
        return span(x.lo, x.hi, self.weight.reshape(self.weight.shape[0], -1))

    def result(self, x: TensorType) -> tuple[tuple[int, ...], tuple[int, int]]:
        h, w = self.out_grid()
        return (h * w, self.weight.shape[0]), (h, w)

    def source_rows(self, first: int, count: int) -> list[int] | None:
        (down, _), (border, _) = self.step, both(self.border)
        low = down * first - border
        high = down * (first + count - 1) - border + self.kernel[0]
        return list(range(max(0, low), min(self.in_grid[0], high)))

    def beats(self, s: Sizing, types: Types) -> int:
        products = sum(y.size * x.size * self._seen(y, x) for y, x in self.regions())
        return self.channel_words(s) * products // self.products

    def _seen(self, rows: Span, columns: Span) -> int:
        """Products of a result of a region."""
        return len(rows.taps) * len(columns.taps) * self.weight.shape[3]

    def parameter_words(self, s: Sizing) -> int:
        per_word = 1 if self.products == 4 else self.products
        return sum(self.chain_words(s, self._seen(y, x) // per_word) for y, x in self.regions())

    def buffer_words(self) -> int:
        return 0 if self.products == 4 else self.taps // self.products

    def violations(self, x: TensorType) -> Iterator[str]:
        k = sides(*self.kernel)
        if x.kind == "image" and (self.step != self.kernel or self.border):
            step = sides(*self.step)
            yield f"stride {step}, border {self.border}; of the image must be {k}, 0"
        if not all(span.taps for axis in (0, 1) for span in self.spans(axis)):
            yield f"kernel {k}, border {self.border}; a result must see the image"
        if x.grid != self.in_grid:
            yield f"in_grid {self.in_grid}; the source is on {x.grid}"
        if self.weight.shape[3] != x.channels:
            yield f"weight of {self.weight.shape[3]} inputs; the source has {x.channels} channels"
        bits = weight_bits(k, self.weight.shape[3])
        if np.abs(self.weight).max(initial=0) >= 1 << (bits - 1):
            low, high = self.weight.min(), self.weight.max()
            yield f"weight in [{low}, {high}]; {self.taps} taps have {bits} bits"
