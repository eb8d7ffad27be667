"""Largest magnitude of every value of the float graph on calibration images."""

from __future__ import annotations

import numpy as np

from hwgen.errors import HwgenError
from hwgen.floats.evaluate import Evaluator
from hwgen.floats.graph import FloatGraph

CHUNK = 8  # images at a time


def calibrate(graph: FloatGraph, images: np.ndarray) -> dict[str, float]:
    """max |x| by node name. Raises: HwgenError where a value is NaN or infinite."""
    evaluator = Evaluator(graph)
    largest = dict.fromkeys(graph.nodes, 0.0)
    for start in range(0, len(images), CHUNK):
        for node, value in evaluator.steps(images[start : start + CHUNK]):
            top = float(value.abs().max())
            if not np.isfinite(top):
                raise HwgenError(node.name, f"{top} on a calibration image", "must be finite")
            largest[node.name] = max(largest[node.name], top)
    return largest
