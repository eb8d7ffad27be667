"""Configurations: rules with their texts, the registry, recognition from a state dict."""

from __future__ import annotations

import pytest
import torch

from hwgen import zoo
from hwgen.analysis.operations import analyze
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
BINARYVIT = {
    ("channels", (64, 128, 192)): "config.channels: (64, 128, 192); "
    "must double from stage to stage; use (64, 128, 256)",
    ("channels", (96, 192, 384)): "config.channels: 96; "
    "must be at most 64, or whole heads of 64; use 64",
    ("channels", ()): "config.channels: (); must be whole numbers; give a list of 1 to 4",
    ("channels", (4, 8, 16, 32, 64)): "config.channels: (4, 8, 16, 32, 64); "
    "needs 1 to 4 stages; give 1 to 4 values",
    ("depths", (1, 1)): "config.depths: (1, 1); needs 3 stages as channels; give 3 values",
    ("expansion", (1, 2, 0)): "config.expansion: (1, 2, 0); must be positive; use 1 or more",
    ("reduction", (2, 2, 1)): "config.reduction: (2, 2, 1); "
    "stage 1 keeps its grid or is reduced to that of the last stage; use 1 or 4 there",
    ("reduction", (4, 2, 2)): "config.reduction: (4, 2, 2); "
    "stage 3 keeps its grid or is reduced to that of the last stage; use 1 there",
    ("image_size", 50): "config.image_size: 50; must be a multiple of 16 (patch 4, 3 stages); "
    "use 48",
    ("pooling", 1): "config.pooling: 1; is no truth value; true or false",
    ("class_token", True): "config.class_token: True; "
    "needs one stage without pooling branches: it lies on no grid; use class_token=false",
    ("window", 3): "zoo.binaryvit_micro: window; is not a field of its configuration; "
    "see hwgen.zoo.BinaryViTConfig",
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "field", "value", "text"),
    [
        (name, *case, text)
        for name, pinned in (("bhvit_micro", PINNED), ("binaryvit_micro", BINARYVIT))
        for case, text in pinned.items()
    ],
)
def test_broken_rules(name, field, value, text):
    with pytest.raises(HwgenError) as error:
        zoo.create(name, **{field: value})
    assert str(error.value) == text


def test_a_flat_network_has_no_downsampling():
    with pytest.raises(HwgenError) as error:
        zoo.create("deit_small_binary", binary_downsampling=False)
    assert str(error.value) == (
        "config.binary_downsampling: False; one stage has no downsampling; leave it out"
    )


def test_values_of_the_other_family():
    bhvit, binaryvit = zoo.BHViTConfig(), zoo.BinaryViTConfig()
    with pytest.raises(HwgenError, match="reduction, stem_norm; is no field of BHViTConfig but of"):
        zoo.BHViTConfig.from_dict(binaryvit.to_dict())
    with pytest.raises(HwgenError, match="window; is no field of BinaryViTConfig but of BHViT;"):
        zoo.BinaryViTConfig.from_dict(bhvit.to_dict())
    assert zoo.family_of(bhvit.to_dict()) == "BHViT"
    assert zoo.family_of(binaryvit.to_dict()) == "BinaryViT"
    assert zoo.family_of({"patch": 4}) == zoo.family_of({"window": 7, "reduction": [1]}) == ""


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


def test_binaryvit_micro_sizes():
    model = zoo.create("binaryvit_micro")
    assert model.config.grids == (12, 6, 3)
    assert model.config.heads == (1, 2, 4)
    assert model(torch.zeros(2, 3, 48, 48)).shape == (2, 10)
    assert zoo.BinaryViTConfig().heads == (1, 2, 4, 8)
    narrow = zoo.create("binaryvit_micro", channels=(16, 32, 64))
    assert narrow.config.heads == (1, 1, 1)
    assert narrow(torch.zeros(2, 3, 48, 48)).shape == (2, 10)


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


@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"binary_downsampling": False},
        {"reduction": (1, 2, 1), "classes": 3, "patch": 2, "image_size": 72},
        {"depths": (2, 1, 3), "expansion": (1, 8, 3), "in_channels": 1},
        {"pooling": False, "stem_norm": False},
        {"affine": False},
        {
            "channels": (8, 16, 32, 64),
            "depths": (1, 2, 1, 1),
            "expansion": (2, 2, 2, 2),
            "reduction": (8, 1, 2, 1),
            "image_size": 64,
        },
        {"channels": (128,), "depths": (2,), "expansion": (3,), "reduction": (1,)},
    ],
)
def test_binaryvit_recognised_from_keys_alone(overrides):
    with torch.device("meta"):
        model = zoo.create("binaryvit_micro", **overrides)
    assert zoo.config_from_state_dict(model.state_dict()) == model.config
    assert zoo.BinaryViTConfig.from_dict(model.config.to_dict()) == model.config
    with torch.device("meta"):
        assert type(zoo.build(model.config)) is zoo.BinaryViT


# the complete one, less two LayerScales and four branches a block; class token and its position
FLAT = {
    "deit_small_binary": 22349428 - 12 * (2 * 2 + 4 * 2) * 384 + 2 * 384,
    "deit_small_binary_gap": 22349428 - 12 * (2 * 2 + 4 * 2) * 384,
    "deit_small_binary_pool": 22349428 - 12 * (2 * 2) * 384,
    "deit_small_binary_affine": 22349428,
}


@pytest.mark.parametrize("name", FLAT)
def test_flat_networks_of_the_ablation(name):
    torch.manual_seed(0)
    model = zoo.create(name, depths=(2,)).eval()
    config = model.config
    assert config.heads == (6,)
    assert config.grids == (14,)
    state = model.state_dict()
    assert zoo.config_from_state_dict(state) == config
    again = zoo.build(zoo.BinaryViTConfig.from_dict(config.to_dict())).eval()
    again.load_state_dict(state)
    x = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(again(x), model(x))
    with torch.device("meta"):
        total = analyze(zoo.create(name)).total
    assert total.binary_weights == 21233664
    assert total.parameters == FLAT[name]


def test_class_token_is_what_the_classifier_reads():
    torch.manual_seed(0)
    model = zoo.create("deit_small_binary", depths=(1,), classes=3).eval()
    tokens = model.vit(torch.zeros(1, 3, 224, 224))
    assert tokens.shape == (1, 197, 384)
    assert torch.equal(model(torch.zeros(1, 3, 224, 224)), model.classifier(tokens[:, 0]))


def test_paper_variant_has_the_keys_of_the_equations():
    with torch.device("meta"):
        keys = set(zoo.create("bhvit_paper").state_dict())
    assert not [k for k in keys if ".cov1.bias" in k or ".a1" in k or "quantizer" in k]
    assert zoo.create("bhvit_micro", variant="paper")(torch.zeros(1, 3, 96, 96)).shape == (1, 10)


def test_foreign_state_dicts():
    with pytest.raises(HwgenError, match=r"vit.embeddings.*proj.weight: is missing; .* BHViT, Bin"):
        zoo.config_from_state_dict({"fc.weight": torch.zeros(1)})
    with pytest.raises(HwgenError, match=r"projection.weight: is missing; .* released BinaryViT"):
        zoo.config_from_state_dict({"vit.encoder.layer.0.x": torch.zeros(1)})
