"""A network lent to a trace: in double precision inside, as it was afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


@contextmanager
def lent(module: nn.Module, double: bool = True) -> Iterator[None]:
    """Eval mode, and (`double`) float64 for parameters, buffers, tensors kept as plain attributes
    and new tensors; so that a sign is the same however a sum is ordered.

    A forward may count its calls, keep its input, write its weights: on leaving, every submodule
    has the attributes and values that it had, and mode and default type are those of before.
    """
    modules = list(module.modules())
    attributes = [dict(m.__dict__) for m in modules]
    tables: list[dict[str, Any]] = [
        table for m in modules for table in (m._parameters, m._buffers, m._modules)
    ]
    entries = [dict(table) for table in tables]
    tensors = {id(t): t for m in modules for t in _tensors(m)}
    copies = {key: t.detach().clone() for key, t in tensors.items()}
    default = torch.get_default_dtype()
    try:
        module.eval()
        if double:
            _to_double(modules, tensors)
            torch.set_default_dtype(torch.float64)
        yield
    finally:
        torch.set_default_dtype(default)
        dicts = [m.__dict__ for m in modules] + tables
        for table, content in zip(dicts, attributes + entries, strict=True):
            table.clear()
            table.update(content)
        with torch.no_grad():
            for key, tensor in tensors.items():
                if not torch.equal(tensor, copies[key]):
                    tensor.copy_(copies[key])


def _tensors(module: nn.Module) -> list[Tensor]:
    found: list[Any] = [*module._parameters.values(), *module._buffers.values()]
    return [t for t in (*found, *module.__dict__.values()) if isinstance(t, Tensor)]


def _to_double(modules: list[nn.Module], tensors: dict[int, Tensor]) -> None:
    """Tensors that several modules share stay shared."""
    doubled: dict[int, Tensor] = {}
    for key, t in tensors.items():
        if t.is_floating_point():
            value = t.detach().double()
            is_parameter = isinstance(t, nn.Parameter)
            doubled[key] = nn.Parameter(value, requires_grad=False) if is_parameter else value
    for m in modules:
        tables: tuple[dict[str, Any], ...] = (m._parameters, m._buffers, m.__dict__)
        for table in tables:
            table.update({name: doubled[id(t)] for name, t in table.items() if id(t) in doubled})
