"""Channel words moved from place to place: concatenation and slices (MACV)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwgen.engine.sizing import Sizing
from hwgen.ops.base import HLS_LANES, Array, Op, Types, register, span
from hwgen.ops.types import TensorType
from hwgen.ops.vector import Result


@register
@dataclass(frozen=True, eq=False)
class Gather(Op):
    """acc[o] = m[o] x_i[c], the channels of `pieces` one behind the other.

    A piece (i, c, n) is channels c .. c + n - 1 of source i. Sources (..., C_i) of equal tokens and
    binary points; m (O,). Pieces begin and end at words: the lanes divide all their numbers.
    """

    pieces: tuple[tuple[int, int, int], ...]
    m: Array

    UNIT: ClassVar[str] = "MACV"
    HLS: ClassVar[tuple[str, ...]] = ("vector_operands", *HLS_LANES)
    READS: ClassVar[tuple[str, ...]] = ("feature",)
    PADDED_ROWS: ClassVar[bool] = True

    def sums(self, *x: Array) -> tuple[Array, Array | None]:
        parts = [x[i][..., c : c + n] for i, c, n in self.pieces]
        return np.concatenate(parts, -1), self.m

    def acc_bounds(self, *x: TensorType) -> tuple[int, int]:
        lo, hi = min(t.lo for t in x), max(t.hi for t in x)
        return span(lo, hi, self.m[:, None])

    def result(self, *x: TensorType) -> Result:
        return (*x[0].shape[:-1], sum(n for *_, n in self.pieces)), x[0].grid

    def source_rows(self, first: int, count: int) -> list[int] | None:
        return list(range(first, first + count))

    def beats(self, s: Sizing, types: Types) -> int:
        return self.result_words(s)

    def parameter_words(self, s: Sizing) -> int:
        return self.chain_words(s)

    def lane_channels(self) -> tuple[int, ...]:
        return tuple(channel for _, c, n in self.pieces for channel in (c, n))

    def streams(self) -> tuple[tuple[str, ...], ...]:
        """An instruction reads one of them, beside the residuals."""
        residual = self.post.pre or self.post.mid or self.post.out
        return (tuple(dict.fromkeys(self.sources)),) if residual else ()

    def violations(self, *x: TensorType) -> Iterator[str]:
        for t in x:
            if (t.shape[:-1], t.grid, t.frac) != (x[0].shape[:-1], x[0].grid, x[0].frac):
                yield f"{t.shape} at frac {t.frac} beside {x[0].shape} at {x[0].frac}"
        for i, c, n in self.pieces:
            if not (0 <= i < len(x) and 0 <= c < c + n <= x[i].channels):
                yield f"channels {c} .. {c + n - 1} of source {i}; must be there"
