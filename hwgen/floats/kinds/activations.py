"""Activations: functions of one number, y3 of an op's post chain (`hwgen.ops.post`).

A further function that the hardware computes as a table of chords is one subclass of `Tabulated`:
the frontend, `fuse`, `fracs` and `quantize` ask the class and list none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwgen.engine.numerics import GELU_FRAC
from hwgen.floats.graph import Layout
from hwgen.floats.kinds.base import Call, Kind, Params, Reads, register
from hwgen.floats.kinds.parameters import Reals


class Activation(Kind):
    """f(x - g) + z; without parameters (g, z), their names in `moves`, f(x)."""

    arity = (1, 1)
    anchor = False
    step = elementwise = True
    reads = Reads.VALUES
    makes_signs = joins_inputs = False
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
    """f(x) without parameters, in hardware a table at a fixed binary point (`frac`).

    modules, functions: what of PyTorch stands for it. forms: option of these -> (the value that
    it must have, how an error calls it). table: the field of `hwgen.ops.post.Post` that turns it
    on.
    """

    params = {}
    moves = None
    function: ClassVar[Callable[[Tensor], Tensor]]
    modules: ClassVar[tuple[type[nn.Module], ...]]
    functions: ClassVar[tuple[Any, ...]]
    forms: ClassVar[dict[str, tuple[Any, str]]]
    table: ClassVar[str]

    @classmethod
    def evaluate(cls, n: Call, *x: Tensor) -> Tensor:
        return cls.function(x[0])


@register
class GELU(Tabulated):
    """x Phi(x) with the normal distribution function Phi (arXiv:1606.08415)."""

    name = "gelu"
    function = staticmethod(F.gelu)
    modules = (nn.GELU,)
    functions = (F.gelu,)
    forms = {"approximate": ("none", "the erf form")}
    frac = GELU_FRAC
    table = "gelu"
