"""Programs of the ops: one function per op class, registered under its name."""

from __future__ import annotations

from collections.abc import Callable

from hwgen.ops.base import Op
from hwgen.schedule.builder import Builder

STEPS: dict[str, Callable[[Builder, Op], None]] = {}


def step(name: str) -> Callable:
    """Decorator: the program of op class `name`."""

    def add(function: Callable[[Builder, Op], None]) -> Callable[[Builder, Op], None]:
        STEPS[name] = function
        return function

    return add


def run_step(b: Builder, op: Op) -> None:
    """Append the instructions of one op."""
    b.step = op.name
    STEPS[type(op).__name__](b, op)


from hwgen.schedule.steps import attention, constant, dense, layernorm, vector, xnor  # noqa: E402, F401
