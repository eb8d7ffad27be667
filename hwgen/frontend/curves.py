"""Activations that a network writes as several operations on every number, recognised by value.

Hard swish as x relu6(x + 3) / 6, as x clamp(x + 3, 0, 6) / 6 or as x hardsigmoid(x), GELU by erf:
whatever gives the function's values on probes is that function.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from hwgen.floats.kinds import KINDS, Tabulated
from hwgen.frontend.cones import cones

PROBES = torch.cat([torch.linspace(-8, 8, 1601), torch.tensor([-30.0, -12.0, 12.0, 30.0])]).double()
CLOSE = 1e-7  # constants may have been rounded to float32; the network is compared afterwards
LONGEST = 10  # operations of a function
FUNCTIONS = {
    torch.add, torch.sub, torch.mul, torch.div, torch.true_divide, torch.neg, torch.exp, torch.erf,
    torch.special.erf, torch.sigmoid, torch.tanh, torch.clamp, torch.clip, torch.clamp_min,
    torch.clamp_max, torch.relu, torch.reciprocal, torch.pow, torch.square, F.relu, F.relu6,
    F.hardtanh, F.hardsigmoid, F.sigmoid, F.tanh, F.softplus, operator.add, operator.sub,
    operator.mul, operator.truediv, operator.neg, operator.pow, operator.iadd, operator.isub,
    operator.imul, operator.itruediv,
}  # fmt: skip
METHODS = {
    "add", "sub", "mul", "div", "neg", "exp", "erf", "sigmoid", "tanh", "clamp", "clip",
    "clamp_min", "clamp_max", "relu", "reciprocal", "pow", "square",
}  # fmt: skip
MODULES = (nn.ReLU, nn.ReLU6, nn.Hardtanh, nn.Hardsigmoid, nn.Sigmoid, nn.Tanh, nn.Softplus)
CURVES = [
    (kind.functions[0], kind.curve({}, PROBES))
    for kind in KINDS.values()
    if issubclass(kind, Tabulated) and kind.functions and not kind.params
] + [(F.hardsigmoid, F.hardsigmoid(PROBES))]


def curve(node: fx.Node, position: dict[fx.Node, int]) -> tuple[Any, tuple[Any, ...]] | None:
    """The activation that a node is of a value before it, and that value; None of another node.

    position: of every node in its graph.
    """
    for x, inside in cones(node, position, _on_numbers, LONGEST):
        value = x.meta.get("value")
        alike = isinstance(value, Tensor) and value.shape == node.meta["value"].shape
        found = _evaluated(x, inside) if alike else None
        for function, wanted in CURVES:
            if found is not None and torch.allclose(found, wanted, rtol=CLOSE, atol=CLOSE):
                return function, (x,)
    return None


def limits(node: fx.Node) -> tuple[Any, tuple[Any, ...]] | None:
    """clamp(clamp(x, low), None, high) as one."""
    outer = _limits(node)
    inner = _limits(outer[0]) if outer is not None else None
    if outer is None or inner is None:
        return None
    low = max((b for b in (inner[1], outer[1]) if b is not None), default=None)
    high = min((b for b in (inner[2], outer[2]) if b is not None), default=None)
    if low is None or high is None or low > high:
        return None
    return torch.clamp, (inner[0], low, high)


def _limits(node: Any) -> tuple[Any, Any, Any] | None:
    """(x, low, high) of a clamp to numbers; None of another node."""
    if not isinstance(node, fx.Node) or not node.args or not isinstance(node.args[0], fx.Node):
        return None
    name = str(getattr(node.target, "__name__", node.target)).removesuffix("_")
    x, *given = node.args
    if node.target in (torch.relu, F.relu, "relu", "relu_") and not given:
        return x, 0, None
    if node.target not in FUNCTIONS and name not in METHODS:
        return None
    names = {"clamp": ("min", "max"), "clip": ("min", "max"), "clamp_min": ("min",),
             "clamp_max": ("max",)}.get(name)  # fmt: skip
    if names is None:
        return None
    bounds = dict(zip(names, given)) | node.kwargs
    if bounds.keys() - {"min", "max"}:
        return None
    low, high = bounds.get("min"), bounds.get("max")
    plain = all(b is None or isinstance(b, int | float) for b in (low, high))
    return (x, low, high) if plain else None


def _on_numbers(node: fx.Node) -> bool:
    """Whether a node computes each number from one of each value that it reads."""
    known = {"call_function": node.target in FUNCTIONS,
             "call_method": str(node.target).removesuffix("_") in METHODS,
             "call_module": isinstance(node.meta.get("module"), MODULES)}  # fmt: skip
    if not known.get(node.op, False):
        return False
    constants = [n.meta["value"] for n in node.all_input_nodes if n.op == "get_attr"]
    return all(isinstance(c, Tensor) and c.numel() == 1 for c in constants)


def _evaluated(x: fx.Node, inside: list[fx.Node]) -> Tensor | None:
    """What operations make of probes in place of a value."""
    values: dict[Any, Any] = {x: PROBES}

    def now(a: Any) -> Any:
        if not isinstance(a, fx.Node):
            return a
        return values[a].clone() if a in values else a.meta["value"].double().reshape(())

    for node in inside:
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), now)
        call: Any = node.meta["module"] if node.op == "call_module" else node.target
        if node.op == "call_method":
            call, args = getattr(args[0], str(node.target), None), args[1:]
        try:
            values[node] = call(*args, **kwargs)
        except (TypeError, RuntimeError):
            return None
    found = values[inside[-1]]
    return found if isinstance(found, Tensor) and found.shape == PROBES.shape else None
