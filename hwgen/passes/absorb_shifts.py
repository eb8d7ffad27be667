"""sign(a (c x + d) + b) = sign(a c x + (a d + b)): norms and shifts join their sign.

An affine stays where something besides signs reads it, and where attention reads the sign of a
negative slope (attention operands cannot be stored inverted).
"""

from __future__ import annotations

from hwgen.floats.graph import FloatGraph


def absorb_shifts(graph: FloatGraph) -> FloatGraph:
    while True:
        consumers = graph.consumers()
        changed = []
        for node in graph.nodes.values():
            readers = consumers[node.name]
            if node.kind != "affine" or not readers or any(r.kind != "sign" for r in readers):
                continue
            negative = (node["a"] <= 0).any()
            if negative and any(u.kind == "attention" for r in readers for u in consumers[r.name]):
                continue
            changed += [
                r.with_(inputs=node.inputs, a=r["a"] * node["a"], b=r["a"] * node["b"] + r["b"])
                for r in readers
            ]
        if not changed:
            return graph
        graph = graph.rewrite(changed)
