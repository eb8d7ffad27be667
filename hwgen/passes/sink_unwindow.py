"""The way from windows back to the grid moves behind signs into the binary linear layer.

sign(unwindow(y)) = unwindow(sign(y)); xnor_linear writes its results in grid order by itself.
Per-channel affines move as well.
"""

from __future__ import annotations

from hwgen.floats.graph import FloatGraph
from hwgen.floats.kinds import PerChannel, Unwindow, XnorLinear
from hwgen.floats.kinds.base import Node
from hwgen.floats.layout import Layout


def sink_unwindow(graph: FloatGraph) -> FloatGraph:
    nodes: dict[str, Node] = dict(graph.nodes)
    moved: dict[str, Node] = {}  # name of a value on the grid -> the node in window order
    for node in graph.nodes.values():
        if len(node.inputs) != 1:
            continue
        source = node.inputs[0]
        way = nodes[source] if nodes[source].kind is Unwindow else None
        inside = moved.get(source) or (nodes[way.inputs[0]] if way else None)
        if inside is None:
            continue
        window = round(inside.layout.shape[1] ** 0.5)
        if issubclass(node.kind, PerChannel):
            layout = Layout((*inside.layout.shape[:-1], node.layout.channels))
            twin = Node(f"{node.name}.windows", node.kind, (inside.name,), node.params, layout)
            nodes[twin.name] = moved[node.name] = twin
        elif node.kind is XnorLinear and source in moved:
            nodes[node.name] = node.with_(inputs=(inside.name,), unwindow=window)
    return graph.rewrite(nodes.values())
