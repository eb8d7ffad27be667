"""Values that no node computes."""

from __future__ import annotations

from torch import Tensor

from hwgen.floats.kinds.base import Call, Kind, Params, Reads, register
from hwgen.floats.kinds.parameters import Grid, Int, Reals
from hwgen.floats.layout import Layout, on_grid


class Source(Kind):
    """A value that is there before anything is computed."""

    arity = (0, 0)
    anchor = step = elementwise = makes_signs = joins_inputs = by_number = False
    reads = Reads.NOTHING
    factors = offset = weights = frac = None


@register
class Input(Source):
    """The image (H*W, channels) on its grid; evaluation gets it as (batch, H, W, channels)."""

    name = "input"
    params = {"grid": Grid(), "channels": Int(1)}

    @classmethod
    def result(cls, params: Params, *inputs: Layout) -> Layout:
        height, width = params["grid"]
        return on_grid(height, width, params["channels"])

    @classmethod
    def evaluate(cls, n: Call, *x: Tensor) -> Tensor:
        (image,) = x
        return image.flatten(1, 2)


@register
class Constant(Source):
    """A fixed value (tokens, C) on `grid` or (windows, T, C), the same for the whole batch."""

    name = "constant"
    params = {"value": Reals("...", "C"), "grid": Grid()}

    @classmethod
    def result(cls, params: Params, *inputs: Layout) -> Layout:
        return Layout(params["value"].shape, params["grid"])

    @classmethod
    def evaluate(cls, n: Call, *x: Tensor) -> Tensor:
        return n["value"][None]
