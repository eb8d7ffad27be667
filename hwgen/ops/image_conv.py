"""Convolution of the image with a stride and padding: the 7x7 stem of ResNets (MACS).

The image's rows lie in memory with a margin of padding words around them (`ImageRows`), so that
every window is there as a whole. Weights of few kernel rows stay beside the lanes and have 16 bits,
four products a beat (`quad`): windows that begin alike within a group of four elements share an
arrangement of them. Others have 8 bits and stream through the weight buffer, two products a beat
where windows begin at an odd or an even element throughout.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import lcm
from typing import ClassVar

import numpy as np

from hwgen.engine.numerics import PARAM_BITS
from hwgen.engine.sides import Sides, both, sides
from hwgen.engine.sizing import Sizing
from hwgen.ops.base import HLS_LANES, Array, Op, Types, register, span
from hwgen.ops.dense import NARROW_BITS, QUAD_TAPS
from hwgen.ops.types import ImageRows, TensorType


@register
@dataclass(frozen=True, eq=False)
class ImageConv(Op):
    """acc[y, x, o] = sum over taps of image[y s - p + i, x s - p + j, c] w[o, i, j, c].

    Source: image (H, W, C); weight (O, k_y, k_x, C), with quad of 16 bits, else in -127 .. 127;
    outside the image is `pad` (C,), the pixel that stands for 0 of the network's normalised input.
    Kernel rows of zeros before the first and behind the last other one cost nothing (`split_stem`).
    """

    weight: Array
    pad: Array
    stride: Sides
    padding: Sides
    in_grid: tuple[int, int]
    quad: bool = False

    UNIT: ClassVar[str] = "MACS"
    HLS: ClassVar[tuple[str, ...]] = ("scalar_operands", *HLS_LANES)
    READS: ClassVar[tuple[str, ...]] = ("image",)
    PADDED_ROWS: ClassVar[bool] = True

    @property
    def kernel(self) -> tuple[int, int]:
        _, down, across, _ = self.weight.shape
        return down, across

    @property
    def step(self) -> int:
        """Elements of an image row from a window to the next."""
        return both(self.stride)[1] * self.weight.shape[3]

    @property
    def rows(self) -> tuple[int, int]:
        """(first, number) of the kernel rows that have weights."""
        used = np.flatnonzero(np.any(self.weight != 0, axis=(0, 2, 3)))
        return (int(used[0]), int(used[-1] - used[0]) + 1) if len(used) else (0, 1)

    @property
    def products(self) -> int:
        """Products of a beat: 4 with quad, 2, or 1 where windows begin at odd and even elements."""
        return 4 if self.quad else 2 - self.step % 2

    @property
    def period(self) -> int:
        """Columns after which windows begin alike within the elements of a beat."""
        return lcm(self.step, self.products) // self.step

    def lead(self, phase: int = 0) -> int:
        """Elements of a beat before the windows of columns phase, phase + period, ..."""
        return (self.step * phase - self._before) % self.products

    @property
    def _before(self) -> int:
        """Elements of padding to the left of an image row."""
        return both(self.padding)[1] * self.weight.shape[3]

    @property
    def row_beats(self) -> int:
        """Beats of a kernel row."""
        lead = max(map(self.lead, range(self.period)))
        return -(-(lead + self.kernel[1] * self.weight.shape[3]) // self.products)

    @property
    def word_beats(self) -> int:
        """Beats of a result word."""
        return self.rows[1] * self.row_beats

    def start(self, column: int) -> int:
        """Element of an image row, counted from its first, with which a column's beats begin."""
        return self.step * column - self._before - self.lead(column % self.period)

    @property
    def margins(self) -> tuple[int, int]:
        """Elements that windows take to the left and to the right of an image row."""
        starts = [self.start(x) for x in range(self.result_grid[1])]
        end = max(starts) + self.row_beats * self.products
        return max(0, -min(starts)), max(0, end - self.in_grid[1] * self.weight.shape[3])

    def beat_weights(self, phase: int = 0) -> Array:
        """(beats, products, O): the weights in the order of the elements, 0 beside the window."""
        (o, _, k, c), (first, count), lead = self.weight.shape, self.rows, self.lead(phase)
        rows = np.zeros((count, self.row_beats * self.products, o), dtype=np.int64)
        used = self.weight[:, first : first + count].reshape(o, count, k * c)
        rows[:, lead : lead + k * c] = np.moveaxis(used, 0, 2)
        return rows.reshape(self.word_beats, self.products, o)

    def sums(self, x: Array) -> tuple[Array, Array | None]:
        (py, px), (sy, sx), (h, w) = both(self.padding), both(self.stride), self.result_grid
        rows, columns = (side + 2 * p for side, p in zip(self.in_grid, (py, px)))
        around = np.empty((len(x), rows, columns, x.shape[-1]))
        around[:] = self.pad
        around[:, py : py + self.in_grid[0], px : px + self.in_grid[1]] = x
        acc = np.zeros((len(x), h, w, len(self.weight)))  # integers below 2**40: exact in float64
        for i in range(self.kernel[0]):
            for j in range(self.kernel[1]):
                cells = around[:, i : i + sy * (h - 1) + 1 : sy, j : j + sx * (w - 1) + 1 : sx]
                acc += cells @ self.weight[:, i, j].T.astype(np.float64)
        return acc.reshape(len(x), h * w, -1), None

    @property
    def result_grid(self) -> tuple[int, int]:
        places = zip(self.in_grid, self.kernel, both(self.stride), both(self.padding))
        h, w = ((side + 2 * p - k) // s + 1 for side, k, s, p in places)
        return h, w

    def acc_bounds(self, x: TensorType) -> tuple[int, int]:
        return span(x.lo, x.hi, self.weight.reshape(len(self.weight), -1))

    def result(self, x: TensorType) -> tuple[tuple[int, ...], tuple[int, int]]:
        h, w = self.result_grid
        return (h * w, len(self.weight)), (h, w)

    def source_rows(self, first: int, count: int) -> list[int]:
        """Image rows, those in the padding (negative, or from H on) included."""
        stride = both(self.stride)[0]
        start = first * stride - both(self.padding)[0]
        return list(range(start, start + (count - 1) * stride + self.kernel[0]))

    def beats(self, s: Sizing, types: Types) -> int:
        return self.result_words(s) * self.word_beats

    def parameter_words(self, s: Sizing) -> int:
        return self.period * self.chain_words(s, self.word_beats * (4 if self.quad else 1))

    def buffer_words(self) -> int:
        return 0 if self.quad else self.word_beats

    def image_rows(self, height: int, count: int | None, lanes: int) -> ImageRows:
        count = self.result_grid[0] if count is None else count
        need, (left, right) = self.source_rows(0, count), self.margins
        row = self.in_grid[1] * self.weight.shape[3]
        words = -(-row // lanes)
        margin = -(-(left + max(0, right - (words * lanes - row))) // lanes)
        step, pad = both(self.stride)[0] * count, tuple(map(int, self.pad))
        return ImageRows(len(need), step, need[0], margin, left, pad, words)

    def image_in_words(self, row: int, rows: int, lanes: int) -> bool:
        return True

    def violations(self, x: TensorType) -> Iterator[str]:
        if x.kind != "image" or x.grid != self.in_grid:
            yield f"in_grid {self.in_grid}; the source is {x.kind} on {x.grid}"
        if self.weight.shape[3] != x.channels or self.pad.shape != (x.channels,):
            yield f"weight of {self.weight.shape[3]} inputs; the source has {x.channels} channels"
        bits = PARAM_BITS if self.quad else NARROW_BITS
        if np.abs(self.weight).max(initial=0) >= 1 << (bits - 1):
            yield f"weight in [{self.weight.min()}, {self.weight.max()}]; must fit {bits} bits"
        if self.quad and self.word_beats > QUAD_TAPS // 4:
            yield f"{self.word_beats} beats of four products; at most {QUAD_TAPS // 4}"
        if any(p >= k for p, k in zip(both(self.padding), self.kernel)):
            kernel = sides(*self.kernel)
            yield f"padding {self.padding}; must be less than the kernel {kernel}"
        if self.pad.min() < 0 or self.pad.max() > 255:
            yield f"pad {self.pad}; must be 0..255"
