"""f(a x + b) with f linear: the affine goes into f's coefficients (a norm before a convolution).

Not into 8-bit weights: all inputs of an output channel share their step, so inputs of very
different sizes, which the affine makes equal, would cost the small weights of the large inputs
their bits.
"""

from __future__ import annotations

from hwgen.floats.graph import FloatGraph
from hwgen.floats.kinds import Affine, Conv, CrossFilter, FixedSum
from hwgen.floats.kinds.base import Node
from hwgen.ops.dense import NARROW_BITS
from hwgen.passes.fixed import conv_bits


def fold_before(node: Node, affine: Node, graph: FloatGraph) -> Node | None:
    """`node` reading the affine's input; None where padding, a maximum or 8 bits forbid it."""
    a, b = affine["a"], affine["b"]
    if node.kind is Conv:
        if conv_bits(node) == NARROW_BITS and affine.inputs[0] != graph.image:
            return None
        image = node["image"] or affine.inputs[0] == graph.image
        if node["padding"] and not image:
            return None  # around features are zeros
        pad = node["pad"]
        if node["padding"] and (a == 0).any():
            return None  # then the value in the padding has no counterpart before the affine
        if node["padding"]:
            pad = (pad - b) / a
        bias = node["bias"] + (node["weight"] * b).sum((1, 2, 3))
        node = node.with_(inputs=affine.inputs, image=image)
        return node.with_(weight=node["weight"] * a, bias=bias, pad=pad)
    if node.kind is CrossFilter:
        pad = node["pad"]
        if pad is not None and (a == 0).any():
            return None  # then the value outside the grid has no counterpart before the affine
        bias = node["bias"] + node["coeff"].sum(0) * b
        pad = None if pad is None else (pad - b) / a
        return node.with_(inputs=affine.inputs, coeff=node["coeff"] * a, bias=bias, pad=pad)
    if issubclass(node.kind, FixedSum):
        terms = node.kind.terms(node.params, affine.layout)
        bias = node["bias"] + node["scale"] * terms * b
        return node.with_(inputs=affine.inputs, scale=node["scale"] * a, bias=bias)
    return None  # an affine too: each is kept once; fold_backward composes private chains


def fold_forward(graph: FloatGraph) -> FloatGraph:
    """Fold affines into every linear reader; an affine without other readers disappears."""
    nodes = dict(graph.nodes)
    for node in graph.nodes.values():
        while len(nodes[node.name].inputs) == 1:
            source = nodes[nodes[node.name].inputs[0]]
            if source.kind is not Affine:
                break
            folded = fold_before(nodes[node.name], source, graph)
            if folded is None:
                break
            nodes[node.name] = folded
    return graph.rewrite(nodes.values())
