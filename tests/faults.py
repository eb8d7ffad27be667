"""Planted faults: a damaged graph, and its program compared with the sound graph."""

from __future__ import annotations

from dataclasses import replace

from hwgen.ir.graph import Graph
from hwgen.schedule.program import Program, schedule


def faulty(program: Program, graph: Graph) -> Program:
    """The program of a damaged graph, to be compared with the sound graph's tensors."""
    return replace(schedule(graph, program.sizing), graph=program.graph)


def change(graph: Graph, name: str, **fields: object) -> Graph:
    """The graph with fields of one op replaced (of its post chain where they are there)."""
    ops = []
    for op in graph.ops:
        if op.name == name:
            post = {k: v for k, v in fields.items() if hasattr(op.post, k)}
            rest = {k: v for k, v in fields.items() if k not in post}
            op = replace(op, post=replace(op.post, **post), **rest)
        ops.append(op)
    return replace(graph, ops=tuple(ops))
