"""Rows of a tensor come back from DDR (`hwgen.schedule.spill`)."""

from __future__ import annotations

from hwgen.ops.reload import Reload
from hwgen.schedule.builder import Builder
from hwgen.schedule.plan import Part
from hwgen.schedule.steps.registry import step


@step("Reload")
def reload(b: Builder, op: Reload, part: Part | None) -> None:
    """A LOADF for all rows that follow each other: those around a grid's ends lie at the other."""
    place, (height, width) = b.places[op.name], op.out.rows
    if op.last:
        (name,), words = op.sources, op.last * place.words
        inside = b.types[name].shape[1]
        for win in range(op.out.shape[0]):
            row = ((win + 1) * inside - op.last) * place.words
            b.reload_rows(name, place, win * op.last, row, words)
        return
    if place.rows is None:
        b.reload_rows(op.sources[0], place, 0, 0, place.size)
        return
    row, low, end = place.unit_size, place.rows.start, place.rows.stop
    while low < end:
        count = min(end - low, height - low % height)
        b.reload_rows(op.sources[0], place, low * width, low % height * row, count * row)
        low += count
