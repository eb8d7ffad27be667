"""What is written for the sake of gradients, and is something simpler in the forward direction.

A user's `torch.autograd.Function` is traced by what its forward computes: the sign and the identity
are recognised on probe values (`signs.step_of`), the rest is traced through. Sums like
a.detach() - b.detach() + b (Bi-Real Net, ReActNet, BHViT as released) are their first term.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, fx
from torch.autograd import function as autograd

from hwgen.frontend import signs

PLUS = {operator.add, operator.iadd, torch.add, "add", "add_", "__add__", "__radd__"}
MINUS = {operator.sub, operator.isub, torch.sub, "sub", "sub_", "__sub__"}


def fold(graph: fx.Graph) -> None:
    """(a - b) + b, b + (a - b) and (a + b) - b become a; then nothing may need b."""
    for node in graph.nodes:
        first = _first_term(node)
        if first is not None:
            node.replace_all_uses_with(first)


def _first_term(node: fx.Node) -> fx.Node | None:
    added, subtracted = _terms(node, PLUS), _terms(node, MINUS)
    for term, other in (added, added[::-1]) if added else ():
        inner = _terms(term, MINUS)
        if inner and inner[1] is other:
            return inner[0]
    if subtracted:
        inner = _terms(subtracted[0], PLUS)
        if inner and subtracted[1] in inner:
            return inner[1 - inner.index(subtracted[1])]
    return None


def _terms(node: fx.Node, kinds: set[Any]) -> tuple[fx.Node, ...]:
    """The two values of a sum or difference of traced values; () for another node."""
    nodes = tuple(a for a in node.args if isinstance(a, fx.Node))
    return nodes if node.target in kinds and not node.kwargs and len(nodes) == 2 else ()


@contextmanager
def intercepted() -> Iterator[None]:
    """While a network is recorded, `Function.apply` of a proxy is traced by what it computes."""

    def apply(cls: Any, *args: Any, **kwargs: Any) -> Any:
        if any(isinstance(a, fx.Proxy) for a in (*args, *kwargs.values())):
            return _traced(cls, args, kwargs)
        return super(autograd._SingleLevelFunction, cls).apply(*args, **kwargs)

    autograd._SingleLevelFunction.apply = classmethod(apply)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        del autograd._SingleLevelFunction.apply  # type: ignore[attr-defined]


def _traced(cls: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    places = [i for i, a in enumerate(args) if isinstance(a, fx.Proxy)]
    if len(places) == 1 and not any(isinstance(a, fx.Proxy) for a in kwargs.values()):
        (i,) = places
        x: Any = args[i]

        def function(value: Tensor) -> Any:
            return cls.apply(*args[:i], value, *args[i + 1 :], **kwargs)

        like = x.node.meta["value"]
        if signs.is_identity(function, like):
            return x
        step = signs.step_of(function, like)
        if step is not None:
            operands = (x, step.scale, step.zero)
            return x.tracer.create_proxy("call_function", signs.sign_of, operands, {})
    if cls.setup_context is not autograd._SingleLevelFunction.setup_context:
        return cls.forward(*args, **kwargs)
    return cls.forward(_Context(len(args)), *args, **kwargs)


class _Context(SimpleNamespace):
    """What a forward may do to its context without a backward."""

    def __init__(self, count: int) -> None:
        super().__init__(needs_input_grad=(False,) * count)

    def save_for_backward(self, *tensors: Any) -> None: ...

    def save_for_forward(self, *tensors: Any) -> None: ...

    def mark_dirty(self, *tensors: Any) -> None: ...

    def mark_non_differentiable(self, *tensors: Any) -> None: ...

    def set_materialize_grads(self, value: bool) -> None: ...
