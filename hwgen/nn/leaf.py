"""Tracing: which calls stay one node in a torch.fx graph."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import nn

Function = TypeVar("Function", bound=Callable[..., Any])
LEAF_FUNCTIONS: list[Callable[..., Any]] = []


def leaf(function: Function) -> Function:
    """Keep calls of `function` as one `call_function` node whose target is the decorated function.

    Same effect as `torch.fx.wrap`, but independent of the module from which the function is called
    (`wrap` patches one module's globals; a name imported elsewhere would be traced through).
    """

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        operands = (*args, *kwargs.values())
        for operand in operands:
            if isinstance(operand, torch.fx.Proxy):
                return operand.tracer.create_proxy("call_function", wrapper, args, kwargs)
        return function(*args, **kwargs)

    LEAF_FUNCTIONS.append(wrapper)
    return wrapper  # type: ignore[return-value]


class Tracer(torch.fx.Tracer):
    """torch.fx tracer that keeps every layer of `hwgen.nn` (and torch's own layers) as one node."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        if type(m).__module__.startswith("hwgen.nn."):
            return True
        return super().is_leaf_module(m, module_qualified_name)


def trace(module: nn.Module) -> torch.fx.GraphModule:
    """Float graph of a network built from `hwgen.nn` layers; nodes as listed in `hwgen.nn`."""
    tracer = Tracer()
    return torch.fx.GraphModule(module, tracer.trace(module))
