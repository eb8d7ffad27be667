"""Names of the networks in the zoo."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from hwgen.errors import HwgenError
from hwgen.zoo.network import Network

_REGISTRY: dict[str, Callable[..., Network]] = {}


def register(function: Callable[..., Network]) -> Callable[..., Network]:
    """Make a constructor available under its name; its docstring's first line is the summary."""
    name = function.__name__
    assert name not in _REGISTRY, f"{name} is registered twice"
    _REGISTRY[name] = function
    return function


def names() -> list[str]:
    """Registered names, sorted."""
    return sorted(_REGISTRY)


def summary(name: str) -> str:
    """First line of the network's docstring."""
    return (_REGISTRY[name].__doc__ or "").strip().splitlines()[0]


def create(name: str, **overrides: Any) -> Network:
    """A network by name, fields of its configuration replaced: create("bhvit_micro", classes=4).

    Raises: HwgenError for an unknown name, an unknown field or sizes that do not fit together.
    """
    if name not in _REGISTRY:
        raise HwgenError("zoo", name, "is not a known network", f"use {', '.join(names())}")
    try:
        return _REGISTRY[name](**overrides)
    except TypeError as error:
        if "unexpected keyword argument" not in str(error):
            raise
        field, config = str(error).split("'")[1], str(error).split(".")[0]
        raise HwgenError(f"zoo.{name}", field, "is not a field of its configuration",
                         f"see hwgen.zoo.{config}") from None  # fmt: skip


def sketch(name: str) -> Network:
    """`create(name)` on the meta device: shapes without weights, enough to count."""
    with torch.device("meta"):
        return create(name)
