"""CIFAR-10, binary version (cifar-10-batches-bin): plain bytes, no pickles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hwgen.errors import HwgenError

RECORD = 1 + 3 * 32 * 32
NAMES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip


def read_cifar10(root: str | Path, train: bool) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    """Images uint8 (N, 32, 32, 3), labels int64 (N,) and class names.

    A record is one label byte and 3072 bytes in (channel, row, column) order. `root` may be the
    folder with the *.bin files or its parent.
    Raises: HwgenError for a missing file, a truncated file or a label above 9.
    """
    folder = Path(root)
    if (folder / "cifar-10-batches-bin").is_dir():
        folder = folder / "cifar-10-batches-bin"
    files = sorted(folder.glob("data_batch_*.bin")) if train else [folder / "test_batch.bin"]
    if not files or not all(path.is_file() for path in files):
        wanted = "data_batch_1.bin .. data_batch_5.bin" if train else "test_batch.bin"
        raise HwgenError(
            "data.root",
            folder,
            f"has no {wanted}",
            "unpack cifar-10-binary.tar.gz and give its folder",
        )
    records = np.concatenate([_records(path) for path in files])
    images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    labels = records[:, 0].astype(np.int64)
    return torch.from_numpy(images.copy()), torch.from_numpy(labels), NAMES


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
