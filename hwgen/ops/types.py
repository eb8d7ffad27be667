"""Types of the values that flow along the integer graph."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt, prod


@dataclass(frozen=True)
class TensorType:
    """One tensor (without the leading batch axis).

    kind: ``image`` (H, W, channels) uint8; ``feature`` or ``bits`` with the channels last:
    (tokens, C) for a grid in row-major order, or (windows, tokens, C).
    grid: (height, width) of a (tokens, C) tensor, (0, 0) for windows.
    frac: a feature of integer value v stands for v * 2**-frac.
    lo, hi: inclusive range of the integers.
    """

    kind: str
    shape: tuple[int, ...]
    grid: tuple[int, int] = (0, 0)
    frac: int = 0
    lo: int = 0
    hi: int = 1

    @property
    def channels(self) -> int:
        return self.shape[-1]

    @property
    def tokens(self) -> int:
        """Tokens in all windows together."""
        return prod(self.shape[:-1])

    @property
    def rows(self) -> tuple[int, int]:
        """(rows, tokens of a row): of its grid, of n*n windows in n rows of n, else one row."""
        height, width = self.grid
        if height * width == self.tokens:
            return self.grid
        side = isqrt(self.shape[0]) if len(self.shape) == 3 else 1
        height = side if side * side == self.shape[0] else 1
        return height, self.tokens // height

    def words(self, lanes: int) -> int:
        """Words of so many lanes that hold it."""
        return self.tokens * -(-self.channels // lanes)

    @property
    def width(self) -> int:
        """Bits of the smallest integer holding the range: signed for features, else unsigned."""
        if self.kind != "feature":
            return max(1, self.hi.bit_length())
        return max((-self.lo - 1).bit_length() if self.lo < 0 else 0, self.hi.bit_length()) + 1


@dataclass(frozen=True)
class ImageRows:
    """How the image lies in memory: `rows` of them (a strip of them), from image row `first` on,
    `step` rows further from strip to strip; before every row and after the last `margin` words.

    Margins and rows outside the image hold `pad`, a value per channel; so does the rest of a row's
    last word.
    """

    rows: int
    step: int
    first: int = 0
    margin: int = 0
    left: int = 0  # elements of the padding to the left of a row
    pad: tuple[int, ...] = ()
    words: int = 0  # of a row, where each begins with a word; 0: one runs on into the next

    def filled(self, row: int, lanes: int) -> tuple[int, ...]:
        """What stands behind a row of so many elements, up to the next word."""
        rest = max(0, self.words * lanes - row)
        return tuple(self.pad[e % len(self.pad)] for e in range(rest))
