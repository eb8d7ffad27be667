"""Which class an image belongs to: labels of a file, names of folders."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np

from hwgen.errors import HwgenError
from hwgen.pictures.layout import named


def check_labels(place: str, labels: Any, count: int, classes: int) -> np.ndarray:
    """int64 (count,), each 0 .. classes - 1. Raises: HwgenError for anything else."""
    if isinstance(labels, list) and all(type(label) is int for label in labels):
        labels = np.array(labels)
    integers = isinstance(labels, np.ndarray) and np.issubdtype(labels.dtype, np.integer)
    if not integers or labels.shape != (count,):
        raise HwgenError(
            place, f"labels {named(labels)}", f"must be integers ({count},), as many as images",
            _way_out(labels, count),
        )  # fmt: skip
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(wrong):
        first = int(wrong[0])
        from_one = labels.min() >= 1 and labels.max() == classes
        raise HwgenError(
            place, f"label {labels[first]} (image {first})", f"the network's classes are 0 to "
            f"{classes - 1}", "they look counted from 1: labels - 1" if from_one else
            "correct the labels, or give the network that they are for",
        )  # fmt: skip
    return labels.astype(np.int64)


def _way_out(labels: Any, count: int) -> str:
    shape: tuple[int, ...] = tuple(getattr(labels, "shape", ()))
    kind = getattr(getattr(labels, "dtype", None), "kind", "")
    if len(shape) == 2 and shape[0] == count:
        if shape[1] == 1:
            return "they have an axis too many: labels[:, 0]"
        return "they look like one number per class: labels.argmax(1)"
    if kind == "f" and shape == (count,):
        return "labels.astype('int64')"
    if kind in "US" and kind:
        return "they look like names: give their numbers, or a folder of pictures for each"
    return "correct them or leave them out"


def match_folders(
    place: str, folders: Sequence[str], classes: int, names: Sequence[str]
) -> tuple[list[int], str]:
    """The class of every folder (sorted names), and a line that says how it is known.

    names: of the checkpoint's classes, in their order; without them the sorted folders are the
    classes, as in torchvision's ImageFolder.
    Raises: HwgenError where there are more or fewer folders than classes, or one is none of them.
    """
    if len(folders) != classes:
        raise HwgenError(
            place, f"{len(folders)} folder{'s' if len(folders) != 1 else ''}",
            f"the network has {classes} classes", "give one folder per class, empty where there "
            "are no pictures",
        )  # fmt: skip
    if not names:
        first, last = folders[0], folders[-1]
        return list(range(classes)), (
            f"the checkpoint names no classes: the sorted folders are classes 0 to {classes - 1} "
            f"({first} to {last})"
        )
    number = {_plain(name): k for k, name in enumerate(names)}
    for folder in folders:
        if _plain(folder) not in number:
            few = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            raise HwgenError(
                f"{place}/{folder}", "is none of the checkpoint's classes", f"they are {few}",
                "name the folders so",
            )  # fmt: skip
    return [number[_plain(f)] for f in folders], "folders matched with the checkpoint's class names"


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name)  # some systems take letters and accents apart
