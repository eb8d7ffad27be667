"""Largest magnitude of every value of the float graph on calibration images."""

from __future__ import annotations

import numpy as np

from hwgen.errors import HwgenError
from hwgen.floats.evaluate import Evaluator
from hwgen.floats.graph import FloatGraph

CHUNK = 8  # images at a time
NOISE_IMAGES = 16


def noise_images(shape: tuple[int, int, int], count: int = NOISE_IMAGES) -> np.ndarray:
    """Deterministic uint8 images: half of them blocks of 8x8 equal pixels, half single pixels."""
    height, width, channels = shape
    rng = np.random.default_rng(0)
    fine = rng.integers(0, 256, (count // 2, height, width, channels), dtype=np.uint8)
    small = (count - count // 2, -(-height // 8), -(-width // 8), channels)
    coarse = rng.integers(0, 256, small, dtype=np.uint8).repeat(8, 1).repeat(8, 2)
    return np.concatenate([fine, coarse[:, :height, :width]])


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
