"""A padded convolution of the image becomes the sum of convolutions of few kernel rows each.

The weights of such a part stay beside the lanes, four products a beat with 16-bit weights
(`ImageConv.quad`), where the whole kernel would stream through the weight buffer, two 8-bit
products a beat. Parts are features: the sums of all but the last are rounded once more.
"""

from __future__ import annotations

import numpy as np

from hwgen.floats.graph import FloatGraph
from hwgen.floats.kinds import Add, Conv
from hwgen.floats.kinds.base import Node
from hwgen.ops.dense import QUAD_TAPS
from hwgen.passes.fixed import is_padded

QUAD_BEATS = QUAD_TAPS // 4  # whose weights the banks hold


def kernel_rows(kernel: int, beats: int) -> list[range]:
    """The rows of every part, `beats` a row: two parts fit the banks, so that the weights of one
    arrive while the other runs; [] if rows are too long for that."""
    for count in range(1, kernel + 1):
        parts = [range(r[0], r[-1] + 1) for r in np.array_split(np.arange(kernel), count)]
        if (len(parts[0]) + len(parts[-1 if count < 3 else 1])) * beats <= QUAD_BEATS:
            return parts
    return []


def split_stem(graph: FloatGraph) -> FloatGraph:
    """Every padded convolution of the image whose rows are short enough."""
    changed: list[Node] = []
    for node in graph.nodes.values():
        if node.kind is not Conv or not is_padded(node) or node.inputs != (graph.image,):
            continue
        _, kernel, across, channels = node["weight"].shape
        beats = -(-(3 + across * channels) // 4)  # of a row, wherever its windows begin
        parts = []
        for rows in kernel_rows(kernel, beats):
            weight, inside = np.zeros_like(node["weight"]), slice(rows.start, rows.stop)
            weight[:, inside] = node["weight"][:, inside]
            bias = node["bias"] if rows.stop == kernel else np.zeros_like(node["bias"])
            name = f"{node.name}.rows{rows.start}" if len(rows) < kernel else node.name
            parts.append(node.with_(name=name, weight=weight, bias=bias, quad=True))
        changed += parts
        if len(parts) > 1:
            names = tuple(part.name for part in parts)
            changed.append(Node(node.name, Add, names, {}, node.layout))
    return graph.rewrite(changed) if changed else graph
