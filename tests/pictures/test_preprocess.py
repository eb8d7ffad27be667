"""hwgen.pictures.preprocess: what becomes of pictures of another size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from hwgen.errors import HwgenError
from hwgen.pictures.preprocess import Preprocess
from hwgen.train.imagenet import FolderImages
from hwgen.train.recipe import DataSection
from tests.pictures.samples import PICTURE


def torchvision(picture: Image.Image, size: int, short: int, resample) -> np.ndarray:
    """Resize(short) and CenterCrop(size) as torchvision computes sides and corner."""
    w, h = picture.size
    new = (short, int(short * h / w)) if w <= h else (int(short * w / h), short)
    left, top = (round((side - size) / 2.0) for side in new)
    return np.asarray(picture.resize(new, resample).crop((left, top, left + size, top + size)))


@pytest.mark.parametrize("size", [(320, 240), (240, 320), (500, 375), (333, 334), (40, 90), (1, 1)])
def test_the_default_is_that_of_imagenet(size):
    picture = PICTURE.resize(size)
    got = np.asarray(Preprocess()(picture, 224, 224))
    assert np.array_equal(got, torchvision(picture, 224, 256, Image.Resampling.BICUBIC))
    got = np.asarray(Preprocess.parse("crop:bilinear")(picture, 224, 224))
    assert np.array_equal(got, torchvision(picture, 224, 256, Image.Resampling.BILINEAR))
    got = np.asarray(Preprocess.parse("crop:0.95:lanczos")(picture, 224, 224))
    assert np.array_equal(got, torchvision(picture, 224, 236, Image.Resampling.LANCZOS))


def test_training_evaluates_the_same_pixels(tmp_path):
    (tmp_path / "val" / "ant").mkdir(parents=True)
    PICTURE.save(tmp_path / "val" / "ant" / "a.png")
    data = FolderImages(tmp_path, "val", 96, DataSection(name="imagenet"))
    images, _ = data.batch(torch.tensor([0]), None)
    assert np.array_equal(images[0], np.asarray(Preprocess()(PICTURE, 96, 96)))


def test_a_picture_of_the_size_is_taken_as_it_is():
    for text in ("crop", "crop:0.5", "squeeze", "pad:lanczos"):
        assert Preprocess.parse(text)(PICTURE, 240, 320) is PICTURE


@pytest.mark.parametrize(("height", "width"), [(64, 128), (128, 64), (100, 100)])
def test_other_shapes(height, width):
    """Of a picture whose pixels are their own coordinates: what is left is the middle of it."""
    y, x = np.mgrid[0:240, 0:320]
    picture = Image.fromarray(np.dstack([y, x * 0.75, y * 0]).astype(np.uint8))
    for text in ("crop:1", "crop:0.8", "squeeze", "pad"):
        got = np.asarray(Preprocess.parse(text)(picture, height, width)).astype(float)
        assert got.shape == (height, width, 3)
        if text == "pad":  # proportions stay, what is beside is black
            scale = min(height / 240, width / 320)
            assert abs((got.sum(2) > 0).any(1).sum() - 240 * scale) <= 2
            assert abs((got.sum(2) > 0).any(0).sum() - 320 * scale) <= 2
            continue
        ratio = {"crop:1": 1, "crop:0.8": 0.8, "squeeze": 1}[text]
        scale_y, scale_x = height / ratio / 240, width / ratio / 320
        if text != "squeeze":
            scale_y = scale_x = max(scale_y, scale_x)
        for axis, side, scale, span in ((0, height, scale_y, 240), (1, width, scale_x, 240)):
            stretch = 1 if axis == 0 else 0.75
            line = got.mean(1 - axis)[:, axis]
            assert abs(line.mean() - span / 2) < 3, text
            want = side / scale * stretch  # coordinates from one side to the other
            assert abs(line[-1] - line[0] - want * (side - 1) / side) < 3, text


def test_a_line_of_pixels_takes_no_memory():
    line = Image.new("RGB", (60_000, 1), (1, 2, 3))
    for text in ("crop", "pad", "squeeze"):
        got = np.asarray(Preprocess.parse(text)(line, 224, 224))
        assert got.shape == (224, 224, 3)
        assert got[111, 112].tolist() == [1, 2, 3]


def test_the_part_that_is_kept_is_nearly_the_same_by_itself(monkeypatch):
    whole = np.asarray(Preprocess()(PICTURE, 96, 96)).astype(int)
    monkeypatch.setattr("hwgen.pictures.preprocess.MAX_PIXELS", 0)
    assert np.abs(np.asarray(Preprocess()(PICTURE, 96, 96)) - whole).max() <= 1


def test_checkpoints_of_other_data_are_squeezed_as_in_training():
    assert str(Preprocess.chosen(None, {})) == "crop:0.875:bicubic"
    assert str(Preprocess.chosen(None, {"dataset": "imagenet"})) == "crop:0.875:bicubic"
    assert str(Preprocess.chosen(None, {"dataset": "cifar10"})) == "squeeze:bilinear"
    assert str(Preprocess.chosen("pad", {"dataset": "digits"})) == "pad:bicubic"
    small = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    planes = torch.from_numpy(small).permute(2, 0, 1)[None].float()
    want = torch.nn.functional.interpolate(planes, (96, 96), mode="bilinear")[0].permute(1, 2, 0)
    got = np.asarray(Preprocess.parse("squeeze:bilinear")(Image.fromarray(small), 96, 96))
    assert np.abs(got - want.numpy()).max() <= 1


@pytest.mark.parametrize(
    "text", ["crop", "crop:0.95", "crop:1:lanczos", "crop:bilinear", "squeeze", "pad:bilinear"]
)
def test_its_text_is_read_again(text):
    assert Preprocess.parse(str(Preprocess.parse(text))) == Preprocess.parse(text)


SYNTAX = "use crop, crop:RATIO, squeeze or pad, and :bilinear or :lanczos behind it if not bicubic"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "'' is no mode"),
        ("Crop", "'Crop' is no mode"),
        ("crop:0", "'0' is no filter and no ratio of 0.1 to 1"),
        ("crop:256", "'256' is no filter and no ratio of 0.1 to 1"),
        ("crop:nan", "'nan' is no filter and no ratio of 0.1 to 1"),
        ("crop:nearest", "'nearest' is no filter and no ratio of 0.1 to 1"),
        ("crop:0.9:0.9", "'0.9' is too much for crop"),
        ("squeeze:0.9", "'0.9' is too much for squeeze"),
        ("pad:bilinear:bilinear", "'bilinear' is too much for pad"),
    ],
)
def test_anything_else_is_one_line(text, fault):
    with pytest.raises(HwgenError) as error:
        Preprocess.parse(text)
    assert error.value.line == f"--preprocess: {text!r}; {fault}; {SYNTAX}"


def test_it_says_what_it_does():
    assert Preprocess().describe(224, 224) == (
        "resized, shorter side to 256, centre 224 x 224 cropped (crop:0.875:bicubic)"
    )
    assert Preprocess().describe(224, 448) == (
        "resized, until it covers 256 x 512, centre 224 x 448 cropped (crop:0.875:bicubic)"
    )
    assert Preprocess("pad").describe(8, 9) == "fitted into 8 x 9, black around it (pad:bicubic)"
    assert Preprocess("squeeze").describe(8, 9) == "squeezed to 8 x 9 (squeeze:bicubic)"
