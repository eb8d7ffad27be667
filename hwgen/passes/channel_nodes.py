"""Nodes of some channels, and of the channels of several nodes, for `move_channels`."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from hwgen.floats.graph import FloatGraph
from hwgen.floats.kinds import Tile, infer
from hwgen.floats.kinds.base import Node

Array = np.ndarray


def plain(node: Node) -> bool:
    """Whether a gather only moves channels."""
    return bool((node["scale"] == 1).all() and not node["bias"].any())


def groups_of(node: Node) -> int:
    """Groups of a layer."""
    return int(node.params.get("groups", 1))


def width_of(graph: FloatGraph, name: str) -> int:
    """Channels of a value."""
    return graph.nodes[name].layout.channels


def letters_of(node: Node) -> set[str]:
    """What the axes of a node's parameters count."""
    return {x for p in node.kind.params.values() for x in p.shape}


def axis_of(node: Node, key: str, letter: str) -> int | None:
    """The axis, from the end, of a parameter that counts what the letter stands for."""
    shape, value = node.kind.params[key].shape, node[key]
    if letter not in shape or not isinstance(value, np.ndarray):
        return None
    return shape.index(letter) - len(shape)


def taken(node: Node, letter: str, index: Array) -> dict[str, Array]:
    """Parameters of the channels `index`."""
    axes = {k: axis_of(node, k, letter) for k in node.params}
    return {k: np.take(node[k], index, axis) for k, axis in axes.items() if axis is not None}


def joined(parts: list[Node], letter: str) -> dict[str, Array] | None:
    """Parameters one behind the other where they count channels; None where others differ."""
    out, first = {}, parts[0]
    for key in first.params:
        axis, values = axis_of(first, key, letter), [p[key] for p in parts]
        if axis is not None:
            if len({(*v.shape[:axis], *v.shape[v.ndim + axis + 1 :]) for v in values}) > 1:
                return None
            out[key] = np.concatenate(values, axis)
        elif not all(np.array_equal(v, values[0]) for v in values):
            return None
    return out


def make(
    name: str, like: Node, params: dict, inputs: Iterable[Node], made: dict[str, Node]
) -> Node:
    """A node like another, with other inputs and some other parameters."""
    inputs, params = list(inputs), like.params | params
    layout = infer(name, like.kind, params, *(i.layout for i in inputs))
    made[name] = Node(name, like.kind, tuple(i.name for i in inputs), params, layout)
    return made[name]


def tile(name: str, source: Node, times: int, made: dict[str, Node]) -> Node:
    """A value so many times, one behind the other."""
    layout = source.layout.with_channels(times * source.layout.channels)
    made[name] = Node(name, Tile, (source.name,), {"times": times}, layout)
    return made[name]
