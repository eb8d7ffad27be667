"""a (x + y) + b = (a x + b) + a y: an affine after a sum goes into the terms of the sum.

A residual sum before a norm before 8-bit weights (`fold_forward`) then costs nothing.
"""

from __future__ import annotations

from hwgen.floats.graph import FloatGraph
from hwgen.floats.kinds import Add, Affine
from hwgen.floats.kinds.base import Node
from hwgen.passes.fold_backward import fold_into


def distribute(graph: FloatGraph) -> FloatGraph:
    """Where it alone reads the sum, the sum alone its terms, and every term can take it."""
    before = None
    while before is not graph:
        before = graph
        affines = (n for n in graph.nodes.values() if n.kind is Affine)
        graph = next((g for n in affines if (g := _into_sum(graph, n))), graph)
    return graph


def _into_sum(graph: FloatGraph, affine: Node) -> FloatGraph | None:
    """The graph with one affine in the terms of the sum that it reads."""
    total = graph.nodes[affine.inputs[0]]
    if total.kind is not Add:
        return None
    consumers = graph.consumers()
    if any(len(consumers[name]) > 1 for name in (total.name, *total.inputs)):
        return None
    rest = affine.with_(b=0.0 * affine["b"])
    terms = [
        fold_into(graph.nodes[name], rest if k else affine) for k, name in enumerate(total.inputs)
    ]
    folded = [term for term in terms if term is not None]
    return graph.rewrite(folded, {affine.name: total.name}) if len(folded) == len(terms) else None
