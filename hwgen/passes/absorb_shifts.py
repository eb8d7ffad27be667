"""sign(a (c x + d) + b) = sign(a c x + (a d + b)): norms and shifts join their sign.

An affine stays where something besides signs reads it, and where a kind whose operands cannot be
stored inverted (attention) reads the sign of a negative slope.
"""

from __future__ import annotations

from hwgen.floats.graph import FloatGraph
from hwgen.floats.kinds import Affine, Reads


def absorb_shifts(graph: FloatGraph) -> FloatGraph:
    while True:
        consumers = graph.consumers()
        changed = []
        for node in graph.nodes.values():
            readers = consumers[node.name]
            if node.kind is not Affine or not readers:
                continue
            if not all(r.kind.makes_signs for r in readers):
                continue
            users = {u.kind.reads for r in readers for u in consumers[r.name]}
            if (node["a"] <= 0).any() and Reads.UPRIGHT_SIGNS in users:
                continue
            changed += [
                r.with_(inputs=node.inputs, a=r["a"] * node["a"], b=r["a"] * node["b"] + r["b"])
                for r in readers
            ]
        if not changed:
            return graph
        graph = graph.rewrite(changed)
