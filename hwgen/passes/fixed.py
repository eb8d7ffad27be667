"""Real parameters -> 16-bit integers with a common shift; thresholds of signs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hwgen.engine.numerics import PARAM_BITS
from hwgen.engine.sides import both, sides
from hwgen.errors import FitError
from hwgen.floats.kinds.base import Node
from hwgen.ops.dense import NARROW_BITS, weight_bits

Array = np.ndarray
TOP = (1 << (PARAM_BITS - 1)) - 1


def multiplier(
    values: Array, shifts: Sequence[int], place: str, bits: int = PARAM_BITS
) -> tuple[Array, int]:
    """(m, s): integers m = round(values 2**s), |m| < 2**(bits - 1), s the largest of `shifts`."""
    top = (1 << (bits - 1)) - 1
    largest = float(np.abs(values).max(initial=0.0))
    if largest == 0.0:
        return np.zeros(values.shape, dtype=np.int64), max(shifts)
    fitting = [s for s in shifts if np.rint(largest * 2.0**s) <= top]
    if not fitting:
        raise FitError(
            place, f"multiplier {largest:.3g}", f"must be at most {top * 2.0 ** -min(shifts):.6g}",
            "retrain or scale the layer",
        )  # fmt: skip
    return np.rint(values * 2.0 ** max(fitting)).astype(np.int64), max(fitting)


def conv_bits(conv: Node) -> int:
    """Bits of the weights of a conv node."""
    _, *kernel, channels = conv["weight"].shape
    if is_padded(conv):
        return PARAM_BITS if conv["quad"] else NARROW_BITS
    return weight_bits(sides(*kernel), channels)


def is_padded(conv: Node) -> bool:
    """Whether a conv node is an `ImageConv`: one of the image, with windows that overlap or reach
    into the padding."""
    apart = not conv["padding"] and both(conv["stride"]) == conv["weight"].shape[1:3]
    return conv["image"] and not apart


def constant(values: Array, frac: int, place: str) -> Array | None:
    """round(values 2**frac) in 16 bits; None where all are zero."""
    fixed = np.rint(np.asarray(values) * 2.0**frac)
    worst = float(np.abs(fixed).max(initial=0.0))
    if worst == 0.0:
        return None
    if worst > TOP:
        raise FitError(
            place, f"constant {worst * 2.0**-frac:.4g} at {frac} fraction bits",
            f"must be below {(TOP + 1) * 2.0**-frac:g}", "retrain or scale the layer",
        )  # fmt: skip
    return fixed.astype(np.int64)


def threshold(a: Array, b: Array, frac: int, act_bits: int) -> tuple[Array, Array]:
    """Integer form of a x + b >= 0 for x = X 2**-frac: (t, invert) with bit = (X >= t) ^ invert.

    a > 0: t = ceil(-b/a 2**frac). a < 0: holds for X <= floor(-b/a 2**frac) = t - 1, inverted.
    a = 0: constant. A threshold beyond the range of X is a constant too; where the constant is 0
    and no 16-bit t exceeds X, it is stored inverted (t = -32768 is always reached).
    """
    safe = np.where(a == 0, 1.0, a)
    edge = -b / safe * 2.0**frac
    edge = np.clip(edge, -(2.0**40), 2.0**40)
    t = np.where(a > 0, np.ceil(edge), np.floor(edge) + 1).astype(np.int64)
    invert = a < 0
    never = 1 << (act_bits - 1)  # no X reaches it
    t = np.where(a == 0, np.where(b >= 0, -TOP - 1, never), t)
    t = np.clip(t, -TOP - 1, never)
    out = t > TOP
    return np.where(out, -TOP - 1, t), invert ^ out
