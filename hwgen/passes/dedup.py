"""Common subexpressions: nodes of one kind with equal inputs and parameters become one."""

from __future__ import annotations

import numpy as np

from hwgen.floats.graph import FloatGraph
from hwgen.floats.kinds import Kind
from hwgen.floats.kinds.base import Node


def _same(a: Node, b: Node) -> bool:
    return a.params.keys() == b.params.keys() and all(np.array_equal(a[k], b[k]) for k in a.params)


def dedup(graph: FloatGraph) -> FloatGraph:
    """Keep the first of every set of equal nodes (branches of a mixer share signs)."""
    seen: dict[tuple[type[Kind], tuple[str, ...]], list[Node]] = {}
    rename: dict[str, str] = {}
    for node in graph.nodes.values():
        inputs = tuple(rename.get(i, i) for i in node.inputs)
        twins = seen.setdefault((node.kind, inputs), [])
        twin = next((t for t in twins if inputs and _same(t, node)), None)
        if twin is None:
            twins.append(node)
        else:
            rename[node.name] = twin.name
    return graph.rewrite((), rename)
