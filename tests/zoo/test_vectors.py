"""The zoo against reference vectors computed in float64 by another implementation."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from hwgen import zoo
from hwgen.nn import attention_probabilities
from hwgen.zoo import binaryvit
from tests import reference_vectors
from tests.reference_vectors import needs, weights

ARCHS = [
    "bhvit_nano",
    "bhvit_nano_fp",
    "bhvit_tiny",
    "bhvit_tiny_fp",
    "bhvit_small",
    "bhvit_small_fp",
    "binaryvit_nano",
    "binaryvit_small",
    "binaryvit_small_fp",
]


def build(arch: str) -> zoo.BHViT | zoo.BinaryViT:
    return zoo.create(arch.removesuffix("_fp"), binary_downsampling=not arch.endswith("_fp")).eval()


@pytest.mark.parametrize("arch", [*map(needs, ARCHS)])
def test_keys_shapes_and_order(arch):
    with torch.device("meta"):
        model = build(arch)
    got = [(key, tuple(value.shape)) for key, value in model.state_dict().items()]
    assert got == list(weights(arch).layout(arch).items())
    assert zoo.config_from_state_dict(model.state_dict()) == model.config


@pytest.mark.parametrize(
    "arch",
    [
        needs(arch)
        for arch in (
            "bhvit_nano",
            "bhvit_nano_fp",
            "bhvit_tiny",
            "bhvit_small",
            "binaryvit_nano",
            "binaryvit_small",
        )
    ],
)
def test_float64_outputs(arch, monkeypatch):
    expected = reference_vectors.expected(arch)
    state = weights(arch).state_dict(arch, 1)
    assert json.loads(str(expected["meta"]))["weights_sha256"] == weights(arch).digest(state)
    model = build(arch)
    model.load_state_dict(state)
    model.double()
    blocks: dict[str, np.ndarray] = {}

    def keep(name: str):
        return lambda _, inputs, out: blocks.__setitem__(name, out[0].detach().numpy())

    model.vit.embeddings.register_forward_hook(keep("embed"))
    elastic: list[np.ndarray] = []

    def elastic_attention(q, k, v, clip, heads):
        ratio = attention_probabilities(q, k, heads)[0] / clip
        elastic.append(ratio.round().clamp(0, 1).numpy())
        return original(q, k, v, clip, heads)

    original = binaryvit.elastic_attention
    monkeypatch.setattr(binaryvit, "elastic_attention", elastic_attention)
    for layers in ("layerA", "layerB", "layer"):
        for i, block in enumerate(getattr(model.vit.encoder, layers, ())):
            block.register_forward_hook(keep(f"{layers}.{i}"))
            if layers == "layerB":
                attention = block.attention.attention.att_prob_quantizer
                attention.register_forward_hook(
                    lambda m, inputs, out, i=i: blocks.__setitem__(
                        f"levels/layerB.{i}", m.levels(*inputs[:2]).numpy()
                    )
                )
    for k in (1, 2, 3):
        down = getattr(model.vit.encoder, f"patch_embed{k}")
        down.register_forward_hook(keep(f"patch_embed{k}"))
    model.vit.register_forward_hook(keep("final_norm"))
    image = (expected["image"] / 255.0 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    with torch.no_grad():
        logits = model(torch.from_numpy(image.transpose(2, 0, 1)[None]))[0].numpy()
    blocks |= {f"levels/layer.{i}": bits for i, bits in enumerate(elastic)}
    stride, compared = int(expected["channel_stride"]), 0
    for key in expected.files:
        name = key.removeprefix("out/")
        if key.startswith("levels/"):
            assert np.array_equal(blocks[key], expected[key]), key
            compared += 1
        elif key.startswith("out/") and name != "pooled":
            error = np.abs(blocks[name][:, ::stride] - expected[key])
            storage = np.abs(expected[key]) * 2.0**-24  # they are rounded to float32
            assert (error <= storage + 1e-9).all(), f"{name}: {error.max()}"
            compared += 1
    assert compared == sum(model.config.depths) + 7, "a block was not compared"
    assert np.abs(logits - expected["logits"]).max() < 1e-9
