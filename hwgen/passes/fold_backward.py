"""y = a f(x) + b with f linear in its factors and offset: the affine goes into f."""

from __future__ import annotations

from hwgen.floats.graph import FloatGraph
from hwgen.floats.kinds import Affine
from hwgen.floats.kinds.base import Node


def fold_into(node: Node, affine: Node) -> Node | None:
    """`node` with the affine that follows it applied, or None where it has no factors."""
    return node.kind.scaled(node, affine["a"], affine["b"])


def fold_backward(graph: FloatGraph) -> FloatGraph:
    """Fold every affine that is its producer's only reader into the producer."""
    readers = {name: len(nodes) for name, nodes in graph.consumers().items()}
    nodes = dict(graph.nodes)
    rename: dict[str, str] = {}
    for node in graph.nodes.values():
        if node.kind is not Affine:
            continue
        source = rename.get(node.inputs[0], node.inputs[0])
        if readers[node.inputs[0]] == 1 and source != graph.output:
            folded = fold_into(nodes[source], node)
            if folded is not None:
                nodes[source] = folded
                rename[node.name] = source
    return graph.rewrite(nodes.values(), rename)
