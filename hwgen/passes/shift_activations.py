"""Shifts around an RPReLU, modules of their own in some networks, become its parameters.

rprelu(x + b; g) = rprelu(x; g - b), and rprelu(x; z) + b = rprelu(x; z + b).
"""

from __future__ import annotations

from hwgen.floats.graph import FloatGraph
from hwgen.floats.kinds import Affine, RPReLU
from hwgen.floats.kinds.base import Node


def is_shift(node: Node) -> bool:
    """Whether a node is x + b."""
    return node.kind is Affine and bool((node["a"] == 1).all())


def shift_activations(graph: FloatGraph) -> FloatGraph:
    """Take shifts into RPReLUs: in front of one always, behind it where nothing else reads it."""
    readers = graph.consumers()
    nodes, rename = dict(graph.nodes), {}
    for node in graph.nodes.values():
        if node.kind is RPReLU:
            before = nodes[node.inputs[0]]
            if is_shift(before) and before.name not in rename:
                nodes[node.name] = node.with_(g=node["g"] - before["b"], inputs=before.inputs)
        elif is_shift(node):
            source = nodes[node.inputs[0]]
            if source.kind is RPReLU and len(readers[source.name]) == 1:
                nodes[source.name] = source.with_(z=source["z"] + node["b"])
                rename[node.name] = source.name
    return graph.rewrite(nodes.values(), rename)
