"""Picture files -> uint8 (height, width, channels), counting what was done to them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from hwgen.pictures.arrays import load_array
from hwgen.pictures.decode import decode
from hwgen.pictures.layout import Shape, check_images
from hwgen.pictures.preprocess import Preprocess


class Reader:
    """Reads pictures of any size as images of one; `lines` tells how."""

    def __init__(self, shape: Shape, preprocess: Preprocess) -> None:
        self.shape, self.preprocess = shape, preprocess
        self.how: Counter[str] = Counter()  # sizes: one entry per picture
        self.notes: Counter[str] = Counter()

    def read(self, path: Path) -> np.ndarray:
        """uint8 `shape` of a picture, or of a .npy that has this shape. Raises: HwgenError."""
        if path.suffix.lower() == ".npy":
            array = load_array(path)
            check_images(str(path), array, self.shape, one=True)
            self.took_as_is(1)
            return np.array(array)
        picture, notes = decode(path, self.shape[2])
        self.notes.update(notes)
        return self.fit(picture)

    def fit(self, picture: Image.Image) -> np.ndarray:
        """uint8 `shape` of a decoded picture."""
        height, width, _ = self.shape
        if picture.size == (width, height):
            self.took_as_is(1)
        else:
            self.how[self.preprocess.describe(height, width)] += 1
            picture = self.preprocess(picture, height, width)
        return np.asarray(picture).reshape(self.shape)

    def took_as_is(self, count: int) -> None:
        height, width, _ = self.shape
        self.how[f"taken as they are, {height} x {width}"] += count

    def lines(self) -> list[str]:
        """What was done so far, the most frequent first."""
        return [
            f"{n:,} {text}" for part in (self.how, self.notes) for text, n in part.most_common()
        ]
