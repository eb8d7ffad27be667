"""Pictures and arrays as users have them, made here."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

# 240 x 320 (height x width), 8 x 8 blocks of one colour
PIXELS = np.kron(
    np.random.default_rng(0).integers(0, 256, (8, 8, 3)), np.ones((30, 40, 1), np.int64)
).astype(np.uint8)
PICTURE = Image.fromarray(PIXELS)
GREY = np.asarray(PICTURE.convert("L"))
ORIENTATION = 274  # EXIF tag


def png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    """A PNG with any header; colour: 0 grey, 2 RGB, 4 grey and alpha, 6 RGBA."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def npy_header(
    shape: str, dtype: str = "|u1", version: int = 1, length: int | None = None
) -> bytes:
    """The header of a .npy that promises `shape`; length: what it states of itself."""
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    size = len(text) if length is None else length
    return b"\x93NUMPY" + bytes([version, 0]) + size.to_bytes(2 * version, "little") + text.encode()


def archive(**members: bytes) -> bytes:
    """A compressed .npz of raw members."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in members.items():
            made.writestr(f"{name}.npy", data)
    return stream.getvalue()


def class_folders(root: Path, names: dict[str, int], size: tuple[int, int] = (16, 16)) -> None:
    """root/NAME/k.png, k of names[NAME]; the first pixel's red tells the order of making."""
    n = 0
    for name, count in names.items():
        (root / name).mkdir(parents=True)
        for k in range(count):
            Image.new("RGB", size, (n, 0, 0)).save(root / name / f"{k}.png")
            n += 1
