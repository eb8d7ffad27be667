"""Exact integer arithmetic shared by the golden model and the hardware description.

One rounding rule everywhere: ``rshift_round(x, s) = (x + (1 << (s-1))) >> s`` (arithmetic, half
up), then saturation. Every function takes and returns int64 NumPy arrays (or Python ints).
"""

from __future__ import annotations

from functools import cache
from typing import Any, overload

import numpy as np

Array = np.ndarray

Y_BITS = 18  # width of y1, y3 and y5, the values inside a post lane
PARAM_BITS = 16  # width of every per-channel parameter
ACC_BITS = 40  # width of the multiply-accumulator
SH1_SHIFTS = (3, 5, 7, 9, 11, 13, 15, 17)  # the shifts that a lane has
SH2_SHIFTS = (10, 14)
SH3_SHIFTS = (10, 13, 16, 19)
SH3_OFF = 13  # without an affine step, m3 = 2**13
LANE_CHANNELS = 16  # channels of a stored tensor come in words of at least this many lanes
NORM_FRAC = 12  # LayerNorm's normalised value has scale 2**-12
NORM_SCALE_FRAC = 16  # of the factor that makes sums of any width those of a power of two
NORM_V_BITS = 52
MAX_LOG2C = 11  # of LayerNorm: 42-bit sums hold 2**11 squares of 16-bit values
EXP_BITS = 24
KAPPA_FRAC = 20
HEAD_DIM = 64  # channels of an attention head where a network has none
UNIT_CHANNELS = 64  # a head is read in aligned units of so many channels
TOP_SCORE = 126  # scores have 7 bits, and 127 is none
TOP_LOGIT = 8.0  # of the softmax: larger ones count as this, so that EXP keeps its low end


@overload
def rshift_round(x: int, s: int) -> int: ...


@overload
def rshift_round(x: Array | np.integer, s: Array | int) -> Array: ...


def rshift_round(x: Any, s: Any) -> Any:
    """Divide by 2**s, rounding half up; s = 0 is the identity."""
    half = (1 << np.asarray(s)) >> 1
    return (x + half) >> s


def saturate(x: Array, bits: int) -> Array:
    """Clamp to the signed range of `bits` bits."""
    return np.clip(x, -(1 << (bits - 1)), (1 << (bits - 1)) - 1)


def head_units(head: int) -> int:
    """Aligned units of 64 channels that a head of `head` channels can lie in: heads follow each
    other, so that one begins at any multiple of the largest power of two in `head`."""
    step = min(head & -head, UNIT_CHANNELS)
    return -(-(UNIT_CHANNELS - step + head) // UNIT_CHANNELS)


def score_offset(head: int) -> int:
    """What a popcount is above its score. In heads of more than 128 channels all popcounts up to
    this one have score 0: logits of at most -128 / sqrt(head), -8 at 256 channels."""
    return max(0, head // 2 - UNIT_CHANNELS)


def attention_scores(equal: Array, head: int) -> Array:
    """Scores (7 bits) of popcounts of equal bits, 0 .. head."""
    return np.clip(equal - score_offset(head), 0, TOP_SCORE)


@cache
def exp_table(head: int = HEAD_DIM) -> Array:
    """(scores,) EXP[p] = exp(x - top), 24 bits, at least 1, of scores p in heads of `head`
    channels: x = min((2 (p + offset) - head) / sqrt(head), top), top = min(sqrt(head), 8)."""
    equal = np.arange(min(head, TOP_SCORE) + 1) + score_offset(head)
    logit, top = (2 * equal - head) / head**0.5, min(head**0.5, TOP_LOGIT)
    scaled = np.floor((2.0 ** (EXP_BITS - 1)) * np.exp(np.minimum(logit, top) - top) + 0.5)
    return np.maximum(scaled, 1).astype(np.int64)


def attention_levels(p: Array, kappa: Array, neg: bool, head: int = HEAD_DIM) -> Array:
    """QD levels 0..3 of scores.

    p (..., queries, keys), `attention_scores` of heads of `head` channels; kappa (3,) thresholds
    on the softmax value, scale 2**-20.
    level = #{k : EXP[p] 2**20 >= rowsum kappa_k}  (<= when `neg`, for a negative step alpha).
    """
    e = exp_table(head)[p]
    theta = e.sum(-1, keepdims=True)
    level = np.zeros(p.shape, dtype=np.int64)
    for k in range(3):
        bound = theta * int(kappa[k])
        level += (e << KAPPA_FRAC) <= bound if neg else (e << KAPPA_FRAC) >= bound
    return level


@cache
def rsqrt_table() -> Array:
    """(192,) first guess of 2**14 / sqrt(v / 2**16) for v >> 8 = 64..255."""
    index = np.arange(64, 256)
    return np.rint(2.0**14 / np.sqrt((index + 0.5) / 256)).astype(np.int64)


def rsqrt_fixed(value: int) -> tuple[int, int]:
    """(R, h): 1/sqrt(value) = R 2**-14 2**-h up to 2**-14 relative, R in [2**14, 2**15).

    `value` in [1, 2**52). h = ceil(bit_length / 2); v = the top 16 bits of value 2**-2h; a table of
    192 guesses y0, one Newton step y1 = y0 (3 - v y0 y0) / 2.
    """
    assert 0 < value < 1 << NORM_V_BITS
    h = (int(value).bit_length() + 1) // 2
    v = (int(value) << (NORM_V_BITS - 2 * h)) >> (NORM_V_BITS - 16)
    y0 = int(rsqrt_table()[(v >> 8) - 64])
    q = rshift_round(y0 * y0, 14)
    p = rshift_round(v * q, 14)
    y1 = rshift_round(y0 * (3 * (1 << 16) - p), 17)
    return min(int(y1), (1 << 15) - 1), h


def rsqrt_array(value: Array) -> tuple[Array, Array]:
    """`rsqrt_fixed` of every element."""
    bit_length = np.frexp(value.astype(np.float64))[1].astype(np.int64)  # exact below 2**53
    h = (bit_length + 1) // 2
    v = (value << (NORM_V_BITS - 2 * h)) >> (NORM_V_BITS - 16)
    y0 = rsqrt_table()[(v >> 8) - 64]
    p = rshift_round(v * rshift_round(y0 * y0, 14), 14)
    y1 = rshift_round(y0 * (3 * (1 << 16) - p), 17)
    return np.minimum(y1, (1 << 15) - 1), h


def norm_width(channels: int) -> tuple[int, int]:
    """(log2c, scale) of LayerNorm over so many channels: W = 2**log2c is the least power of two
    that is no smaller, at least 2; scale = floor(2**16 W / channels), 2**16 .. 2**17 - 1."""
    log2c = max(1, (channels - 1).bit_length())
    return log2c, (1 << (NORM_SCALE_FRAC + log2c)) // channels


def norm_stats(x: Array, channels: int, eps: int) -> tuple[Array, Array, Array]:
    """LayerNorm statistics of tokens x (N, ..): mean2 (N,), R (N,), shift (N,). `channels` of a
    token count; the others are 0.

    S1 and S2 are the sums of x and x^2, times scale 2**-16 and rounded (`norm_width`), as if there
    were W = 2**log2c channels. mean2 = rshift_round(S1, log2c - 1) is twice the mean;
    V = W S2 - S1^2 + eps with eps = W^2 eps_float / scale^2; (r, h) = rsqrt_fixed(V). The gain is
    r 2**-full with full = max(3, h + 3 - log2c); shift is the largest of SH1_SHIFTS up to full,
    and R = rshift_round(r, full - shift).
    """
    log2c, scale = norm_width(channels)
    s1 = rshift_round(x.sum(-1) * scale, NORM_SCALE_FRAC)
    s2 = rshift_round((x * x).sum(-1) * scale, NORM_SCALE_FRAC)
    v = s2 * (1 << log2c) - s1 * s1 + eps
    r, h = rsqrt_array(np.clip(v, 1, (1 << NORM_V_BITS) - 1))
    full = np.maximum(min(SH1_SHIFTS), h + 3 - log2c)
    shift = np.array(SH1_SHIFTS)[np.searchsorted(SH1_SHIFTS, full, side="right") - 1]
    return rshift_round(s1, log2c - 1), rshift_round(r, full - shift), shift
