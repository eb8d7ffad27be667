"""Compiled inner loops (Numba) of the golden model where NumPy would be memory-bound.

`chain` is `Post`, whose equations are in `hwgen/ops/post.py`: int64, one row of channels at a
time, so that a row stays in the first-level cache; each stage is a loop of its own, which the
compiler turns into vector instructions. `cross_filter` is `CrossFilter`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from hwgen.engine.chords import CHORDS, LIMIT, SLOPE_FRAC, WIDTH_BITS
from hwgen.engine.numerics import Y_BITS

Y_MAX = (1 << (Y_BITS - 1)) - 1
Y_MIN = -Y_MAX - 1
CHORD_HALF = 1 << (SLOPE_FRAC - 1)


@njit(cache=True, nogil=True)
def _add(y, residual):
    """y += residual, repeated along y."""
    for start in range(0, len(y), len(residual)):
        for c in range(len(residual)):
            y[start + c] += residual[c]


@njit(cache=True, nogil=True)
def _clip(y, low, high):
    for c in range(len(y)):
        y[c] = min(max(y[c], low), high)


@njit(cache=True, nogil=True)
def _affine(y, factor, shift, bias):
    """y = sat18(rshift_round(y factor, shift) + bias)."""
    half = 1 << (shift - 1) if shift else 0  # shift 63 must not overflow
    for c in range(len(y)):
        y[c] = min(max(((y[c] * factor[c] + half) >> shift) + bias[c], Y_MIN), Y_MAX)


@njit(cache=True, nogil=True)
def _rprelu(y, slope, shift):
    half = 1 << (shift - 1) if shift else 0  # shift 63 must not overflow
    for c in range(len(y)):
        t = y[c]
        negative = (t * slope[c] + half) >> shift
        y[c] = t if t >= 0 else negative


@njit(cache=True, nogil=True)
def _chords(y, slope, intercept, flat):
    """`engine.chords.Chords`."""
    for c in range(len(y)):
        t = y[c]
        k = min(max((t + LIMIT) >> WIDTH_BITS, 0), CHORDS - 1)
        line = ((t * slope[k] + CHORD_HALF) >> SLOPE_FRAC) + intercept[k]
        if t < -LIMIT:
            line = intercept[0] if flat else 0
        elif t >= LIMIT:
            line = intercept[CHORDS - 1] if flat else t
        y[c] = line


@njit(cache=True, nogil=True)
def _binarize(y, t, bits):
    for c in range(len(y)):
        bits[c] = y[c] >= t[c]


@njit(cache=True, nogil=True)
def chain(
    acc, m, sh1, b, pre, slope, sh2, chords, flat, mid, m3, sh3, b3, out, pool, t, bit_y3, act_bits,
    feature, bits,
):  # fmt: skip
    """Fill feature (rows, C >> pool) and bits (rows, C) from acc (rows, C).

    Constants are int64 (C,), residuals int64 (rows, c) with c dividing C; a stage whose array is
    empty is off (b and m are always given, m3 only with b3). `chords` (2, 64) holds
    slopes and intercepts of an activation function, flat outside them or not.
    """
    top = (1 << (act_bits - 1)) - 1
    y = np.empty(acc.shape[1], np.int64)
    half = (1 << pool) >> 1
    for row in range(len(acc)):
        for c in range(len(y)):
            y[c] = np.int64(acc[row, c])
        _affine(y, m, sh1, b)
        if pre.size:
            _add(y, pre[row])
        if slope.size:
            _rprelu(y, slope, sh2)
        elif chords.size:
            _chords(y, chords[0], chords[1], flat)
        _clip(y, Y_MIN, Y_MAX)
        if bit_y3 and t.size:
            _binarize(y, t, bits[row])
        if mid.size:
            _add(y, mid[row])
        if m3.size:
            _affine(y, m3, sh3, b3)
        elif b3.size:
            _add(y, b3)
            _clip(y, Y_MIN, Y_MAX)
        if out.size:
            _add(y, out[row])
        _clip(y, -top - 1, top)
        if t.size and not bit_y3:
            _binarize(y, t, bits[row])
        if pool == 0:
            for c in range(len(y)):
                feature[row, c] = y[c]
        else:
            for c in range(feature.shape[1]):
                total = half
                for k in range(c << pool, (c + 1) << pool):
                    total += y[k]
                feature[row, c] = total >> pool


@njit(cache=True, nogil=True)
def cross_filter(around, taps, top, left, acc):
    """acc[i, y, j] = sum over taps r of around[i, y + top[r], j + left[r]] * taps[r, j].

    acc (images, H, W C) int64; around has margins; left counts values, not columns.
    """
    width = acc.shape[2]
    for i in range(len(acc)):
        for y in range(acc.shape[1]):
            total = acc[i, y]
            total[:] = 0
            for r in range(len(taps)):
                source = around[i, y + top[r], left[r] : left[r] + width]
                for j in range(width):
                    total[j] += source[j] * taps[r, j]
