"""The post chain: what one lane does to an accumulator, the same for every op.

    y1 = sat18(rshift_round(acc, sh1) + b)
    y2 = y1 + pre
    y3 = sat18(y2 >= 0 ? y2 : rshift_round(y2 slope, sh2))  when rp (slope given)
    y3 = sat18(chords(y2)) with a table of an activation function, sat18(y2) with neither
    y4 = y3 + mid
    y5 = sat18(rshift_round(y4 m3, sh3) + b3), m3 2**-sh3 = 1 when not given
    y6 = satA(y5 + out)
    bit = (bit_y3 ? y3 : y6) >= t
    pooled = rshift_round(sum of 2**pool adjacent channels of y6, pool)

acc is the sum of products in * m: for XNOR ops in = 2 popcount + om and m = cm, so the caller
passes acc already multiplied. A is the activation width. RPReLU's two offsets are part of b and of
b3 (passes/quantize.py). Shifts come from the sets in `numerics`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from hwgen.engine.chords import Chords
from hwgen.engine.isa import QM_FIELDS
from hwgen.engine.numerics import Y_BITS, rshift_round, saturate
from hwgen.ops.kernels import chain

if TYPE_CHECKING:
    from hwgen.ops.types import TensorType

Array = np.ndarray


NONE = np.empty(0, dtype=np.int64)  # a stage that is off
NO_RESIDUAL = np.empty((0, 0), dtype=np.int64)


def _rows(residual: Array | None, shape: tuple[int, ...]) -> Array:
    """A residual as (tokens, its channels)."""
    if residual is None:
        return NO_RESIDUAL
    channels = residual.shape[-1]
    rows = np.broadcast_to(residual, (*shape[:-1], channels)).reshape(-1, channels)
    return np.ascontiguousarray(rows, dtype=np.int64)


def _vector(values: Array | None) -> Array:
    return NONE if values is None else np.ascontiguousarray(values, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Post:
    """Constants of a post chain; vectors are int64 of shape (C,), None where a stage is off.

    b, slope, m3, b3, t are 16-bit; `pre`, `mid`, `out` are names of graph tensors.
    """

    sh1: int = 0
    b: Array | None = None
    pre: str | None = None
    slope: Array | None = None
    sh2: int = 0
    chords: Chords | None = None
    mid: str | None = None
    m3: Array | None = None
    sh3: int = 0
    b3: Array | None = None
    out: str | None = None
    pool: int = 0
    t: Array | None = None
    bit_y3: bool = False
    act_bits: int = field(default=16)

    @property
    def fields(self) -> tuple[str, ...]:
        """The constants of a channel that its stages read, of `isa.QM_FIELDS`; b and c3 always."""
        read = {"slope": self.slope is not None, "m3": self.m3 is not None, "t": self.t is not None}
        return tuple(name for name in QM_FIELDS if read.get(name, True))

    def run(
        self,
        acc: Array,
        pre: Array | None = None,
        mid: Array | None = None,
        out: Array | None = None,
        m: Array | None = None,
    ) -> tuple[Array, Array | None]:
        """Apply to acc m (..., C), m = 1 where None. Returns (features, bits or None).

        Residuals broadcast to acc; one with fewer channels repeats along them.
        """
        channels, table = acc.shape[-1], self.chords
        rows = np.ascontiguousarray(acc.reshape(-1, channels))
        feature = np.empty((len(rows), channels >> self.pool), dtype=np.int64)
        bits = np.empty(rows.shape if self.t is not None else (0, 0), dtype=np.uint8)
        chain(
            rows,
            np.ones(channels, dtype=np.int64) if m is None else _vector(m),
            self.sh1,
            np.zeros(channels, dtype=np.int64) if self.b is None else _vector(self.b),
            _rows(pre, acc.shape),
            _vector(self.slope),
            self.sh2,
            NO_RESIDUAL if table is None else np.stack([table.slope, table.intercept]),
            table is not None and table.flat,
            _rows(mid, acc.shape),
            _vector(self.m3),
            self.sh3,
            _vector(self.b3),
            _rows(out, acc.shape),
            self.pool,
            _vector(self.t),
            self.bit_y3,
            self.act_bits,
            feature,
            bits,
        )
        shape = acc.shape[:-1]
        return feature.reshape(*shape, -1), None if self.t is None else bits.reshape(acc.shape)

    def bounds(
        self,
        lo: int,
        hi: int,
        pre: TensorType | None = None,
        mid: TensorType | None = None,
        out: TensorType | None = None,
    ) -> tuple[int, int]:
        """Range of the stored feature for accumulators in [lo, hi] and residuals of these types."""
        a = self.act_bits

        def plus(low: Array, high: Array, t: TensorType | None) -> tuple[Array, Array]:
            return (low, high) if t is None else (low + t.lo, high + t.hi)

        ends = [np.asarray(rshift_round(np.int64(v), self.sh1)) for v in (lo, hi)]
        if self.b is not None:
            ends = [v + self.b for v in ends]
        low, high = (saturate(v, Y_BITS) for v in ends)
        low, high = plus(low, high, pre)
        if self.slope is not None:
            low, high = self._rprelu_bounds(low, high)
        elif self.chords is not None:
            low, high = self.chords.bounds(low, high)
        low, high = plus(saturate(low, Y_BITS), saturate(high, Y_BITS), mid)
        if self.m3 is not None:
            ends = [rshift_round(v * self.m3, self.sh3) for v in (low, high)]
            low, high = np.minimum(*ends), np.maximum(*ends)
        if self.b3 is not None:
            low, high = low + self.b3, high + self.b3
        low, high = plus(saturate(low, Y_BITS), saturate(high, Y_BITS), out)
        return int(saturate(low, a).min()), int(saturate(high, a).max())

    def _rprelu_bounds(self, low: Array, high: Array) -> tuple[Array, Array]:
        """Range of (t >= 0 ? t : rshift_round(t slope, sh2)) for t in [low, high]."""
        values = [np.maximum(low, 0), np.maximum(high, 0)]
        negative = [np.minimum(v, -1) for v in (low, high)]
        values += [rshift_round(v * self.slope, self.sh2) for v in negative]
        reached = [high >= 0, high >= 0, low < 0, low < 0]
        stack, ok = np.stack(np.broadcast_arrays(*values)), np.stack(np.broadcast_arrays(*reached))
        ok = np.broadcast_to(
            ok.reshape(4, *([1] * (stack.ndim - ok.ndim)), *ok.shape[1:]), stack.shape
        )
        big = np.iinfo(np.int64).max
        return np.where(ok, stack, big).min(0), np.where(ok, stack, -big).max(0)
