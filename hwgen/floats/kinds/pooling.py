"""Sums and maxima over cells of the grid."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hwgen.floats.kinds.base import Call, Kind, Params, Reads, must, on_a_grid, register
from hwgen.floats.kinds.layers import slid
from hwgen.floats.kinds.parameters import Int, Reals
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


@register
class WindowSum(Kind):
    """scale_r sum(k x k cells on the grid) + bias; r: the kind of window, by which of its rows and
    columns lie on the grid, counted row by row (`regions`)."""

    name = "window_sum"
    arity = (1, 1)
    params = {
        "kernel": Int(1), "stride": Int(1), "padding": Int(), "scale": Reals("R", "C"),
        "bias": Reals("C"),
    }  # fmt: skip
    anchor = True
    step = elementwise = makes_signs = joins_inputs = by_number = False
    reads = Reads.VALUES
    factors, offset, weights = "scale", "bias", None
    frac = None

    @staticmethod
    def regions(
        grid: tuple[int, int], kernel: int, stride: int, padding: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """(region of every result (h, w), cells of every region (R,))."""
        kinds, seen = [], []
        for side in grid:
            first = np.arange((side + 2 * padding - kernel) // stride + 1) * stride - padding
            ends = np.stack([np.maximum(first, 0), np.minimum(first + kernel, side), first])
            taps = np.stack([ends[0] - first, ends[1] - first])
            change = np.any(taps[:, 1:] != taps[:, :-1], 0)
            kind = np.concatenate([[0], np.cumsum(change)])
            kinds.append(kind)
            seen.append(np.array([(ends[1] - ends[0])[kind == k][0] for k in range(kind[-1] + 1)]))
        return kinds[0][:, None] * len(seen[1]) + kinds[1], np.outer(*seen).reshape(-1)

    @classmethod
    def result(cls, params: Params, *inputs: Layout) -> Layout:
        places = [params[p] for p in ("kernel", "stride", "padding")]
        out = slid(inputs[0], inputs[0].channels, *places)
        count = len(cls.regions(inputs[0].grid, *places)[1])
        must(len(params["scale"]) == count, f"{len(params['scale'])} factors of {count} regions")
        return out

    @classmethod
    def evaluate(cls, n: Call, *x: Tensor) -> Tensor:
        k, s, p = (n[key] for key in ("kernel", "stride", "padding"))
        y = F.avg_pool2d(n.image(x[0]), k, s, p, divisor_override=1)
        region = torch.from_numpy(cls.regions(n.inputs[0].grid, k, s, p)[0]).reshape(-1)
        return y.flatten(2).transpose(1, 2) * n["scale"][region] + n["bias"]


@register
class MaxPool(Scaled):
    """scale max(k x k cells) + bias; a position in the padding is never the maximum."""

    name = "max_pool"
    arity = (1, 1)
    params = {
        "kernel": Int(1), "stride": Int(1), "padding": Int(), "scale": Reals("C"),
        "bias": Reals("C"),
    }  # fmt: skip
    reads = Reads.VALUES
    weights = None

    @classmethod
    def result(cls, params: Params, *inputs: Layout) -> Layout:
        places = [params[p] for p in ("kernel", "stride", "padding")]
        return slid(inputs[0], inputs[0].channels, *places)

    @classmethod
    def unscaled(cls, n: Call, *x: Tensor) -> Tensor:
        y = F.max_pool2d(n.image(x[0]), n["kernel"], n["stride"], n["padding"])
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
