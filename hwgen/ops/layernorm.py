"""True LayerNorm over channels, with the window builder's gather (LNSTAT, LNAPPLY)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwgen.engine.numerics import MAX_LOG2C, NORM_V_BITS, norm_stats, rshift_round
from hwgen.engine.sizing import Sizing
from hwgen.ops.base import HLS_LANES, Array, Op, Types, register
from hwgen.ops.types import TensorType
from hwgen.ops.xnor import grid_to_windows


@register
@dataclass(frozen=True, eq=False)
class LayerNorm(Op):
    """Normalised tokens at scale 2**-12; the affine map is the post chain's m3, b3.

    window = 0: source (tokens, C). window = w: sources (H*W, C) on `in_grid` and merge tokens
    (n*n, C); result (windows, w*w + n*n, C), every window with all merge tokens appended.
    The first of the C channels count where `channels` is not 0, and the others are 0: those of a
    network, filled up to whole words of lanes. eps = W**2 eps_float / scale**2, W the least power
    of two that is no smaller than the channels (`hwgen.engine.numerics.norm_stats`).
    """

    eps: int
    channels: int = 0
    window: int = 0
    in_grid: tuple[int, int] = (0, 0)

    UNIT: ClassVar[str] = "LNAPPLY"
    HLS: ClassVar[tuple[str, ...]] = (
        "statistics_operands",
        "norm_entry",
        "rsqrt",
        "normalise_operands",
        *HLS_LANES,
    )
    READS: ClassVar[tuple[str, ...]] = ("feature",)
    PADDED_ROWS: ClassVar[bool] = True

    def gather(self, x: Array, merge: Array | None = None) -> Array:
        if not self.window:
            return x
        windows = grid_to_windows(x, self.window, self.in_grid)
        if merge is None:
            return windows
        shared = np.broadcast_to(merge[:, None], (*windows.shape[:2], *merge.shape[1:]))
        return np.concatenate([windows, shared], 2)

    def sums(self, x: Array, merge: Array | None = None) -> tuple[Array, Array | None]:
        tokens = self.gather(x, merge)
        mean2, r, shift = norm_stats(tokens, self.channels or tokens.shape[-1], self.eps)
        centred = 2 * tokens - mean2[..., None]
        return rshift_round(centred * r[..., None], shift[..., None]), None

    def acc_bounds(self, x: TensorType, *merge: TensorType) -> tuple[int, int]:
        return -(1 << 33), (1 << 33) - 1

    def result(self, x: TensorType, *merge: TensorType) -> tuple[tuple[int, ...], tuple[int, int]]:
        if not self.window:
            return x.shape, x.grid
        windows = self.in_grid[0] * self.in_grid[1] // self.window**2
        tokens = self.window**2 + sum(m.shape[0] for m in merge)
        return (windows, tokens, x.channels), (0, 0)

    def beats(self, s: Sizing, types: Types) -> int:
        return 3 * self.result_words(s)  # two passes of statistics

    def parameter_words(self, s: Sizing) -> int:
        return self.chain_words(s, 0)

    def source_rows(self, first: int, count: int) -> list[int] | None:
        rows = range(first * self.window, (first + count) * self.window)
        return list(rows) or None

    def operand_rows(self, tensor: str, first: int, count: int) -> list[int] | None:
        if tensor in self.sources[1:]:
            return None  # every window has all merge tokens
        return super().operand_rows(tensor, first, count)

    def streams(self) -> tuple[tuple[str, ...], ...]:
        return ()  # tokens and merge tokens are read by different instructions

    def violations(self, x: TensorType, *merge: TensorType) -> Iterator[str]:
        if x.channels > 1 << MAX_LOG2C:
            yield f"{x.channels} channels; must be at most {1 << MAX_LOG2C}"
        if self.channels > x.channels:
            yield f"{self.channels} channels of {x.channels}; must be there"
        if not 0 <= self.eps < 1 << NORM_V_BITS:
            yield f"eps {self.eps}; must fit {NORM_V_BITS} bits"
        if any(m.frac != x.frac for m in merge):
            yield f"merge tokens at frac {merge[0].frac}; must be frac {x.frac}"
        if self.window and (x.grid != self.in_grid or any(s % self.window for s in x.grid)):
            yield f"window {self.window} on {x.grid}; must divide the grid {self.in_grid}"
