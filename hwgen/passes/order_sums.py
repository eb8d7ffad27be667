"""Sums of many terms become sums of two, early terms first: each is added to the next one made."""

from __future__ import annotations

from hwgen.floats.graph import FloatGraph
from hwgen.floats.kinds import Add
from hwgen.floats.kinds.base import Node


def order_sums(graph: FloatGraph) -> FloatGraph:
    place = {name: i for i, name in enumerate(graph.nodes)}  # order of depth
    changed = []
    for node in graph.nodes.values():
        if node.kind is not Add:
            continue
        terms = sorted(node.inputs, key=place.__getitem__)
        total = terms[0]
        for k, term in enumerate(terms[1:], 1):
            last = k == len(terms) - 1
            name = node.name if last else f"{node.name}.part{k}"
            changed.append(Node(name, Add, (total, term), {}, node.layout))
            total = name
    return graph.rewrite(changed)
