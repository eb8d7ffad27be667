"""y = a f(x) + b with f linear in its scale and bias: the affine goes into f."""

from __future__ import annotations

from hwgen.floats.graph import SCALED, FloatGraph, Node


def fold_into(node: Node, affine: Node) -> Node | None:
    """`node` with the affine that follows it applied, or None where it has no scale."""
    a, b = affine["a"], affine["b"]
    if node.kind in SCALED:
        return node.with_(scale=a * node["scale"], bias=a * node["bias"] + b)
    if node.kind == "conv":
        weight = a[:, None, None, None] * node["weight"]
        return node.with_(weight=weight, bias=a * node["bias"] + b)
    if node.kind == "cross_filter":
        return node.with_(coeff=a * node["coeff"], bias=a * node["bias"] + b)
    if node.kind == "affine":
        return node.with_(a=a * node["a"], b=a * node["b"] + b)
    return None


def fold_backward(graph: FloatGraph) -> FloatGraph:
    """Fold every affine that is its producer's only reader into the producer."""
    readers = {name: len(nodes) for name, nodes in graph.consumers().items()}
    nodes, rename = dict(graph.nodes), {}
    for node in graph.nodes.values():
        if node.kind != "affine":
            continue
        source = rename.get(node.inputs[0], node.inputs[0])
        if readers[node.inputs[0]] == 1 and source != graph.output:
            folded = fold_into(nodes[source], node)
            if folded is not None:
                nodes[source] = folded
                rename[node.name] = source
    return graph.rewrite(nodes.values(), rename)
