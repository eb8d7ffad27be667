"""The shipped checkpoint is what its manifest says."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from hwgen import zoo
from hwgen.frontend.checkpoint import load_checkpoint
from hwgen.nn import QDAttention
from hwgen.train.data import digits_split, normalise
from hwgen.train.recipe import load_recipe

MODELS = Path(__file__).resolve().parents[2] / "models"
CHECKPOINT = MODELS / "bhvit_micro_digits.pt"


@pytest.fixture(scope="module")
def manifest() -> dict:
    return json.loads((MODELS / "bhvit_micro_digits.json").read_text())


def test_file_matches_the_manifest(manifest):
    model, info = load_checkpoint(CHECKPOINT)
    assert CHECKPOINT.stat().st_size < 2_000_000
    assert info.sha256 == manifest["sha256"]
    assert info.sha256 == hashlib.sha256(CHECKPOINT.read_bytes()).hexdigest()
    assert info.config == zoo.create("bhvit_micro").config
    assert info.config.to_dict() == manifest["config"] == info.meta["config"]
    total = zoo.analyze(model).total
    assert total.parameters == manifest["parameters"]
    assert total.binary_weights == manifest["binary_weights"]
    assert info.class_names == tuple("0123456789")


def test_manifest_matches_the_recipe(manifest):
    recipe = load_recipe(MODELS / "recipes" / "digits.toml")
    assert manifest["command"] == "hwgen train models/recipes/digits.toml"
    assert manifest["epochs"] == recipe.optim.epochs
    assert manifest["seed"] == recipe.seed
    assert manifest["data"]["split_seed"] == recipe.data.seed


def test_accuracy_on_the_held_out_images(manifest):
    model, info = load_checkpoint(CHECKPOINT)
    _, _, images, labels = digits_split(manifest["data"]["split_seed"])
    histograms: dict[str, np.ndarray] = {}

    def count(name: str):
        def hook(layer, inputs, _):
            levels = layer.levels(*inputs[:2]).flatten().long()
            histograms[name] = torch.bincount(levels, minlength=4).numpy()

        return hook

    for name, layer in model.named_modules():
        if isinstance(layer, QDAttention):
            layer.register_forward_hook(count(name))
    with torch.no_grad():
        logits = model(normalise(torch.from_numpy(images), info.mean, info.std))
    correct = int((logits.argmax(-1).numpy() == labels).sum())
    # float summation order may turn a sign over on another machine, hence one image of slack
    assert abs(correct - manifest["held_out_correct"]) <= 1
    assert correct >= 0.98 * len(labels)
    assert manifest["held_out_accuracy"] == round(manifest["held_out_correct"] / 360, 6)
    for name, histogram in histograms.items():
        assert (histogram > 0.01 * histogram.sum()).all(), f"{name}: levels {histogram}"


def test_calibration_images_come_from_the_training_split(manifest):
    images = digits_split(manifest["data"]["split_seed"])[0]
    with np.load(MODELS / "bhvit_micro_digits.calib.npz") as calibration:
        got, labels = calibration["images"], calibration["labels"]
    assert got.shape == (64, 96, 96, 3)
    training = {image.tobytes() for image in images}
    assert all(image.tobytes() in training for image in got)
    assert set(labels.tolist()) == set(range(10))
