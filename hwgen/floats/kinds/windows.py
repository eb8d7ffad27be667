"""Windows of the grid: their merge tokens, their tokens, the way back to the grid.

A value in windows is (windows, T, C); the grid is square where it comes back from windows.
"""

from __future__ import annotations

from math import isqrt

import torch.nn.functional as F
from torch import Tensor

from hwgen.floats.kinds.base import Call, Node, Params, Reads, must, on_a_grid, register
from hwgen.floats.kinds.parameters import Int, Reals
from hwgen.floats.kinds.scaled import FixedSum, Scaled
from hwgen.floats.kinds.views import View
from hwgen.floats.layout import Layout, on_grid


def window_cells(layout: Layout, window: int) -> tuple[int, int]:
    """Windows down and across a grid that they must cover."""
    height, width = on_a_grid(layout)
    must(height % window == width % window == 0, f"windows of {window} on a grid {layout.grid}")
    return height // window, width // window


def in_windows(layout: Layout) -> tuple[int, int, int]:
    """(windows, T, C) of a value that must be in windows."""
    must(len(layout.shape) == 3 and layout.grid == (0, 0), f"reads {layout}; needs windows")
    windows, tokens, channels = layout.shape
    return windows, tokens, channels


def square(count: int) -> int:
    """Side of a square of so many cells."""
    side = isqrt(count)
    must(side * side == count, f"{count} windows; must be a square number")
    return side


def windows_to_grid(layout: Layout, window: int) -> Layout:
    """(n*n, window**2, C) -> the grid of n*window x n*window tokens."""
    windows, tokens, channels = in_windows(layout)
    must(tokens == window**2, f"{tokens} tokens in windows of side {window}")
    side = square(windows) * window
    return on_grid(side, side, channels)


def to_grid(x: Tensor, window: int) -> Tensor:
    """(B, n*n, window**2, C) -> (B, H*W, C)."""
    b, windows, _, c = x.shape
    n = isqrt(windows)
    return x.reshape(b, n, n, window, window, c).transpose(2, 3).reshape(b, -1, c)


class MergePool(Scaled):
    """A pooling of w x w cells from w i - w // 2, clipped, for every window i."""

    arity = (1, 1)
    params = {"window": Int(1), "scale": Reals("C"), "bias": Reals("C")}
    reads = Reads.VALUES
    weights = None

    @classmethod
    def result(cls, params: Params, *inputs: Layout) -> Layout:
        must(params["window"] % 2 == 1, f"a window of {params['window']}; must be odd")
        return on_grid(*window_cells(inputs[0], params["window"]), inputs[0].channels)


@register
class MergeMax(MergePool):
    """scale max(w x w cells from w i - w // 2, clipped) + bias."""

    name = "merge_max"

    @classmethod
    def unscaled(cls, n: Call, *x: Tensor) -> Tensor:
        w = n["window"]
        return F.max_pool2d(n.image(x[0]), w, w, w // 2).flatten(2).transpose(1, 2)


@register
class MergeSum(MergePool):
    """scale sum(w x w cells from w i - w // 2, clipped) + bias."""

    name = "merge_sum"

    @classmethod
    def unscaled(cls, n: Call, *x: Tensor) -> Tensor:
        w = n["window"]
        y = F.avg_pool2d(n.image(x[0]), w, w, w // 2, divisor_override=1)
        return y.flatten(2).transpose(1, 2)


@register
class MergeMean(FixedSum):
    """scale sum over windows of the last tokens, as many as there are windows, + bias."""

    name = "merge_mean"
    params = {"scale": Reals("C"), "bias": Reals("C")}
    reads = Reads.VALUES
    weights = None

    @classmethod
    def result(cls, params: Params, *inputs: Layout) -> Layout:
        windows, tokens, channels = in_windows(inputs[0])
        must(windows < tokens, f"{tokens} tokens in {windows} windows; no merge tokens")
        side = square(windows)
        return on_grid(side, side, channels)

    @classmethod
    def terms(cls, params: Params, source: Layout) -> int:
        return source.shape[0]

    @classmethod
    def unscaled(cls, n: Call, *x: Tensor) -> Tensor:
        return x[0][:, :, -x[0].shape[1] :].sum(1)


@register
class WindowPart(FixedSum):
    """scale (the first w*w tokens of every window) + bias."""

    name = "window_part"
    params = {"window": Int(1), "scale": Reals("C"), "bias": Reals("C")}
    reads = Reads.VALUES
    weights = None

    @classmethod
    def result(cls, params: Params, *inputs: Layout) -> Layout:
        windows, tokens, channels = in_windows(inputs[0])
        part = params["window"] ** 2
        must(part <= tokens, f"{tokens} tokens; the window has {part}")
        return Layout((windows, part, channels))

    @classmethod
    def terms(cls, params: Params, source: Layout) -> int:
        return 1

    @classmethod
    def unscaled(cls, n: Call, *x: Tensor) -> Tensor:
        return x[0][:, :, : n["window"] ** 2]


@register
class PerWindow(View):
    """The value of every window's cell, (windows, C) on the grid of windows, as (windows, 1, C)."""

    name = "per_window"
    params = {}

    @classmethod
    def result(cls, params: Params, *inputs: Layout) -> Layout:
        on_a_grid(inputs[0])
        windows, channels = inputs[0].shape
        return Layout((windows, 1, channels))

    @classmethod
    def evaluate(cls, n: Call, *x: Tensor) -> Tensor:
        return x[0][:, :, None]

    @classmethod
    def seen_by(cls, node: Node, anchor: Node) -> bool:
        return anchor.kind is WindowPart


@register
class Unwindow(View):
    """The tokens of windows of side `window`, back on the grid."""

    name = "unwindow"
    params = {"window": Int(1)}

    @classmethod
    def result(cls, params: Params, *inputs: Layout) -> Layout:
        return windows_to_grid(inputs[0], params["window"])

    @classmethod
    def evaluate(cls, n: Call, *x: Tensor) -> Tensor:
        return to_grid(x[0], n["window"])

    @classmethod
    def seen_by(cls, node: Node, anchor: Node) -> bool:
        return anchor.params.get("unwindow") == node["window"]
