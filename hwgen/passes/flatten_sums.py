"""(a + b) + c becomes one sum of three terms where the inner sum has no other reader."""

from __future__ import annotations

from hwgen.floats.graph import FloatGraph
from hwgen.floats.kinds import Add


def flatten_sums(graph: FloatGraph) -> FloatGraph:
    readers = {name: len(nodes) for name, nodes in graph.consumers().items()}
    nodes = dict(graph.nodes)
    for node in graph.nodes.values():
        if node.kind is not Add:
            continue
        terms: list[str] = []
        for name in node.inputs:
            inner = nodes[name]
            private = inner.kind is Add and readers[name] == 1 and name != graph.output
            terms += inner.inputs if private else (name,)
        nodes[node.name] = node.with_(inputs=tuple(terms))
    return graph.rewrite(nodes.values())
