"""hwgen.pictures.open_images: folders, classes, labels, layouts, limits."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from hwgen.errors import HwgenError
from hwgen.pictures import ImageSet, Network, Preprocess, network_of, open_images
from tests.pictures.samples import PICTURE, archive, class_folders, npy_header

SHAPE = (16, 24, 3)  # height, width, channels: not square
IMAGES = np.random.default_rng(1).integers(0, 256, (7, *SHAPE), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 3, 0, 1, 2])
NETWORK = Network(SHAPE, 4)


def open_(path: Path, network: Network = NETWORK) -> ImageSet:
    return open_images(path, network, Preprocess())


def all_images(found: ImageSet, size: int = 3) -> np.ndarray:
    return np.concatenate([images for _, images in found.batches(size)])


def line(path: Path, network: Network = NETWORK) -> str:
    with pytest.raises(HwgenError) as error:
        all_images(open_(path, network))
    assert error.value.line.startswith(str(path))
    return error.value.line.removeprefix(f"{path}: ").removeprefix(f"{path}")


def save(path: Path, images: np.ndarray, **more: np.ndarray) -> Path:
    if path.suffix == ".npz":
        np.savez_compressed(path, images=images, **more)
    elif path.suffix == ".npy":
        np.save(path, images)
    else:
        tensors = {k: torch.from_numpy(v) for k, v in more.items()}
        torch.save({"images": torch.from_numpy(images)} | tensors, path)
    return path


@pytest.mark.parametrize("name", ["a.npz", "a.npy", "a.pt"])
@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_batches_are_all_images_in_order(tmp_path, name, size):
    found = open_(save(tmp_path / name, IMAGES, **({} if name == "a.npy" else {"labels": LABELS})))
    batches = list(found.batches(size))
    assert [len(images) for _, images in batches] == [min(size, 7 - k) for k in range(0, 7, size)]
    assert np.array_equal(np.concatenate([indices for indices, _ in batches]), range(7))
    assert np.array_equal(np.concatenate([images for _, images in batches]), IMAGES)
    assert found.reader.lines() == ["7 taken as they are, 16 x 24"]
    assert np.array_equal(all_images(found), IMAGES), "a second time"
    assert name == "a.npy" or np.array_equal(found.labels, LABELS)


@pytest.mark.parametrize("name", ["a.npz", "a.npy", "a.pt"])
def test_a_limit_takes_images_evenly(tmp_path, name):
    found = open_(save(tmp_path / name, IMAGES))
    parts = list(found.batches(2, 3))
    assert np.concatenate([p[0] for p in parts]).tolist() == [0, 2, 4]
    assert np.array_equal(np.concatenate([p[1] for p in parts]), IMAGES[[0, 2, 4]])


def test_other_orders_in_memory(tmp_path):
    for name in ("a.npz", "a.npy"):
        save(tmp_path / name, np.asfortranarray(IMAGES))
        assert np.array_equal(all_images(open_(tmp_path / name)), IMAGES)
    torch.save(torch.from_numpy(IMAGES.transpose(0, 3, 1, 2).copy()).permute(0, 2, 3, 1),
               tmp_path / "a.pt")  # fmt: skip
    assert np.array_equal(all_images(open_(tmp_path / "a.pt")), IMAGES)


def test_one_image(tmp_path):
    for name in ("a.npz", "a.npy", "a.pt"):
        found = open_(save(tmp_path / name, IMAGES[0]))
        assert np.array_equal(all_images(found), IMAGES[:1])
    Image.fromarray(IMAGES[0]).save(tmp_path / "a.png")
    found = open_(tmp_path / "a.png")
    assert np.array_equal(all_images(found), IMAGES[:1])
    assert (found.name(0), found.labels) == ("a.png", None)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_networks_of_1_to_4_channels(tmp_path, channels):
    images = np.random.default_rng(2).integers(0, 256, (3, 8, 8, channels), dtype=np.uint8)
    network = Network((8, 8, channels), 2)
    found = open_(save(tmp_path / "a.npy", images), network)
    assert np.array_equal(all_images(found), images)
    PICTURE.save(tmp_path / "a.png")
    if channels in (1, 3):
        found = open_(tmp_path / "a.png", network)
        assert all_images(found).shape == (1, 8, 8, channels)
        assert ("1 coloured, made grey (ITU-R 601 luma)" in found.reader.lines()) == (channels == 1)
    else:
        assert f"the network takes {channels} channels; give" in line(tmp_path / "a.png", network)


def test_network_of_a_configuration():
    config = SimpleNamespace(image_size=96, in_channels=1, classes=10)
    assert network_of(config) == Network((96, 96, 1), 10)
    config.image_size = [128, 64]
    assert network_of(config, ["a", "b"]) == Network((128, 64, 1), 10, ("a", "b"))


RULE = "must be uint8 (N, 16, 24, 3)"
FIRST = IMAGES.transpose(0, 3, 1, 2)
LAYOUTS = {
    "nchw": (FIRST, "they look like (N, C, H, W): images.transpose(0, 2, 3, 1)"),
    "ncwh": (FIRST.swapaxes(2, 3), "they look like (N, C, W, H): images.transpose(0, 3, 2, 1)"),
    "chw": (
        FIRST[0], "they look like (C, H, W): images.transpose(1, 2, 0), or like 3 grey ones",
    ),
    "grey": (IMAGES[..., 0], "they look grey: numpy.repeat(images[..., None], 3, -1)"),
    "one grey": (IMAGES[0, ..., 0], "they look grey: numpy.repeat(images[..., None], 3, -1)"),
    "grey axis": (IMAGES[..., :1], "they look grey: numpy.repeat(images, 3, -1)"),
    "rgba": (IMAGES[..., [0, 1, 2, 0]], "they look like RGBA: images[..., :3]"),
    "two": (IMAGES[..., :2], "the network takes 3 channels"),
    "flat": (IMAGES.reshape(7, -1), "they look flattened: images.reshape(-1, 16, 24, 3)"),
    "large": (
        IMAGES.repeat(2, 1),
        "the network takes 16 x 24: resize them, or give pictures, which hwgen resizes",
    ),
    "none": (IMAGES[:0], "they are none"),
    "0-1": (
        (IMAGES / 255).astype(np.float32),
        "they look like values from 0 to 1: (images * 255).round().astype('uint8')",
    ),
    "0-255": (
        IMAGES.astype(np.float64), "their values are 0 to 255: images.round().astype('uint8')",
    ),
    "normalised": (
        IMAGES / 127.5 - 1,
        "they look normalised (hwgen does that itself): "
        "((images * std + mean) * 255).round().astype('uint8')",
    ),
    "16 bits": (
        IMAGES.astype(np.uint16) * 257,
        "they look like 16 bits: (images / 257).round().astype('uint8')",
    ),
    "nan": (IMAGES * np.nan, "they hold NaN or infinite values"),
    "0-1 nchw": (
        FIRST.astype(np.float32) / 255,
        "they look like values from 0 to 1: (images * 255).round().astype('uint8'); "
        "they look like (N, C, H, W): images.transpose(0, 2, 3, 1)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".pt"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_another_layout_is_told(tmp_path, name, suffix):
    images, way_out = LAYOUTS[name]
    path = save(tmp_path / f"a{suffix}", images)
    assert line(path) == f"images {images.dtype} {images.shape}; {RULE}; {way_out}"
    if way_out.startswith("they look like (N"):  # what it tells to do is right
        converted = eval(way_out.split(": ")[1], {"images": images})
        assert np.array_equal(converted, IMAGES)


def test_grey_networks_tell_how_to_make_grey(tmp_path):
    network = Network((16, 24, 1), 4)
    rule = "must be uint8 (N, 16, 24, 1)"
    assert line(save(tmp_path / "a.npy", IMAGES), network) == (
        f"images uint8 (7, 16, 24, 3); {rule}; the network takes grey: "
        "(images[..., :3] @ [0.299, 0.587, 0.114]).round().astype('uint8')[..., None]"
    )
    assert line(save(tmp_path / "a.npy", IMAGES[..., 0]), network) == (
        f"images uint8 (7, 16, 24); {rule}; they have no axis of channels: images[..., None]"
    )


TOO_FEW = "labels int64 (6,); must be integers (7,), as many as images; "
LABEL_FAULTS = {
    "few": (LABELS[:6], f"{TOO_FEW}correct them or leave them out"),
    "99": (
        np.where(LABELS == 2, 99, LABELS),
        "label 99 (image 2); the network's classes are 0 to 3; "
        "correct the labels, or give the network that they are for",
    ),
    "-1": (
        LABELS - 1,
        "label -1 (image 0); the network's classes are 0 to 3; "
        "correct the labels, or give the network that they are for",
    ),
    "from 1": (
        LABELS + 1,
        "label 4 (image 3); the network's classes are 0 to 3; they look counted from 1: labels - 1",
    ),
    "one-hot": (
        np.eye(4, dtype=int)[LABELS],
        "labels int64 (7, 4); must be integers (7,), as many as images; "
        "they look like one number per class: labels.argmax(1)",
    ),
    "column": (
        LABELS[:, None],
        "labels int64 (7, 1); must be integers (7,), as many as images; "
        "they have an axis too many: labels[:, 0]",
    ),
    "float": (
        LABELS / 1.0,
        "labels float64 (7,); must be integers (7,), as many as images; labels.astype('int64')",
    ),
    "bool": (
        LABELS > 1,
        "labels bool (7,); must be integers (7,), as many as images; "
        "correct them or leave them out",
    ),
}


@pytest.mark.parametrize("suffix", [".npz", ".pt"])
@pytest.mark.parametrize("name", LABEL_FAULTS)
def test_labels_that_are_none(tmp_path, name, suffix):
    labels, fault = LABEL_FAULTS[name]
    assert line(save(tmp_path / f"a{suffix}", IMAGES, labels=labels)) == fault


def test_labels_of_other_kinds(tmp_path):
    names = np.array(list("abcdabc"))
    assert line(save(tmp_path / "a.npz", IMAGES, labels=names)) == (
        "labels <U1 (7,); must be integers (7,), as many as images; they look like names: give "
        "their numbers, or a folder of pictures for each"
    )
    torch.save({"images": torch.from_numpy(IMAGES), "labels": LABELS.tolist()}, tmp_path / "a.pt")
    assert np.array_equal(open_(tmp_path / "a.pt").labels, LABELS)
    torch.save({"images": torch.from_numpy(IMAGES), "labels": [[0], [1, 2]]}, tmp_path / "a.pt")
    assert line(tmp_path / "a.pt").startswith("labels list; must be integers (7,)")
    small = open_(save(tmp_path / "a.npz", IMAGES, labels=LABELS.astype(np.uint8))).labels
    assert small.dtype == np.int64


def test_a_folder_per_class_is_matched_by_name(tmp_path):
    class_folders(tmp_path, {"ant": 2, "bee": 0, "cat": 1, "dog": 3})
    (tmp_path / "README.md").write_text("no picture, beside the folders")
    (tmp_path / ".cache").mkdir()
    found = open_(tmp_path)
    assert found.labels.tolist() == [0, 0, 2, 3, 3, 3]
    assert found.labelled_by == (
        "the checkpoint names no classes: the sorted folders are classes 0 to 3 (ant to dog)"
    )
    assert all_images(found)[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert found.name(3) == "dog/0.png"
    named = open_(tmp_path, Network(SHAPE, 4, ("dog", "ant", "cat", "bee")))
    assert named.labels.tolist() == [1, 1, 2, 0, 0, 0]
    assert named.labelled_by == "folders matched with the checkpoint's class names"


def test_folders_that_are_not_the_classes(tmp_path):
    class_folders(tmp_path / "a", {"ant": 1, "bee": 1, "cow": 1})
    assert line(tmp_path / "a") == (
        "3 folders; the network has 4 classes; "
        "give one folder per class, empty where there are no pictures"
    )
    assert line(tmp_path / "a", Network(SHAPE, 3, ("ant", "bee", "cat"))) == (
        "/cow: is none of the checkpoint's classes; they are ant, bee, cat; name the folders so"
    )
    (tmp_path / "data").mkdir()
    (tmp_path / "a").rename(tmp_path / "data" / "val")
    assert line(tmp_path / "data") == (
        "/val/ant: a folder inside a class's folder; holds one folder per class; "
        "give one of val, ... or move it"
    )


def test_composed_and_decomposed_names_are_the_same(tmp_path):
    class_folders(tmp_path, {"a\u0308": 1, "b": 1})
    assert open_(tmp_path, Network(SHAPE, 2, ("b", "\u00e4"))).labels.tolist() == [1, 0]


def test_folders_without_pictures(tmp_path):
    class_folders(tmp_path, {"ant": 0, "bee": 0})
    assert line(tmp_path) == "2 empty folders; needs at least one picture; give another folder"
    PICTURE.save(tmp_path / "a.png")
    assert line(tmp_path) == (
        "pictures (a.png, ...) beside folders (ant, ...); holds pictures, or one folder per class; "
        "move one of them away"
    )
    (tmp_path / "a.png").unlink()
    (tmp_path / "bee" / "notes.txt").write_text("no picture")
    assert line(tmp_path).startswith("/bee/notes.txt: no picture: neither by its suffix nor by its")


def test_a_folder_is_read_when_it_is_asked_for(tmp_path):
    class_folders(tmp_path, {"a": 3, "b": 1, "c": 1, "d": 1})
    (tmp_path / "d" / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    batches = open_(tmp_path).batches(2)
    assert [len(next(batches)[1]) for _ in range(2)] == [2, 2]
    with pytest.raises(HwgenError, match=r"d/0.png: no picture"):
        next(batches)


def test_notes_count_pictures(tmp_path):
    exif = Image.Exif()
    exif[274] = 3
    PICTURE.save(tmp_path / "a.jpg", exif=exif)
    PICTURE.save(tmp_path / "b.png", exif=exif)
    PICTURE.resize((24, 16)).save(tmp_path / "c.png")
    np.save(tmp_path / "d.npy", IMAGES[0])
    found = open_(tmp_path)
    found.check()
    assert found.reader.lines() == []
    all_images(found)
    assert found.reader.lines() == [
        "2 resized, until it covers 18 x 27, centre 16 x 24 cropped (crop:0.875:bicubic)",
        "2 taken as they are, 16 x 24",
        "2 turned upright (EXIF)",
    ]
    np.save(tmp_path / "d.npy", IMAGES)
    assert line(tmp_path) == (
        "/d.npy: images uint8 (7, 16, 24, 3); must be uint8 (16, 24, 3); resize or convert them"
    )


TERABYTES = "(9999999999, 16, 24, 3)"
UNREADABLE = "no images: cannot be read, or holds a pickled object; "
BODY = IMAGES.tobytes()


def packed_tensor() -> bytes:
    """A .pt whose record is compressed: a few bytes that would become many."""
    plain, stream = io.BytesIO(), io.BytesIO()
    torch.save(torch.zeros(1000, *SHAPE, dtype=torch.uint8), plain)
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry))
    return stream.getvalue()


def repeated_tensor() -> bytes:
    stream = io.BytesIO()
    torch.save(torch.zeros(1, *SHAPE, dtype=torch.uint8).expand(10**10, *SHAPE), stream)
    return stream.getvalue()


BOMBS = {
    "promise.npy": npy_header(TERABYTES) + BODY,
    "negative.npy": npy_header("(-1, 16, 24, 3)") + BODY,
    "header.npy": npy_header("(7, 16, 24, 3)", version=2, length=4_000_000_000) + BODY,
    "future.npy": npy_header("(7, 16, 24, 3)", version=3) + BODY,
    "promise.npz": archive(images=npy_header(TERABYTES) + BODY),
    "header.npz": archive(
        images=npy_header("(7, 16, 24, 3)", version=2, length=200_000_000) + bytes(200_000_000)
    ),
    "labels.npz": archive(
        images=npy_header("(7, 16, 24, 3)") + BODY, labels=npy_header("(10000000000,)", "<i8")
    ),
    "packed.pt": packed_tensor(),
    "repeated.pt": repeated_tensor(),
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_a_file_promises_is_not_believed(tmp_path, name):
    (tmp_path / name).write_bytes(BOMBS[name])
    tracemalloc.start()
    assert line(tmp_path / name).startswith(UNREADABLE)
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


def test_a_large_member_of_another_kind_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("hwgen.pictures.arrays.MAX_WHOLE", 1000)
    assert line(save(tmp_path / "a.npz", IMAGES / 255)).startswith(
        "images float64 (7, 16, 24, 3); "
    )
    assert line(save(tmp_path / "a.npz", np.asfortranarray(IMAGES))) == (
        "8,064 bytes in Fortran order; are read as a whole: at most 1,000; "
        "save numpy.ascontiguousarray(images)"
    )
    labels = np.zeros((7, 1000), dtype=np.int64)
    assert line(save(tmp_path / "a.npz", IMAGES, labels=labels)).startswith(
        "labels int64 (7, 1000)"
    )


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".pt"])
def test_too_many_images(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr("hwgen.pictures.limits.MAX_IMAGES", 6)
    assert line(save(tmp_path / f"a{suffix}", IMAGES)) == (
        "7 images; at most 6 are taken; split the file"
    )


@pytest.mark.parametrize("name", ["a.npz", "a.npy"])
def test_memory_is_for_a_batch(tmp_path, name):
    images = np.zeros((20_000, *SHAPE), np.uint8)
    path = save(tmp_path / name, images)
    size = images.nbytes
    del images
    tracemalloc.start()
    count = sum(len(some) for _, some in open_(path).batches(32))
    assert tracemalloc.get_traced_memory()[1] < size / 20
    tracemalloc.stop()
    assert count == 20_000


def test_a_member_that_ends_early_is_told_when_it_is_reached(tmp_path):
    data = archive(images=npy_header("(7, 16, 24, 3)") + BODY)
    (tmp_path / "a.npz").write_bytes(data[:300] + bytes([data[300] ^ 255]) + data[301:])
    assert line(tmp_path / "a.npz").startswith(UNREADABLE)
