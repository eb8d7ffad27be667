"""8-bit weights: the scale of every output channel becomes an affine step of its own.

y = s ((w / s) x) with s = the largest |w| of the output channel x 128 / 127: the rows of w / s
reach up to 127 / 128 in all channels, the largest 8-bit number.
"""

from __future__ import annotations

import numpy as np

from hwgen.floats.graph import FloatGraph
from hwgen.floats.kinds import Affine, Conv
from hwgen.floats.kinds.base import Node
from hwgen.ops.dense import NARROW_BITS
from hwgen.passes.fixed import conv_bits

LARGEST = 1.0 - 2.0 ** (1 - NARROW_BITS)


def split_scales(graph: FloatGraph) -> FloatGraph:
    """Every conv whose `conv_bits` are 8 -> conv without bias, then affine."""
    changed, scales = [], {}
    for node in graph.nodes.values():
        if node.kind is not Conv:
            continue
        weight = node["weight"]
        if conv_bits(node) != NARROW_BITS:
            continue
        tops = np.abs(weight).max((1, 2, 3))
        rows = weight / np.where(tops == 0, 1.0, tops)[:, None, None, None] * LARGEST
        changed.append(node.with_(weight=rows, bias=np.zeros(len(weight))))
        params = {"a": tops / LARGEST, "b": node["bias"]}
        scales[node.name] = Node(f"{node.name}.scale", Affine, (node.name,), params, node.layout)
    current = {**graph.nodes, **{n.name: n for n in changed}}
    for node in current.values():
        inputs = tuple(scales[i].name if i in scales else i for i in node.inputs)
        if inputs != node.inputs:
            current[node.name] = node.with_(inputs=inputs)
    output = scales[graph.output].name if graph.output in scales else graph.output
    return FloatGraph(current, graph.image, output).rewrite(scales.values())
