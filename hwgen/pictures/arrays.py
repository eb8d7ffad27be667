"""Images and labels in .npy, .npz and .pt: read in parts, nothing in a file is ever run.

A .npy and a .pt are mapped, a .npz is unpacked as it is read, so that memory is for one batch.
"""

from __future__ import annotations

import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np

from hwgen.errors import HwgenError
from hwgen.pictures.layout import Shape, check_images
from hwgen.pictures.limits import MAX_HEADER, MAX_WHOLE, check_count, check_file

Array = np.ndarray
FORMATS = {  # suffix -> what such a file must hold, how to make one
    ".npz": ("`images` (N, H, W, channels) uint8, and `labels` (N,) if known", "numpy.savez"),
    ".npy": ("an array (N, H, W, channels) uint8", "numpy.save"),
    ".pt": (
        "a uint8 tensor (N, H, W, channels), or a dict with it under `images`", "torch.save",
    ),
}  # fmt: skip
FAULTS = (  # what reading raises for a damaged file, one of another kind, a pickle
    OSError, ValueError, KeyError, EOFError, RuntimeError, MemoryError, OverflowError,
    NotImplementedError, TypeError, SyntaxError, tokenize.TokenError, zipfile.BadZipFile,
    zlib.error,
)  # fmt: skip
UNREADABLE = "cannot be read, or holds a pickled object"


class ArrayImages:
    """Images of an array in memory or mapped."""

    def __init__(self, array: Array) -> None:
        self.array = array

    def __len__(self) -> int:
        return len(self.array)

    def read(self, indices: Array) -> Array:
        """uint8 (len(indices), H, W, channels)."""
        return np.ascontiguousarray(self.array[indices])


class PackedImages:
    """Images of a .npz, unpacked in their order; going back starts again."""

    def __init__(self, path: Path, member: str, header: Header) -> None:
        self.path, self.member, self.header = path, member, header
        self.archive: zipfile.ZipFile | None = None
        self.stream: IO[bytes] | None = None
        self.at = 0  # the image that the stream is before

    def __len__(self) -> int:
        return self.header.shape[0]

    def read(self, indices: Array) -> Array:
        """uint8 (len(indices), H, W, channels). indices: ascending."""
        try:
            return np.stack([self._image(int(i)) for i in indices])
        except FAULTS:
            raise refused(self.path, UNREADABLE) from None

    def _image(self, index: int) -> Array:
        if self.stream is None or index < self.at:
            self.close()
            self.archive = zipfile.ZipFile(self.path)
            self.stream, self.at = self.archive.open(self.member), 0
            read_header(self.stream)
        shape = self.header.shape[1:]
        for _ in range(self.at, index + 1):
            data = self.stream.read(prod(shape))
        self.at = index + 1
        return np.frombuffer(data, np.uint8).reshape(shape)

    def close(self) -> None:
        for opened in (self.stream, self.archive):
            if opened is not None:
                opened.close()
        self.archive = self.stream = None


@dataclass(frozen=True)
class Header:
    """Of a .npy: as many bytes as its values take follow it."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype

    @property
    def size(self) -> int:
        return prod(self.shape) * self.dtype.itemsize


def read_header(stream: IO[bytes]) -> Header:
    """Raises: FAULTS for another file, a header of more than `MAX_HEADER`, Python objects."""
    version = np.lib.format.read_magic(stream)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0,
    }  # fmt: skip
    if version == (2, 0):  # its length is read before numpy takes memory for it
        length = int.from_bytes(stream.read(4), "little")
        if length > MAX_HEADER:
            raise ValueError(f"a header of {length} bytes")
        stream.seek(-4, 1)
    header = Header(*readers[version](stream, max_header_size=MAX_HEADER))
    if header.dtype.hasobject or any(side < 0 for side in header.shape):
        raise ValueError("Python objects, or a negative size")
    return header


def load_array(path: Path) -> Array:
    """A .npy, mapped. Raises: HwgenError for a damaged file, another kind, a size that it lacks."""
    check_file(path)
    try:
        with path.open("rb") as stream:
            header = read_header(stream)
            there = path.stat().st_size - stream.tell()
        if there < header.size:
            raise ValueError(f"{header.size} bytes promised")
        if not header.size:
            return np.empty(header.shape, header.dtype)
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except FAULTS:
        with suppress(OSError):
            if path.open("rb").read(2) == b"PK":
                raise refused(path, "it is a .npz by another name") from None
        raise refused(path, UNREADABLE) from None


def open_array(path: Path, shape: Shape) -> tuple[ArrayImages | PackedImages, Any]:
    """Images of a .npy, .npz or .pt, and its labels (None), which are not checked.

    Raises: HwgenError for a damaged file, another content, another type or shape, none or more
    than `MAX_IMAGES` images.
    """
    check_file(path)
    kind = path.suffix.lower()
    if kind == ".npz":
        return _open_packed(path, shape)
    content = load_array(path) if kind == ".npy" else _load_torch(path)
    labels = None
    if isinstance(content, Mapping):
        if "images" not in content:
            raise refused(path, f"holds {', '.join(map(str, content)) or 'nothing'}")
        content, labels = content["images"], content.get("labels")
    elif not hasattr(content, "dtype"):
        raise refused(path, f"holds a {type(content).__name__}")
    check_images(str(path), content, shape)
    if content.ndim == 3:
        content = content[None]
    check_count(str(path), len(content))
    return ArrayImages(content), labels


def refused(path: Path, reason: str) -> HwgenError:
    kind = path.suffix.lower()
    holds, maker = FORMATS[kind]
    return HwgenError(
        str(path), f"no images: {reason}", f"{kind} needs {holds}", f"write it with {maker}"
    )


def _open_packed(path: Path, shape: Shape) -> tuple[ArrayImages | PackedImages, Any]:
    try:
        if path.open("rb").read(6) == b"\x93NUMPY":
            raise refused(path, "it is a .npy by another name")
        with zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
            if "images" not in names:
                raise refused(path, f"holds {', '.join(names) or 'nothing'}")
            header = _member(archive, "images")
            looks = header.dtype == np.uint8 and header.shape[1:] == shape and header.shape[0]
            images: ArrayImages | PackedImages
            if not looks or header.fortran:
                images = _whole(path, archive, "images", header, shape)
            else:
                check_count(str(path), header.shape[0])
                images = PackedImages(path, "images.npy", header)
            labels: Any = None
            if "labels" in names:
                found = _member(archive, "labels")
                if found.size > 8 * len(images):  # as many integers: else it is told by its header
                    labels = np.lib.stride_tricks.as_strided(
                        np.empty(1, found.dtype), found.shape, (0,) * len(found.shape)
                    )
                else:
                    labels = _read(archive, "labels")
        return images, labels
    except FAULTS:
        raise refused(path, UNREADABLE) from None


def _member(archive: zipfile.ZipFile, name: str) -> Header:
    entry = archive.getinfo(f"{name}.npy")
    with archive.open(entry) as stream:
        header = read_header(stream)
        if entry.file_size - stream.tell() != header.size:
            raise ValueError(f"{header.size} bytes promised")
    return header


def _read(archive: zipfile.ZipFile, name: str) -> Array:
    with archive.open(f"{name}.npy") as stream:
        return np.lib.format.read_array(stream, allow_pickle=False)


def _whole(
    path: Path, archive: zipfile.ZipFile, name: str, header: Header, shape: Shape
) -> ArrayImages:
    """An array that cannot be read in parts, or is of another type or shape: then its values are
    looked at for the message, if they are few."""
    if header.size <= MAX_WHOLE:
        array = _read(archive, name)
        check_images(str(path), array, shape)
        return ArrayImages(array if array.ndim == 4 else array[None])
    empty = np.lib.stride_tricks.as_strided(
        np.zeros(1, header.dtype), header.shape, (0,) * len(header.shape)
    )
    check_images(str(path), empty, shape)
    raise HwgenError(
        str(path), f"{header.size:,} bytes in Fortran order", "are read as a whole: at most "
        f"{MAX_WHOLE:,}", "save numpy.ascontiguousarray(images)",
    )  # fmt: skip


def _load_torch(path: Path) -> Any:
    """Tensors as arrays, mapped where the file allows it. Raises: HwgenError."""
    import torch

    def array(value: Any) -> Any:
        if not isinstance(value, torch.Tensor) or value.layout != torch.strided or value.is_meta:
            return value
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise ValueError("a tensor that repeats its memory")
        return value if value.dtype == torch.bfloat16 else value.detach().numpy()

    try:
        packed = zipfile.is_zipfile(path)
        if packed:
            with zipfile.ZipFile(path) as archive:  # torch.save never compresses: a bomb would
                if any(entry.compress_type for entry in archive.infolist()):
                    raise ValueError("compressed")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=packed)
        if isinstance(content, Mapping):
            return {key: array(value) for key, value in content.items()}
        return array(content)
    except Exception:  # torch reports damaged files with many exception types
        raise refused(path, UNREADABLE) from None
