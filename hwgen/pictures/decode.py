"""A picture file -> 8-bit pixels in as many channels as the network takes.

Upright by its EXIF orientation, 16 bits scaled to 8 (not clipped), transparent parts on white.
Colour profiles are not applied: networks were trained on the stored values.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from hwgen.errors import HwgenError
from hwgen.pictures.limits import MAX_PIXELS, check_file, check_pixels, too_many_pixels

# Pillow opens more; some of those run another program (EPS) or are no pictures
FORMATS = (
    "PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "AVIF", "JPEG2000", "PPM",
)  # fmt: skip
SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".mpo", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".avif", ".jp2",
    ".ppm", ".pgm", ".pbm", ".pnm",
)  # fmt: skip
MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # channels of the network -> Pillow's name
ORIENTATION = 274  # tag of EXIF: 2 to 8 are turned or mirrored
BITS_PER_SAMPLE, PHOTOMETRIC, WHITE_IS_ZERO = 258, 262, 0  # tags and a value of TIFF

TURNED = "turned upright (EXIF)"
SCALED = "scaled from 16 bits to 8"
ON_WHITE = "transparent, laid on white"
GREYED = "coloured, made grey (ITU-R 601 luma)"


def decode(path: Path, channels: int) -> tuple[Image.Image, tuple[str, ...]]:
    """Pixels of mode L (1 channel), RGB (3) or RGBA (4), and what was done to have them.

    Of a file with several pictures (GIF, TIFF, MPO) it is the first.
    Raises: HwgenError for a file that is no picture, a damaged or oversized one, pixels without an
    agreed range (32-bit, float), a picture without alpha for 4 channels, any for 2 channels.
    """
    check_file(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's about size: `check_pixels` decides
            with Image.open(path, formats=FORMATS) as opened:
                check_pixels(path, *opened.size)
                return _decoded(opened, path, channels)
    except Image.DecompressionBombError:
        raise too_many_pixels(path, f"more than {MAX_PIXELS:,} pixels") from None
    except HwgenError:
        raise
    except UnidentifiedImageError:
        raise no_picture(path, "its content is none that is known") from None
    except Exception as error:  # Pillow reports damaged files with many exception types
        raise no_picture(path, f"damaged ({error})") from None


def is_picture(path: Path) -> bool:
    """By suffix; by its first bytes where the suffix is none of `SUFFIXES`."""
    if path.suffix.lower() in SUFFIXES:
        return True
    try:
        check_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            Image.open(path, formats=FORMATS).close()
    except Image.DecompressionBombError:
        return True
    except Exception:  # as in `decode`
        return False
    return True


def no_picture(path: Path, reason: str) -> HwgenError:
    return HwgenError(
        str(path), f"no picture: {reason}", "needs a PNG, JPEG, TIFF, WebP, BMP, GIF, ... or .npy",
        "give another file",
    )  # fmt: skip


def _decoded(opened: Image.Image, path: Path, channels: int) -> tuple[Image.Image, tuple[str, ...]]:
    notes = []
    picture = ImageOps.exif_transpose(opened)
    if opened.getexif().get(ORIENTATION) in range(2, 9):
        notes.append(TURNED)
    if picture.mode in ("I", "F") or picture.mode.startswith("I;"):
        picture = _scaled(picture, opened, path)
        notes.append(SCALED)
    mode = MODES.get(channels)
    if mode is None:
        raise HwgenError(
            str(path), f"a picture ({picture.mode})", f"the network takes {channels} channels",
            f"give arrays (N, H, W, {channels})",
        )  # fmt: skip
    if channels == 4:
        if not picture.has_transparency_data:
            raise HwgenError(
                str(path), f"a picture without alpha ({picture.mode})",
                "the network takes 4 channels", "give an RGBA picture, or arrays (N, H, W, 4)",
            )  # fmt: skip
        return picture.convert(mode), tuple(notes)
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        if np.asarray(layer.getchannel("A")).min() < 255:
            notes.append(ON_WHITE)
        white = Image.new("RGBA", layer.size, "white")
        grey = picture.mode in ("L", "LA", "1")
        picture = Image.alpha_composite(white, layer).convert("L" if grey else "RGB")
    if channels == 1 and picture.mode not in ("L", "1"):
        picture = picture.convert("RGB")  # a palette or CMYK has no luma of its own
        if not _is_grey(picture):
            notes.append(GREYED)
    return picture.convert(mode), tuple(notes)


def _is_grey(picture: Image.Image) -> bool:
    red, green, blue = (np.asarray(band) for band in picture.split())
    return np.array_equal(red, green) and np.array_equal(red, blue)


def _scaled(picture: Image.Image, opened: Image.Image, path: Path) -> Image.Image:
    """Grey of 16 bits (12 in some TIFF) -> 8 bits, v * 255 / (2^bits - 1) rounded."""
    sixteen = picture.mode.startswith("I;16") or opened.format == "PPM"  # PPM: scaled to 16 bits
    if not sixteen or picture.mode == "F":
        kind = "float" if picture.mode == "F" else "32-bit"
        raise HwgenError(
            str(path), f"{kind} pixels", "have no agreed range", "save it with 8 or 16 bits"
        )
    tags = getattr(opened, "tag_v2", {})
    bits = max(tags.get(BITS_PER_SAMPLE, (16,))) if tags else 16
    values, peak = np.asarray(picture).astype(np.int64), (1 << bits) - 1
    if tags and tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:  # Pillow turns 8 bits over, not 16
        values = peak - values
    return Image.fromarray(((2 * 255 * values + peak) // (2 * peak)).astype(np.uint8))
