"""The post chain: what one lane does to an accumulator, the same for every op.

    y1 = sat18(rshift_round(acc, sh1) + b)
    y2 = y1 + pre
    y3 = satA(t >= 0 ? t + z : rshift_round(t slope, sh2) + z),  t = y2 - g      (rp)
    y3 = satA(gelu(y2)) when gelu, satA(y2) when neither
    y4 = y3 + mid
    y5 = sat18(rshift_round(y4 m3, sh3) + b3)  when aff, else y4
    y6 = satA(y5 + out)
    bit = (bit_y3 ? y3 : y6) >= t
    pooled = rshift_round(sum of 2**pool adjacent channels of y6, pool)

acc is the sum of products in * m: for XNOR ops in = 2 popcount + om and m = cm, so the caller
passes acc already multiplied. A is the activation width.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from hwgen.ops.numerics import Y_BITS, gelu, rshift_round, saturate

if TYPE_CHECKING:
    from hwgen.ir.types import TensorType

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Post:
    """Constants of a post chain; vectors are int64 of shape (C,), None where a stage is off.

    b, g, slope, z, m3, b3, t are 16-bit; `pre`, `mid`, `out` are names of graph tensors.
    """

    sh1: int = 0
    b: Array | None = None
    pre: str | None = None
    g: Array | None = None
    slope: Array | None = None
    sh2: int = 0
    z: Array | None = None
    gelu: bool = False
    mid: str | None = None
    m3: Array | None = None
    sh3: int = 0
    b3: Array | None = None
    out: str | None = None
    pool: int = 0
    t: Array | None = None
    bit_y3: bool = False
    act_bits: int = field(default=16)

    def run(
        self,
        acc: Array,
        pre: Array | None = None,
        mid: Array | None = None,
        out: Array | None = None,
    ) -> tuple[Array, Array | None]:
        """Apply to acc (..., C); residuals broadcast to it. Returns (features, bits or None)."""
        a = self.act_bits
        y = rshift_round(acc, self.sh1)
        if self.b is not None:
            y = y + self.b
        y = saturate(y, Y_BITS)
        if pre is not None:
            y = y + pre
        if self.slope is not None:
            t = y - self.g
            y = np.where(t >= 0, t, rshift_round(t * self.slope, self.sh2)) + self.z
        elif self.gelu:
            y = gelu(y)
        y3 = y = saturate(y, a)
        if mid is not None:
            y = y + mid
        if self.m3 is not None:
            y = saturate(rshift_round(y * self.m3, self.sh3) + self.b3, Y_BITS)
        if out is not None:
            y = y + out
        y6 = saturate(y, a)
        bits = None if self.t is None else ((y3 if self.bit_y3 else y6) >= self.t).astype(np.uint8)
        if self.pool:
            groups = y6.reshape(*y6.shape[:-1], -1, 1 << self.pool)
            y6 = rshift_round(groups.sum(-1), self.pool)
        return y6, bits

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
        low, high = plus(*(saturate(v, Y_BITS) for v in ends), pre)
        if self.slope is not None:
            low, high = self._rprelu_bounds(low - self.g, high - self.g)
            low, high = low + self.z, high + self.z
        elif self.gelu:
            dip = gelu(np.arange(-1 << 14, 0)).min()  # the only part that is not monotonic
            ends = [gelu(low), gelu(high)]
            low = np.where(low < 0, np.where(high < -1 << 14, 0, dip), ends[0])
            high = np.maximum(ends[1], np.where(low < 0, 0, ends[1]))
        low, high = plus(saturate(low, a), saturate(high, a), mid)
        if self.m3 is not None:
            ends = [rshift_round(v * self.m3, self.sh3) for v in (low, high)]
            low, high = (
                saturate(f(ends[0], ends[1]) + self.b3, Y_BITS) for f in (np.minimum, np.maximum)
            )
        low, high = plus(low, high, out)
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
