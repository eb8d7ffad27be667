"""Data sets: the digits split, CIFAR-10 and ImageNet folders made here."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from PIL import Image

from hwgen.errors import HwgenError
from hwgen.inputs import evaluation_images
from hwgen.pictures.cifar10 import NAMES, RECORD, read_cifar10
from hwgen.train.data import (
    augment,
    digits_split,
    digits_table,
    load_data,
    normalise,
    upscale_bilinear,
)
from hwgen.train.imagenet import random_crop
from hwgen.train.order import epoch_order, training_batches
from hwgen.train.recipe import DataSection


def test_digits_split_is_fixed_and_stratified():
    train_x, _, test_x, test_y = digits_split(1)
    assert train_x.shape == (1437, 96, 96, 3)
    assert test_x.shape == (360, 96, 96, 3)
    assert train_x.dtype == test_x.dtype == np.uint8
    assert np.bincount(test_y).tolist() == [36, 37, 35, 37, 36, 36, 36, 36, 35, 36]
    assert hashlib.sha256(test_y.tobytes()).hexdigest()[:16] == "c388434d3febdc0a"
    assert hashlib.sha256(test_x.tobytes()).hexdigest()[:16] == "c8e2e4ecc206e765"
    seen = {image.tobytes() for image in train_x}
    assert sum(image.tobytes() in seen for image in test_x) == 0
    assert not np.array_equal(digits_split(2)[3], test_y)


def test_digits_at_another_size():
    large, small = digits_split(1), digits_split(1, 48)
    assert small[2].shape == (360, 48, 48, 3)
    assert np.array_equal(small[3], large[3])
    held_out = load_data(DataSection(name="digits", seed=1), 48)[1]
    images, labels = held_out.batch(torch.arange(360), None)
    assert np.array_equal(images.numpy(), small[2])
    assert np.array_equal(labels.numpy(), small[3])
    meta = {"dataset": "digits", "split_seed": 1, "config": {"image_size": 48}}
    assert np.array_equal(evaluation_images(meta)[0], small[2])
    assert evaluation_images(meta | {"config": {"image_size": 50}}) is None


@pytest.mark.parametrize("factor", [3, 6, 12])
def test_upscaling_is_bilinear(factor):
    rng, size = np.random.default_rng(0), 8 * factor
    small = rng.integers(0, 17, (3, 8, 8))
    got = upscale_bilinear(small, factor, 16)
    planes = torch.from_numpy(small).double()[:, None] * 255 / 16
    want = torch.nn.functional.interpolate(planes, (size, size), mode="bilinear")[:, 0].numpy()
    assert np.abs(got - want).max() <= 0.5 + 1e-9


def test_normalise():
    images = torch.tensor([0, 255, 51], dtype=torch.uint8).view(1, 1, 1, 3)
    x = normalise(images, (0.5, 0.25, 0.2), (0.5, 0.25, 0.1))
    assert x.flatten().tolist() == pytest.approx([-1.0, 3.0, 0.0], abs=1e-6)


def test_augment_without_strength_only_resizes():
    planes = torch.rand(2, 1, 48, 48, generator=torch.Generator().manual_seed(0))
    section = DataSection(name="digits")
    got = augment(planes, 48, section, torch.Generator().manual_seed(1))
    assert torch.allclose(got, planes, atol=1e-5)


def test_augment_flips_half_of_the_images():
    planes = torch.arange(8.0).view(1, 1, 1, 8).expand(64, 1, 8, 8)
    section = DataSection(name="digits", flip=True)
    got = augment(planes, 8, section, torch.Generator().manual_seed(1))
    mirrored = int((got[:, 0, 0, 0] > 3.5).sum())
    assert 16 < mirrored < 48


def test_batches_repeat_per_epoch_and_split_over_processes():
    section = DataSection(name="digits", rotate_degrees=10, shift=0.1, limit=50)
    data, _ = load_data(section, 48)
    assert len(data) == 50
    first = list(training_batches(data, 16, seed=3, epoch=2))
    again = list(training_batches(data, 16, seed=3, epoch=2))
    assert [len(y) for _, y in first] == [16, 16, 16]
    assert all(torch.equal(a, b) for one, two in zip(first, again) for a, b in zip(one, two))
    assert first[0][0].shape == (16, 48, 48, 3)
    other = next(training_batches(data, 16, seed=3, epoch=3))[0]
    assert not torch.equal(first[0][0], other)
    parts = [epoch_order(51, 3, 2, rank, 2) for rank in range(2)]
    assert len(parts[0]) == len(parts[1]) == 25
    assert not set(parts[0].tolist()) & set(parts[1].tolist())


def write_cifar(folder, records: int = 6) -> np.ndarray:
    rng = np.random.default_rng(0)
    raw = rng.integers(0, 256, (records, RECORD), dtype=np.uint8)
    raw[:, 0] = np.arange(records) % 10
    folder.mkdir(parents=True, exist_ok=True)
    raw[: records // 2].tofile(folder / "data_batch_1.bin")
    raw[records // 2 :].tofile(folder / "data_batch_2.bin")
    raw.tofile(folder / "test_batch.bin")
    return raw


def test_cifar10_binary_records(tmp_path):
    raw = write_cifar(tmp_path / "cifar-10-batches-bin")
    images, labels = read_cifar10(tmp_path, train=True)
    assert images.shape == (6, 32, 32, 3)
    assert labels.tolist() == [0, 1, 2, 3, 4, 5]
    assert NAMES[3] == "cat"
    assert images[4, 5, 7, 2] == raw[4, 1 + 2 * 1024 + 5 * 32 + 7]
    train, test = load_data(DataSection(name="cifar10", root=str(tmp_path)), 224)
    assert train.batch(torch.tensor([0, 2]), None)[0].shape == (2, 224, 224, 3)
    assert len(test) == 6


def test_cifar10_errors(tmp_path):
    with pytest.raises(HwgenError, match=r"has no data_batch_1.bin .. data_batch_5.bin"):
        read_cifar10(tmp_path, train=True)
    (tmp_path / "test_batch.bin").write_bytes(b"\0" * 100)
    with pytest.raises(HwgenError, match="100 bytes; must be records of 3073 bytes"):
        read_cifar10(tmp_path, train=False)
    (tmp_path / "test_batch.bin").write_bytes(b"\x0a" * RECORD)
    with pytest.raises(HwgenError, match=r"label 10; must be 0..9"):
        read_cifar10(tmp_path, train=False)


def write_folders(root) -> None:
    for part, count in (("train", 3), ("val", 2)):
        for n, name in enumerate(("ant", "bee")):
            folder = root / part / name
            folder.mkdir(parents=True)
            for i in range(count):
                Image.new("RGB", (60, 40), (100 * n, 50 * i, 200)).save(folder / f"{i}.png")
            (folder / "notes.txt").write_text("no image")


def test_image_folders(tmp_path):
    write_folders(tmp_path)
    section = DataSection(name="imagenet", root=str(tmp_path), flip=True, workers=2)
    train, test = load_data(section, 48)
    assert (len(train), len(test), train.classes) == (6, 4, ("ant", "bee"))
    images, labels = test.batch(torch.tensor([1, 2]), None)
    assert labels.tolist() == [0, 1]
    assert images.shape == (2, 48, 48, 3)
    assert images[0, 24, 24].tolist() == [0, 50, 200]
    one, two = (next(training_batches(train, 4, 0, 0))[0] for _ in range(2))
    assert torch.equal(one, two)


def test_image_folder_errors(tmp_path):
    section = DataSection(name="imagenet", root=str(tmp_path))
    with pytest.raises(HwgenError, match="has no folder train/; give the folder above"):
        load_data(section, 48)
    write_folders(tmp_path)
    (tmp_path / "train" / "ant" / "0.png").write_bytes(b"not a png")
    train, _ = load_data(section, 48)
    with pytest.raises(HwgenError, match=r"0.png: no picture: its content is none that is known"):
        train.batch(torch.tensor([0]), None)


def test_random_crop_stays_inside():
    rng = torch.Generator().manual_seed(0)
    for draw in torch.rand(200, 4, generator=rng).tolist():
        left, top, right, bottom = random_crop(60, 40, draw)
        assert 0 <= left < right <= 60 + 1e-9
        assert 0 <= top < bottom <= 40 + 1e-9


def test_digits_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    table, digits = digits_table(), load_digits()
    assert (table[:, :-1].reshape(-1, 8, 8) == digits.images).all()
    assert (table[:, -1] == digits.target).all()
