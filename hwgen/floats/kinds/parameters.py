"""Declarations of parameters: type, shape, range.

Letters stand for sizes of a node: C channels of the first input, O those of the result where they
differ, others as the kind says; equal letters are equal sizes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

Problem = tuple[str, str]  # rule, 'value; must be ...'


def _type(value: Any) -> str:
    found = f"{value.dtype} " if isinstance(value, np.ndarray) else ""
    return found + type(value).__name__


class Parameter(ABC):
    """One parameter of a kind."""

    shape: tuple[str, ...] = ()
    values_matter = False  # whether `value_problems` looks at all elements of an array

    @abstractmethod
    def problems(self, value: Any, sizes: dict[str, int]) -> Iterator[Problem]:
        """Broken rules of type and shape; `sizes` gains the letters that are new."""

    def value_problems(self, value: Any) -> Iterator[Problem]:
        """Broken rules of the elements of a value of the right type and shape."""
        return iter(())


class Reals(Parameter):
    """A float64 array: Reals("O", "k", "k", "C"). optional: None is a value too; "...", any axes
    before the others."""

    values_matter = True

    def __init__(self, *shape: str, optional: bool = False) -> None:
        self.shape, self.optional = shape, optional

    def problems(self, value: Any, sizes: dict[str, int]) -> Iterator[Problem]:
        if value is None and self.optional:
            return
        if not isinstance(value, np.ndarray) or value.dtype != np.float64:
            yield "type", f"is {_type(value)}; must be a float64 array"
            return
        letters, shape = self.shape, value.shape
        if letters[0] == "...":
            letters, shape = letters[1:], shape[1 - len(letters) :]
        if len(letters) != len(shape) or any(
            sizes.setdefault(letter, size) != size for letter, size in zip(letters, shape)
        ):
            known = ", ".join(f"{k} = {sizes[k]}" for k in dict.fromkeys(letters) if k in sizes)
            yield "shape", f"{value.shape}; must be ({', '.join(self.shape)}), {known}"

    def value_problems(self, value: Any) -> Iterator[Problem]:
        if value is not None and not np.isfinite(value).all():
            yield "values", "NaN or infinity; must be finite"


class Signs(Reals):
    """A float64 array of +1 and -1."""

    def value_problems(self, value: Any) -> Iterator[Problem]:
        if not (np.abs(value) == 1.0).all():
            yield "values", "other numbers; must be +1 or -1"


@dataclass(frozen=True)
class Int(Parameter):
    """An integer of at least `least`."""

    least: int = 0

    def problems(self, value: Any, sizes: dict[str, int]) -> Iterator[Problem]:
        if type(value) is not int:
            yield "type", f"is {_type(value)}; must be an int"
        elif value < self.least:
            yield "range", f"{value}; must be at least {self.least}"


@dataclass(frozen=True)
class Pair(Int):
    """An integer of at least `least`, for both sides of the grid, or two: (down, across)."""

    def problems(self, value: Any, sizes: dict[str, int]) -> Iterator[Problem]:
        two = type(value) is tuple and len(value) == 2
        for number in value if two else (value,):
            yield from super().problems(number, sizes)


@dataclass(frozen=True)
class Positive(Parameter):
    """A float above 0."""

    def problems(self, value: Any, sizes: dict[str, int]) -> Iterator[Problem]:
        if type(value) is not float:
            yield "type", f"is {_type(value)}; must be a float"
        elif not 0.0 < value < float("inf"):
            yield "range", f"{value}; must be positive and finite"


@dataclass(frozen=True)
class Real(Parameter):
    """A finite float."""

    def problems(self, value: Any, sizes: dict[str, int]) -> Iterator[Problem]:
        if type(value) is not float:
            yield "type", f"is {_type(value)}; must be a float"
        elif not np.isfinite(value):
            yield "range", f"{value}; must be finite"


@dataclass(frozen=True)
class Flag(Parameter):
    """True or False."""

    def problems(self, value: Any, sizes: dict[str, int]) -> Iterator[Problem]:
        if type(value) is not bool:
            yield "type", f"is {_type(value)}; must be True or False"


@dataclass(frozen=True)
class Grid(Parameter):
    """(H, W), or (0, 0) for none."""

    def problems(self, value: Any, sizes: dict[str, int]) -> Iterator[Problem]:
        if not (type(value) is tuple and [type(v) for v in value] == [int, int]):
            yield "type", f"is {_type(value)}; must be two ints"
        elif min(value) < 0:
            yield "range", f"{value}; must not be negative"


class Offsets(Parameter):
    """Pairs (dy, dx), as many as the letter says."""

    def __init__(self, letter: str) -> None:
        self.shape = (letter,)

    def problems(self, value: Any, sizes: dict[str, int]) -> Iterator[Problem]:
        (letter,) = self.shape
        if type(value) is not tuple or any(
            type(o) is not tuple or [type(v) for v in o] != [int, int] for o in value
        ):
            yield "type", f"is {_type(value)}; must be pairs of ints"
        elif sizes.setdefault(letter, len(value)) != len(value):
            yield "shape", f"{len(value)}; must be {letter} = {sizes[letter]}"
