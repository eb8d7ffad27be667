"""The same numbers in another layout, or means of neighbouring channels."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from hwgen.floats.kinds.base import Call, Kind, Node, Params, Reads, must, on_a_grid, register
from hwgen.floats.kinds.parameters import Int
from hwgen.floats.layout import Layout, on_grid


class View(Kind):
    """One input; addressed by an op that adds it, never an op of its own."""

    arity = (1, 1)
    anchor = step = elementwise = makes_signs = joins_inputs = by_number = False
    reads = Reads.VALUES
    factors = offset = weights = frac = None

    @classmethod
    @abstractmethod
    def seen_by(cls, node: Node, anchor: Node) -> bool:
        """Whether an op that begins with `anchor` adds the value by addressing the input."""


@register
class Tile(View):
    """The channels `times` times one behind the other."""

    name = "tile"
    params = {"times": Int(1)}
    by_number = True

    @classmethod
    def result(cls, params: Params, *inputs: Layout) -> Layout:
        return inputs[0].with_channels(params["times"] * inputs[0].channels)

    @classmethod
    def evaluate(cls, n: Call, *x: Tensor) -> Tensor:
        return torch.cat([x[0]] * n["times"], -1)

    @classmethod
    def seen_by(cls, node: Node, anchor: Node) -> bool:
        return True


@register
class Pool(View):
    """Means of `factor` (2, 4, 8) neighbouring channels: the last step of an op."""

    name = "pool"
    params = {"factor": Int(2)}
    step = by_number = True

    @classmethod
    def result(cls, params: Params, *inputs: Layout) -> Layout:
        factor, channels = params["factor"], inputs[0].channels
        must(factor in (2, 4, 8), f"means of {factor} channels; must be 2, 4 or 8")
        must(channels % factor == 0, f"means of {factor} of {channels} channels")
        return inputs[0].with_channels(channels // factor)

    @classmethod
    def evaluate(cls, n: Call, *x: Tensor) -> Tensor:
        return x[0].unflatten(-1, (-1, n["factor"])).mean(-1)

    @classmethod
    def seen_by(cls, node: Node, anchor: Node) -> bool:
        return False  # means are computed, not addressed


@register
class Upsample(View):
    """Every cell `factor` x `factor` times (nearest neighbour)."""

    name = "upsample"
    params = {"factor": Int(1)}

    @classmethod
    def result(cls, params: Params, *inputs: Layout) -> Layout:
        height, width = (side * params["factor"] for side in on_a_grid(inputs[0]))
        return on_grid(height, width, inputs[0].channels)

    @classmethod
    def evaluate(cls, n: Call, *x: Tensor) -> Tensor:
        f, (h, w) = n["factor"], n.inputs[0].grid
        cells = x[0].reshape(len(x[0]), h, w, -1)
        return cells.repeat_interleave(f, 1).repeat_interleave(f, 2).flatten(1, 2)

    @classmethod
    def seen_by(cls, node: Node, anchor: Node) -> bool:
        """Binary linear layers alone read a residual of a coarser grid."""
        return anchor.params.get("unwindow", 1) == 0
