"""Layers of `hwgen.nn` in a program: the calls that each has become are that layer again.

A program names the class of every module. `TokenBuilder` and `QDAttention` are built anew, of the
sizes that the shapes of their values tell; their weights are the program's. Whether they compute
what the calls compute is compared on images (`hwgen.frontend.exported.load`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from math import isqrt
from typing import Any

from torch import nn
from torch.fx.node import map_aggregate

from hwgen import nn as hnn
from hwgen.frontend.exported.program import Call, Name, Program, path_of


@dataclass(frozen=True)
class Layer:
    """Calls first .. last of a program that are one layer: its place, what it is called with, the
    name of its result."""

    first: int
    last: int
    place: str
    module: nn.Module
    inputs: tuple[str, ...]
    output: str


def layers_of(program: Program) -> list[Layer]:
    """The layers of `hwgen.nn` that are whole functions, each time that they are called."""
    owners = [_owner(program, call.visit) for call in program.graph.calls]
    found = []
    for visit, run in groupby(range(len(owners)), key=owners.__getitem__):
        if visit:
            numbers = list(run)
            layer = _layer(program, path_of(visit), numbers[0], numbers[-1])
            found += [layer] if layer is not None else []
    return found


def _owner(program: Program, visit: str) -> str:
    """The call of a layer in which a call stands; "" outside of all."""
    parts = visit.split(".")
    visits = (".".join(parts[:n]) for n in range(1, len(parts) + 1))
    return next((v for v in visits if program.classes.get(path_of(v)) in _BUILD), "")


def _layer(program: Program, place: str, first: int, last: int) -> Layer | None:
    """None where the calls are not those of one call of the layer."""
    calls = program.graph.calls[first : last + 1]
    made = {name for call in calls for name in results(call)}
    later = program.graph.calls[last + 1 :]
    read = {name for call in later for name in operands(call)} | set(_names(program.graph.output))
    built = _BUILD[program.classes[place]](program, place, calls)
    outputs = sorted(made & read)
    if built is None or len(outputs) != 1:
        return None
    module, inputs = built
    return Layer(first, last, place, module, inputs, outputs[0])


def results(call: Call) -> Iterator[str]:
    for out in call.outputs:
        yield from out if isinstance(out, list) else [out] if out is not None else []


def operands(call: Call) -> list[str]:
    return _names((call.args, call.kwargs))


def _names(arguments: Any) -> list[str]:
    found: list[str] = []
    map_aggregate(arguments, lambda a: found.append(a.name) if isinstance(a, Name) else None)
    return found


# ------------------------------------------------------------------------------- the two layers

Built = tuple[nn.Module, tuple[str, ...]] | None


def _attention(program: Program, place: str, calls: tuple[Call, ...]) -> Built:
    """The signs of q, k and v are taken in this order; the first is then (B, N, heads, d)."""
    signs = [call for call in calls if call.op == "aten.sign"]
    cut = next((c for c in calls if signs and set(results(signs[0])) & set(operands(c))), None)
    shape = program.graph.shapes.get(next(results(cut), ""), ()) if cut is not None else ()
    if len(signs) != 3 or len(shape) != 4:
        return None
    learned = f"{place}.alpha" in program.weights.values()
    inputs = tuple(operands(call)[0] for call in signs)
    return hnn.QDAttention(shape[2], learned), inputs


def _token_builder(program: Program, place: str, calls: tuple[Call, ...]) -> Built:
    """(B, N, C) -> (B n n, w w + n n, C) with N = (n w)**2."""
    made = {name for call in calls for name in results(call)}
    read = dict.fromkeys(name for call in calls for name in operands(call))
    inputs = [name for name in read if name not in made and name not in program.weights]
    shapes = program.graph.shapes
    norms = [call for call in calls if "layer_norm" in call.op]
    if len(inputs) != 1 or len(norms) != 1 or len(shapes[inputs[0]]) != 3:
        return None
    (batch, tokens, channels), out = shapes[inputs[0]], shapes[next(results(norms[0]))]
    grid = isqrt(tokens)
    for window in (w for w in range(1, grid + 1, 2) if grid % w == 0 and grid**2 == tokens):
        n = grid // window
        if out == (batch * n * n, window**2 + n * n, channels):
            merge = "mix" if f"{place}.a1" in program.weights.values() else "avg"
            return hnn.TokenBuilder(channels, window, grid, merge), (inputs[0],)
    return None


_BUILD: dict[str, Callable[[Program, str, tuple[Call, ...]], Built]] = {
    f"{cls.__module__}.{cls.__name__}": build
    for cls, build in ((hnn.QDAttention, _attention), (hnn.TokenBuilder, _token_builder))
}
