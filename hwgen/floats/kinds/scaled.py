"""Families of kinds with a scale and a bias for each result channel."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from hwgen.floats.kinds.base import Call, Kind, Params
from hwgen.floats.layout import Layout


class Scaled(Kind):
    """scale f(x) + bias."""

    anchor = True
    step = elementwise = makes_signs = joins_inputs = by_number = False
    factors, offset = "scale", "bias"
    frac = None

    @classmethod
    @abstractmethod
    def unscaled(cls, n: Call, *x: Tensor) -> Tensor:
        """f(x)."""

    @classmethod
    def evaluate(cls, n: Call, *x: Tensor) -> Tensor:
        return cls.unscaled(n, *x) * n["scale"] + n["bias"]


class FixedSum(Scaled):
    """scale times a sum of as many inputs of the channel everywhere, plus bias."""

    arity = (1, 1)

    @classmethod
    @abstractmethod
    def terms(cls, params: Params, source: Layout) -> int:
        """Summands of every result."""
