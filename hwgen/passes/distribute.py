"""a (x + y) + b = (a x + b) + a y: an affine after a sum goes into the terms of the sum.

A residual sum before a norm before 8-bit weights (`fold_forward`) then costs nothing.
"""

from __future__ import annotations

from hwgen.frontend.float_graph import FloatGraph
from hwgen.passes.fold_backward import fold_into


def distribute(graph: FloatGraph) -> FloatGraph:
    """Where it alone reads the sum, the sum alone its terms, and every term can take it."""
    readers = {name: len(nodes) for name, nodes in graph.consumers().items()}
    changed, rename = [], {}
    for node in graph.nodes.values():
        if node.kind != "affine":
            continue
        total = graph.nodes[node.inputs[0]]
        private = all(readers[name] == 1 for name in (total.name, *total.inputs))
        if total.kind != "add" or not private:
            continue
        rest = node.with_(b=0.0 * node["b"])
        terms = [
            fold_into(graph.nodes[name], rest if k else node) for k, name in enumerate(total.inputs)
        ]
        if None not in terms:
            changed += terms
            rename[node.name] = total.name
    return graph.rewrite(changed, rename)
