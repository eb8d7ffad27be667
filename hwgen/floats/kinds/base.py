"""A node of the float graph, what its kind declares, and the registry of kinds.

A kind is a class without instances: `node.kind is Affine`, `issubclass(node.kind, View)`. Passes
ask for its traits instead of listing kinds.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from torch import Tensor

from hwgen.floats.kinds.parameters import Parameter
from hwgen.floats.layout import IllegalGraph, Layout

Array = np.ndarray
Params = Mapping[str, Any]
T = TypeVar("T")

KINDS: dict[str, type[Kind]] = {}


class ShapeError(ValueError):
    """Inputs that do not fit a kind or its parameters, from `Kind.result`, which knows no name."""


class Reads(Enum):
    """What a kind's inputs are."""

    NOTHING = "nothing"
    VALUES = "values"
    SIGNS = "signs"
    UPRIGHT_SIGNS = "signs that are not stored inverted"


@dataclass(frozen=True, eq=False)
class Node:
    """One operation; its value carries the node's name.

    Raises: IllegalGraph unless `params` are the kind's, by name, and the kind takes as many inputs.
    """

    name: str
    kind: type[Kind]
    inputs: tuple[str, ...]
    params: dict[str, Any]
    layout: Layout

    def __post_init__(self) -> None:
        if self.params.keys() != self.kind.params.keys():
            text = f"has {', '.join(self.params) or 'none'}; {self.kind.name} has "
            raise IllegalGraph(
                "parameters", self.name, text + (", ".join(self.kind.params) or "none")
            )
        fewest, most = self.kind.arity
        if not fewest <= len(self.inputs) <= (most or len(self.inputs)):
            text = f"{len(self.inputs)} inputs; {self.kind.name} has {fewest} to {most or 'any'}"
            raise IllegalGraph("inputs", self.name, text)

    def __getitem__(self, key: str) -> Any:
        return self.params[key]

    def with_(self, **changes: Any) -> Node:
        """A copy with fields, or parameters of the node, replaced."""
        params = self.params | {k: v for k, v in changes.items() if k in self.params}
        return replace(
            self, params=params, **{k: v for k, v in changes.items() if k not in self.params}
        )


@dataclass(frozen=True)
class Call:
    """A node to be evaluated. `call[p]` is a parameter, arrays as tensors of `dtype`."""

    node: Node
    inputs: tuple[Layout, ...]
    dtype: torch.dtype

    def __getitem__(self, key: str) -> Any:
        value = self.node.params[key]
        return self.tensor(value) if isinstance(value, np.ndarray) else value

    def tensor(self, array: Array) -> Tensor:
        return torch.as_tensor(np.asarray(array)).to(self.dtype)

    def image(self, x: Tensor) -> Tensor:
        """The first input (B, H*W, C) as (B, C, H, W)."""
        return x.reshape(x.shape[0], *self.inputs[0].grid, x.shape[-1]).permute(0, 3, 1, 2)


class Kind(ABC):
    """A kind of node; the docstring of each gives its equation.

    Values are per channel: a parameter of shape (C,) has an entry for each channel. Families set
    the traits that all their kinds share; `register` refuses a kind that leaves one open.
    """

    name: ClassVar[str]
    arity: ClassVar[tuple[int, int | None]]  # fewest and most inputs
    params: ClassVar[dict[str, Parameter]]

    anchor: ClassVar[bool]  # an integer op can begin with it (`hwgen.passes.fuse`)
    step: ClassVar[bool]  # it can be a step of an op that began with another node
    elementwise: ClassVar[bool]  # features -> features, every position for itself
    reads: ClassVar[Reads]
    makes_signs: ClassVar[bool]
    factors: ClassVar[str | None]  # value = factors f(x) + offset, one of each per result channel
    offset: ClassVar[str | None]
    weights: ClassVar[str | None]  # parameter (O, ..., inputs of a result) of a layer with weights
    frac: ClassVar[int | None]  # fraction bits of its value in hardware, at most; None: any
    joins_inputs: ClassVar[bool]  # its inputs share their binary point
    by_number: ClassVar[bool]  # addresses channels by their number; none can be added behind them

    @classmethod
    @abstractmethod
    def result(cls, params: Params, *inputs: Layout) -> Layout:
        """Layout of the value. Raises: ShapeError where the inputs do not fit."""

    @classmethod
    @abstractmethod
    def evaluate(cls, n: Call, *x: Tensor) -> Tensor:
        """The value, with the batch in front, in the dtype of `n`."""

    @classmethod
    def fraction(cls, node: Node) -> int | None:
        """Most fraction bits of a node's value in hardware; None where the kind has no such."""
        return cls.frac

    @classmethod
    def scaled(cls, node: Node, a: Array, b: Array) -> Node | None:
        """The node whose value is a times its value, plus b; None where it has no factors."""
        if cls.factors is None or cls.offset is None:
            return None
        (channel,) = cls.params[cls.offset].shape
        shape = [-1 if letter == channel else 1 for letter in cls.params[cls.factors].shape]
        changes = {
            cls.factors: a.reshape(shape) * node[cls.factors],
            cls.offset: a * node[cls.offset] + b,
        }
        return node.with_(**changes)


def register(kind: type[T]) -> type[T]:
    """Make a kind known.

    Raises: AssertionError where a trait that the kind or its families annotate, or a method, is
    missing.
    """
    assert issubclass(kind, Kind), f"{kind.__name__} is no Kind"
    traits = [t for c in kind.__mro__ if issubclass(c, Kind) for t in inspect.get_annotations(c)]
    missing = [t for t in traits if not hasattr(kind, t)] + sorted(kind.__abstractmethods__)
    assert not missing, f"{kind.__name__} lacks {', '.join(missing)}"
    assert vars(kind).get("__doc__"), f"{kind.__name__} has no docstring"
    assert kind.name not in KINDS, f"{kind.name} is registered twice"
    for trait in ("factors", "offset", "weights"):
        parameter = getattr(kind, trait)
        assert parameter is None or parameter in kind.params, f"{kind.__name__}: no {parameter}"
    KINDS[kind.name] = kind
    return kind


def infer(name: str, kind: type[Kind], params: Params, *inputs: Layout) -> Layout:
    """Layout of a node's value. Raises: IllegalGraph where the inputs do not fit the kind."""
    try:
        return kind.result(params, *inputs)
    except ShapeError as error:
        raise IllegalGraph("layout", name, f"{kind.name} {error}") from None


def nearest(table: Mapping[type, T], kind: type[Kind]) -> T | None:
    """The entry of a kind or of the nearest family that it belongs to."""
    return next((table[c] for c in kind.__mro__ if c in table), None)


def must(holds: bool, problem: str) -> None:
    """Raises: ShapeError(problem) unless `holds`."""
    if not holds:
        raise ShapeError(problem)


def on_a_grid(layout: Layout) -> tuple[int, int]:
    """(H, W) of a value that must be on a grid."""
    height, width = layout.grid
    must(
        height * width > 0 and layout.shape[:-1] == (height * width,),
        f"reads {layout.shape} on {layout.grid}; needs tokens on a grid",
    )
    return height, width
