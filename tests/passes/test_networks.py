"""Whole networks: the integer graph agrees with the float one, and survives JSON."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from hwgen import zoo
from hwgen.analysis.fidelity import fidelity, float_logits
from hwgen.floats.evaluate import Evaluator
from hwgen.floats.graph import FloatGraph
from hwgen.frontend.checkpoint import load_checkpoint
from hwgen.frontend.trace import trace
from hwgen.inputs import noise_images
from hwgen.ir import Graph
from hwgen.passes.calibrate import calibrate
from hwgen.passes.fuse import fuse
from hwgen.passes.lower import PASSES, Lowered, lower_model, prepare
from hwgen.passes.scale_image import scale_image
from hwgen.paths import models_dir
from hwgen.train.data import digits_split
from tests.networks import IMAGE, halving_net, randomise, small_attention_net

META = {"mean": (0.4, 0.5, 0.6), "std": (0.2, 0.25, 0.3)}


def blocks_of_pixels(count: int, side: int, seed: int = 3) -> np.ndarray:
    small = np.random.default_rng(seed).integers(0, 256, (count, side // 8, side // 8, 3))
    return small.astype(np.uint8).repeat(8, 1).repeat(8, 2)


@cache
def small() -> tuple[nn.Module, Lowered]:
    module = small_attention_net()
    return module, prepare(module, blocks_of_pixels(16, 32), meta=META).quantize()


def test_small_attention_net_agrees_with_float() -> None:
    module, lowered = small()
    result = fidelity(module, lowered.graph, blocks_of_pixels(128, 32, seed=9))
    print(result)
    assert result["logit_cosine"] > 0.99
    assert result["top1_agreement"] > 0.9  # random weights: classes are close to one another


def test_strided_convolutions_agree_with_float() -> None:
    module = halving_net()
    graph = prepare(module, blocks_of_pixels(16, 32), meta=META).quantize().graph
    strided = [op for op in graph.ops if type(op).__name__ == "XnorConv"]
    assert [(op.stride, op.padding, op.groups) for op in strided] == [
        (2, 1, 1), (2, 1, 2), (2, 1, 1),
    ]  # fmt: skip
    result = fidelity(module, graph, blocks_of_pixels(128, 32, seed=9))
    print(result)  # the stem's 8-bit weights change 0.2 % of the first bits
    assert result["logit_cosine"] > 0.99
    check_passes(halving_net().double(), 32)


def test_sums_and_norms_leave_no_op_of_their_own() -> None:
    _, lowered = small()
    kinds = [type(op).__name__ for op in lowered.graph.ops]
    assert kinds == ["PatchConv", "XnorConv", "XnorConv", "XnorConv", "XnorLinear", "XnorLinear",
                     "XnorLinear", "Attention", "TokenMean", "PatchConv"]  # fmt: skip


@pytest.mark.parametrize("variant", ["released", "paper", "full-precision downsampling"])
def test_micro_variants(variant: str) -> None:
    overrides = {"variant": "paper"} if variant == "paper" else {}
    if "full" in variant:
        overrides = {"binary_downsampling": False}
    torch.manual_seed(1)
    module = randomise(zoo.create("bhvit_micro", **overrides))
    graph = lower_model(module, blocks_of_pixels(8, 96), meta=META)
    result = fidelity(module, graph, blocks_of_pixels(16, 96, seed=5))
    print(variant, result)
    assert result["logit_cosine"] > 0.98


@pytest.mark.parametrize("binary", [True, False])
def test_passes_keep_the_function(binary: bool) -> None:
    torch.manual_seed(2)
    module = randomise(zoo.create("bhvit_micro", binary_downsampling=binary)).double()
    check_passes(module, 96)


@pytest.mark.parametrize("block", ["bireal", "reactnet"])
def test_passes_keep_the_function_of_a_resnet(block: str) -> None:
    torch.manual_seed(2)
    module = randomise(zoo.create("reactnet_micro", block=block)).double()
    graph = check_passes(module, 64)
    kinds = [n.kind.name for n in graph.nodes.values() if n.name.startswith("layer1.0.")]
    activation = ["rprelu"] if block == "reactnet" else []
    assert kinds == ["sign", "xnor_conv", "add", *activation]
    assert graph.nodes["layer2.0.binary_conv"]["stride"] == 2


def check_passes(module: nn.Module, side: int) -> FloatGraph:
    """Every pass leaves the logits as they are; the last graph."""
    images = blocks_of_pixels(2, side)
    want = float_logits(module, images, META)
    graph = scale_image(trace(module, (side, side, 3)), META["mean"], META["std"])
    for rewrite in PASSES:
        graph = rewrite(graph)
        got = Evaluator(graph, torch.float64).logits(images)
        np.testing.assert_allclose(got, want, atol=1e-9, err_msg=rewrite.__name__)
    return graph


def test_bhvit_blocks_take_the_intended_ops() -> None:
    torch.manual_seed(3)
    graph = lower_model(randomise(zoo.create("bhvit_micro")), blocks_of_pixels(4, 96), meta=META)
    for layer, count in (("layerA.0", 7), ("layerB.0", 17)):
        assert sum(f".{layer}." in op.name for op in graph.ops) == count, layer
    shifts = graph.op("vit.encoder.layerA.0.shift_mean")
    assert len(shifts.offsets) == 9
    assert graph.op("vit.encoder.layerA.0.intermediate.dense").post.pool == 3
    key = graph.op("vit.encoder.layerB.0.attention.attention.key")
    assert key.post.bit_y3
    assert key.post.out == "vit.encoder.layerB.0.attention.attention.query"


def test_json_gives_back_an_equal_graph() -> None:
    _, lowered = small()
    graph = lowered.graph
    text = graph.to_json()
    again = Graph.from_json(text)
    assert again.to_json() == text
    assert again.meta == graph.meta
    assert again.types() == graph.types()
    for a, b in zip(graph.ops, again.ops, strict=True):
        assert type(a) is type(b)
        for name, value in {**a.parameters(), **vars(a.post)}.items():
            other = {**b.parameters(), **vars(b.post)}[name]
            if isinstance(value, np.ndarray):
                assert value.dtype == other.dtype, (a.name, name)
                np.testing.assert_array_equal(value, other)
            else:
                assert value == other, (a.name, name)
    images = blocks_of_pixels(3, 32)
    np.testing.assert_array_equal(graph.logits(images), again.logits(images))


def test_lowering_is_deterministic() -> None:
    first = lower_model(small_attention_net(), meta={"image": IMAGE, **META})
    second = lower_model(small_attention_net(), meta={"image": IMAGE, **META})
    assert first.to_json() == second.to_json()
    assert noise_images(IMAGE).shape == (16, *IMAGE)


def test_calibration_images_saturate_nothing() -> None:
    _, lowered = small()
    graph = lowered.float_graph
    images = blocks_of_pixels(16, 32)
    largest = calibrate(graph, images)
    for chain in fuse(graph):
        feature = lowered.graph.op(chain.name).feature
        if feature is not None:
            assert largest[chain.final] * 2.0**feature.frac < (1 << 15) - 1, chain.name


@pytest.mark.parametrize(("act_bits", "agreement"), [(16, 0.99), (12, 0.99), (10, 0.98)])
def test_shipped_digits_network(act_bits: int, agreement: float) -> None:
    path = models_dir() / "bhvit_micro_digits.pt"
    module, info = load_checkpoint(path)
    images = np.load(path.with_suffix(".calib.npz"))["images"]
    meta = {"mean": info.mean, "std": info.std, "name": path.stem, "sha256": info.sha256}
    graph = lower_model(module, images, meta=meta, act_bits=act_bits)
    _, _, held_out, labels = digits_split()
    result = fidelity(module, graph, held_out, labels)
    print(result)
    assert result["top1_agreement"] >= agreement
    assert abs(result["accuracy_float"] - result["accuracy_int"]) <= (
        0.005 if act_bits == 16 else 0.01
    )
