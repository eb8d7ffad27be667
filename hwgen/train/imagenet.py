"""ImageNet-style folders: root/{train,val}/<class>/<image>, read when needed."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from hwgen.errors import HwgenError
from hwgen.pictures.decode import decode
from hwgen.pictures.preprocess import Preprocess
from hwgen.train.order import spread
from hwgen.train.recipe import DataSection

SUFFIXES = (".jpeg", ".jpg", ".png", ".webp")


class FolderImages:
    """Lazy image folder; classes are the sorted names of the sub-folders.

    With a generator: random resized crop (scale 0.08-1, ratio 3/4-4/3) and horizontal flip.
    Without: `hwgen.pictures.Preprocess`'s default, as `hwgen evaluate` and the published networks:
    the short side resized to size * 256 / 224 (bicubic), centre crop.
    Raises: HwgenError for a missing folder or an unreadable image.
    """

    def __init__(self, root: str | Path, part: str, size: int, section: DataSection) -> None:
        self.folder, self.size, self.section = Path(root) / part, size, section
        if not self.folder.is_dir():
            raise HwgenError(
                "data.root", root, f"has no folder {part}/", "give the folder above train/ and val/"
            )
        self.classes = tuple(sorted(p.name for p in self.folder.iterdir() if p.is_dir()))
        files = [
            (path, label)
            for label, name in enumerate(self.classes)
            for path in sorted((self.folder / name).iterdir())
            if path.suffix.lower() in SUFFIXES
        ]
        self.files = [files[int(i)] for i in spread(len(files), section.limit)]

    def __len__(self) -> int:
        return len(self.files)

    def to(self, device: torch.device) -> FolderImages:
        """Itself: files are decoded on the CPU."""
        return self

    def batch(self, indices: Tensor, rng: torch.Generator | None) -> tuple[Tensor, Tensor]:
        draws = None if rng is None else torch.rand(len(indices), 5, generator=rng).tolist()
        jobs = [(self.files[int(i)][0], draws[n] if draws else None) for n, i in enumerate(indices)]
        if self.section.workers:
            with ThreadPoolExecutor(self.section.workers) as pool:
                images = list(pool.map(lambda job: self._load(*job), jobs))
        else:
            images = [self._load(*job) for job in jobs]
        labels = torch.tensor([self.files[int(i)][1] for i in indices], dtype=torch.long)
        return torch.from_numpy(np.stack(images)), labels

    def _load(self, path: Path, draw: list[float] | None) -> np.ndarray:
        image = decode(path, 3)[0]
        if draw is None:
            return np.asarray(Preprocess()(image, self.size, self.size))
        box = random_crop(image.width, image.height, draw)
        image = image.resize((self.size, self.size), Image.Resampling.BILINEAR, box=box)
        array = np.asarray(image)
        return array[:, ::-1].copy() if self.section.flip and draw[4] < 0.5 else array


def random_crop(width: int, height: int, draw: list[float]) -> tuple[float, float, float, float]:
    """Crop box of RandomResizedCrop from four uniform numbers: area, ratio, x, y."""
    area = width * height * (0.08 + 0.92 * draw[0])
    ratio = math.exp((2.0 * draw[1] - 1.0) * math.log(4.0 / 3.0))
    crop_w = min(width, max(1.0, math.sqrt(area * ratio)))
    crop_h = min(height, max(1.0, math.sqrt(area / ratio)))
    left, top = draw[2] * (width - crop_w), draw[3] * (height - crop_h)
    return left, top, left + crop_w, top + crop_h
