"""hwgen.pictures.decode: every kind of picture as 8-bit pixels, anything else one line."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwgen.errors import HwgenError
from hwgen.pictures.decode import GREYED, ON_WHITE, SCALED, TURNED, decode, is_picture
from tests.pictures.samples import GREY, ORIENTATION, PICTURE, PIXELS, png

RGB_OF_GREY = np.repeat(GREY[..., None], 3, -1)
NEEDS = "needs a PNG, JPEG, TIFF, WebP, BMP, GIF, ... or .npy; give another file"


def pixels(path: Path, channels: int = 3) -> tuple[np.ndarray, tuple[str, ...]]:
    picture, notes = decode(path, channels)
    return np.asarray(picture).astype(int), notes


def line(path: Path, channels: int = 3) -> str:
    with pytest.raises(HwgenError) as error:
        decode(path, channels)
    assert error.value.line.startswith(f"{path}: ")
    return error.value.line.removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    "name", ["a.png", "a.tif", "a.bmp", "a.ppm", "a.webp", "a.gif", "a", "a.x"]
)
def test_colour(tmp_path, name):
    kind = {"a": "png", "a.x": "png"}.get(name)
    options = {"lossless": True} if name == "a.webp" else {}
    picture = PICTURE.quantize(64) if name == "a.gif" else PICTURE
    picture.save(tmp_path / name, kind, **options)
    assert is_picture(tmp_path / name)
    got, notes = pixels(tmp_path / name)
    assert notes == ()
    assert np.array_equal(got, np.asarray(picture.convert("RGB")))
    grey, notes = pixels(tmp_path / name, 1)
    assert notes == (GREYED,)
    red, green, blue = np.moveaxis(got, -1, 0)
    assert np.abs(grey - (0.299 * red + 0.587 * green + 0.114 * blue)).max() <= 0.51


@pytest.mark.parametrize("mode", ["L", "LA", "1", "P"])
def test_grey(tmp_path, mode):
    picture = PICTURE.convert("L").convert(mode)
    picture.save(tmp_path / "a.png")
    want = np.asarray(picture.convert("L"))
    for channels in (1, 3):
        got, notes = pixels(tmp_path / "a.png", channels)
        assert notes == ()
        assert np.array_equal(got, want if channels == 1 else np.repeat(want[..., None], 3, -1))


def test_palette_and_cmyk(tmp_path):
    PICTURE.quantize(64).save(tmp_path / "p.png")
    assert np.array_equal(pixels(tmp_path / "p.png")[0], PICTURE.quantize(64).convert("RGB"))
    PICTURE.convert("CMYK").save(tmp_path / "c.jpg", quality=100)
    with Image.open(tmp_path / "c.jpg") as picture:
        assert picture.mode == "CMYK"
    assert np.abs(pixels(tmp_path / "c.jpg")[0] - PIXELS.astype(int)).mean() < 3
    assert pixels(tmp_path / "c.jpg", 1)[1] == (GREYED,)


def test_transparent_parts_are_laid_on_white(tmp_path):
    alpha = np.zeros(GREY.shape, np.uint8)
    alpha[:, :80], alpha[:, 80:160] = 255, 51
    Image.fromarray(np.dstack([PIXELS, alpha])).save(tmp_path / "a.png")
    Image.fromarray(np.dstack([GREY, alpha])).save(tmp_path / "g.png")
    for name, channels, own in (
        ("a.png", 3, PIXELS),
        ("g.png", 3, RGB_OF_GREY),
        ("g.png", 1, GREY),
    ):
        got, notes = pixels(tmp_path / name, channels)
        assert notes == (ON_WHITE,)
        part = (alpha / 255.0).reshape(*alpha.shape, *(1,) * (own.ndim - 2))
        assert np.abs(got - (own * part + 255 * (1 - part))).max() <= 1
        assert (got[:, 160:] == 255).all()
        assert np.array_equal(got[:, :80], own[:, :80])
    assert pixels(tmp_path / "a.png", 1)[1] == (ON_WHITE, GREYED)
    paletted = PICTURE.quantize(4)
    paletted.save(tmp_path / "p.png", transparency=0)
    got, notes = pixels(tmp_path / "p.png")
    assert notes == (ON_WHITE,)
    assert (got[np.asarray(paletted) == 0] == 255).all()


def test_opaque_alpha_is_not_spoken_of(tmp_path):
    PICTURE.convert("RGBA").save(tmp_path / "a.png")
    got, notes = pixels(tmp_path / "a.png")
    assert notes == ()
    assert np.array_equal(got, PIXELS)


def test_four_channels_are_those_of_rgba(tmp_path):
    four = np.dstack([PIXELS, GREY])
    Image.fromarray(four).save(tmp_path / "a.png")
    got, notes = pixels(tmp_path / "a.png", 4)
    assert notes == ()
    assert np.array_equal(got, four)
    PICTURE.save(tmp_path / "b.png")
    assert line(tmp_path / "b.png", 4) == (
        "a picture without alpha (RGB); the network takes 4 channels; "
        "give an RGBA picture, or arrays (N, H, W, 4)"
    )
    assert line(tmp_path / "b.png", 2) == (
        "a picture (RGB); the network takes 2 channels; give arrays (N, H, W, 2)"
    )


SIXTEEN = np.array([[0, 257, 128, 129, 32768, 65534, 65535]], np.uint16)
EIGHT = [0, 1, 0, 1, 128, 255, 255]  # v / 257, rounded


@pytest.mark.parametrize("name", ["a.png", "a.tif", "big.tif", "white.tif"])
def test_sixteen_bits_are_scaled(tmp_path, name):
    values = 65535 - SIXTEEN if name == "white.tif" else SIXTEEN
    picture = Image.fromarray(values.astype(">u2") if name == "big.tif" else values)
    picture.save(tmp_path / name, **({"tiffinfo": {262: 0}} if name == "white.tif" else {}))
    got, notes = pixels(tmp_path / name, 1)
    assert notes == (SCALED,)
    assert got[0].tolist() == EIGHT
    assert pixels(tmp_path / name)[0][0, :, 1].tolist() == EIGHT


def test_other_forms_of_more_than_8_bits(tmp_path):
    (tmp_path / "a.pgm").write_bytes(b"P5 2 1 1023\n" + struct.pack(">HH", 1023, 256))
    assert pixels(tmp_path / "a.pgm", 1)[0].tolist() == [[255, 64]]
    (tmp_path / "a.png").write_bytes(png(1, 1, 16, 2, b"\0" + struct.pack(">HHH", 65535, 1799, 0)))
    assert pixels(tmp_path / "a.png")[0].tolist() == [[[255, 7, 0]]]
    for kind, what in ((np.float32, "float"), (np.int32, "32-bit")):
        Image.fromarray(np.ones((2, 2), kind)).save(tmp_path / "a.tif")
        assert line(tmp_path / "a.tif") == (
            f"{what} pixels; have no agreed range; save it with 8 or 16 bits"
        )


def test_orientation_of_exif(tmp_path):
    ways = {
        2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud,
        5: lambda a: a.swapaxes(0, 1), 6: lambda a: np.rot90(a, -1),
        7: lambda a: np.rot90(a, 2).swapaxes(0, 1), 8: np.rot90,
    }  # fmt: skip
    exif = Image.Exif()
    for number in range(10):
        exif[ORIENTATION] = number
        PICTURE.save(tmp_path / "a.png", exif=exif)
        got, notes = pixels(tmp_path / "a.png")
        assert notes == ((TURNED,) if number in ways else ())
        assert np.array_equal(got, ways.get(number, np.asarray)(PIXELS)), number
    exif[ORIENTATION] = 6
    Image.fromarray(SIXTEEN).save(tmp_path / "a.png", exif=exif)
    got, notes = pixels(tmp_path / "a.png", 1)
    assert notes == (TURNED, SCALED)
    assert got[:, 0].tolist() == EIGHT
    PICTURE.save(tmp_path / "a.jpg", exif=exif)
    assert pixels(tmp_path / "a.jpg")[0].shape == (320, 240, 3)


def test_what_is_no_picture(tmp_path):
    PICTURE.save(tmp_path / "whole.png")
    data = (tmp_path / "whole.png").read_bytes()
    for name, content in (("cut.png", data[:300]), ("flipped.png", data[:99] + b"x" + data[100:])):
        (tmp_path / name).write_bytes(content)
        assert line(tmp_path / name).startswith("no picture: damaged (")
        assert line(tmp_path / name).endswith(f"); {NEEDS}")
    for content in (b"", b"hello", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"):
        (tmp_path / "a.eps").write_bytes(content)
        assert line(tmp_path / "a.eps") == f"no picture: its content is none that is known; {NEEDS}"
        assert not is_picture(tmp_path / "a.eps")
    missing = "images must be readable; give another file"
    assert line(tmp_path / "no.png") == f"No such file or directory; {missing}"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    assert line(tmp_path / "a.png") == (
        "is no regular file; images are read from files and folders; give another file"
    )


def test_bombs_are_refused_by_their_header(tmp_path):
    rule = "pictures of at most 134,217,728 pixels are decoded; make it smaller first"
    (tmp_path / "a.png").write_bytes(png(60_000, 60_000, 8, 2, b"\0"))
    assert line(tmp_path / "a.png") == f"more than 134,217,728 pixels; {rule}"
    (tmp_path / "a.png").write_bytes(png(13_000, 13_000, 8, 2, b"\0"))
    assert line(tmp_path / "a.png") == f"13,000 x 13,000 pixels; {rule}"
