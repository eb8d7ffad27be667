"""Sums and maxima over cells of the grid."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from hwgen.floats.kinds.base import Call, Params, Reads, on_a_grid, register
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
