"""Convolutions in groups, made of layers that the engine has.

Float: a filter of every channel by itself (`depthwise`) is a `CrossFilter`, with a stride or other
padding a `ChannelFilter`; groups of whole words are layers of slices of the channels; all others a
dense layer with zeros between the groups.

Binary: groups of 3x3 windows, and groups of whole words of other kernels, are an op's own. Groups
of `SLICE` channels are layers of slices. All others are two dense layers with the group's own
weights in both, and opposite weights for the other channels, which cancel in their sum.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hwgen.engine.numerics import LANE_CHANNELS
from hwgen.engine.sides import Sides, both
from hwgen.floats.kinds import Add, ChannelFilter, CrossFilter, MaxPool
from hwgen.frontend.channels import gather
from hwgen.frontend.importer import Importer
from hwgen.frontend.views import IMAGE, View
from hwgen.ops.max_pool import REACH
from hwgen.ops.vector import TAPS
from hwgen.ops.xnor import MOST_PAIRED, in_windows, read_at_once

Array = np.ndarray
Window = tuple[Sides, Sides, Sides, Sides, int]  # kernel, stride, padding, dilation, groups
SLICE = 32  # channels of slices that are worth their copies: 16 would hold all lanes at 16
FARTHEST = 7  # columns from the middle of a filter


def dense(weight: Array, groups: int) -> Array:
    """Weights (O, C / groups, k, k) of groups as (O, C, k, k) with zeros between them."""
    outputs, depth = weight.shape[:2]
    rows = outputs // groups
    out = np.zeros((outputs, depth * groups, *weight.shape[2:]))
    for g in range(groups):
        own = slice(g * rows, (g + 1) * rows)
        out[own, g * depth : (g + 1) * depth] = weight[own]
    return out


def spread(weight: Array, dilation: Sides) -> Array:
    """A dilated kernel as a larger one with zeros between its taps."""
    down, across = both(dilation)
    reach = (d * (k - 1) + 1 for d, k in zip((down, across), weight.shape[2:]))
    out = np.zeros((*weight.shape[:2], *reach))
    out[:, :, ::down, ::across] = weight
    return out


def sliced(inputs: int, outputs: int) -> bool:
    """Whether groups of so many channels are layers of slices."""
    powers = inputs & -inputs == inputs and outputs & -outputs == outputs
    least = SLICE if powers else LANE_CHANNELS
    return inputs % least == outputs % least == 0


def depthwise(im: Importer, x: View, weight: Array, bias: Array, window: Window) -> View | None:
    """Filters of every channel by itself, O / C of each: weight (O, 1, k, k).

    None where they are neither a `CrossFilter` nor a `ChannelFilter`: large kernels with a padding
    that changes the grid.
    """
    k, stride, padding, dilation, groups = window
    layout, outputs, step = im.layout(x), len(weight), both(stride)[1]
    if weight.shape[1] != 1 or groups != layout.channels:
        return None
    axes = list(zip(both(k), both(padding), both(dilation)))
    (kernel, columns), (_, before) = both(k), both(padding)
    same = all(2 * p == d * (n - 1) for n, p, d in axes) and before <= FARTHEST
    small = kernel * columns <= TAPS and columns <= REACH and dilation == 1
    small = small and all(p < n for n, p, _ in axes)
    if not same and not small:
        return None
    picks = [(0, o * groups // outputs) for o in range(outputs)]
    x = gather(im, [x], picks, "multiplied", "a depthwise convolution")
    if k == stride == 1:
        return im.affine(x, weight.reshape(-1), bias)
    at_once = stride if columns == 1 or layout.grid[1] % step == 0 else 1
    if small and (at_once != 1 or not same):
        params = {"weight": weight[:, 0].transpose(1, 2, 0), "bias": bias, "padding": padding,
                  "stride": at_once}  # fmt: skip
        name = im.emit(ChannelFilter, (x.node,), params)
        return View(name if at_once == stride else every(im, name, stride), IMAGE)
    name = _cross(im, x, weight, bias, window)
    return View(name if stride == 1 else every(im, name, stride), IMAGE)


def _cross(im: Importer, x: View, weight: Array, bias: Array, window: Window) -> str:
    """A filter without a stride, whose padding keeps the grid."""
    (down, across), (top, left), (dy, dx) = map(both, (window[0], *window[2:4]))
    offsets = tuple((dy * i - top, dx * j - left) for i in range(down) for j in range(across))
    coeff = weight[:, 0].reshape(len(weight), -1).T.copy()
    zeros, parts = np.zeros(len(weight)), []
    for first in range(0, len(offsets), TAPS):
        some = slice(first, first + TAPS)
        params: dict[str, Any] = {"offsets": offsets[some], "coeff": coeff[some], "pad": zeros,
                                  "bias": zeros if first else bias}  # fmt: skip
        parts.append(im.emit(CrossFilter, (x.node,), params))
    return im.emit(Add, tuple(parts), {}, "taps") if len(parts) > 1 else parts[0]


def every(im: Importer, name: str, stride: Sides) -> str:
    """Every so many cells of a value, from the first: a maximum of one cell."""
    channels = im.nodes[name].layout.channels
    params = {"kernel": 1, "stride": stride, "padding": 0, "far": 0, "scale": np.ones(channels),
              "bias": np.zeros(channels)}  # fmt: skip
    return im.emit(MaxPool, (name,), params, "stride")


def own_groups(window: Window, inputs: int, outputs: int) -> bool:
    """Whether a binary op has these groups on every engine: `XnorConv`; of windows any."""
    k, stride, padding, dilation, groups = window
    if groups == 1:
        return True
    if (inputs % groups, outputs % groups) != (0, 0):
        return False
    if inputs % LANE_CHANNELS or outputs % LANE_CHANNELS:
        return False  # channels would be added behind the last group
    if in_windows(k, stride, padding, dilation):
        return read_at_once(groups, *(n // groups for n in (inputs, outputs))) or (
            inputs // groups <= MOST_PAIRED
        )
    words = LANE_CHANNELS * groups
    return inputs % words == outputs % words == 0


def fewer(window: Window, inputs: int, outputs: int) -> int:
    """The most groups, a divisor of the window's, that a binary op has; of whole words only those
    that do not hold all lanes at 16."""
    k, stride, padding, dilation, groups = window
    few = [h for h in range(groups, 0, -1) if groups % h == 0]
    if not in_windows(k, stride, padding, dilation):
        few = [h for h in few if h == 1 or inputs % (SLICE * h) == outputs % (SLICE * h) == 0]
    return next(h for h in few if own_groups((k, stride, padding, dilation, h), inputs, outputs))


def paired(sign: Array, groups: int, left: int) -> tuple[Array, Array]:
    """Signs (O, C / groups, k, k) in `left` groups, twice: their sum is twice that of the own
    group, as all other signs are opposite."""
    whole = dense(sign, groups)
    rows, depth = len(whole) // left, whole.shape[1] // left
    parts = [whole[g * rows : (g + 1) * rows, g * depth : (g + 1) * depth] for g in range(left)]
    kept = np.concatenate(parts)
    return np.where(kept == 0, 1.0, kept), np.where(kept == 0, -1.0, kept)
