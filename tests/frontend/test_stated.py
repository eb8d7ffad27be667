"""What a checkpoint states beside its weights: read, compared with the keys, never believed."""

from __future__ import annotations

import argparse
import json
import pathlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from hwgen import zoo
from hwgen.errors import CheckpointError
from hwgen.frontend.checkpoint import load_checkpoint
from hwgen.frontend.options import Options

State = dict[str, Tensor]
WAY_OUT = "give the checkpoint that was meant, or its own values by --config FILE"
IMAGENET = (
    "mean 0.485, 0.456, 0.406, ImageNet's (--mean)",
    "std 0.229, 0.224, 0.225, ImageNet's (--std)",
)


@pytest.fixture(scope="module")
def networks() -> dict[str, State]:
    torch.manual_seed(0)
    return {
        "bhvit": zoo.create(
            "bhvit_micro", channels=(4, 8, 16, 32), head_dim=16, classes=3
        ).state_dict(),
        "binaryvit": zoo.create(
            "binaryvit_micro", channels=(4, 8, 16), classes=3
        ).state_dict(),
        "resnet": zoo.create(
            "reactnet_micro", channels=(4, 8, 8, 12), depths=(1, 1, 1, 1), classes=3
        ).state_dict(),
    }  # fmt: skip


@pytest.fixture
def file(tmp_path) -> pathlib.Path:
    return tmp_path / "net.pt"


def message(path: pathlib.Path, options: Options | None = None) -> str:
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(path, options)
    text = str(error.value)
    assert "\n" not in text
    return text.removeprefix(f"{path}: ")


# a name, a wrong value, and the size of the network as the message shows it
WRONG: list[tuple[str, str, Any, str]] = [
    ("bhvit", "image_size", 224, "image_size 96"),
    ("bhvit", "img_size", [224, 224], "image_size 96"),
    ("bhvit", "input_size", 224, "image_size 96"),
    ("bhvit", "num_labels", 1000, "classes 3"),
    ("bhvit", "nb_classes", 1000, "classes 3"),
    ("bhvit", "num_channels", 1, "in_channels 3"),
    ("bhvit", "patch_size", 16, "patch 4"),
    ("bhvit", "window_size", 7, "window 3"),
    ("bhvit", "hidden_size", 768, "channels [4, 8, 16, 32]"),
    ("bhvit", "hidden_size", [64, 128, 256, 512], "channels [4, 8, 16, 32]"),
    ("bhvit", "depths", [2, 2, 6, 2], "depths [1, 1, 2, 1]"),
    ("bhvit", "num_hidden_layers", 12, "depths [1, 1, 2, 1]"),
    ("bhvit", "num_attention_heads", 12, "heads [0, 0, 1, 2]"),
    ("bhvit", "num_attention_heads", [1, 2, 4, 8], "heads [0, 0, 1, 2]"),
    ("bhvit", "mlp_ratio", 4, "expansion [8, 8, 4, 4]"),
    ("binaryvit", "image_size", 224, "image_size 48"),
    ("binaryvit", "num_attention_heads", [2, 2, 2], "heads [1, 1, 1]"),
    ("resnet", "num_classes", 1000, "classes 3"),
]


@pytest.mark.parametrize(("family", "name", "value", "found"), WRONG)
def test_another_size(file, networks, family, name, value, found):
    state = networks[family]
    for entry, verb in (("args", "state"), ("config", "states"), ("hparams", "state")):
        stated = argparse.Namespace(**{name: value}) if entry == "args" else {name: value}
        torch.save({"model": state, entry: stated}, file)
        assert message(file) == (
            f"its {entry} {verb} {name} {value}; its weights are for {found}; {WAY_OUT}"
        )
    torch.save({"model": state, "hyper_parameters": {"model": {name: value}}}, file)
    assert message(file).startswith(f"its hyper_parameters state {name} {value}; ")
    torch.save({"model": state, name: value}, file)
    assert message(file).startswith(f"it states {name} {value}; ")


RIGHT = {
    "bhvit": {
        "image_size": 96, "img_size": [96, 96], "input_size": [3, 96, 96], "num_labels": 3,
        "patch_size": "4", "window_size": 3, "hidden_size": [4, 8, 16, 32], "embed_dim": 4,
        "depths": [1, 1, 2, 1], "num_hidden_layers": 12, "num_attention_heads": [7, 7, 1, 2],
        "mlp_ratio": [8, 8, 4, 4], "weight_bits": 1, "input_bits": 1, "gsb": False, "shift5": True,
        "replace_ln_bn": True, "disable_layerscale": False, "some_fp": False, "token_pool": None,
        "lr": 1e-3, "model": "bhvit", "opt": "adamw", "mean": None, "heads": None,
    },
    "binaryvit": {
        "image_size": 48, "depths": [1, 1, 1], "avg_res3": True, "avg_res5": True,
        "enable_cls_token": False, "token_pool": "mean", "num_classes": 3.0,
    },
    "resnet": {"image_size": 64, "num_classes": 3, "depths": [2, 2, 2, 2], "depth": 18},
}  # fmt: skip


@pytest.mark.parametrize("family", RIGHT)
def test_what_agrees(file, networks, family):
    stated = dict(RIGHT[family])
    if family == "binaryvit":
        stated["depths"] = list(zoo.config_from_state_dict(networks[family]).depths)
    torch.save({"model": networks[family], "args": argparse.Namespace(**stated)}, file)
    assert load_checkpoint(file)[1].assumed == IMAGENET


VARIANTS: list[tuple[str, str, Any, str]] = [
    ("bhvit", "weight_bits", 32, "hwgen builds networks with weights of 1 bit"),
    ("resnet", "w_bits", 32, "hwgen builds networks with weights of 1 bit"),
    ("bhvit", "input_bits", 32, "hwgen builds networks with inputs of its binary layers of 1 bit"),
    ("bhvit", "gsb", True, "hwgen builds attention with one step per head, no gsb"),
    ("bhvit", "replace_ln_bn", False, "hwgen builds BatchNorm, no LayerNorm"),
    ("bhvit", "disable_layerscale", True, "the network of its keys has LayerScale"),
    ("bhvit", "shift5", False, "the network of its keys has 5-wide shifts"),
    ("bhvit", "some_fp", True, "its keys say otherwise"),
    ("binaryvit", "avg_res5", False, "the network of its keys has 5-wide pooling branches"),
    ("binaryvit", "enable_cls_token", True, "its keys say otherwise"),
    (
        "binaryvit", "token_pool", "topk",
        "hwgen builds the mean over all tokens, no top-k pooling",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("family", "name", "value", "rule"), VARIANTS)
def test_variants_that_are_stated(file, networks, family, name, value, rule):
    torch.save({"model": networks[family], "args": argparse.Namespace(**{name: value})}, file)
    assert message(file) == f"its args state {name} {value}; {rule}; {WAY_OUT}"


def dropped(*words: str) -> Callable[[State], State]:
    return lambda state: {k: v for k, v in state.items() if not any(w in k for w in words)}


def with_gsb(state: State) -> State:
    key = "vit.encoder.layerB.0.attention.attention.att_prob_clip2"
    return {**dropped("att_prob_quantizer")(state), key: torch.ones(())}


RUNNING = ("running_mean", "running_var", "num_batches")
MOVES = (".move", "moveq", "movek", "movev")
BY_KEYS: dict[str, tuple[str, Callable[[State], State], str]] = {
    "norm": (
        "bhvit", dropped(*RUNNING),
        "is a BHViT with LayerNorm in place of BatchNorm (no running_mean keys); "
        "hwgen builds it with replace_ln_bn; train it with replace_ln_bn",
    ),
    "inputs": (
        "bhvit", dropped(*MOVES),
        "is a BHViT with inputs of more than 1 bit (no intermediate.move keys); "
        "hwgen builds it with input_bits 1; train it with input_bits 1",
    ),
    "gsb": (
        "bhvit", with_gsb,
        "is a BHViT with gsb attention (att_prob_clip2 keys); "
        "hwgen builds it with no gsb; train it with no gsb",
    ),
    "scale": (
        "bhvit", dropped(".layerscale."),
        "is a BHViT with no LayerScale (no output.layerscale keys); "
        "hwgen builds it with LayerScale; train it with LayerScale",
    ),
    "shift5": (
        "bhvit", dropped("layerscale_h5", "layerscale_w5", "layerscale_ch5"),
        "is a BHViT with no 5-wide shift (no layerscale_h5 keys); "
        "hwgen builds it with shift5; train it with shift5",
    ),
    "pool5": (
        "binaryvit", dropped("layerscale_h5", "layerscale_w5"),
        "is a BinaryViT with no 5-wide pooling (no layerscale_h5 keys); "
        "hwgen builds it with avg_res5; train it with avg_res5",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BY_KEYS)
def test_variants_that_the_keys_show(file, networks, case):
    family, change, want = BY_KEYS[case]
    torch.save(change(networks[family]), file)
    assert message(file) == f"state_dict: {want}"


# -------------------------------------------------------------------------- configurations


def test_config_beside_the_file(tmp_path, file, networks):
    torch.save(networks["bhvit"], file)
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"id2label": {"0": "a", "1": "b"}}))
    assert message(file) == (
        f"config.json states num_labels 2; its weights are for classes 3; {WAY_OUT}"
    )
    other = tmp_path / "right.toml"
    other.write_text("num_labels = 3\nmean = [0.5, 0.5, 0.5]\nstd = [0.5, 0.5, 0.5]\n")
    assert load_checkpoint(file, Options(config=other))[1].assumed == ()
    config.write_text("{")
    assert message(file) == (
        f"{config}: is no JSON table; states a configuration; "
        "correct it, or give another one as --config"
    )


def test_config_in_a_folder(tmp_path, networks):
    torch.save(networks["bhvit"], tmp_path / "pytorch_model.bin")
    (tmp_path / "config.json").write_text('{"model_type": "vit", "image_size": 224}')
    assert message(tmp_path) == (
        f"config.json states image_size 224; its weights are for image_size 96; {WAY_OUT}"
    )
    (tmp_path / "config.json").write_text('{"model_type": "vit", "image_size": 96}')
    pictures = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.25] * 3, "patch_size": 1}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(pictures))
    info = load_checkpoint(tmp_path)[1]
    assert (info.mean, info.std, info.assumed) == ((0.5,) * 3, (0.25,) * 3, ())


@pytest.mark.parametrize("content", [b"[1]", b"\xff", b"[" * 100_000, b"{" + b" " * (1 << 20)])
def test_configs_that_are_none(tmp_path, file, networks, content):
    torch.save(networks["bhvit"], file)
    config = tmp_path / "c.json"
    config.write_bytes(content)
    assert message(file, Options(config=config)) == (
        f"{config}: is no JSON table; states a configuration; "
        "correct it, or give another one as --config"
    )
    config.unlink()
    assert message(file, Options(config=config)) == (
        f"{config}: No such file or directory; needs a file; give a .json or .toml"
    )


# ------------------------------------------------------------------- what no key shows


def test_the_image_size_of_a_resnet(file, networks):
    state = networks["resnet"]
    torch.save({"model": state}, file)
    info = load_checkpoint(file)[1]
    size = "images of 224 x 224: no key shows it (--image-size)"
    assert (info.config.image_size, info.assumed) == (224, (size, *IMAGENET))
    assert load_checkpoint(file, Options(image_size=64))[1].config.image_size == 64
    assert message(file, Options(image_size=65)) == (
        "config.image_size: 65; must be a multiple of 32; use 96"
    )
    torch.save({"model": state, "args": {"img_size": 64}}, file)
    assert load_checkpoint(file)[1].config.image_size == 64
    assert load_checkpoint(file, Options(image_size=96))[1].config.image_size == 96
    torch.save({"model": state, "args": {"img_size": 64}, "config": {"image_size": 96}}, file)
    assert message(file) == (
        "its args state img_size 64, and its config states image_size 96; needs one image size; "
        "give --image-size or --config FILE"
    )


def test_an_image_size_that_the_keys_deny(file, networks):
    torch.save(networks["bhvit"], file)
    assert message(file, Options(image_size=224)) == (
        "--image-size: 224; its weights are for 96; leave it out"
    )
    torch.save({"model": networks["resnet"], "hwgen": {"config": {"image_size": 64}}}, file)
    assert message(file, Options(image_size=96)) == (
        "--image-size: 96; its hwgen entry states 64; leave it out"
    )


def test_mean_and_std(file, networks):
    torch.save({"model": networks["bhvit"], "args": {"mean": [0.5, 0.5], "std": 3}}, file)
    assert message(file) == (
        "mean: [0.5, 0.5]; needs 3 numbers, one per channel; give --mean"
    )  # fmt: skip
    half = (0.5, 0.5, 0.5)
    assert load_checkpoint(file, Options(mean=half))[1].mean == half
    assert message(file, Options(mean=(0.5,))) == (
        "--mean: (0.5,); needs 3 numbers, one per channel; give as many"
    )


def test_mean_of_other_channels(file):
    network = zoo.create("bhvit_micro", channels=(4, 8, 16, 32), head_dim=16, in_channels=1)
    torch.save(network.state_dict(), file)
    assert message(file) == "states no mean; its images need 1 number; give --mean"
    assert load_checkpoint(file, Options(mean=(0.5,), std=(0.2,)))[1].std == (0.2,)


def test_assumed_heads(file):
    network = zoo.create("binaryvit_micro", channels=(64, 128, 256))
    torch.save(network.state_dict(), file)
    heads = "attention heads of 64 channels: no key shows them"
    assert load_checkpoint(file)[1].assumed == (heads, *IMAGENET)
    torch.save({"model": network.state_dict(), "args": {"num_heads": [1, 2, 4]}}, file)
    assert load_checkpoint(file)[1].assumed == IMAGENET


@pytest.mark.parametrize(
    ("entry", "what"), [({"class_names": 3}, "list"), ({"config": [1]}, "dict")]
)
def test_hwgen_entries_of_the_wrong_kind(file, networks, entry, what):
    torch.save({"model": networks["bhvit"], "hwgen": entry}, file)
    name = next(iter(entry))
    assert message(file) == (
        f"hwgen.{name}: {type(entry[name]).__name__}; must be a {what}; "
        "correct the checkpoint's hwgen entry"
    )


def test_statements_of_odd_kinds_do_no_harm(file, networks):
    odd = {3: 4, "image_size": [], "depths": [[1], {}], "heads": "many", "window": True,
           "num_labels": torch.ones(3), "patch_size": None, "channels": [1, None]}  # fmt: skip
    for name in ("args", "config", "hparams"):
        torch.save({"model": networks["bhvit"], name: odd}, file)
        text = message(file)
        assert text.startswith(f"its {name} state")
