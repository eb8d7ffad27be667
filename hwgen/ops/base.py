"""What every integer op has: a name, sources, a post chain, output types, exact execution."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np

from hwgen.ops.post import Post
from hwgen.ops.types import TensorType

Array = np.ndarray
HLS_LANES = ("multiply_accumulate", "post_lane")  # HLS kernels behind the operands of an op
REGISTRY: dict[str, type[Op]] = {}


def register(cls: type[Op]) -> type[Op]:
    """Class decorator: makes an op known by its class name (JSON, scheduler, completeness test)."""
    REGISTRY[cls.__name__] = cls
    return cls


@dataclass(frozen=True, eq=False)
class Op:
    """One integer op. Its feature output is called `name`, its bit output `name + '.bits'`.

    Values are int64 arrays (bits: uint8) with a leading batch axis. `sources` names the operand
    tensors; the post chain names the residuals. `feature` is None when only bits are kept.
    """

    name: str
    sources: tuple[str, ...]
    post: Post
    feature: TensorType | None
    bits: TensorType | None

    UNIT: ClassVar[str] = ""  # instruction that computes it
    HLS: ClassVar[tuple[str, ...]] = ()  # its kernels in templates/hls: functions and structs

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

    def sums(self, *sources: Array) -> tuple[Array, Array | None]:
        """The accumulator as exact sums (integers of any dtype) and their factor m (C,)."""
        raise NotImplementedError

    def acc_bounds(self, *types: TensorType) -> tuple[int, int]:
        """Smallest and largest accumulator any input within the types' ranges can give."""
        raise NotImplementedError

    def result(self, *types: TensorType) -> tuple[tuple[int, ...], tuple[int, int]]:
        """Shape (without batch) and grid of the accumulators for sources of these types."""
        raise NotImplementedError

    def source_rows(self, first: int, count: int) -> list[int] | None:
        """Grid rows of the sources that result rows first .. first + count - 1 are made of.

        None when the op cannot work on a part of its rows (windows, sums over the whole grid).
        Residuals are always read at the result's own rows.
        """
        return None

    def operand_rows(self, tensor: str, first: int, count: int) -> list[int] | None:
        """Grid rows of one operand (a source or a residual) for these result rows; None: all."""
        if tensor in self.sources:
            return self.source_rows(first, count)
        return list(range(first, first + count))

    def violations(self, *types: TensorType) -> Iterator[str]:
        """Rules of the op that its parameters and source types break, as 'value; rule'."""
        return iter(())

    def residual(self, value: Array, acc: Array) -> Array:
        """Bring a residual into the accumulator's token order; fewer channels repeat (Post.run)."""
        return value

    def execute(self, values: dict[str, Array]) -> dict[str, Array]:
        """Run on named values; returns the op's outputs by name."""
        acc, m = self.sums(*(values[s] for s in self.sources))
        p = self.post
        parts = [
            None if n is None else self.residual(values[n], acc) for n in (p.pre, p.mid, p.out)
        ]
        feature, bits = p.run(acc, *parts, m=m)
        out = {}
        if self.feature is not None:
            out[self.name] = feature
        if self.bits is not None:
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
