"""Signs that users write, recognised by what they compute.

A value x goes through comparisons, `torch.sign`, `torch.where`, products and sums with constants,
and comes out as a step: s for x > 0, -s for x < 0, s z at 0 with z one of -1, 0, 1. Whether it is
one is found by computing it on probe values.

In hardware a sign is +1 where the value is 0 or more. A network whose z is 0 or -1 differs from
that at an exact 0 only; `agreement` refuses a network in which one occurs.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx
from torch.fx.node import map_aggregate

from hwgen.errors import HwgenError

POSITIVE = (1e-12, 1e-6, 0.01, 0.1, 0.25, 0.5, 0.99, 1.0, 1.01, 1.5, 2.0, 3.0, 10.0, 100.0, 1e3)
LARGE = (3e4, -3e4, 1e8, -1e8, 0.3, -0.7)  # of a function that gives back its input
PROBES = (*POSITIVE, *(-p for p in POSITIVE), 0.0, -0.0)
CLOSE = 1e-5  # detach tricks round
STEPS = {
    torch.sign, torch.sgn, torch.heaviside, operator.ge, operator.gt, operator.le, operator.lt,
    torch.ge, torch.gt, torch.le, torch.lt, "sign", "sgn", "sign_", "ge", "gt", "le", "lt",
    "__ge__", "__gt__", "__le__", "__lt__", "heaviside",
}  # fmt: skip
ELEMENTWISE = STEPS | {
    operator.add, operator.sub, operator.mul, operator.truediv, operator.neg, operator.iadd,
    operator.isub, operator.imul, operator.invert, operator.and_, operator.or_, operator.eq,
    operator.ne, operator.abs, operator.pow, torch.add, torch.sub, torch.mul, torch.div, torch.neg,
    torch.where, torch.clamp, torch.abs, torch.eq, torch.ne, torch.logical_not, torch.square,
    torch.masked_fill, F.hardtanh, "add", "sub", "mul", "div", "neg", "abs", "where", "clamp",
    "masked_fill", "float", "double", "half", "bool", "int", "long", "to", "type", "type_as",
    "add_", "sub_", "mul_", "clamp_", "masked_fill_", "clone", "eq", "ne", "pow", "__add__",
    "__radd__", "__sub__", "__rsub__", "__mul__", "__rmul__", "logical_not", "square",
}  # fmt: skip


@dataclass(frozen=True)
class Step:
    """scale for x > 0, -scale for x < 0, scale zero at 0."""

    scale: float
    zero: int


def sign_of(x: Tensor, scale: float, zero: int) -> Tensor:
    """The function of a `Step`. Shapes: any -> same."""
    sign = torch.sign(x)
    return scale * torch.where(sign == 0, float(zero), sign)


sign_of.__name__ = "sign"  # as errors call it


def step_of(function: Callable[[Tensor], Any], like: Any) -> Step | None:
    """The step that an elementwise function of a tensor like this is; None if it is none."""
    x, y = _probe(function, like)
    if y is None:
        return None
    above, below, zero = y[x > 0], y[x < 0], y[x == 0]
    scale = float(above.mean())
    if scale == 0.0 or not torch.isfinite(y).all():
        return None
    close = CLOSE * abs(scale)
    even = torch.round(zero / scale)
    if (
        (above - scale).abs().max() > close
        or (below + scale).abs().max() > close
        or (zero - even * scale).abs().max() > close
        or even.min() != even.max()
        or even.abs().max() > 1
    ):
        return None
    return Step(scale, int(even[0]))


def is_identity(function: Callable[[Tensor], Any], like: Any) -> bool:
    """Whether a function of a tensor like this gives it back."""
    x, y = _probe(function, like, (*PROBES, *LARGE))
    return y is not None and bool((x == y).all())


def _probe(
    function: Callable[[Tensor], Any], like: Any, probes: tuple[float, ...] = PROBES
) -> tuple[Tensor, Tensor | None]:
    """Probe values, shuffled twice over tensors of that shape, and the function's results."""
    if not isinstance(like, Tensor) or not like.is_floating_point() or not like.numel():
        return torch.empty(0), None
    values = torch.tensor(probes, dtype=like.dtype)
    generator = torch.Generator().manual_seed(like.numel())
    xs, ys = [], []
    for _ in range(2):
        for start in range(0, len(probes), like.numel()):
            part = values[start : start + like.numel()]
            x = part.repeat(-(-like.numel() // len(part)))[: like.numel()]
            x = x[torch.randperm(len(x), generator=generator)].view(like.shape)
            try:
                y = function(x.clone())
            except HwgenError:
                raise
            except Exception:  # a function that cannot be called like this is not recognised
                return x, None
            if not isinstance(y, Tensor) or y.shape != x.shape or not y.is_floating_point():
                return x, None
            xs.append(x.flatten())
            ys.append(y.flatten().to(x.dtype))
    return torch.cat(xs), torch.cat(ys)


def recognise(graph: fx.Graph) -> None:
    """Every node that is a step of a traced value becomes a call of `sign_of`."""
    sources = dict.fromkeys(s for n in graph.nodes if n.target in STEPS for s in _traced(n))
    for source in sources:
        region: dict[fx.Node, None] = {}
        for node in list(graph.nodes):
            operands = _traced(node)
            inside = all(o is source or o in region for o in operands)
            begins = node.target in STEPS or any(o in region for o in operands)
            others = _elementwise(node) and source in operands
            if operands and inside and _elementwise(node) and (begins or others):
                region[node] = None
        steps = {
            node: step_of(partial(_run, node, source, region), source.meta["value"])
            for node in region
        }
        for node, step in steps.items():
            if step is not None:
                _replace(graph, node, source, step)


def _replace(graph: fx.Graph, node: fx.Node, source: fx.Node, step: Step) -> None:
    with graph.inserting_after(node):
        sign = graph.call_function(sign_of, (source, step.scale, step.zero))
    sign.meta = dict(node.meta)
    node.replace_all_uses_with(sign)


def _elementwise(node: fx.Node) -> bool:
    return node.op in ("call_function", "call_method") and node.target in ELEMENTWISE


def _traced(node: fx.Node) -> list[fx.Node]:
    """Operands that depend on the image."""
    return [a for a in node.all_input_nodes if a.op != "get_attr"]


def _run(node: fx.Node, source: fx.Node, region: dict[fx.Node, None], x: Tensor) -> Any:
    """The value of a node of the region where the source is x."""
    values: dict[fx.Node, Any] = {source: x}
    for n in region:
        args, kwargs = map_aggregate(
            (n.args, n.kwargs),
            lambda a: values.get(a, a.meta.get("value")) if isinstance(a, fx.Node) else a,
        )
        if n.op == "call_method":
            values[n] = getattr(args[0], str(n.target))(*args[1:], **kwargs)
        else:
            values[n] = n.target(*args, **kwargs)  # type: ignore[operator]
        if n is node:
            break
    return values[node]
