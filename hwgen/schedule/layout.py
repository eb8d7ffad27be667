"""How a tensor lies in its memory: words of a token, tokens of a row, rows of a strip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, overload

import numpy as np

from hwgen.engine.sizing import Sizing, bit_stride
from hwgen.ir.graph import Graph
from hwgen.ops.types import ImageRows, TensorType
from hwgen.schedule.plan import Strips

Array = np.ndarray

FM, TM, BM = 0, 1, 2
BLOCK_WORDS = 512  # of a block RAM in its widest shape
MEMORY_NAMES = ("FM", "TM", "BM")


@dataclass(frozen=True)
class Place:
    """A tensor's region of `size` words of a memory (BM: elements of L bits).

    Word w of token n is at base + slot * unit_size + (n % unit_tokens) * stride + w, where slot is
    n // unit_tokens, or what `slots` gives for it.
    """

    tensor: str
    memory: int
    base: int
    stride: int
    words: int  # words (elements) of a token
    size: int
    unit_tokens: int  # tokens of a row (or of a strip)
    unit_size: int  # words from unit to unit
    slots: tuple[int, ...] | None = None
    first: tuple[int, ...] = ()  # of a reloaded tensor, first row of every strip: see `window`
    rows: range | None = None  # of a window: those that it holds

    def window(self, strip: int, width: int) -> Place:
        """A reloaded tensor, of rows of `width` tokens, while this strip of it is there: rows from
        `first` on, which may lie beyond both ends of the grid."""
        row, low = width * self.stride, self.first[strip]
        return Place(
            self.tensor, self.memory, self.base - low * row, self.stride, self.words, self.size,
            width, row, None, (), range(low, low + self.unit_tokens // width),
        )  # fmt: skip

    @property
    def region(self) -> tuple[int, int]:
        """First word, and the one behind the last."""
        base = self.base + (self.rows.start * self.unit_size if self.rows else 0)
        return base, base + self.size

    @property
    def padded(self) -> bool:
        """Addresses jump between image rows: an instruction cannot run on from row to row."""
        return self.unit_size != self.unit_tokens * self.stride

    @overload
    def step(self, tokens: int) -> int: ...

    @overload
    def step(self, tokens: Array) -> Array: ...

    def step(self, tokens: Any) -> Any:
        """Address distance of tokens that are whole rows, or within a row, apart (or from 0)."""
        if not self.padded:
            return tokens * self.stride
        rows, inside = divmod(tokens, self.unit_tokens)
        return rows * self.unit_size + inside * self.stride

    @overload
    def address(self, token: int, word: int = 0) -> int: ...

    @overload
    def address(self, token: Array, word: Array | int = 0) -> Array: ...

    def address(self, token: Any, word: Any = 0) -> Any:
        unit, inside = divmod(token, self.unit_tokens)
        if self.slots is not None:
            unit = np.asarray(self.slots)[unit] if np.ndim(unit) else self.slots[int(unit)]
        return self.base + unit * self.unit_size + inside * self.stride + word


def row_pitch(width: int, stride: int, two: int, s: Sizing) -> int:
    """Elements from image row to image row for 3x3 convolutions of dilation `two` x an odd number.

    Rows that far apart are an odd number of memory rows apart, hence in different banks: a window
    takes a cycle, not three. Without padding where that would split tokens (even dilations only).
    """
    unit = s.row_elements // two
    if unit == 0 or unit % min(stride, s.row_elements):
        return width * stride
    return (-(-width * stride // unit) | 1) * unit


def image_rows_of(graph: Graph) -> dict[str, tuple[int, int]]:
    """Bits that 3x3 convolutions read: width, least power of two that divides one's dilation."""
    rows: dict[str, tuple[int, int]] = {}
    runs_on: set[str] = set()
    for op in graph.ops:
        if (read := op.bit_rows()) is not None:
            width, dilation = read
            two = min(dilation & -dilation, rows.get(op.sources[0], read)[1])
            rows[op.sources[0]] = (width, two)
        if not op.PADDED_ROWS:
            runs_on |= {*op.sources, *op.outputs()}
    return {t: r for t, r in rows.items() if t not in runs_on}


def image_words(t: TensorType, rows: ImageRows, lanes: int) -> int:
    """Words of the image, or of a strip of it."""
    if not rows.words:
        return -(-rows.rows * int(np.prod(t.shape[1:])) // lanes)
    return rows.rows * (rows.words + rows.margin) + rows.margin


def unit_shape(
    t: TensorType, s: Sizing, strips: Strips | None, image: ImageRows
) -> tuple[int, int, int, int]:
    """(words of a token, stride, tokens of a unit, units) of a tensor."""
    words = -(-t.channels // s.lanes)
    stride = bit_stride(t.channels, s) if t.kind == "bits" else words
    if t.kind == "image":  # elements in a row, no tokens: one unit, or one per strip
        words = image_words(t, image, s.lanes)
        return words, words, 1, len(strips.slots) if strips else 1
    height, width = t.rows
    rows = strips.rows if strips else 1
    count = len(strips.slots) if strips else height
    return words, stride, rows * width, count
