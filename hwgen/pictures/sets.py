"""One way to open whatever a user gives as images; and to read it batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from hwgen.errors import HwgenError
from hwgen.pictures.arrays import FORMATS, open_array
from hwgen.pictures.cifar10 import NAMES, is_cifar10, read_cifar10
from hwgen.pictures.folder import PictureFiles, list_folder
from hwgen.pictures.labels import check_labels, match_folders
from hwgen.pictures.layout import Shape
from hwgen.pictures.preprocess import Preprocess
from hwgen.pictures.reader import Reader

Array = np.ndarray


@dataclass(frozen=True)
class Network:
    """What a network asks of its images."""

    shape: Shape  # height, width, channels
    classes: int
    names: tuple[str, ...] = ()  # of the classes; () where the checkpoint has none


def network_of(config: Any, names: Sequence[str] = ()) -> Network:
    """Of a network's configuration; its `image_size` is a side, or (height, width)."""
    size = config.image_size
    height, width = (size, size) if isinstance(size, int) else size
    return Network((height, width, config.in_channels), config.classes, tuple(names))


class SmallPictures:
    """Pictures of one small size in memory, fitted to the network's as they are read."""

    def __init__(self, array: Array, reader: Reader) -> None:
        self.array, self.reader = array, reader

    def __len__(self) -> int:
        return len(self.array)

    def read(self, indices: Array) -> Array:
        """uint8 (len(indices), height, width, 3)."""
        return np.stack([self.reader.fit(Image.fromarray(self.array[i])) for i in indices])


class Source(Protocol):
    """Where images come from."""

    def __len__(self) -> int: ...

    def read(self, indices: Array) -> Array:
        """uint8 (len(indices), height, width, channels); indices ascend."""
        ...


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images of one size, read when they are asked for. labels: int64 (N,), None: not known."""

    source: Source
    labels: Array | None
    reader: Reader
    labelled_by: str = ""  # how labels are known, or why they are not

    def __len__(self) -> int:
        return len(self.source)

    def name(self, index: int) -> str:
        """Of an image: its file, inside its class's folder if it has one, or its number."""
        if not isinstance(self.source, PictureFiles):
            return f"image {index}"
        path = self.source.files[index]
        return str(Path(path.parent.name, path.name) if self.labels is not None else path.name)

    def check(self) -> None:
        """Raises: HwgenError where the first image cannot be read; nothing is counted."""
        kept = self.reader.how.copy(), self.reader.notes.copy()
        self.source.read(np.array([0]))
        self.reader.how, self.reader.notes = kept

    def batches(self, size: int, limit: int | None = None) -> Iterator[tuple[Array, Array]]:
        """Indices (B,) and images uint8 (B, height, width, channels), B <= size, of all images or
        of `limit`, evenly spaced. Raises: HwgenError for a picture that cannot be read."""
        indices = spread(len(self), limit)
        for start in range(0, len(indices), size):
            some = indices[start : start + size]
            images = self.source.read(some)
            if not isinstance(self.source, PictureFiles | SmallPictures):
                self.reader.took_as_is(len(some))
            yield some, images


def spread(count: int, limit: int | None = None) -> Array:
    """Indices of `limit` of `count` images, evenly spaced, so that a set sorted by class is met as
    a whole; all of them without a limit."""
    if limit is None or limit >= count:
        return np.arange(count)
    return np.arange(limit) * count // limit


def open_images(
    path: Path, network: Network, preprocess: Preprocess, need_classes: bool = True
) -> ImageSet:
    """Images of a picture, a folder of pictures (flat, or one folder per class), .npy, .npz, .pt;
    of a folder with CIFAR-10 its test images.

    need_classes: folders that are not the network's classes are refused; else their pictures are
    taken without labels. Pictures themselves are read later, by `ImageSet.batches`.
    Raises: HwgenError (one line) for anything that cannot be such images.
    """
    reader = Reader(network.shape, preprocess)
    if path.is_dir():
        return _open_folder(path, network, reader, need_classes)
    if path.suffix.lower() in FORMATS:
        source, labels = open_array(path, network.shape)
        if labels is None:
            return ImageSet(source, None, reader, f"{path.name} holds no labels")
        labels = check_labels(str(path), labels, len(source), network.classes)
        return ImageSet(source, labels, reader, f"labels of {path.name}")
    return ImageSet(PictureFiles([path], reader), None, reader, "a single picture")


def _open_folder(path: Path, network: Network, reader: Reader, need_classes: bool) -> ImageSet:
    if is_cifar10(path):
        return _open_cifar10(path, network, reader)
    listing = list_folder(path)
    source = PictureFiles(listing.files, reader)
    if not listing.folders:
        return ImageSet(source, None, reader, "a folder without a folder per class")
    try:
        numbers, how = match_folders(str(path), listing.folders, network.classes, network.names)
    except HwgenError as error:
        if need_classes:
            raise
        return ImageSet(source, None, reader, f"no labels: {error.line}")
    return ImageSet(source, np.array(numbers)[listing.folder_of], reader, how)


def _open_cifar10(path: Path, network: Network, reader: Reader) -> ImageSet:
    """The test split. Raises: HwgenError for damaged files, a network of other classes."""
    if network.classes != len(NAMES) or network.names not in ((), NAMES):
        raise HwgenError(
            str(path), "CIFAR-10", f"the network has {network.classes} classes of its own",
            "give pictures of its classes",
        )  # fmt: skip
    images, labels = read_cifar10(path, train=False)
    return ImageSet(
        SmallPictures(images, reader), labels, reader, "labels of CIFAR-10's test images"
    )
