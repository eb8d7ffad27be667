"""nn.Module -> integer graph: every pass in order, invariants at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from hwgen.engine.numerics import LANE_CHANNELS
from hwgen.errors import HwgenError, joined
from hwgen.floats.check import Checker
from hwgen.floats.graph import FloatGraph
from hwgen.floats.kinds import Conv
from hwgen.frontend.trace import trace
from hwgen.inputs import noise_images
from hwgen.ir import Graph
from hwgen.ir.check import check
from hwgen.passes.absorb_shifts import absorb_shifts
from hwgen.passes.calibrate import calibrate
from hwgen.passes.dedup import dedup
from hwgen.passes.distribute import distribute
from hwgen.passes.flatten_sums import flatten_sums
from hwgen.passes.fold_backward import fold_backward
from hwgen.passes.fold_forward import fold_forward
from hwgen.passes.fracs import Fracs
from hwgen.passes.fuse import Chain, fuse
from hwgen.passes.limits import check_limits, refusals_before_moves
from hwgen.passes.merge_filters import merge_filters
from hwgen.passes.move_channels import move_channels
from hwgen.passes.order_sums import order_sums
from hwgen.passes.pad_channels import pad_channels
from hwgen.passes.quantize import Quantizer
from hwgen.passes.scale_image import scale_image
from hwgen.passes.shift_activations import shift_activations
from hwgen.passes.sink_unwindow import sink_unwindow
from hwgen.passes.sink_upsample import sink_upsample
from hwgen.passes.split_means import split_means
from hwgen.passes.split_scales import split_scales
from hwgen.passes.split_stem import split_stem
from hwgen.zoo.config import IMAGENET_MEAN, IMAGENET_STD

PASSES = (
    shift_activations, fold_backward, flatten_sums, fold_forward, merge_filters, distribute,
    sink_unwindow, sink_upsample, absorb_shifts, dedup, split_stem, split_means, order_sums,
    split_scales,
)  # fmt: skip


def pad_classes(graph: FloatGraph) -> FloatGraph:
    """Zero rows behind a linear classifier until as many lanes divide its channels as divide the
    channels of all other layers (at least `LANE_CHANNELS`)."""
    node = graph.nodes[graph.output]
    layers = (n for n in graph.nodes.values() if n.kind.weights is not None)
    others = [n.layout.channels for n in layers if n is not node]
    lanes = next((k for k in (64, 32) if all(c % k == 0 for c in others)), LANE_CHANNELS)
    missing = -node.layout.channels % lanes
    if node.kind is not Conv or not missing:
        return graph
    changed = node.with_(
        weight=np.pad(node["weight"], ((0, missing), (0, 0), (0, 0), (0, 0))),
        bias=np.pad(node["bias"], (0, missing)),
        layout=node.layout.with_channels(node.layout.channels + missing),
    )
    return graph.rewrite([changed])


def simplify(graph: FloatGraph, checker: Checker | None = None) -> FloatGraph:
    """All rewrites of the float graph; the function stays the same.

    Raises: IllegalGraph naming the pass that broke a rule of `hwgen.floats.check`.
    """
    checker = checker or Checker()
    for rewrite in PASSES:
        graph = rewrite(graph)
        checker.check(graph, rewrite.__name__)
    return graph


def lower(
    traced: FloatGraph, mean: Sequence[float], std: Sequence[float], network: str = "the network"
) -> FloatGraph:
    """The simplified graph of uint8 images, from one of x = (u / 255 - mean) / std.

    network: its name in an error of several reasons.
    Raises: UnsupportedOpError for what no integer op computes; IllegalGraph as `simplify`.
    """
    checker = Checker()
    checker.check(traced, "trace")
    moved = move_channels(traced)
    checker.check(moved, "move_channels")
    check_limits(moved, network)
    graph = scale_image(moved, mean, std)
    checker.check(graph, "scale_image")
    graph = pad_channels(graph, LANE_CHANNELS)
    checker.check(graph, "pad_channels")
    graph = pad_classes(graph)
    checker.check(graph, "pad_classes")
    return simplify(graph, checker)


def facts(traced: FloatGraph, meta: Mapping[str, Any]) -> dict[str, Any]:
    """The integer graph's meta, but act_bits; `meta`: name, mean and std, and sha256 of a file."""
    image = traced.nodes[traced.image].layout
    return {
        "name": str(meta["name"]),
        "sha256": str(meta.get("sha256", "")),
        "classes": traced.nodes[traced.output].layout.channels,
        "image": [*image.grid, image.channels],
        "mean": [float(v) for v in meta["mean"]],
        "std": [float(v) for v in meta["std"]],
    }


@dataclass(frozen=True)
class Lowered:
    """A lowering with what it came from, for tests and reports."""

    graph: Graph
    float_graph: FloatGraph
    chains: dict[str, Chain]  # op name -> chain
    inverted: dict[str, np.ndarray]  # bits tensor -> (C,) channels stored inverted


@dataclass(frozen=True)
class Prepared:
    """A traced and simplified network on its calibration images: all that no width changes."""

    float_graph: FloatGraph
    chains: list[Chain]
    largest: dict[str, float]  # value of the float graph -> max |x|
    facts: dict[str, Any]  # of the integer graph's meta

    def quantize(self, act_bits: int = 16) -> Lowered:
        """The integer graph with features of `act_bits` bits.

        Raises: HwgenError for another width; FitError, UnsupportedOpError for values and layers
        that its numbers cannot hold, all of them at once.
        """
        if not 8 <= act_bits <= 16:
            raise HwgenError("act_bits", act_bits, "must be 8..16", "use 16")
        graph, chains = self.float_graph, self.chains
        fracs = Fracs(graph, chains, self.largest, act_bits)
        if fracs.reasons:
            raise joined(self.facts["name"], fracs.reasons)
        quantizer = Quantizer(graph, chains, fracs, act_bits)
        image_type, operations = quantizer.run(self.facts["name"])
        output = next(c.name for c in chains if c.final == graph.output)
        facts = self.facts | {"act_bits": act_bits}
        lowered = Graph({graph.image: image_type}, operations, output, facts)
        check(lowered)
        return Lowered(lowered, graph, {c.name: c for c in chains}, quantizer.invert)


def lower_model(
    module: nn.Module,
    calib_images: np.ndarray | None = None,
    *,
    act_bits: int = 16,
    meta: dict[str, Any] | None = None,
) -> Graph:
    """The integer graph of `prepare`, with features of `act_bits` bits."""
    return prepare(module, calib_images, meta=meta).quantize(act_bits).graph


def prepare(
    module: nn.Module,
    calib_images: np.ndarray | None = None,
    *,
    meta: dict[str, Any] | None = None,
) -> Prepared:
    """Trace, simplify and calibrate a network (its image size is that of the calibration images).

    calib_images: uint8 (N, H, W, channels) that fix the binary points; None takes noise of size
    meta["image"]. meta: mean and std of the input x = (u / 255 - mean) / std (default ImageNet),
    name, sha256.
    Raises: UnsupportedOpError, FitError, HwgenError (one line with the module path).
    """
    meta = dict(meta or {})
    if calib_images is None:
        if "image" not in meta:
            raise HwgenError(
                "lower_model", "no calibration images", "needs an image size",
                "give images, or meta['image'] = (H, W, channels)",
            )  # fmt: skip
        calib_images = noise_images(tuple(meta["image"]))
    images = np.asarray(calib_images)
    if images.ndim != 4 or images.dtype != np.uint8 or not len(images):
        raise HwgenError(
            "calibration images", f"{images.dtype} {images.shape}", "must be uint8 (N, H, W, C)"
        )
    known = {"name": type(module).__name__, "mean": IMAGENET_MEAN, "std": IMAGENET_STD} | meta
    traced = trace(module, images.shape[1:], refusals_before_moves)
    name = type(module).__name__
    graph = lower(traced, known["mean"], known["std"], name)
    return Prepared(graph, fuse(graph, name), calibrate(graph, images), facts(traced, known))
