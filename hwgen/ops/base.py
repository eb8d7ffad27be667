"""What every integer op has: a name, sources, a post chain, output types, exact execution, cost.

All that the compiler asks of an op is a method or a declared trait of its class; `register` refuses
a class that leaves one out. Its program is the one function of the same name in
`hwgen/schedule/steps/`; nothing else knows ops by name.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from math import ceil
from typing import Any, ClassVar, TypeVar

import numpy as np

from hwgen.engine.sizing import Sizing
from hwgen.ops.post import Post
from hwgen.ops.types import ImageRows, TensorType

Array = np.ndarray
Shape = tuple[int, ...]
Grid = tuple[int, int]  # height, width
Types = Mapping[str, TensorType]
HLS_LANES = ("multiply_accumulate", "post_lane")  # HLS kernels behind the operands of an op
TRAITS = ("UNIT", "HLS", "READS", "PADDED_ROWS")  # that each class declares
REGISTRY: dict[str, type[Op]] = {}
AnyOp = TypeVar("AnyOp", bound="type[Op]")


def register(cls: AnyOp) -> AnyOp:
    """Class decorator: makes an op known by its class name (JSON, scheduler, completeness test).

    Raises TypeError for a class that lacks a method or a trait of TRAITS.
    """
    missing = sorted(getattr(cls, "__abstractmethods__", ()))
    missing += [trait for trait in TRAITS if not hasattr(cls, trait)]
    if missing or inspect.isabstract(cls):
        raise TypeError(f"{cls.__name__}: {', '.join(missing)} must be given (hwgen.ops.base.Op)")
    REGISTRY[cls.__name__] = cls
    return cls


@dataclass(frozen=True, eq=False)
class Op(ABC):
    """One integer op. Its feature output is called `name`, its bit output `name + '.bits'`.

    Values are int64 arrays (bits: uint8) with a leading batch axis. `sources` names the operand
    tensors; the post chain names the residuals. `feature` is None when only bits are kept.
    A concrete op gives the methods with `*sources` and `*types` (arrays and types of its sources)
    one named argument for each source.
    """

    name: str
    sources: tuple[str, ...]
    post: Post
    feature: TensorType | None
    bits: TensorType | None

    UNIT: ClassVar[str]  # instruction that computes it
    HLS: ClassVar[tuple[str, ...]]  # its kernels in templates/hls: functions and structs
    READS: ClassVar[tuple[str, ...]]  # kinds of tensors that its sources may be
    # Its instructions follow the image rows of the bits that it reads or writes, so that these may
    # be padded in BM; False where one instruction runs on over all tokens.
    PADDED_ROWS: ClassVar[bool]
    # What follows is False where nothing is said, which is always right.
    IN_PLACE: ClassVar[bool] = False  # each word of a source is read once, before it is written
    LOADED: ClassVar[bool] = False  # comes from DDR, whatever its sources are
    AHEAD: ClassVar[bool] = False  # may run a strip ahead of its band, to reach rows around its own
    COARSE_RESIDUALS: ClassVar[bool] = False  # a residual's cells may repeat over a finer grid
    OWN_WIDTH: ClassVar[tuple[str, ...]] = ()  # parameters that `violations` bounds, not PARAM_BITS

    @property
    def out(self) -> TensorType:
        """The result's type: of the feature, else of the bits (which are never pooled)."""
        out = self.feature or self.bits
        assert out is not None, f"{self.name} has no output"
        return out

    @property
    def inputs(self) -> tuple[str, ...]:
        """Sources, then the residuals of the post chain."""
        residuals = (self.post.pre, self.post.mid, self.post.out)
        return self.sources + tuple(r for r in residuals if r)

    def outputs(self) -> dict[str, TensorType]:
        out = {}
        if self.feature is not None:
            out[self.name] = self.feature
        if self.bits is not None:
            out[f"{self.name}.bits"] = self.bits
        return out

    def accumulate(self, *sources: Array) -> Array:
        """Exact accumulator (batch, ..., C) before the post chain: int64, or float64 integers."""
        total, m = self.sums(*sources)
        return total if m is None else total * m.astype(np.float64)

    @abstractmethod
    def sums(self, *sources: Any, **_: Any) -> tuple[Array, Array | None]:
        """The accumulator as exact sums (integers of any dtype) and their factor m (C,)."""

    @abstractmethod
    def acc_bounds(self, *types: Any, **_: Any) -> tuple[int, int]:
        """Smallest and largest accumulator any input within the types' ranges can give."""

    @abstractmethod
    def result(self, *types: Any, **_: Any) -> tuple[Shape, Grid]:
        """Shape (without batch) and grid of the accumulators for sources of these types."""

    @abstractmethod
    def source_rows(self, first: int, count: int) -> list[int] | None:
        """Grid rows of the sources that result rows first .. first + count - 1 are made of.

        None when the op cannot work on a part of its rows (windows, sums over the whole grid).
        Residuals are always read at the result's own rows.
        """

    # ---- cost ---------------------------------------------------------------------------------

    @abstractmethod
    def beats(self, s: Sizing, types: Types) -> int:
        """Issue cycles if nothing ever waits: a vector of the array, a product of the lanes or a
        result word each. types: of its tensors, by name."""

    @abstractmethod
    def parameter_words(self, s: Sizing) -> int:
        """Words of L x 16 bits of its LOAD records without the weights of the array, once."""

    def tile_words(self, s: Sizing) -> int:
        """Words of its weights of the array: sixteen columns of all lanes each."""
        return 0

    def record_words(self, s: Sizing) -> int:
        """Words of its LOAD records."""
        return self.parameter_words(s) + self.tile_words(s)

    def constant_words(self, s: Sizing) -> int:
        """Words of L x 16 bits that LOADF brings from the weight image, in no record and once a
        frame."""
        return 0

    def buffer_words(self) -> int:
        """Words of WB that must be there at once (weights of an output word)."""
        return 0

    def partial_results(self, s: Sizing, types: Types) -> int:
        """Results of the longest run of tokens whose partial sums must be held, 0 without any."""
        return 0

    def chain_words(self, s: Sizing, more: int = 1) -> int:
        """Words of the post chain's slots and of `more` values a channel (one: a multiplier)."""
        return self.channel_words(s) * (len(self.post.fields) + more)

    def result_words(self, s: Sizing) -> int:
        """Words of the accumulator: what the lanes finish, before channels are pooled."""
        return self.out.tokens * self.channel_words(s)

    def channel_words(self, s: Sizing) -> int:
        """Words of a result token before channels are pooled."""
        return ceil(self.out.channels / s.lanes) << self.post.pool

    # ---- limits of sizes ------------------------------------------------------------------------

    def lane_channels(self) -> tuple[int, ...]:
        """Channel counts besides those of its tensors that the lanes must divide."""
        return ()

    def head_channels(self) -> int | None:
        """Channels of its attention heads, None without any."""
        return None

    def group_unit(self) -> int | None:
        """Largest power of two that divides the slices of its groups; None without groups."""
        return None

    # ---- plan and placement ---------------------------------------------------------------------

    def streams(self) -> tuple[tuple[str, ...], ...]:
        """Feature sources by read stream of an instruction that also reads the residuals.

        Tensors of a stream lie in one memory, those of two streams in two.
        """
        return tuple((source,) for source in self.sources)

    def bit_rows(self) -> tuple[int, int] | None:
        """(width, dilation) where it reads 3x3 windows of its source's image rows, else None."""
        return None

    def image_rows(self, height: int, count: int | None, lanes: int) -> ImageRows:
        """How an image of `height` rows lies in memory for result rows 0 .. count - 1 (None: all);
        of ops that read the image."""
        rows = height if count is None else len(self.source_rows(0, count) or ())
        return ImageRows(rows, rows)

    def image_in_words(self, row: int, rows: int, lanes: int) -> bool:
        """Whether the image rows (of `row` elements) for `rows` result rows are whole words."""
        return len(self.source_rows(0, rows) or ()) * row % lanes == 0

    def finer_scale(self) -> int:
        """Rows of its source's grid to one of the result's, where it may run in the band of that
        finer grid; 0 where it may not."""
        return 0

    @property
    def runs_beside(self) -> bool:
        """Whether its instructions may stand between those of the layer that adds its result."""
        return False

    @property
    def takes_beside(self) -> bool:
        """Whether the op that it adds may run beside it, channel word by channel word."""
        return False

    def residual_fits(self, t: TensorType, shape: Shape, grid: Grid) -> bool:
        """Whether a residual of type `t` has a token for every token of a result of this shape."""
        return int(np.prod(shape[:-1])) == t.tokens or self.is_coarse(t, grid)

    def is_coarse(self, t: TensorType, grid: Grid) -> bool:
        """Whether a residual repeats: a square of cells of `grid` shares one of its."""
        factor = grid[0] // t.grid[0] if t.grid[0] else 0
        repeats = factor > 1 and grid == (t.grid[0] * factor, t.grid[1] * factor)
        return self.COARSE_RESIDUALS and repeats

    def operand_rows(self, tensor: str, first: int, count: int) -> list[int] | None:
        """Grid rows of one operand (a source or a residual) for these result rows; None: all."""
        if tensor in self.sources:
            return self.source_rows(first, count)
        return list(range(first, first + count))

    def last_tokens(self, tensor: str) -> int:
        """Of a windowed operand of which only so many last tokens of every window are read; 0: all
        are."""
        return 0

    def violations(self, *types: Any, **_: Any) -> Iterator[str]:
        """Rules of the op that its parameters and source types break, as 'value; rule'."""
        return iter(())

    def residual(self, value: Array, acc: Array) -> Array:
        """Bring a residual into the accumulator's token order; fewer channels repeat (Post.run)."""
        return value

    def levels(self, *sources: Any, **_: Any) -> Array | None:
        """What it quantises inside, from its first two sources, for reports; None: nothing."""
        return None

    def execute(self, values: dict[str, Array]) -> dict[str, Array]:
        """Run on named values; returns the op's outputs by name."""
        acc, m = self.sums(*(values[s] for s in self.sources))
        p = self.post
        residuals = (
            None if n is None else self.residual(values[n], acc) for n in (p.pre, p.mid, p.out)
        )
        pre, mid, last = residuals
        feature, bits = p.run(acc, pre, mid, last, m)
        out = {}
        if self.feature is not None:
            out[self.name] = feature
        if bits is not None:
            out[f"{self.name}.bits"] = bits
        return out

    def parameters(self) -> dict[str, object]:
        """Fields of the concrete op beyond those of every op."""
        common = {f.name for f in fields(Op)}
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in common}


def signed(bits: Array) -> Array:
    """Bits 1/0 as +1.0/-1.0 in float32 (sums up to 2**24 stay exact in BLAS)."""
    x = bits.astype(np.int8)
    x += x
    x -= 1
    return x.astype(np.float32)


def span(lo: int, hi: int, coefficients: Array) -> tuple[int, int]:
    """Range of sum_i x_i c_i over the last axis of `coefficients` for x_i in [lo, hi]."""
    c = np.asarray(coefficients, dtype=np.int64)
    low = np.where(c > 0, c * lo, c * hi).sum(-1)
    high = np.where(c > 0, c * hi, c * lo).sum(-1)
    return int(low.min()), int(high.max())
