"""Channels of every value up to a multiple of the lanes; results stay the same, bit for bit.

What is added computes nothing that counts: weights, factors and offsets of added channels are 0, so
their features are 0 and their signs, of 0, are +1. A binary layer that reads them has weights +1
and -1 in turn there, which cancel inside the image and outside it; where their number is odd, one
+1 is left over and its bias gives it back, which needs a layer without zero padding. LayerNorm is
told how many channels count, and gets zeros for the others.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from hwgen.errors import UnsupportedOpError, joined
from hwgen.floats.graph import FloatGraph
from hwgen.floats.kinds import Affine, Input, LayerNorm, Reads, Tabulated
from hwgen.floats.kinds.base import Node, infer
from hwgen.floats.kinds.parameters import Reals, Signs
from hwgen.floats.kinds.scaled import Scaled

Array = np.ndarray
CHANNEL_AXES = "COD"  # letters of axes that count channels: of the source, the result, a group


def pad_channels(graph: FloatGraph, multiple: int) -> FloatGraph:
    """Every value but the image and the logits has a multiple of so many channels.

    Raises: UnsupportedOpError for a layer whose channels are addressed by number (groups, tiles,
    averages of neighbours, heads) or whose odd number of inputs meets zero padding.
    """
    if all(_fits(n, graph, multiple) for n in graph.nodes.values()):
        return graph
    refused = [reason for _, reason in unpaddable(graph, multiple)]
    if refused:
        raise joined("the network", refused)
    made: dict[str, Node] = {}
    clean: set[str] = set()  # their added channels are 0
    for node in graph.nodes.values():
        sources = [made[name] for name in node.inputs]
        real = [graph.nodes[name].layout.channels for name in node.inputs]
        grows = [s.layout.channels - c for s, c in zip(sources, real)]
        if node.kind is LayerNorm and grows[0]:
            node, sources = _counted(node, sources, real[0], made, clean)
        more = grows[0] if grows else 0
        results = _added(node, graph, multiple, more)
        params = _padded(node, more, results)
        layout = infer(node.name, node.kind, params, *(s.layout for s in sources))
        made[node.name] = node.with_(**params, layout=layout)
        if _zeros(made[node.name], clean):
            clean.add(node.name)
    return FloatGraph(made, graph.image, graph.output)


def _fits(node: Node, graph: FloatGraph, multiple: int) -> bool:
    """Its channels stay: of the image, the logits, and what is a multiple already."""
    free = node.kind is Input or node.name == graph.output
    return free or node.layout.channels % multiple == 0


def _added(node: Node, graph: FloatGraph, multiple: int, more: int) -> int:
    """New channels of a value, given those of its source."""
    if not node.inputs or "O" in _letters(node):
        return 0 if _fits(node, graph, multiple) else -node.layout.channels % multiple
    return more  # one channel for each of the source


def unpaddable(graph: FloatGraph, multiple: int) -> list[tuple[str, UnsupportedOpError]]:
    """All nodes that cannot take the padded channels of their sources, each with the reason."""
    added: dict[str, int] = {}
    found = []
    for node in graph.nodes.values():
        more = next((added[name] for name in node.inputs), 0)
        reason = None
        if any(added[name] for name in node.inputs):
            reason = _refusal(node, graph.nodes[node.inputs[0]].layout.channels, more)
        added[node.name] = _added(node, graph, multiple, more)
        if reason is not None:
            found.append((node.name, reason))
            if node.kind.by_number:  # go on as if it were as wide as the lanes want it
                added[node.name] = -node.layout.channels % multiple
    return found


def _refusal(node: Node, channels: int, more: int) -> UnsupportedOpError | None:
    if node.kind.by_number or node.params.get("groups", 1) > 1:
        return UnsupportedOpError(
            node.name, f"{node.kind.name} of {channels} channels",
            "its channels are addressed by number: must be a multiple of the lanes",
            "pad or widen the layer",
        )  # fmt: skip
    if node.kind.reads is Reads.SIGNS and node.params.get("padding") and more % 2:
        return UnsupportedOpError(
            node.name, f"a binary convolution of {channels} channels with zero padding",
            "an odd number of channels cannot be filled up with signs that cancel",
            "use an even number of channels",
        )  # fmt: skip
    return None


def _counted(
    node: Node, sources: list[Node], channels: int, made: dict[str, Node], clean: set[str]
) -> tuple[Node, list[Node]]:
    """A LayerNorm that counts `channels` of its sources, which are 0 behind them."""
    zeroed = []
    for source in sources:
        if source.name not in clean:
            count = source.layout.channels
            a = (np.arange(count) < channels).astype(np.float64)
            name = f"{node.name}.{source.name}.counted"
            params = {"a": a, "b": np.zeros(count)}
            source = made[name] = Node(name, Affine, (source.name,), params, source.layout)
        zeroed.append(source)
    inputs = tuple(s.name for s in zeroed)
    return node.with_(channels=channels, inputs=inputs), zeroed


def _padded(node: Node, sources: int, results: int) -> dict[str, Any]:
    """Parameters of a node with so many more channels in its sources and in its result."""
    more = {"C": sources if node.inputs else results, "O": results, "D": sources}
    params: dict[str, Any] = {}
    for key, value in node.params.items():
        declared = node.kind.params[key]
        if not isinstance(declared, Reals) or value is None:
            params[key] = value
            continue
        letters = declared.shape[-value.ndim :] if declared.shape[0] == "..." else declared.shape
        letters = ("",) * (value.ndim - len(letters)) + tuple(x.strip(".") for x in letters)
        growth = [more.get(x, 0) if x in CHANNEL_AXES and x else 0 for x in letters]
        params[key] = _grown(value, growth, isinstance(declared, Signs))
    if sources % 2 and node.kind.reads is Reads.SIGNS:
        assert issubclass(node.kind, Scaled)
        assert node.kind.weights is not None
        bias = params["bias"].copy()
        bias[: len(node["bias"])] -= node["scale"] * node[node.kind.weights][0, ..., 0].size
        params["bias"] = bias
    return params


def _letters(node: Node) -> set[str]:
    return {x for p in node.kind.params.values() for x in p.shape}


def _grown(value: Array, growth: list[int], signs: bool) -> Array:
    """More entries at the end of some axes: 0, of signs +1 and -1 in turn along the last axis."""
    if not any(growth):
        return value
    grown = np.pad(value, [(0, n) for n in growth])
    if signs:
        rows, columns = (slice(len(value), None), slice(value.shape[-1], None))
        grown[rows] = 1.0
        alternating = np.where(np.arange(growth[-1]) % 2, -1.0, 1.0)
        grown[..., columns] = alternating
    return grown


def _zeros(node: Node, clean: set[str]) -> bool:
    """Whether the added channels of a value are 0, given those of its sources."""
    if node.kind.makes_signs or node.kind is LayerNorm:
        return False
    if issubclass(node.kind, Tabulated):
        at_zero = node.kind.curve(node.params, torch.zeros(1, dtype=torch.float64))
        return bool(at_zero == 0) and node.inputs[0] in clean
    multiplies = node.kind.factors is not None or not node.inputs
    return multiplies or all(name in clean for name in node.inputs)
