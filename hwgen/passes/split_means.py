"""A mean over all tokens of a large grid becomes the mean of means over squares of it.

The means of the squares are made row by row, so that a grid which no memory holds comes to them in
strips. They are features, rounded once more; small grids keep the one sum.
"""

from __future__ import annotations

import numpy as np

from hwgen.floats.graph import FloatGraph
from hwgen.floats.kinds import AvgPool, TokenMean
from hwgen.floats.kinds.base import Node
from hwgen.floats.layout import on_grid

SMALL = 1024  # tokens
KERNELS = (8, 7, 5, 4, 3, 2)  # sides of a square, the first that divides the grid


def split_means(graph: FloatGraph) -> FloatGraph:
    """Every sum over a large grid, with its scale on the second one."""
    changed: list[Node] = []
    for node in graph.nodes.values():
        if node.kind is not TokenMean:
            continue
        (source,) = node.inputs
        layout = graph.nodes[source].layout
        height, width = layout.grid
        k = next((k for k in KERNELS if height % k == width % k == 0), 0)
        if height * width <= SMALL or not k:
            continue
        channels = layout.channels
        params = {
            "kernel": k, "scale": np.full(channels, 1 / k**2), "bias": np.zeros(channels),
        }  # fmt: skip
        small = on_grid(height // k, width // k, channels)
        squares = Node(f"{node.name}.squares", AvgPool, (source,), params, small)
        changed += [squares, node.with_(inputs=(squares.name,), scale=node["scale"] * k**2)]
    return graph.rewrite(changed) if changed else graph
