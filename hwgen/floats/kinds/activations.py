"""Activations: functions of one number, y3 of an op's post chain (`hwgen.ops.post`).

A further function that the hardware computes as a table of chords is one subclass of `Tabulated`:
the frontend, `fuse`, `fracs` and `quantize` ask the class and list none.
"""

from __future__ import annotations

from abc import abstractmethod
from math import floor, log2
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwgen.engine.chords import LIMIT, Chords, fit
from hwgen.floats.kinds.base import Call, Kind, Node, Params, Reads, register
from hwgen.floats.kinds.parameters import Real, Reals
from hwgen.floats.layout import Layout


class Activation(Kind):
    """f(x - g) + z; without parameters (g, z), their names in `moves`, f(x)."""

    arity = (1, 1)
    anchor = False
    step = elementwise = True
    reads = Reads.VALUES
    makes_signs = joins_inputs = by_number = False
    factors = offset = weights = None
    moves: ClassVar[tuple[str, str] | None]

    @classmethod
    def result(cls, params: Params, *inputs: Layout) -> Layout:
        return inputs[0]


@register
class RPReLU(Activation):
    """t = x - g; (t >= 0 ? t : slope t) + z (ReActNet, arXiv:2003.03488)."""

    name = "rprelu"
    params = {"g": Reals("C"), "slope": Reals("C"), "z": Reals("C")}
    frac = None
    moves = ("g", "z")

    @classmethod
    def evaluate(cls, n: Call, *x: Tensor) -> Tensor:
        t = x[0] - n["g"]
        return torch.where(t >= 0, t, t * n["slope"]) + n["z"]


class Tabulated(Activation):
    """f(x), in hardware 64 chords of a loaded table (`hwgen.engine.chords`).

    frac: most fraction bits of its value: the chords then cover what of f is neither 0, x nor
    constant. flat: f is constant outside the chords; else 0 below and x above.
    modules, functions, methods: what of PyTorch stands for it. forms: option of these -> (the value
    that it must have, how an error calls it). options: parameter -> (option, its default).
    """

    params = {}
    moves = None
    flat: ClassVar[bool]
    modules: ClassVar[tuple[type[nn.Module], ...]]
    functions: ClassVar[tuple[Any, ...]]
    methods: ClassVar[tuple[str, ...]] = ()
    forms: ClassVar[dict[str, tuple[Any, str]]] = {}
    options: ClassVar[dict[str, tuple[str, float]]] = {}

    @classmethod
    @abstractmethod
    def curve(cls, params: Params, x: Tensor) -> Tensor:
        """f of a tensor of any shape."""

    @classmethod
    def evaluate(cls, n: Call, *x: Tensor) -> Tensor:
        return cls.curve(n.node.params, x[0])

    @classmethod
    def chords(cls, params: Params, frac: int) -> Chords:
        """The table for values of `frac` fraction bits."""

        def curve(x: np.ndarray) -> np.ndarray:
            return cls.curve(params, torch.from_numpy(x)).numpy()

        return fit(cls.name, curve, frac, flat=cls.flat)


@register
class GELU(Tabulated):
    """x Phi(x) with the normal distribution function Phi (arXiv:1606.08415)."""

    name = "gelu"
    frac, flat = 12, False  # chords over [-4, 4)
    modules, functions = (nn.GELU,), (F.gelu,)
    forms = {"approximate": ("none", "the erf form")}

    @classmethod
    def curve(cls, params: Params, x: Tensor) -> Tensor:
        return F.gelu(x)


@register
class SiLU(Tabulated):
    """x / (1 + exp(-x)), also called swish (arXiv:1702.03118)."""

    name = "silu"
    frac, flat = 11, False  # chords over [-8, 8); below it is -0.003 .. 0, here 0
    modules, functions = (nn.SiLU,), (F.silu,)

    @classmethod
    def curve(cls, params: Params, x: Tensor) -> Tensor:
        return F.silu(x)


@register
class Hardswish(Tabulated):
    """x min(max(x + 3, 0), 6) / 6 (MobileNetV3, arXiv:1905.02244)."""

    name = "hardswish"
    frac, flat = 12, False  # 0 below -3, x above 3
    modules, functions = (nn.Hardswish,), (F.hardswish,)

    @classmethod
    def curve(cls, params: Params, x: Tensor) -> Tensor:
        return F.hardswish(x)


@register
class Sigmoid(Tabulated):
    """1 / (1 + exp(-x))."""

    name = "sigmoid"
    frac, flat = 11, True  # 3e-4 from 0 and 1 at the ends of [-8, 8)
    modules, functions, methods = (nn.Sigmoid,), (F.sigmoid, torch.sigmoid), ("sigmoid",)

    @classmethod
    def curve(cls, params: Params, x: Tensor) -> Tensor:
        return torch.sigmoid(x)


@register
class Tanh(Tabulated):
    """(exp(x) - exp(-x)) / (exp(x) + exp(-x))."""

    name = "tanh"
    frac, flat = 12, True  # 7e-4 from -1 and 1 at the ends of [-4, 4)
    modules, functions, methods = (nn.Tanh,), (F.tanh, torch.tanh), ("tanh",)

    @classmethod
    def curve(cls, params: Params, x: Tensor) -> Tensor:
        return torch.tanh(x)


@register
class Clamp(Tabulated):
    """min(max(x, low), high): Hardtanh.

    A limit between two chords' ends is rounded off by at most an eighth of a chord's width, which
    is 2**(9 - frac); -1, 1 and 6 are such ends.
    """

    name = "clamp"
    params = {"low": Real(), "high": Real()}
    frac, flat = 13, True
    modules: ClassVar[tuple[type[nn.Module], ...]] = (nn.Hardtanh,)
    functions: ClassVar[tuple[Any, ...]] = (F.hardtanh,)
    options = {"low": ("min_val", -1.0), "high": ("max_val", 1.0)}

    @classmethod
    def fraction(cls, node: Node) -> int:
        """So many that both limits lie inside the chords."""
        reach = max(abs(node["low"]), abs(node["high"]), 2.0 ** -(cls.frac + 1))
        return min(cls.frac, LIMIT.bit_length() - 2 - floor(log2(reach)))

    @classmethod
    def curve(cls, params: Params, x: Tensor) -> Tensor:
        return x.clamp(params["low"], params["high"])


@register
class ReLU6(Clamp):
    """min(max(x, 0), 6) (MobileNetV2, arXiv:1801.04381)."""

    name = "relu6"
    modules, functions = (nn.ReLU6,), (F.relu6,)
    options = {"low": ("min_val", 0.0), "high": ("max_val", 6.0)}
