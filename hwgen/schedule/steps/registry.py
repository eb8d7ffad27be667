"""The registry of programs: one function per op class."""

from __future__ import annotations

from collections.abc import Callable

from hwgen.ops.base import Op
from hwgen.schedule.builder import Builder
from hwgen.schedule.plan import Part

Step = Callable[[Builder, Op, Part | None], None]
STEPS: dict[str, Step] = {}


def step(name: str) -> Callable:
    """Decorator: the program of op class `name`."""

    def add(function: Step) -> Step:
        STEPS[name] = function
        return function

    return add
