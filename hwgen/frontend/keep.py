"""A network lent to a trace: in double precision inside, as it was afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

TINY, RARE = 1e-30, 1e-3  # in place of weights that are exactly 0, where so few are


@contextmanager
def same_attributes(module: nn.Module) -> Iterator[None]:
    """On leaving, every submodule has the attributes, parameters and buffers that it had."""
    modules = list(module.modules())
    dicts: list[dict[str, Any]] = [
        d for m in modules for d in (m.__dict__, m._parameters, m._buffers, m._modules)
    ]
    contents = [dict(d) for d in dicts]
    try:
        yield
    finally:
        for d, content in zip(dicts, contents, strict=True):
            d.clear()
            d.update(content)


@contextmanager
def _float32_is_double() -> Iterator[None]:
    """What a network casts to float32 by x.float(), x.to() or x.type() becomes float64."""
    methods = {name: getattr(Tensor, name) for name in ("float", "to", "type")}

    def cast(name: str) -> Any:
        def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
            args = tuple(torch.float64 if a is torch.float32 else a for a in args)
            if kwargs.get("dtype") is torch.float32:
                kwargs["dtype"] = torch.float64
            return methods[name](self, *args, **kwargs)

        return method

    default = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        for name, method in {
            "float": Tensor.double,
            "to": cast("to"),
            "type": cast("type"),
        }.items():
            setattr(Tensor, name, method)
        yield
    finally:
        torch.set_default_dtype(default)
        for name, method in methods.items():
            setattr(Tensor, name, method)


@contextmanager
def _own_type(module: nn.Module) -> Iterator[None]:
    """New tensors have the type of the network's parameters."""
    default = torch.get_default_dtype()
    kinds = [p.dtype for p in module.parameters() if p.is_floating_point()]
    try:
        torch.set_default_dtype((*kinds, default)[0])
        yield
    finally:
        torch.set_default_dtype(default)


@contextmanager
def lent(module: nn.Module, double: bool = True) -> Iterator[None]:
    """Eval mode, and (`double`) float64 for parameters, buffers, tensors kept as plain attributes,
    new tensors and casts to float32: a sign is then the same however a sum is ordered.

    A forward may count its calls, keep its input, write its weights: on leaving, every submodule
    has the attributes and values that it had, and mode and default type are those of before.
    """
    modules = list(module.modules())
    tensors = {id(t): t for m in modules for t in _tensors(m)}
    copies = {key: t.detach().clone() for key, t in tensors.items()}
    try:
        with same_attributes(module), _float32_is_double() if double else _own_type(module):
            module.eval()
            if double:
                _to_double(modules, tensors)
            yield
    finally:
        with torch.no_grad():
            for key, tensor in tensors.items():
                if not torch.equal(tensor, copies[key]):
                    tensor.copy_(copies[key])


def _tensors(module: nn.Module) -> list[Tensor]:
    found: list[Any] = [*module._parameters.values(), *module._buffers.values()]
    return [t for t in (*found, *module.__dict__.values()) if isinstance(t, Tensor)]


def _to_double(modules: list[nn.Module], tensors: dict[int, Tensor]) -> None:
    """Tensors that several modules share stay shared. A weight of 0 here and there counts as
    positive in hardware, and is made so here."""
    doubled: dict[int, Tensor] = {}
    for key, t in tensors.items():
        if t.is_floating_point():
            value = t.detach().double()
            is_parameter = isinstance(t, nn.Parameter)
            if is_parameter and value.dim() > 1:
                zero = value == 0
                value = value.masked_fill(zero, TINY) if 0 < zero.double().mean() < RARE else value
            doubled[key] = nn.Parameter(value, requires_grad=False) if is_parameter else value
    for m in modules:
        tables: tuple[dict[str, Any], ...] = (m._parameters, m._buffers, m.__dict__)
        for table in tables:
            table.update({name: doubled[id(t)] for name, t in table.items() if id(t) in doubled})
