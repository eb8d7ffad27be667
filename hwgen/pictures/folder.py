"""Folders of pictures: flat, or one folder per class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwgen.errors import HwgenError
from hwgen.pictures.decode import is_picture, no_picture
from hwgen.pictures.reader import Reader

NO_PICTURES = ("Thumbs.db", "desktop.ini", "__MACOSX")  # left by systems; as hidden files


class PictureFiles:
    """Images of files, read when they are asked for."""

    def __init__(self, files: Sequence[Path], reader: Reader) -> None:
        self.files, self.reader = files, reader

    def __len__(self) -> int:
        return len(self.files)

    def read(self, indices: np.ndarray) -> np.ndarray:
        """uint8 (len(indices), H, W, channels)."""
        return np.stack([self.reader.read(self.files[int(i)]) for i in indices])


@dataclass(frozen=True)
class Listing:
    """Files of a folder in the order of their names; of a folder per class, class by class.

    folders: names of the classes' folders, none in a flat folder; folder_of: index into `folders`
    of every file.
    """

    files: list[Path]
    folders: tuple[str, ...]
    folder_of: np.ndarray


def list_folder(path: Path) -> Listing:
    """Raises: HwgenError for an empty folder, something that is no picture, pictures beside
    folders, folders inside the classes' folders."""
    entries = _entries(path)
    folders = [p for p in entries if p.is_dir()]
    if not folders:
        if not entries:
            raise HwgenError(
                str(path), "an empty folder", "needs at least one picture", "give another folder"
            )
        return Listing(_pictures(entries), (), np.zeros(len(entries), np.int64))
    beside = [p for p in entries if not p.is_dir() and _is_image(p)]
    if beside:
        raise HwgenError(
            str(path), f"pictures ({beside[0].name}, ...) beside folders ({folders[0].name}, ...)",
            "holds pictures, or one folder per class", "move one of them away",
        )  # fmt: skip
    files: list[Path] = []
    folder_of: list[int] = []
    for k, folder in enumerate(folders):
        inside = _entries(folder)
        deeper = [p for p in inside if p.is_dir()]
        if deeper:
            raise HwgenError(
                str(deeper[0]), "a folder inside a class's folder", "holds one folder per class",
                f"give one of {', '.join(p.name for p in folders[:3])}, ... or move it",
            )  # fmt: skip
        files += _pictures(inside)
        folder_of += [k] * len(inside)
    if not files:
        raise HwgenError(
            str(path), f"{len(folders)} empty folders", "needs at least one picture",
            "give another folder",
        )  # fmt: skip
    return Listing(files, tuple(p.name for p in folders), np.array(folder_of, np.int64))


def _entries(path: Path) -> list[Path]:
    try:
        return sorted(
            p for p in path.iterdir() if not p.name.startswith(".") and p.name not in NO_PICTURES
        )
    except OSError as error:
        raise HwgenError(
            str(path),
            error.strerror or "cannot be listed",
            "must be readable",
            "give another folder",
        ) from None


def _is_image(path: Path) -> bool:
    return path.suffix.lower() == ".npy" or is_picture(path)


def _pictures(files: list[Path]) -> list[Path]:
    for path in files:
        if not _is_image(path):
            raise no_picture(path, "neither by its suffix nor by its content")
    return files
