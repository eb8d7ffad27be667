"""Kinds that work on every channel of every token for itself."""

from __future__ import annotations

from torch import Tensor

from hwgen.floats.kinds.base import Call, Kind, Params, Reads, must, register
from hwgen.floats.kinds.parameters import Reals
from hwgen.floats.layout import Layout


class PerChannel(Kind):
    """a x + b, or its sign: the same two numbers at every token of a channel."""

    arity = (1, 1)
    params = {"a": Reals("C"), "b": Reals("C")}
    reads = Reads.VALUES
    weights = frac = None
    joins_inputs = by_number = False

    @classmethod
    def result(cls, params: Params, *inputs: Layout) -> Layout:
        return inputs[0]

    @classmethod
    def affine(cls, n: Call, x: Tensor) -> Tensor:
        return x * n["a"] + n["b"]


@register
class Affine(PerChannel):
    """a x + b."""

    name = "affine"
    anchor = step = elementwise = True
    makes_signs = False
    factors, offset = "a", "b"

    @classmethod
    def evaluate(cls, n: Call, *x: Tensor) -> Tensor:
        return cls.affine(n, *x)


@register
class Sign(PerChannel):
    """a x + b >= 0 ? 1 : -1."""

    name = "sign"
    anchor = step = elementwise = False  # thresholds of the op that makes x, no step of it
    makes_signs = True
    factors = offset = None

    @classmethod
    def evaluate(cls, n: Call, *x: Tensor) -> Tensor:
        return (cls.affine(n, *x) >= 0).to(n.dtype) * 2 - 1


@register
class Add(Kind):
    """The sum of two or more inputs; (windows, 1, C) is added to every token of its window."""

    name = "add"
    arity = (2, None)
    params = {}
    anchor = False
    step = elementwise = True
    reads = Reads.VALUES
    makes_signs = joins_inputs = by_number = False
    factors = offset = weights = frac = None

    @classmethod
    def result(cls, params: Params, *inputs: Layout) -> Layout:
        widest = max(inputs, key=lambda layout: layout.shape[:-1])
        for layout in inputs:
            spread = len(layout.shape) == 3 and layout.shape[1] == 1
            alike = layout.shape == (widest.shape[0], 1, widest.channels) if spread else False
            must(
                layout == widest or alike,
                f"adds {layout.shape} on {layout.grid} to {widest.shape} on {widest.grid}",
            )
        return widest

    @classmethod
    def evaluate(cls, n: Call, *x: Tensor) -> Tensor:
        total = x[0]
        for term in x[1:]:
            total = total + term
        return total
