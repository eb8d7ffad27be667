"""Programs of the ops: one function per op class, registered under its name."""

from __future__ import annotations

from collections.abc import Iterator

from hwgen.ops.base import Op
from hwgen.ops.cross_filter import CrossFilter
from hwgen.schedule.beside import Beside
from hwgen.schedule.builder import Builder
from hwgen.schedule.plan import Part
from hwgen.schedule.steps import (
    attention,  # noqa: F401
    constant,  # noqa: F401
    dense,  # noqa: F401
    gather,  # noqa: F401
    image,  # noqa: F401
    layernorm,  # noqa: F401
    max_pool,  # noqa: F401
    reload,  # noqa: F401
    vector,
    window_sum,  # noqa: F401
    xnor_conv,  # noqa: F401
    xnor_linear,  # noqa: F401
)
from hwgen.schedule.steps.registry import STEPS

__all__ = ["STEPS", "run_beside", "run_step"]


def run_step(b: Builder, op: Op, part: Part | None = None) -> None:
    """Append the instructions of one op, or of some rows of its result."""
    b.step = op.name
    b.use_chords(op.post.chords)
    STEPS[type(op).__name__](b, op, part)


def run_beside(b: Builder, op: Op, part: Part | None) -> Beside:
    """The instructions of a cross filter, appended one by one as the next step asks for them."""
    assert isinstance(op, CrossFilter), f"{op.name} cannot run beside another op"

    def instructions() -> Iterator[tuple[int, int]]:
        own = vector.stencil(b, op, part)
        while True:
            host, b.step = b.step, op.name
            made = next(own, None)
            b.step = host
            if made is None:
                return
            yield made

    return Beside(instructions())
