"""Sums and maxima over cells of the grid."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hwgen.engine.sides import Sides, both
from hwgen.floats.kinds.base import Call, Kind, Params, Reads, must, on_a_grid, register
from hwgen.floats.kinds.layers import slid
from hwgen.floats.kinds.parameters import Int, Pair, Reals
from hwgen.floats.kinds.scaled import FixedSum, Scaled
from hwgen.floats.layout import Layout, on_grid


@register
class AvgPool(FixedSum):
    """scale sum(k x k cells) + bias."""

    name = "avg_pool"
    params = {"kernel": Int(1), "scale": Reals("C"), "bias": Reals("C")}
    reads = Reads.VALUES
    weights = None

    @classmethod
    def result(cls, params: Params, *inputs: Layout) -> Layout:
        return slid(inputs[0], inputs[0].channels, params["kernel"], params["kernel"], 0)

    @classmethod
    def terms(cls, params: Params, source: Layout) -> int:
        return params["kernel"] ** 2

    @classmethod
    def unscaled(cls, n: Call, *x: Tensor) -> Tensor:
        y = F.avg_pool2d(n.image(x[0]), n["kernel"], divisor_override=1)
        return y.flatten(2).transpose(1, 2)


def around(n: Call, x: Tensor, value: float) -> Tensor:
    """The first input as an image with its padding, and `far` rows and columns more at its end."""
    (top, left), (down, across) = both(n["padding"]), both(n["far"])
    return F.pad(n.image(x), (left, left + across, top, top + down), value=value)


@register
class WindowSum(Kind):
    """scale_r sum(cells of the window that lie on the grid) + bias; r: the kind of window, by which
    of its rows and columns lie there, counted row by row (`regions`). far: rows and columns at the
    end of the grid that its padding has more than that before it, as `ceil_mode` takes them."""

    name = "window_sum"
    arity = (1, 1)
    params = {
        "kernel": Pair(1), "stride": Pair(1), "padding": Pair(), "far": Pair(),
        "scale": Reals("R", "C"), "bias": Reals("C"),
    }  # fmt: skip
    anchor = True
    step = elementwise = makes_signs = joins_inputs = by_number = False
    reads = Reads.VALUES
    factors, offset, weights = "scale", "bias", None
    frac = None

    @staticmethod
    def regions(
        grid: tuple[int, int], kernel: Sides, stride: Sides, padding: Sides, far: Sides = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """(region of every result (h, w), cells of every region (R,))."""
        kinds, seen = [], []
        for side, k, s, p, f in zip(grid, *map(both, (kernel, stride, padding, far))):
            first = np.arange((side + 2 * p + f - k) // s + 1) * s - p
            ends = np.stack([np.maximum(first, 0), np.minimum(first + k, side), first])
            taps = np.stack([ends[0] - first, ends[1] - first])
            change = np.any(taps[:, 1:] != taps[:, :-1], 0)
            kind = np.concatenate([[0], np.cumsum(change)])
            kinds.append(kind)
            seen.append(np.array([(ends[1] - ends[0])[kind == i][0] for i in range(kind[-1] + 1)]))
        return kinds[0][:, None] * len(seen[1]) + kinds[1], np.outer(*seen).reshape(-1)

    @classmethod
    def result(cls, params: Params, *inputs: Layout) -> Layout:
        k, s, p, f = (params[key] for key in ("kernel", "stride", "padding", "far"))
        out = slid(inputs[0], inputs[0].channels, k, s, p, far=f)
        count = len(cls.regions(inputs[0].grid, k, s, p, f)[1])
        must(len(params["scale"]) == count, f"{len(params['scale'])} factors of {count} regions")
        return out

    @classmethod
    def evaluate(cls, n: Call, *x: Tensor) -> Tensor:
        k, s, p, f = (n[key] for key in ("kernel", "stride", "padding", "far"))
        y = F.avg_pool2d(around(n, x[0], 0.0), k, s, divisor_override=1)
        region = torch.from_numpy(cls.regions(n.inputs[0].grid, k, s, p, f)[0]).reshape(-1)
        return y.flatten(2).transpose(1, 2) * n["scale"][region] + n["bias"]


@register
class MaxPool(Scaled):
    """scale max(cells of the window) + bias; a position in the padding is never the maximum. far:
    as of `WindowSum`."""

    name = "max_pool"
    arity = (1, 1)
    params = {
        "kernel": Pair(1), "stride": Pair(1), "padding": Pair(), "far": Pair(),
        "scale": Reals("C"), "bias": Reals("C"),
    }  # fmt: skip
    reads = Reads.VALUES
    weights = None

    @classmethod
    def result(cls, params: Params, *inputs: Layout) -> Layout:
        k, s, p, f = (params[key] for key in ("kernel", "stride", "padding", "far"))
        return slid(inputs[0], inputs[0].channels, k, s, p, far=f)

    @classmethod
    def unscaled(cls, n: Call, *x: Tensor) -> Tensor:
        y = F.max_pool2d(around(n, x[0], float("-inf")), n["kernel"], n["stride"])
        return y.flatten(2).transpose(1, 2)


@register
class TokenMean(FixedSum):
    """scale sum over all tokens + bias."""

    name = "token_mean"
    params = {"scale": Reals("C"), "bias": Reals("C")}
    reads = Reads.VALUES
    weights = None

    @classmethod
    def result(cls, params: Params, *inputs: Layout) -> Layout:
        on_a_grid(inputs[0])
        return on_grid(1, 1, inputs[0].channels)

    @classmethod
    def terms(cls, params: Params, source: Layout) -> int:
        return source.shape[0]

    @classmethod
    def unscaled(cls, n: Call, *x: Tensor) -> Tensor:
        return x[0].sum(1, keepdim=True)
