"""Plain values that training scripts save beside the weights, let into a weights-only load.

PyTorch calls nothing that is not listed here or in its own short list. What is listed has no side
effects: of the standard library only value classes, whose constructors compute and touch neither
files, processes nor attributes of others (argparse.Namespace: a bag of attributes; datetime: time
stamps). NumPy's scalars and pathlib's paths do not reach NumPy and pathlib at all: their names are
bound to the stand-ins of this module, which give back numbers and strings.
"""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Callable
from typing import Any

import numpy as np

_NUMERIC = "biuf"  # kinds of NumPy types that a number has: no objects, no records


class NumpyType:
    """Stands for numpy.dtype: numpy.dtype("f8", False, True), then its state ("<", ...)."""

    def __init__(self, text: str, *_: Any) -> None:
        self.text, self.order = text, "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1]


def numpy_scalar(kind: NumpyType, data: bytes) -> bool | int | float:
    """Stands for numpy's `scalar`. Raises: ValueError if it is no number of the given bytes."""
    number = np.dtype(kind.text)
    if number.kind not in _NUMERIC or len(data) != number.itemsize:
        raise ValueError(f"{number} is no number")
    number = number.newbyteorder(">") if kind.order == ">" else number
    return np.frombuffer(data, number)[0].item()


def path_text(*parts: str) -> str:
    """Stands for pathlib's classes: the path as a string; no file is looked at."""
    return "/".join(parts).replace("//", "/")


_PATHS = ("Path", "PosixPath", "WindowsPath", "PurePath", "PurePosixPath", "PureWindowsPath")

SAFE: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    argparse.Namespace,
    datetime.date,
    datetime.datetime,
    datetime.time,
    datetime.timedelta,
    datetime.timezone,
    (NumpyType, "numpy.dtype"),
    *((numpy_scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    *((path_text, f"{module}.{p}") for module in ("pathlib", "pathlib._local") for p in _PATHS),
]
