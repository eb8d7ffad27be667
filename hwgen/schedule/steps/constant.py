"""Constant tensors are loaded when their region is free."""

from __future__ import annotations

from hwgen.ops.constant import Constant
from hwgen.schedule.builder import Builder
from hwgen.schedule.plan import Part
from hwgen.schedule.steps.common import token_range
from hwgen.schedule.steps.registry import step


@step("Constant")
def constant(b: Builder, op: Constant, part: Part | None) -> None:
    first, count = token_range(op, part)
    place, data = b.places[op.name], op.value[first : first + count].reshape(-1, b.s.lanes)
    b.load_words(place, place.address(first), data, op.narrow)
