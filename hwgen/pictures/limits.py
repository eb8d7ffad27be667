"""What is refused before memory is taken for it: a header can ask for more than there is."""

from __future__ import annotations

from pathlib import Path
from stat import S_ISREG

from hwgen.errors import HwgenError

MAX_PIXELS = 1 << 27  # of a picture as it is stored: 134 megapixels, 0.5 GB decoded
MAX_IMAGES = 10_000_000  # of an array; ImageNet's training set has 1.3 million
MAX_HEADER = 10_000  # bytes of the header of a .npy, as numpy.load has it
MAX_WHOLE = 1 << 30  # bytes of an array that can only be read as a whole


def check_file(path: Path) -> None:
    """Raises: HwgenError where `path` is no regular file that can be read (a pipe would wait)."""
    try:
        regular = S_ISREG(path.stat().st_mode)
        if regular:
            path.open("rb").close()
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        reason = getattr(error, "strerror", None) or "cannot be opened"
        raise HwgenError(
            str(path), reason, "images must be readable", "give another file"
        ) from None
    if not regular:
        raise HwgenError(str(path), "is no regular file", "images are read from files and folders",
                         "give another file")  # fmt: skip


def check_pixels(path: Path, width: int, height: int) -> None:
    """Raises: HwgenError for a picture of more than `MAX_PIXELS`."""
    if width * height > MAX_PIXELS:
        raise too_many_pixels(path, f"{width:,} x {height:,} pixels")


def too_many_pixels(path: Path, found: str) -> HwgenError:
    return HwgenError(
        str(path), found, f"pictures of at most {MAX_PIXELS:,} pixels are decoded",
        "make it smaller first",
    )  # fmt: skip


def check_count(place: str, count: int) -> None:
    """Raises: HwgenError for an array of more than `MAX_IMAGES` images."""
    if count > MAX_IMAGES:
        raise HwgenError(
            place, f"{count:,} images", f"at most {MAX_IMAGES:,} are taken", "split the file"
        )
