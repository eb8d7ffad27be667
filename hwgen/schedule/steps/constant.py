"""Constant tensors are loaded when their region is free."""

from __future__ import annotations

from hwgen.ops.constant import Constant
from hwgen.schedule.builder import Builder
from hwgen.schedule.steps import step


@step("Constant")
def constant(b: Builder, op: Constant) -> None:
    b.load_tensor(b.places[op.name], op.value.reshape(-1, b.s.lanes))
