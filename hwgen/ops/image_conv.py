"""Convolution of the image with a stride and padding: the 7x7 stem of ResNets (MACS).

The image's rows lie in memory with a margin of padding words around them (`ImageRows`), so that
every window is there as a whole. 8-bit weights stream through the weight buffer, two products a
beat where windows begin at an odd or an even element throughout.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwgen.ir.types import TensorType
from hwgen.ops.base import Array, Op, register, span
from hwgen.ops.dense import NARROW_BITS


@register
@dataclass(frozen=True, eq=False)
class ImageConv(Op):
    """acc[y, x, o] = sum over taps of image[y s - p + i, x s - p + j, c] w[o, i, j, c].

    Source: image (H, W, C); weight (O, k, k, C) in -127 .. 127; outside the image is `pad` (C,),
    the pixel that stands for 0 of the network's normalised input.
    """

    weight: Array
    pad: Array
    stride: int
    padding: int
    in_grid: tuple[int, int]

    UNIT: ClassVar[str] = "MACS"

    @property
    def kernel(self) -> int:
        return self.weight.shape[1]

    @property
    def lead(self) -> int:
        """Elements before a window, so that it begins at an even one (0 where that changes)."""
        channels = self.weight.shape[3]
        return self.padding * channels % 2 if self.products == 2 else 0

    @property
    def products(self) -> int:
        """Products of a beat: 2, or 1 where windows begin at odd and at even elements."""
        return 2 - self.stride * self.weight.shape[3] % 2

    @property
    def row_beats(self) -> int:
        """Beats of a kernel row."""
        return -(-(self.lead + self.kernel * self.weight.shape[3]) // self.products)

    @property
    def beats(self) -> int:
        """Beats of a result word."""
        return self.kernel * self.row_beats

    @property
    def margins(self) -> tuple[int, int]:
        """Elements that windows take to the left and to the right of an image row."""
        channels, width = self.weight.shape[3], self.in_grid[1]
        left = self.padding * channels + self.lead
        last = self.stride * (self.result_grid[1] - 1) * channels - left
        return left, max(0, last + self.row_beats * self.products - width * channels)

    def beat_weights(self) -> Array:
        """(beats, products, O): the weights in the order of the elements, 0 beside the window."""
        o, k, _, c = self.weight.shape
        rows = np.zeros((k, self.row_beats * self.products, o), dtype=np.int64)
        rows[:, self.lead : self.lead + k * c] = np.moveaxis(self.weight.reshape(o, k, k * c), 0, 2)
        return rows.reshape(self.beats, self.products, o)

    def sums(self, x: Array) -> tuple[Array, Array | None]:
        p, s, (h, w) = self.padding, self.stride, self.result_grid
        around = np.empty((len(x), *(side + 2 * p for side in self.in_grid), x.shape[-1]))
        around[:] = self.pad
        around[:, p : p + self.in_grid[0], p : p + self.in_grid[1]] = x
        acc = np.zeros((len(x), h, w, len(self.weight)))  # integers below 2**40: exact in float64
        for i in range(self.kernel):
            for j in range(self.kernel):
                cells = around[:, i : i + s * (h - 1) + 1 : s, j : j + s * (w - 1) + 1 : s]
                acc += cells @ self.weight[:, i, j].T.astype(np.float64)
        return acc.reshape(len(x), h * w, -1), None

    @property
    def result_grid(self) -> tuple[int, int]:
        h, w = ((side + 2 * self.padding - self.kernel) // self.stride + 1 for side in self.in_grid)
        return h, w

    def acc_bounds(self, x: TensorType) -> tuple[int, int]:
        return span(x.lo, x.hi, self.weight.reshape(len(self.weight), -1))

    def result(self, x: TensorType) -> tuple[tuple[int, ...], tuple[int, int]]:
        h, w = self.result_grid
        return (h * w, len(self.weight)), (h, w)

    def source_rows(self, first: int, count: int) -> list[int] | None:
        """Image rows, those in the padding (negative, or from H on) included."""
        start = first * self.stride - self.padding
        return list(range(start, start + (count - 1) * self.stride + self.kernel))

    def violations(self, x: TensorType) -> Iterator[str]:
        if x.kind != "image" or x.grid != self.in_grid:
            yield f"in_grid {self.in_grid}; the source is {x.kind} on {x.grid}"
        if self.weight.shape[3] != x.channels or self.pad.shape != (x.channels,):
            yield f"weight of {self.weight.shape[3]} inputs; the source has {x.channels} channels"
        if np.abs(self.weight).max(initial=0) >= 1 << (NARROW_BITS - 1):
            yield f"weight in [{self.weight.min()}, {self.weight.max()}]; must fit 8 bits"
        if not 0 <= self.padding < self.kernel:
            yield f"padding {self.padding}; must be less than the kernel {self.kernel}"
        if self.pad.min() < 0 or self.pad.max() > 255:
            yield f"pad {self.pad}; must be 0..255"
