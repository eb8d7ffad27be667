"""Images from files: calibration sets and single pictures; and what stands in for them.

All are uint8 (N, H, W, channels). A file that is something else is the user's fault: HwgenError, in
one line. Nothing in a file is ever run.
"""

from __future__ import annotations

import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hwgen.errors import HwgenError

Array = np.ndarray
NOISE_IMAGES = 16
NUMPY_FAULTS = (  # what numpy.load raises for a damaged file, one of another kind, a pickle
    OSError, ValueError, KeyError, EOFError, RuntimeError, MemoryError,
    tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
FORMATS = {  # suffix -> what such a file must hold, how to make one
    ".npz": ("`images` (N, H, W, 3) uint8, and `labels` (N,) if known", "numpy.savez"),
    ".npy": ("an array (N, H, W, 3) uint8", "numpy.save"),
    ".pt": ("a uint8 tensor (N, H, W, 3), or a dict with it under `images`", "torch.save"),
}


def calibration(model: Path, calib: Path | None, size: int) -> tuple[Array | None, Array | None]:
    """Images (N, size, size, 3) and labels (N,) of `calib`, else of MODEL.calib.npz.

    calib: a file (`FORMATS`), or a folder of pictures, read in the order of their names (hidden
    files are no pictures) as `read_image` reads one. None for labels that are not known, and for
    the images where there is neither `calib` nor the file beside the model.
    Raises: HwgenError for a file of another kind, a damaged one, another type or shape.
    """
    path = calib or model.with_suffix(".calib.npz")
    if calib is None and not path.exists():
        return None, None
    if path.is_dir():
        return _folder(path, size), None
    images, labels = _load(path)
    if not _is(images, np.uint8) or images.shape[1:] != (size, size, 3) or not len(images):
        raise HwgenError(
            str(path), f"images {_named(images)}", f"must be uint8 (N, {size}, {size}, 3)",
            "resize or convert them",
        )  # fmt: skip
    if labels is not None and (not _is(labels, np.integer) or labels.shape != images.shape[:1]):
        raise HwgenError(
            str(path), f"labels {_named(labels)}", f"must be integers ({len(images)},), as many "
            "as images", "correct them or leave them out",
        )  # fmt: skip
    return images, labels


def _folder(path: Path, size: int) -> Array:
    files = sorted(p for p in path.iterdir() if not p.name.startswith("."))
    if not files:
        raise HwgenError(
            str(path), "an empty folder", "needs at least one picture", "give another folder"
        )
    return np.stack([read_image(p, size) for p in files])


def _load(path: Path) -> tuple[Any, Any]:
    """Images and labels (None) of a file, unchecked."""
    kind = path.suffix.lower()
    if kind not in FORMATS:
        known = ", ".join(FORMATS)
        raise HwgenError(
            str(path), f"no {known} and no folder", "these can hold calibration images",
            "give one of them",
        )  # fmt: skip
    try:
        path.open("rb").close()
    except OSError as error:
        raise _refused(path, kind, error.strerror or "cannot be opened") from None
    try:
        content = _load_torch(path) if kind == ".pt" else _load_numpy(path)
    except NUMPY_FAULTS:
        raise _refused(path, kind, "cannot be read, or holds a pickled object") from None
    if isinstance(content, Mapping):
        if kind == ".npy" or "images" not in content:
            raise _refused(path, kind, f"holds {', '.join(map(str, content)) or 'nothing'}")
        return content["images"], content.get("labels")
    if kind == ".npz" or not hasattr(content, "dtype"):
        raise _refused(path, kind, f"holds a {type(content).__name__}")
    return content, None


def _refused(path: Path, kind: str, reason: str) -> HwgenError:
    holds, maker = FORMATS[kind]
    return HwgenError(
        str(path), f"no calibration images: {reason}", f"{kind} needs {holds}",
        f"write it with {maker}",
    )  # fmt: skip


def _load_numpy(path: Path) -> Any:
    """An array, or the arrays of a .npz by name (None: not read). Raises: NUMPY_FAULTS."""
    content = np.load(path, allow_pickle=False)
    if isinstance(content, np.ndarray):
        return content
    with content:
        wanted = ("images", "labels")
        return {name: content[name] if name in wanted else None for name in content.files}


def _load_torch(path: Path) -> Any:
    """Tensors of integers as arrays. Raises: ValueError for what torch cannot read without running
    code."""
    import torch

    def array(value: Any) -> Any:
        whole = isinstance(value, torch.Tensor) and not value.is_floating_point()
        return value.numpy() if whole and value.layout == torch.strided else value

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
        if isinstance(content, Mapping):
            return {key: array(value) for key, value in content.items()}
        return array(content)
    except Exception as error:  # torch reports damaged files with many exception types
        raise ValueError(str(path)) from error


def _is(value: Any, kind: type) -> bool:
    return isinstance(value, np.ndarray) and np.issubdtype(value.dtype, kind)


def _named(value: Any) -> str:
    if hasattr(value, "dtype"):
        return f"{value.dtype} {tuple(value.shape)}"
    return type(value).__name__


def noise_images(shape: tuple[int, int, int], count: int = NOISE_IMAGES) -> Array:
    """Deterministic uint8 images: half of them blocks of 8x8 equal pixels, half single pixels."""
    height, width, channels = shape
    rng = np.random.default_rng(0)
    fine = rng.integers(0, 256, (count // 2, height, width, channels), dtype=np.uint8)
    small = (count - count // 2, -(-height // 8), -(-width // 8), channels)
    coarse = rng.integers(0, 256, small, dtype=np.uint8).repeat(8, 1).repeat(8, 2)
    return np.concatenate([fine, coarse[:, :height, :width]])


def evaluation_images(meta: dict) -> tuple[Array, Array] | None:
    """The held-out split a checkpoint was measured on, where hwgen can rebuild it (the digits)."""
    if meta.get("dataset") != "digits":
        return None
    from hwgen.train.data import DIGITS_SCAN, DIGITS_SIZE, digits_split

    size = int(meta.get("config", {}).get("image_size", DIGITS_SIZE))
    if size % DIGITS_SCAN:
        return None
    _, _, images, labels = digits_split(int(meta.get("split_seed", 1)), size)
    return np.asarray(images), np.asarray(labels)


def read_image(path: Path, size: int) -> Array:
    """(size, size, 3) uint8 from a picture (resized bicubically) or a .npy array."""
    from PIL import Image

    try:
        if path.suffix.lower() == ".npy":
            array = _load_numpy(path)
        else:
            picture = Image.open(path).convert("RGB")
            array = np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC))
    except (*NUMPY_FAULTS, SyntaxError, Image.DecompressionBombError):
        raise HwgenError(
            str(path), "no picture", "needs an image file or a .npy array", "give another file"
        ) from None
    if not _is(array, np.uint8) or array.shape != (size, size, 3):
        raise HwgenError(
            str(path), _named(array), f"must be uint8 ({size}, {size}, 3)", "resize or convert it"
        )
    return array
