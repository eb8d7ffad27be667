"""Activation functions of the post chain: 64 chords from a table that a program loads.

A function works on values t of scale 2**-frac. Chord k covers t + 2**14 in [512 k, 512 k + 512):

    y = rshift_round(t slope[k], 14) + intercept[k]        for -2**14 <= t < 2**14

Outside, y is 0 below and t itself above (GELU, SiLU, hard swish), or with `flat` the value at that
end (sigmoid, tanh, clamps), which is then the intercept of the first and of the last chord.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hwgen.engine.numerics import PARAM_BITS, rshift_round

Array = np.ndarray

CHORDS = 64
WIDTH_BITS = 9  # log2 of the integers under a chord
LIMIT = CHORDS << (WIDTH_BITS - 1)  # the chords cover [-LIMIT, LIMIT)
SLOPE_FRAC = 14


@dataclass(frozen=True, eq=False)
class Chords:
    """A table; slope (64,) at scale 2**-14 and intercept (64,) at 2**-frac, int64 of 16 bits."""

    name: str
    frac: int
    flat: bool
    slope: Array
    intercept: Array

    def __call__(self, t: Array) -> Array:
        """The function, exactly as the hardware computes it; integers of scale 2**-frac."""
        t = np.asarray(t)
        k = np.clip((t + LIMIT) >> WIDTH_BITS, 0, CHORDS - 1)
        y = rshift_round(t * self.slope[k], SLOPE_FRAC) + self.intercept[k]
        below, above = (self.intercept[0], self.intercept[-1]) if self.flat else (0, t)
        return np.where(t < -LIMIT, below, np.where(t >= LIMIT, above, y))

    @cached_property
    def _turns(self) -> tuple[Array, Array]:
        """Both ends of every chord and the first values outside, and the function there."""
        edges = np.arange(-LIMIT, LIMIT + 1, 1 << WIDTH_BITS)
        points = np.sort(np.concatenate([edges, edges - 1]))
        return points, self(points)

    def bounds(self, low: Array, high: Array) -> tuple[Array, Array]:
        """Smallest and largest value on [low, high], element by element: a chord is monotonic."""
        low, high = np.broadcast_arrays(np.asarray(low), np.asarray(high))
        points, values = self._turns
        inside = (low[..., None] <= points) & (points <= high[..., None])
        ends = [self(low), self(high)]
        big = np.iinfo(np.int64).max
        least = np.where(inside, values, big).min(-1)
        most = np.where(inside, values, -big).max(-1)
        return np.minimum.reduce([*ends, least]), np.maximum.reduce([*ends, most])

    @property
    def key(self) -> bytes:
        """Equal for tables with the same effect."""
        return bytes([self.flat]) + self.slope.tobytes() + self.intercept.tobytes()


def fit(name: str, function: Callable[[Array], Array], frac: int, *, flat: bool = False) -> Chords:
    """Chords of a function of float64 arrays, on values of scale 2**-frac.

    A chord joins two points of the curve, moved by half of its error in the middle. With `flat` the
    first and the last are the values at the ends.
    Raises ValueError when a slope or an intercept does not fit 16 bits.
    """
    limit = LIMIT * 2.0**-frac
    edges = np.linspace(-limit, limit, CHORDS + 1)
    y = function(edges)
    slope = np.diff(y) / np.diff(edges)
    intercept = y[:-1] - slope * edges[:-1]
    mid = (edges[:-1] + edges[1:]) / 2
    intercept = intercept + (function(mid) - (slope * mid + intercept)) / 2
    if flat:
        slope[[0, -1]], intercept[[0, -1]] = 0.0, y[[0, -1]]
    chords = Chords(
        name,
        frac,
        flat,
        np.rint(slope * 2**SLOPE_FRAC).astype(np.int64),
        np.rint(intercept * 2.0**frac).astype(np.int64),
    )
    top = 1 << (PARAM_BITS - 1)
    for what, values in (("slope", chords.slope), ("intercept", chords.intercept)):
        if values.min() < -top or values.max() >= top:
            raise ValueError(f"{name} at frac {frac}: {what} does not fit {PARAM_BITS} bits")
    return chords
