"""up(a) + up(b) = up(a + b): values on a coarser grid are added there.

The sum of the upsampled keys and values of BinaryViT's attention is then one residual.
"""

from __future__ import annotations

from hwgen.floats.graph import FloatGraph
from hwgen.floats.kinds import Add, Upsample
from hwgen.floats.kinds.base import Node


def sink_upsample(graph: FloatGraph) -> FloatGraph:
    """Upsampled terms of a sum, by the same factor, become one."""
    changed: list[Node] = []
    for node in graph.nodes.values():
        if node.kind is not Add:
            continue
        by_factor: dict[int, list[Node]] = {}
        for term in (graph.nodes[name] for name in node.inputs):
            if term.kind is Upsample:
                by_factor.setdefault(term["factor"], []).append(term)
        terms = list(node.inputs)
        for factor, ups in by_factor.items():
            if len(ups) < 2:
                continue
            inputs = tuple(up.inputs[0] for up in ups)
            coarse = graph.nodes[inputs[0]].layout
            total = Node(f"{node.name}.coarse{factor}", Add, inputs, {}, coarse)
            one = Node(f"{node.name}.up{factor}", Upsample, (total.name,), ups[0].params,
                       ups[0].layout)  # fmt: skip
            changed += [total, one]
            for up in ups:
                terms.remove(up.name)
            terms.append(one.name)
        if len(terms) < len(node.inputs):
            changed.append(node.with_(inputs=tuple(terms)))
    return graph.rewrite(changed) if changed else graph
