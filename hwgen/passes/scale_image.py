"""The network's input becomes the raw uint8 image: x = (u / 255 - mean) / std as an affine node."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hwgen.floats.graph import FloatGraph
from hwgen.floats.kinds import Affine
from hwgen.floats.kinds.base import Node


def scale_image(graph: FloatGraph, mean: Sequence[float], std: Sequence[float]) -> FloatGraph:
    """x = u a + b with a = 1 / (255 std), b = -mean / std, per image channel."""
    image = graph.nodes[graph.image]
    channels = image.layout.channels
    mean_, std_ = (np.broadcast_to(np.asarray(v, float), (channels,)) for v in (mean, std))
    name = f"{image.name}.normalise"
    params = {"a": 1.0 / (255.0 * std_), "b": -mean_ / std_}
    changed = [
        node.with_(inputs=tuple(name if i == image.name else i for i in node.inputs))
        for node in graph.nodes.values()
        if image.name in node.inputs
    ]
    return graph.rewrite([*changed, Node(name, Affine, (image.name,), params, image.layout)])
