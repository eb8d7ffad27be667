"""Images that a compile works with: calibration images, what stands in for them, held-out ones.

All are uint8 (N, H, W, channels). `hwgen.pictures` reads those that users give.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwgen.errors import HwgenError
from hwgen.pictures import Network, Preprocess, open_images

Array = np.ndarray
NOISE_IMAGES = 16
CALIBRATION_IMAGES = 512  # of a larger set as many, evenly spaced: more change the ranges little
BATCH = 32


@dataclass(frozen=True, eq=False)
class Calibration:
    """Images that fix the binary points of the features. labels: None where not known;
    source: where the images come from, for the user."""

    images: Array
    labels: Array | None
    noise: bool
    source: str


def calibration(
    model: Path, calib: Path | Array | None, network: Network, preprocess: Preprocess
) -> Calibration:
    """Images of `calib`, else of MODEL.calib.npz, else noise.

    calib: whatever `hwgen.pictures.open_images` opens, or the images; at most
    `CALIBRATION_IMAGES` are taken. Raises: HwgenError for what is no such images.
    """
    if isinstance(calib, np.ndarray):
        return _given(calib, network)
    path = calib or model.with_suffix(".calib.npz")
    if calib is None and not path.exists():
        source = (
            f"{NOISE_IMAGES} images of noise, assumed: no --calib and no {path.name}; "
            "real pictures are better"
        )
        return Calibration(noise_images(network.shape), None, True, source)
    found = open_images(path, network, preprocess, need_classes=False)
    parts = list(found.batches(BATCH, CALIBRATION_IMAGES))
    indices = np.concatenate([part[0] for part in parts])
    images = np.concatenate([part[1] for part in parts])
    labels = None if found.labels is None else found.labels[indices]
    part = f" {len(found):,}, evenly spaced, of" if len(images) < len(found) else ""
    head = f"{len(images):,} of{part} {path.name}"
    return Calibration(images, labels, False, f"{head}: {'; '.join(found.reader.lines())}")


def _given(images: Array, network: Network) -> Calibration:
    if images.dtype != np.uint8 or images.shape[1:] != network.shape or not len(images):
        raise HwgenError(
            "calibration", f"{images.dtype} {images.shape}",
            f"needs uint8 images (N, {', '.join(map(str, network.shape))})",
            "give pixels of 0 to 255, channels last",
        )  # fmt: skip
    count = min(len(images), CALIBRATION_IMAGES)
    some = images[np.arange(count) * len(images) // count]
    part = f" {len(images):,}, evenly spaced, of" if count < len(images) else ""
    return Calibration(some, None, False, f"{count:,} of{part} the images given")


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
