"""Terms of one sum that are filters of one value, alike outside the grid, become one filter.

Six shift branches with their LayerScales, the norm before them and the identity shortcut of a
BHViT block end as one filter with nine taps; so do the four padded averages of BinaryViT.
"""

from __future__ import annotations

import numpy as np

from hwgen.floats.graph import FloatGraph
from hwgen.floats.kinds import Add, Affine, CrossFilter
from hwgen.floats.kinds.base import Node
from hwgen.ops.vector import TAPS


def _as_filter(
    node: Node, source: str, pad: np.ndarray | None, readers: dict[str, int]
) -> tuple | None:
    """(offsets, coefficients, bias) of a term as a filter of `source`, `pad` outside the grid."""
    channels = node.layout.channels
    if node.name == source:
        return ((0, 0),), np.ones((1, channels)), np.zeros(channels)
    if node.inputs != (source,) or readers[node.name] != 1:
        return None
    if node.kind is Affine:
        return ((0, 0),), node["a"][None], node["b"]
    if node.kind is CrossFilter and _equal(node["pad"], pad):
        return node["offsets"], node["coeff"], node["bias"]
    return None


def _equal(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    return a is b or (a is not None and b is not None and np.array_equal(a, b))


def merge_filters(graph: FloatGraph) -> FloatGraph:
    """Merge while at most `TAPS` different offsets result."""
    readers = {name: len(nodes) for name, nodes in graph.consumers().items()}
    changed, rename = [], {}
    for node in graph.nodes.values():
        if node.kind is not Add:
            continue
        first = next(
            (t for t in node.inputs if graph.nodes[t].kind is CrossFilter and readers[t] == 1),
            None,
        )
        if first is None:
            continue
        (source,) = graph.nodes[first].inputs
        pad = graph.nodes[first]["pad"]
        parts = {
            t: _as_filter(graph.nodes[t], source, pad, readers) for t in dict.fromkeys(node.inputs)
        }
        taps: dict[tuple[int, int], np.ndarray] = {}
        bias = np.zeros(node.layout.channels)
        for term in node.inputs:
            part = parts[term]
            if part is not None:
                offsets, coeff, b = part
                bias = bias + b
                for offset, c in zip(offsets, coeff):
                    taps[offset] = taps.get(offset, 0.0) + c
        rest = tuple(t for t in node.inputs if parts[t] is None)
        if len(taps) > TAPS or len(node.inputs) - len(rest) < 2:
            continue
        merged = graph.nodes[first].with_(
            offsets=tuple(taps), coeff=np.stack(list(taps.values())), bias=bias
        )
        changed.append(merged)
        if rest:
            changed.append(node.with_(inputs=(*rest, first)))
        else:
            rename[node.name] = first
    return graph.rewrite(changed, rename)
