"""Binary matrix products on the XNOR array: linear layers and convolutions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import ClassVar, NamedTuple

import numpy as np

from hwgen.engine.numerics import LANE_CHANNELS
from hwgen.engine.sides import Sides, both, sides
from hwgen.engine.sizing import Sizing, bit_stride
from hwgen.ops.base import HLS_LANES, Array, Op, Types, register, signed
from hwgen.ops.types import TensorType

MAX_DILATION = 7  # 3-bit field of XCONV
PAIRED_UNIT = 4  # at least, of slices: channels between it and a group are read in pairs
MOST_PAIRED = 448  # channels of a group whose sums are taken twice, in 16 bits


def _bounds(m: Array, taps: int) -> tuple[int, int]:
    top = int(np.abs(m).max()) * taps
    return -top, top


@register
@dataclass(frozen=True, eq=False)
class XnorLinear(Op):
    """acc[n, o] = m[o] * sum_k a[n, k] w[o, k] with a, w = +-1 held as bits (XNOR-Net, 1603.05279).

    Source bits (..., tokens, K); weight (O, K) in {0, 1}; m (O,) 16-bit.
    unwindow = w > 0: the source is (windows, w*w, K) and the result goes back to the grid.
    A residual may be on a coarser grid, which divides the result's: its cells repeat.
    """

    weight: Array
    m: Array
    unwindow: int = 0

    UNIT: ClassVar[str] = "XLIN"
    HLS: ClassVar[tuple[str, ...]] = (
        "fetch_linear",
        "xnor_popcount",
        "PartialSums",
        "xnor_operands",
        *HLS_LANES,
    )
    READS: ClassVar[tuple[str, ...]] = ("bits",)
    PADDED_ROWS: ClassVar[bool] = True
    COARSE_RESIDUALS: ClassVar[bool] = True

    def sums(self, a: Array) -> tuple[Array, Array | None]:
        rows = signed(a).reshape(-1, a.shape[-1]) @ signed(self.weight).T
        acc = rows.reshape(*a.shape[:-1], -1)
        if self.unwindow:
            acc = windows_to_grid(acc, self.unwindow)
        return acc, self.m

    def residual(self, value: Array, acc: Array) -> Array:
        if self.unwindow and value.ndim == acc.ndim + 1:
            value = windows_to_grid(value, self.unwindow)
        if value.shape[1] < acc.shape[1]:
            assert self.bits is not None or self.feature is not None
            value = upsample(value, self.out.grid, acc.shape[1])
        return super().residual(value, acc)

    def acc_bounds(self, a: TensorType) -> tuple[int, int]:
        return _bounds(self.m, self.weight.shape[1])

    def result(self, a: TensorType) -> tuple[tuple[int, ...], tuple[int, int]]:
        outputs = self.weight.shape[0]
        if not self.unwindow:
            return (*a.shape[:-1], outputs), a.grid
        side = round(a.shape[0] ** 0.5) * self.unwindow
        return (side * side, outputs), (side, side)

    def source_rows(self, first: int, count: int) -> list[int] | None:
        w = self.unwindow or 1
        return list(range(first // w, (first + count - 1) // w + 1))

    def beats(self, s: Sizing, types: Types) -> int:
        return self.result_words(s) * self.chunks(s)

    def parameter_words(self, s: Sizing) -> int:
        return self.chain_words(s) + 1  # and the offset, the same for all words

    def chunks(self, s: Sizing) -> int:
        """Weight tiles of one output word."""
        return ceil(self.weight.shape[1] / s.kw)

    def tile_words(self, s: Sizing) -> int:
        return len(self.weight) // s.lanes * (self.weight[0].size // 16)

    def partial_results(self, s: Sizing, types: Types) -> int:
        if self.weight.shape[1] <= s.kw:
            return 0
        coarse = any(types[t].tokens < self.out.tokens for t in self.inputs[1:])
        return max(self.unwindow**2, self.out.grid[1] if coarse else 0)

    @property
    def takes_beside(self) -> bool:
        return not self.unwindow and self.post.pool == 0

    def violations(self, a: TensorType) -> Iterator[str]:
        if self.weight.shape[1] != a.channels:
            yield f"weight of {self.weight.shape[1]} inputs; the source has {a.channels} channels"
        if self.unwindow:
            square = round(a.shape[0] ** 0.5) ** 2 == a.shape[0]
            if len(a.shape) != 3 or a.shape[1] != self.unwindow**2 or not square:
                yield f"unwindow={self.unwindow} of {a.shape}; must be n*n windows of w*w tokens"


class Span(NamedTuple):
    """Results first .. first + size - 1 along an axis, which have the same taps in the image."""

    first: int
    size: int
    taps: tuple[int, ...]


class Slices(NamedTuple):
    """What an output word of XCONV reads of a token.

    spans: (first channel, channels) of every slice. beside: 2 or 4 where halves or quarters of the
    lanes read slices of their own at once, each behind the one before. paired: a slice is read
    twice, with opposite weights of the channels outside a lane's group, which cancel.
    """

    spans: tuple[tuple[int, int], ...]
    beside: int = 1
    paired: bool = False

    @property
    def tiles(self) -> int:
        """Weight tiles, a vector each."""
        return len(self.spans) * (1 + self.paired)


def read_at_once(groups: int, inputs: int, outputs: int) -> bool:
    """Whether every engine's lanes read the groups of a 3x3 window as they lie: each word is in one
    group or holds 2 or 4 of them, in as few words of bits as one output word may read."""
    powers = all(n & -n == n >= 4 for n in (inputs, outputs))
    return groups == 1 or (groups in (2, 4) and powers and inputs <= 2 * outputs)


def kernel_spans(side: int, kernel: int, stride: int, padding: int, dilation: int) -> list[Span]:
    """The results of a kernel along an axis of `side` cells; one may see none of them."""
    return padded_spans(side, kernel, stride, (padding, padding), dilation)


def in_windows(kernel: Sides, stride: Sides, padding: Sides, dilation: Sides) -> bool:
    """Whether XCONV computes such a convolution."""
    return isinstance(dilation, int) and (kernel, stride, padding) == (3, 1, dilation)


def padded_spans(
    side: int, kernel: int, stride: int, padding: tuple[int, int], dilation: int = 1
) -> list[Span]:
    """`kernel_spans` with paddings before and behind the cells that may differ."""
    spans: list[Span] = []
    for x in range((side + sum(padding) - dilation * (kernel - 1) - 1) // stride + 1):
        first = x * stride - padding[0]
        taps = tuple(t for t in range(kernel) if 0 <= first + t * dilation < side)
        if spans and spans[-1].taps == taps:
            spans[-1] = spans[-1]._replace(size=spans[-1].size + 1)
        else:
            spans.append(Span(x, 1, taps))
    return spans


@register
@dataclass(frozen=True, eq=False)
class XnorConv(Op):
    """acc = m * binary convolution; a tap in the zero padding adds 0.

    Source bits (H*W, C) on a grid; weight (O, k_y, k_x, C/groups) in {0, 1}. `border`: rows and
    columns of zeros on each side; None: the dilation where the stride is smaller than k, else none.
    With `windows` (k = 3, stride 1, border = dilation) XCONV reads nine taps at once, of any
    groups: where a word of results has groups that it cannot read at once (`read_at_once`), its
    sums are taken twice (`Slices.paired`), and m is even. All others are sums of linear layers,
    one for each tap; their groups are whole lane words.
    """

    weight: Array
    m: Array
    stride: Sides = 1
    dilation: Sides = 1
    groups: int = 1
    in_grid: tuple[int, int] = (0, 0)
    border: Sides | None = None

    UNIT: ClassVar[str] = "XCONV"
    HLS: ClassVar[tuple[str, ...]] = (
        "ConvWindow",
        "border_pattern",
        "fetch_linear",
        "xnor_popcount",
        "PartialSums",
        "xnor_operands",
        *HLS_LANES,
    )
    READS: ClassVar[tuple[str, ...]] = ("bits",)
    PADDED_ROWS: ClassVar[bool] = True

    @property
    def kernel(self) -> tuple[int, int]:
        _, down, across, _ = self.weight.shape
        return down, across

    @property
    def padding(self) -> Sides:
        """Rows and columns of zeros on each side of the image."""
        if self.border is not None:
            return self.border
        places = zip(both(self.dilation), both(self.stride), self.kernel)
        return sides(*(d if s < k else 0 for d, s, k in places))

    @property
    def windows(self) -> bool:
        """Whether XCONV computes it."""
        return in_windows(sides(*self.kernel), self.stride, self.padding, self.dilation)

    @property
    def in_pairs(self) -> bool:
        """Whether there may be words of results whose sums are taken twice."""
        inputs, outputs = self.weight.shape[-1], len(self.weight) // self.groups
        return self.windows and not read_at_once(self.groups, inputs, outputs)

    def slices(self, word: int, s: Sizing) -> Slices:
        """What output word `word` reads with XCONV."""
        c, group_out = self.weight.shape[-1], len(self.weight) // self.groups
        first, last = (n // group_out for n in (word * s.lanes, (word + 1) * s.lanes - 1))
        bit, width = first * c, (last - first + 1) * c
        for parts in (4, 2) if first < last else ():
            each, rest = divmod(s.lanes, parts * group_out)  # groups of a part of the lanes
            spans = [(bit + k, min(s.gs, each * c - k)) for k in range(0, each * c, s.gs)]
            if rest == 0 and each and self._at_once(spans, parts, each * c, s):
                return Slices(tuple(spans), parts, each > 1)
        paired = first < last or c % s.gu != 0
        low, high = bit // s.gu * s.gu, -(-(bit + width) // s.gu) * s.gu
        spans = []
        while low < high:  # none crosses a row of the bit memory
            spans.append((low, min(s.gs, high - low, s.kw - low % s.kw)))
            low += spans[-1][1]
        return Slices(tuple(spans), 1, paired)

    def _at_once(self, spans: list[tuple[int, int]], parts: int, step: int, s: Sizing) -> bool:
        """Whether parts of the lanes can read slices that lie `step` channels apart at once: in two
        neighbouring elements, in one row of the bit memory."""
        for bit, count in spans:
            end = bit + (parts - 1) * step + count - 1
            if end // s.lanes - bit // s.lanes > 1 or end // s.kw != bit // s.kw:
                return False
        return spans[0][0] % s.gu == step % s.gu == 0

    def out_grid(self) -> tuple[int, int]:
        """floor((side + 2 padding - dilation (k - 1) - 1) / stride) + 1 along both axes."""
        height, width = (sum(span.size for span in self.spans(axis)) for axis in (0, 1))
        return height, width

    def spans(self, axis: int) -> list[Span]:
        """Rows (axis 0) or columns of results by which taps lie in the image."""
        places = map(both, (self.kernel, self.stride, self.padding, self.dilation))
        return kernel_spans(self.in_grid[axis], *(place[axis] for place in places))

    def neighbours(self, s: Sizing) -> list[tuple[int, int]]:
        """(first tap, taps) of the pieces of a kernel row that are read at once where neighbouring
        tokens share a row of BM: all k of them, or the last two of three with stride 2."""
        k, c, width = self.kernel[1], self.weight.shape[-1], self.in_grid[1]
        stride, padding, dilation = (
            both(place)[1] for place in (self.stride, self.padding, self.dilation)
        )
        if self.groups == dilation == 1 and width % stride == 0:
            aligned = s.row_elements % (k * bit_stride(c, s)) == 0
            if stride == k and not padding and k * c <= s.kw and aligned:
                return [(0, k)]
            if (k, stride, padding) == (3, 2, 1) and 2 * c <= s.kw:
                return [(0, 1), (1, 2)]
        return [(tap, 1) for tap in range(k)]

    def sums(self, a: Array) -> tuple[Array, Array | None]:
        (h, w), (o, ky, kx, cg) = self.in_grid, self.weight.shape
        (sy, sx), (y, d) = both(self.stride), both(self.dilation)
        x = signed(a).reshape(a.shape[0], h, w, -1)
        oh, ow = self.out_grid()
        x = np.pad(x, ((0, 0), *((p, p) for p in both(self.padding)), (0, 0)))
        dense = np.zeros((ky, kx, self.groups, cg, o), dtype=np.float32)  # zero between groups
        outputs = o // self.groups
        for g in range(self.groups):
            part = slice(g * outputs, (g + 1) * outputs)
            dense[:, :, g, :, part] = np.moveaxis(signed(self.weight[part]), 0, -1)
        acc = np.empty((a.shape[0], oh * ow, o), dtype=np.float32)
        taps = np.empty((oh, ow, ky, kx, x.shape[-1]), dtype=np.float32)
        for image, total in zip(x, acc):
            for dy in range(ky):
                rows = slice(dy * y, dy * y + (oh - 1) * sy + 1, sy)
                for dx in range(kx):
                    taps[:, :, dy, dx] = image[rows, dx * d : dx * d + (ow - 1) * sx + 1 : sx]
            np.matmul(taps.reshape(oh * ow, -1), dense.reshape(-1, o), out=total)
        return acc, self.m

    def acc_bounds(self, a: TensorType) -> tuple[int, int]:
        return _bounds(self.m, int(np.prod(self.weight.shape[1:])))

    def result(self, a: TensorType) -> tuple[tuple[int, ...], tuple[int, int]]:
        h, w = self.out_grid()
        return (h * w, self.weight.shape[0]), (h, w)

    def source_rows(self, first: int, count: int) -> list[int] | None:
        places = (self.in_grid, self.kernel, self.stride, self.padding, self.dilation)
        height, kernel, stride, padding, dilation = (both(place)[0] for place in places)
        low = stride * first - padding
        high = stride * (first + count - 1) - padding + dilation * (kernel - 1) + 1
        return list(range(max(0, low), min(height, high)))

    def beats(self, s: Sizing, types: Types) -> int:
        if self.windows:
            return self.out.tokens * sum(self._tiles(s))
        rows = sum(span.size * len(span.taps) for span in self.spans(0))
        columns = sum(
            span.size * tiles
            for span in self.spans(1)
            for first, tiles in self.row_tiles(s)
            if first in span.taps
        )
        return self.channel_words(s) * rows * columns

    def parameter_words(self, s: Sizing) -> int:
        if self.windows:
            return self.chain_words(s, 2 + self.last_border((0, self.in_grid[0])))
        return self.chain_words(s) + len(self.spans(0)) * len(self.spans(1))

    def last_border(self, rows: tuple[int, int]) -> int:
        """Of windows, the last border pattern (1 left, 2 right, 4 above, 8 below outside) that a
        result in rows (first, count) has."""

        def sides(first: int, count: int, size: int, reach: int) -> int:
            return max((y < reach) + 2 * (y + reach >= size) for y in range(first, first + count))

        (height, width), (down, right) = self.in_grid, both(self.dilation)
        return 4 * sides(*rows, height, down) + sides(0, width, width, right)

    def _tiles(self, s: Sizing) -> list[int]:
        """Weight tiles of every output word of windows."""
        return [self.slices(word, s).tiles for word in range(len(self.weight) // s.lanes)]

    def chunks(self, s: Sizing) -> int:
        """Weight tiles of one output word, the most of any."""
        if self.windows:
            return max(self._tiles(s))
        return self.kernel[0] * sum(tiles for _, tiles in self.row_tiles(s))

    def row_tiles(self, s: Sizing) -> list[tuple[int, int]]:
        """(first tap, weight tiles) of the pieces of a kernel row."""
        c = self.weight.shape[-1]
        return [(first, ceil(count * c / s.kw)) for first, count in self.neighbours(s)]

    def tile_words(self, s: Sizing) -> int:
        c = self.weight.shape[-1]
        if self.windows:
            return sum(self._tiles(s)) * ceil(9 * s.gs / 16)
        # some taps may be outside for all results
        rows, across = (
            len({tap for span in self.spans(axis) for tap in span.taps}) for axis in (0, 1)
        )
        columns = rows * across * c // 16
        return len(self.weight) // s.lanes * columns

    def partial_results(self, s: Sizing, types: Types) -> int:
        _, down, across, c = self.weight.shape
        chunks = self.chunks(s) if self.windows else down * across
        chunks = max(chunks, bit_stride(c, s) // s.row_elements)
        return self.out_grid()[1] if chunks > 1 else 0

    def lane_channels(self) -> tuple[int, ...]:
        if self.windows or self.groups == 1:
            return ()
        return self.weight.shape[-1], len(self.weight) // self.groups  # a group is whole words

    def group_unit(self) -> int | None:
        c = self.weight.shape[-1]
        return max(PAIRED_UNIT, c & -c) if self.windows else None

    def bit_rows(self) -> tuple[int, int] | None:
        return (self.in_grid[1], both(self.dilation)[1]) if self.windows else None

    def violations(self, a: TensorType) -> Iterator[str]:
        o, *_, c = self.weight.shape
        if a.grid != self.in_grid:
            yield f"in_grid {self.in_grid}; the source is on {a.grid}"
        if c * self.groups != a.channels:
            yield f"weight of {c} x {self.groups} inputs; the source has {a.channels} channels"
        if min(self.out_grid()) < 1 or not all(span.taps for x in (0, 1) for span in self.spans(x)):
            kernel = sides(*self.kernel)
            yield f"kernel {kernel} on grid {self.in_grid}; a result must see the image"
        elif self.windows:
            if not 1 <= both(self.dilation)[0] <= MAX_DILATION:
                yield f"dilation {self.dilation}; must be 1..{MAX_DILATION}"
            if o % self.groups:
                yield f"{self.groups} groups of {o} outputs; must divide them"
            elif self.in_pairs and (self.m % 2).any():
                yield f"odd m; must be even, as sums of {self.groups} groups are taken twice"
            elif self.in_pairs and c > MOST_PAIRED:
                yield f"groups of {c} inputs; must be at most {MOST_PAIRED}"
        elif self.groups > 1 and (c % LANE_CHANNELS or o % (LANE_CHANNELS * self.groups)):
            yield (
                f"{self.groups} groups of {c} inputs and {o // self.groups} outputs; must be "
                f"multiples of {LANE_CHANNELS}"
            )


def upsample(x: Array, grid: tuple[int, int], tokens: int) -> Array:
    """(batch, n, C) on a coarser grid -> (batch, tokens, C) on `grid`, nearest neighbour."""
    factor = round((tokens / x.shape[1]) ** 0.5)
    height, width = grid
    cells = x.reshape(len(x), height // factor, width // factor, -1)
    return cells.repeat(factor, 1).repeat(factor, 2).reshape(len(x), tokens, -1)


def windows_to_grid(x: Array, w: int) -> Array:
    """(batch, n*n, w*w, C) -> (batch, n*w*n*w, C), row-major on both sides."""
    b, nn, _, c = x.shape
    n = round(nn**0.5)
    return x.reshape(b, n, n, w, w, c).transpose(0, 1, 3, 2, 4, 5).reshape(b, n * w * n * w, c)


def grid_to_windows(x: Array, w: int, grid: tuple[int, int]) -> Array:
    """(batch, H*W, C) -> (batch, windows, w*w, C), inverse of `windows_to_grid`."""
    b, _, c = x.shape
    h, v = grid[0] // w, grid[1] // w
    return x.reshape(b, h, w, v, w, c).transpose(0, 1, 3, 2, 4, 5).reshape(b, h * v, w * w, c)
