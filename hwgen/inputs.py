"""Images: calibration, what stands in for it, held-out splits, single pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hwgen.errors import HwgenError

NOISE_IMAGES = 16


def calibration(
    model: Path, calib: Path | None, size: int
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Images (N, H, W, 3) uint8 and labels, from `calib` or MODEL.calib.npz; None when absent."""
    path = calib or model.with_suffix(".calib.npz")
    if calib is None and not path.exists():
        return None, None
    try:
        with np.load(path, allow_pickle=False) as data:
            if isinstance(data, np.ndarray):
                images, labels = data, None
            else:
                images, labels = data["images"], data.get("labels", None)
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise HwgenError(
            str(path),
            "no calibration images",
            "needs .npz with `images` (N, H, W, 3) uint8",
            "save them with numpy.savez",
        ) from error
    if (
        images.ndim != 4
        or images.dtype != np.uint8
        or images.shape[1:] != (size, size, 3)
        or not len(images)
    ):
        raise HwgenError(
            str(path),
            f"images {images.dtype} {images.shape}",
            f"must be uint8 (N, {size}, {size}, 3)",
            "resize them",
        )
    return images, labels


def noise_images(shape: tuple[int, int, int], count: int = NOISE_IMAGES) -> np.ndarray:
    """Deterministic uint8 images: half of them blocks of 8x8 equal pixels, half single pixels."""
    height, width, channels = shape
    rng = np.random.default_rng(0)
    fine = rng.integers(0, 256, (count // 2, height, width, channels), dtype=np.uint8)
    small = (count - count // 2, -(-height // 8), -(-width // 8), channels)
    coarse = rng.integers(0, 256, small, dtype=np.uint8).repeat(8, 1).repeat(8, 2)
    return np.concatenate([fine, coarse[:, :height, :width]])


def evaluation_images(meta: dict) -> tuple[np.ndarray, np.ndarray] | None:
    """The held-out split a checkpoint was measured on, where hwgen can rebuild it (the digits)."""
    if meta.get("dataset") != "digits":
        return None
    from hwgen.train.data import DIGITS_SCAN, DIGITS_SIZE, digits_split

    size = int(meta.get("config", {}).get("image_size", DIGITS_SIZE))
    if size % DIGITS_SCAN:
        return None
    _, _, images, labels = digits_split(int(meta.get("split_seed", 1)), size)
    return np.asarray(images), np.asarray(labels)


def read_image(path: Path, size: int) -> np.ndarray:
    """(size, size, 3) uint8 from a picture (resized bicubically) or a .npy array."""
    from PIL import Image, UnidentifiedImageError

    try:
        if path.suffix == ".npy":
            array = np.load(path, allow_pickle=False)
        else:
            picture = Image.open(path).convert("RGB")
            array = np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC))
    except (OSError, ValueError, UnidentifiedImageError) as error:
        raise HwgenError(
            str(path), "no picture", "needs an image file or a .npy array", "give another file"
        ) from error
    if array.shape != (size, size, 3) or array.dtype != np.uint8:
        raise HwgenError(
            str(path),
            f"{array.dtype} {array.shape}",
            f"must be uint8 ({size}, {size}, 3)",
            "resize or convert it",
        )
    return array
