"""Configurations: rules with their texts, the registry, recognition from a state dict."""

from __future__ import annotations

import pytest
import torch

from hwgen import zoo
from hwgen.errors import HwgenError

PINNED = {
    ("image_size", 100): "config.image_size: 100; must be 8 * patch 4 * window 3; "
    "use image_size=96 or another window",
    ("window", 4): "config.window: 4; must be odd; use 5",
    ("channels", (16, 32, 64, 100)): "config.channels: (16, 32, 64, 100); "
    "must double from stage to stage; use (16, 32, 64, 128)",
    ("channels", (6, 12, 24, 48)): "config.channels: 6; "
    "must be divisible by the 4 mixer groups; use 4",
    ("head_dim", 48): "config.head_dim: 48; must divide the 64 channels of stage 3; use 32",
    ("depths", (1, 1, 1)): "config.depths: (1, 1, 1); needs four stages; give 4 values",
    ("depths", (1, 0, 1, 1)): "config.depths: (1, 0, 1, 1); must be positive; use 1 or more",
    ("depths", "deep"): "config.depths: deep; must be whole numbers; give a list of 4",
    ("classes", 2.5): "config.classes: 2.5; must be whole; give a number",
    ("variant", "new"): "config.variant: new; must be known; use released or paper",
    ("colour", 1): "zoo.bhvit_micro: colour; is not a field of its configuration; "
    "see hwgen.zoo.BHViTConfig",
}  # fmt: skip


@pytest.mark.parametrize(("field", "value"), PINNED)
def test_broken_rules(field, value):
    with pytest.raises(HwgenError) as error:
        zoo.create("bhvit_micro", **{field: value})
    assert str(error.value) == PINNED[field, value]


def test_unknown_network_lists_the_known():
    with pytest.raises(
        HwgenError, match="zoo: bhvit_huge; is not a known network; use bhvit_micro"
    ):
        zoo.create("bhvit_huge")


def test_micro_sizes():
    model = zoo.create("bhvit_micro")
    assert model.config.grids == (24, 12, 6, 3)
    assert model.config.heads == (0, 0, 1, 2)
    assert model(torch.zeros(2, 3, 96, 96)).shape == (2, 10)
    assert all(zoo.summary(name) for name in zoo.names())


@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"binary_downsampling": False},
        {"variant": "paper", "expansion": (4, 4, 4, 4)},
        {"classes": 3, "depths": (2, 1, 1, 3), "expansion": (2, 8, 4, 1)},
        {"patch": 2, "window": 5, "image_size": 80, "head_dim": 32},
    ],
)
def test_recognised_from_keys_alone(overrides):
    with torch.device("meta"):
        model = zoo.create("bhvit_micro", **overrides)
    assert zoo.config_from_state_dict(model.state_dict()) == model.config
    assert zoo.BHViTConfig.from_dict(model.config.to_dict()) == model.config


def test_paper_variant_has_the_keys_of_the_equations():
    with torch.device("meta"):
        keys = set(zoo.create("bhvit_paper").state_dict())
    assert not [k for k in keys if ".cov1.bias" in k or ".a1" in k or "quantizer" in k]
    assert zoo.create("bhvit_micro", variant="paper")(torch.zeros(1, 3, 96, 96)).shape == (1, 10)


def test_foreign_state_dicts():
    with pytest.raises(HwgenError, match=r"vit.embeddings.*proj.weight: is missing"):
        zoo.config_from_state_dict({"fc.weight": torch.zeros(1)})
    with pytest.raises(HwgenError, match="BinaryViT is not in the zoo"):
        zoo.config_from_state_dict({"vit.encoder.layer.0.x": torch.zeros(1)})
