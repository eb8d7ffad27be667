"""hwgen.inputs: every form of calibration images is read, anything else is one line."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hwgen import cli
from hwgen.errors import HwgenError
from hwgen.inputs import CALIBRATION_IMAGES, NOISE_IMAGES, calibration, noise_images
from hwgen.paths import models_dir
from hwgen.pictures import Network, Preprocess

SIZE = 16
IMAGES = np.random.default_rng(1).integers(0, 256, (5, SIZE, SIZE, 3), dtype=np.uint8)
LABELS = np.arange(5)
MODEL = Path("no.pt")
NETWORK = Network((SIZE, SIZE, 3), 10)


def calibrate(path: Path | None, model: Path = MODEL):
    return calibration(model, path, NETWORK, Preprocess())


class Opens:
    """A pickle of it would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


def npz(**arrays) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def npy(array, **options) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


def pt(value) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


TENSOR = torch.from_numpy(IMAGES)
GOOD = {
    "a.npz": (npz(images=IMAGES, labels=LABELS), LABELS),
    "b.npz": (npz(images=IMAGES), None),
    "c.npy": (npy(IMAGES), None),
    "d.NPY": (npy(IMAGES), None),
    "e.pt": (pt(TENSOR), None),
    "f.pt": (pt({"images": TENSOR, "labels": torch.from_numpy(LABELS)}), LABELS),
    "g.pt": (pt({"images": TENSOR, "note": "x"}), None),
    "h.npz": (npz(images=IMAGES, names=np.array(["a", None], dtype=object)), None),
}


@pytest.mark.parametrize("name", GOOD)
def test_every_form_gives_the_same_images(tmp_path, name):
    content, want = GOOD[name]
    (tmp_path / name).write_bytes(content)
    found = calibrate(tmp_path / name)
    images, labels = found.images, found.labels
    assert found.source == f"5 of {name}: 5 taken as they are, 16 x 16"
    assert not found.noise
    assert images.dtype == np.uint8
    assert np.array_equal(images, IMAGES)
    assert (labels is None) == (want is None)
    assert want is None or np.array_equal(labels, want)


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path):
    Image.fromarray(IMAGES[2]).save(tmp_path / "c.png")
    np.save(tmp_path / "b.npy", IMAGES[1])
    Image.fromarray(IMAGES[0]).resize((40, 20), Image.Resampling.NEAREST).save(tmp_path / "a.bmp")
    (tmp_path / ".hidden").write_text("no picture")
    (tmp_path / "Thumbs.db").write_text("no picture")
    found = calibrate(tmp_path)
    assert found.labels is None
    assert found.images.shape == (3, SIZE, SIZE, 3)
    assert np.array_equal(found.images[1:], IMAGES[1:3])
    with Image.open(tmp_path / "a.bmp") as picture:
        want = picture.resize((36, 18), Image.Resampling.BICUBIC).crop((10, 1, 26, 17))
    assert np.array_equal(found.images[0], want)
    assert found.source == (
        f"3 of {tmp_path.name}: 2 taken as they are, 16 x 16; "
        "1 resized, shorter side to 18, centre 16 x 16 cropped (crop:0.875:bicubic)"
    )


def test_without_an_option_the_file_beside_the_model_is_taken(tmp_path):
    noise = calibrate(None, tmp_path / "m.pt")
    assert (noise.noise, noise.labels) == (True, None)
    assert np.array_equal(noise.images, noise_images((SIZE, SIZE, 3)))
    assert noise.source == (
        "16 images of noise, assumed: no --calib and no m.calib.npz; real pictures are better"
    )
    (tmp_path / "m.calib.npz").write_bytes(npz(images=IMAGES))
    found = calibrate(None, tmp_path / "m.pt")
    assert not found.noise
    assert np.array_equal(found.images, IMAGES)


def test_of_many_images_some_are_taken(tmp_path):
    count = 3 * CALIBRATION_IMAGES
    images = np.repeat(np.arange(count, dtype=np.uint32).view(np.uint8), 3 * SIZE * SIZE // 4)
    images = images.reshape(count, SIZE, SIZE, 3)
    labels = np.arange(count) % 10
    for name in ("many.npz", "many.npy"):
        data = npz(images=images, labels=labels) if name.endswith("z") else npy(images)
        (tmp_path / name).write_bytes(data)
        found = calibrate(tmp_path / name)
        assert np.array_equal(found.images, images[::3])
        assert found.labels is None or np.array_equal(found.labels, labels[::3])
        assert found.source.startswith(f"512 of 1,536, evenly spaced, of {name}: 512 taken as ")


def test_folders_that_are_not_the_classes_give_images_without_labels(tmp_path):
    for name in ("ant", "bee"):
        (tmp_path / name).mkdir()
        Image.fromarray(IMAGES[0]).save(tmp_path / name / "a.png")
    found = calibrate(tmp_path)
    assert (len(found.images), found.labels) == (2, None)


NPZ = (
    ".npz needs `images` (N, H, W, channels) uint8, and `labels` (N,) if known; "
    "write it with numpy.savez"
)
NPY = ".npy needs an array (N, H, W, channels) uint8; write it with numpy.save"
PT = (
    ".pt needs a uint8 tensor (N, H, W, channels), or a dict with it under `images`; "
    "write it with torch.save"
)
UNREADABLE = "no images: cannot be read, or holds a pickled object"
RULE = f"must be uint8 (N, {SIZE}, {SIZE}, 3)"
SHAPE = f"{RULE}; resize or convert them"
TO_255 = "their values are 0 to 255: images.round().astype('uint8')"
INTEGERS = "must be integers (5,), as many as images"
COUNT = "must be integers (5,), as many as images; correct them or leave them out"
OBJECTS = np.array([{}], dtype=object)
LARGE = npz(images=IMAGES)


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :]


PICTURE = "needs a PNG, JPEG, TIFF, WebP, BMP, GIF, ... or .npy; give another file"
BAD = {
    "truncated.npz": (LARGE[: len(LARGE) // 2], f"{UNREADABLE}; {NPZ}"),
    "flipped.npz": (flipped(LARGE, len(LARGE) // 2), f"{UNREADABLE}; {NPZ}"),
    "empty.npz": (b"", f"{UNREADABLE}; {NPZ}"),
    "text.npz": (b"not a zip file\n", f"{UNREADABLE}; {NPZ}"),
    "pickle.npz": (npz(images=OBJECTS), f"{UNREADABLE}; {NPZ}"),
    "other.npz": (npz(x=IMAGES, y=LABELS), f"no images: holds x, y; {NPZ}"),
    "array.npz": (npy(IMAGES), f"no images: it is a .npy by another name; {NPZ}"),
    "float.npz": (
        npz(images=IMAGES / 255),
        f"images float64 (5, 16, 16, 3); {RULE}; they look like values from 0 to 1: "
        "(images * 255).round().astype('uint8')",
    ),
    "flat.npz": (
        npz(images=IMAGES.reshape(5, -1)),
        f"images uint8 (5, 768); {RULE}; they look flattened: images.reshape(-1, 16, 16, 3)",
    ),
    "none.npz": (npz(images=IMAGES[:0]), f"images uint8 (0, 16, 16, 3); {RULE}; they are none"),
    "small.npz": (
        npz(images=IMAGES[:, :8]),
        f"images uint8 (5, 8, 16, 3); {RULE}; the network takes 16 x 16: resize them, or give "
        "pictures, which hwgen resizes",
    ),
    "labels.npz": (npz(images=IMAGES, labels=LABELS[:4]), f"labels int64 (4,); {COUNT}"),
    "names.npz": (
        npz(images=IMAGES, labels=LABELS * 0.5),
        f"labels float64 (5,); {INTEGERS}; labels.astype('int64')",
    ),
    "truncated.npy": (npy(IMAGES)[:-1], f"{UNREADABLE}; {NPY}"),
    "header.npy": (npy(IMAGES)[:40], f"{UNREADABLE}; {NPY}"),
    "brace.npy": (npy(IMAGES).replace(b"}", b"("), f"{UNREADABLE}; {NPY}"),
    "huge.npy": (npy(IMAGES).replace(b"(5, 16,", b"(9999999999999, 16,"), f"{UNREADABLE}; {NPY}"),
    "empty.npy": (b"", f"{UNREADABLE}; {NPY}"),
    "text.npy": (b"not an array\n", f"{UNREADABLE}; {NPY}"),
    "pickle.npy": (npy(OBJECTS, allow_pickle=True), f"{UNREADABLE}; {NPY}"),
    "zip.npy": (LARGE, f"no images: it is a .npz by another name; {NPY}"),
    "int64.npy": (npy(IMAGES.astype(int)), f"images int64 (5, 16, 16, 3); {RULE}; {TO_255}"),
    "truncated.pt": (pt(TENSOR)[:-100], f"{UNREADABLE}; {PT}"),
    "empty.pt": (b"", f"{UNREADABLE}; {PT}"),
    "text.pt": (b"not a tensor\n", f"{UNREADABLE}; {PT}"),
    "array.pt": (pickle.dumps(IMAGES), f"{UNREADABLE}; {PT}"),
    "list.pt": (pt([TENSOR]), f"no images: holds a list; {PT}"),
    "other.pt": (pt({"x": TENSOR}), f"no images: holds x; {PT}"),
    "float.pt": (pt(TENSOR.float()), f"images float32 (5, 16, 16, 3); {RULE}; {TO_255}"),
    "half.pt": (pt(TENSOR.bfloat16()), f"images torch.bfloat16 (5, 16, 16, 3); {SHAPE}"),
    "sparse.pt": (
        pt({"images": TENSOR.to_sparse()}),
        f"images torch.uint8 (5, 16, 16, 3); {SHAPE}",
    ),
    "text.dict.pt": (pt({"images": "seven"}), f"images str; {SHAPE}"),
    "first.pt": (
        pt(TENSOR.permute(0, 3, 1, 2)),
        f"images uint8 (5, 3, 16, 16); {RULE}; they look like (N, C, H, W): "
        "images.transpose(0, 2, 3, 1)",
    ),
    "images.csv": (
        b"1,2\n",
        f"no picture: its content is none that is known; {PICTURE}",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_anything_else_is_one_line(tmp_path, name):
    content, line = BAD[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(HwgenError) as error:
        calibrate(tmp_path / name)
    assert error.value.line == f"{tmp_path / name}: {line}"


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".pt"])
def test_a_missing_file_is_named(tmp_path, suffix):
    with pytest.raises(
        HwgenError, match="No such file or directory; images must be readable; give"
    ):
        calibrate(tmp_path / f"no{suffix}")


@pytest.mark.parametrize("name", ["x.pt", "x.npy", "x.npz"])
def test_a_pickle_is_not_run(tmp_path, name):
    made = tmp_path / "made"
    if name == "x.pt":
        content = pt({"images": Opens(made)})
    elif name == "x.npy":
        content = npy(np.array([Opens(made)], dtype=object), allow_pickle=True)
    else:
        content = npz(images=np.array([Opens(made)], dtype=object))
    (tmp_path / name).write_bytes(content)
    with pytest.raises(HwgenError, match="cannot be read, or holds a pickled object"):
        calibrate(tmp_path / name)
    assert not made.exists()


def test_a_folder_without_pictures_or_with_something_else(tmp_path):
    with pytest.raises(HwgenError) as error:
        calibrate(tmp_path)
    assert error.value.line == (
        f"{tmp_path}: an empty folder; needs at least one picture; give another folder"
    )
    Image.fromarray(IMAGES[0]).save(tmp_path / "a.png")
    (tmp_path / "b.txt").write_text("no picture")
    with pytest.raises(HwgenError) as error:
        calibrate(tmp_path)
    assert error.value.line == (
        f"{tmp_path}/b.txt: no picture: neither by its suffix nor by its content; {PICTURE}"
    )


def test_the_command_line_refuses_in_one_line_and_leaves_nothing(tmp_path, capsys):
    bad = tmp_path / "calib.npz"
    bad.write_text("no zip")
    model, out = models_dir() / "bhvit_micro_digits.pt", tmp_path / "out"
    code = cli.main(["compile", str(model), "--out", str(out), "--calib", str(bad)])
    assert (code, capsys.readouterr().err) == (2, f"hwgen: error: {bad}: {UNREADABLE}; {NPZ}\n")
    assert list(tmp_path.iterdir()) == [bad]


def test_noise_has_the_shape_of_the_image():
    noise = noise_images((32, 24, 3))
    assert noise.shape == (NOISE_IMAGES, 32, 24, 3)
    assert noise.dtype == np.uint8
    assert np.array_equal(noise, noise_images((32, 24, 3)))
