"""Images and labels for training: one interface for digits, CIFAR-10 and ImageNet folders.

A data set yields uint8 images (B, S, S, 3) and int64 labels (B,); `normalise` makes the network's
input. All randomness comes from (seed, epoch), so a resumed run sees the same batches.
"""

from __future__ import annotations

import importlib.util
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from hwgen.errors import HwgenError
from hwgen.pictures.cifar10 import NAMES, read_cifar10
from hwgen.train.order import Images, spread
from hwgen.train.recipe import DataSection

DIGITS_SIZE, DIGITS_SCAN = 96, 8  # pixels of a side: as used, as scanned
DIGITS_HELD_OUT = 360


def upscale_bilinear(images: np.ndarray, factor: int, peak: int) -> np.ndarray:
    """Bilinear upscaling in integers, pixel centres aligned, edges clamped, rounded half up.

    Shapes: (B, H, W) integers 0..peak -> (B, factor*H, factor*W) uint8 0..255.
    """
    count, height, width = images.shape
    weights = [_row_weights(side, factor) for side in (height, width)]
    # float64 holds these integers (below 2^53) exactly, and is much faster than int64 products
    total = (weights[0] @ images.astype(np.float64) @ weights[1].T).astype(np.int64)
    scale = peak * (2 * factor) ** 2
    out = (2 * 255 * total + scale) // (2 * scale)
    return out.reshape(count, factor * height, factor * width).astype(np.uint8)


def _row_weights(side: int, factor: int) -> np.ndarray:
    """Interpolation matrix (factor*side, side) in units of 1 / (2*factor)."""
    matrix = np.zeros((factor * side, side))
    for out in range(factor * side):
        position = min(max(2 * out + 1 - factor, 0), 2 * factor * (side - 1))
        low, part = divmod(position, 2 * factor)
        matrix[out, low] += 2 * factor - part
        if part:
            matrix[out, low + 1] += part
    return matrix


def digits_split(
    seed: int = 1, size: int = DIGITS_SIZE
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """scikit-learn's 8x8 digit scans at S x S, split into 1437 training and 360 held-out images.

    The split is stratified by class and depends on `seed` only. Upscaling is bilinear in integer
    arithmetic, so the pixels are the same everywhere. `size` S is a multiple of 8.
    Returns: train_images uint8 (1437, S, S, 3), train_labels int64, test_images, test_labels.
    """
    assert size % DIGITS_SCAN == 0, f"{size} is no multiple of a scan's {DIGITS_SCAN} pixels"
    table = digits_table()
    labels, scans = table[:, -1], table[:, :-1].reshape(-1, 8, 8)
    held_out = _stratified(labels, DIGITS_HELD_OUT, seed)
    grey = upscale_bilinear(scans, size // scans.shape[1], peak=16)
    images = np.repeat(grey[..., None], 3, axis=-1)
    return images[~held_out], labels[~held_out], images[held_out], labels[held_out]


def digits_table() -> np.ndarray:
    """(1797, 65) int64: 8 x 8 grey values 0..16 and the label, from the file that scikit-learn
    installs (`load_digits` reads the same; importing scikit-learn takes seconds)."""
    spec = importlib.util.find_spec("sklearn")
    assert spec is not None, "scikit-learn is one of our dependencies"
    assert spec.submodule_search_locations, "scikit-learn is a package"
    package = spec.submodule_search_locations[0]
    path = Path(package) / "datasets" / "data" / "digits.csv.gz"
    return np.loadtxt(path, delimiter=",", dtype=np.int64)


def _stratified(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Mask of `count` samples with the class proportions of `labels` (largest remainders)."""
    classes, sizes = np.unique(labels, return_counts=True)
    quota = sizes * count / len(labels)
    take = np.floor(quota).astype(int)
    for c in np.argsort(take - quota, kind="stable")[: count - take.sum()]:
        take[c] += 1
    order = np.argsort(np.random.Generator(np.random.PCG64(seed)).random(len(labels)))
    mask = np.zeros(len(labels), dtype=bool)
    for c, number in zip(classes, take):
        mask[order[labels[order] == c][:number]] = True
    return mask


def photograph_crops(count: int, size: int, source: int = 32) -> np.ndarray:
    """Square parts of scikit-learn's two photographs as pictures of `source` pixels a side, then
    resized like such a data set: uint8 (count, size, size, 3), the same everywhere.

    The photographs are by danielbuechele and vultilion, CC BY 2.0 (scikit-learn's
    datasets/images/README.txt).
    """
    from sklearn.datasets import load_sample_images

    pictures = [Image.fromarray(picture) for picture in load_sample_images().images]
    rng = np.random.Generator(np.random.PCG64(0))
    crops = []
    for k in range(count):
        picture = pictures[k % len(pictures)]
        side = int(rng.integers(2 * source, min(picture.size) + 1))
        left, top = (int(rng.integers(0, length - side + 1)) for length in picture.size)
        box = (left, top, left + side, top + side)
        small = picture.resize((source, source), Image.Resampling.BOX, box=box)
        crops.append(np.asarray(small.resize((size, size), Image.Resampling.BILINEAR)))
    return np.stack(crops)


@dataclass(frozen=True)
class ArrayImages:
    """Images in memory, resized to `size` on demand; grey images have one channel."""

    images: Tensor  # uint8 (N, H, W, 1 or 3)
    labels: Tensor
    classes: tuple[str, ...]
    size: int
    section: DataSection

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> ArrayImages:
        """The same images in the memory of `device`, where `batch` then works."""
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))

    def batch(self, indices: Tensor, rng: torch.Generator | None) -> tuple[Tensor, Tensor]:
        indices = indices.to(self.images.device)
        x = self.images[indices]
        if rng is not None or x.shape[1] != self.size:
            planes = x.permute(0, 3, 1, 2).float()
            if rng is None:
                planes = F.interpolate(planes, (self.size, self.size), mode="bilinear")
            else:
                planes = augment(planes, self.size, self.section, rng)
            x = planes.add_(0.5).clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
        return x.expand(-1, -1, -1, 3), self.labels[indices]


def augment(planes: Tensor, size: int, section: DataSection, rng: torch.Generator) -> Tensor:
    """Random rotation, zoom, shift and flip by one affine map, resampled to size x size.

    Shapes: float (B, C, H, W) -> (B, C, size, size); outside pixels are 0.
    """
    count = len(planes)

    def uniform(limit: float) -> Tensor:
        return (2.0 * torch.rand(count, generator=rng) - 1.0) * limit

    angle = uniform(math.radians(section.rotate_degrees))
    scale = 1.0 + uniform(section.zoom)
    shift_x, shift_y = uniform(2.0 * section.shift), uniform(2.0 * section.shift)
    mirror = torch.ones(count)
    if section.flip:
        mirror = torch.where(torch.rand(count, generator=rng) < 0.5, -1.0, 1.0)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    rows = torch.stack([cos * mirror, -sin, shift_x, sin * mirror, cos, shift_y], -1)
    rows = rows.view(-1, 2, 3).to(planes.device)
    grid = F.affine_grid(rows, [count, 1, size, size], align_corners=False)
    return F.grid_sample(planes, grid, align_corners=False)


def normalise(images: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """The network's input x = (uint8 / 255 - mean) / std. (B, S, S, 3) -> float32 (B, 3, S, S)."""
    x = images.permute(0, 3, 1, 2).to(torch.float32).div_(255.0)
    shape = (1, -1, 1, 1)
    return x.sub_(x.new_tensor(mean).view(shape)).div_(x.new_tensor(std).view(shape))


def _array_images(
    images: Tensor, labels: Tensor, names: tuple[str, ...], size: int, section: DataSection
) -> ArrayImages:
    keep = spread(len(labels), section.limit)
    return ArrayImages(images[keep], labels[keep], names, size, section)


def load_data(section: DataSection, size: int) -> tuple[Images, Images]:
    """Training and held-out images of a recipe, at the network's image size.

    Raises: HwgenError if files are missing or malformed.
    """
    train: Images
    test: Images
    if section.name == "digits":
        direct = size if size % DIGITS_SCAN == 0 else DIGITS_SIZE  # else resampled from there
        train_x, train_y, test_x, test_y = digits_split(section.seed, direct)
        names = tuple(str(digit) for digit in range(10))
        train, test = (
            _array_images(torch.from_numpy(x[..., :1]), torch.from_numpy(y), names, size, section)
            for x, y in ((train_x, train_y), (test_x, test_y))
        )
    elif section.name == "cifar10":
        parts = (read_cifar10(section.root, train=flag) for flag in (True, False))
        train, test = (
            _array_images(torch.from_numpy(x), torch.from_numpy(y), NAMES, size, section)
            for x, y in parts
        )
    else:
        from hwgen.train.imagenet import FolderImages

        train = FolderImages(section.root, "train", size, section)
        test = FolderImages(section.root, "val", size, section)
    if not len(train) or not len(test):
        raise HwgenError("data.root", section.root, "holds no images", "give the data set's folder")
    return train, test
