"""Shapes that a program states for the batch it was exported with, for another batch.

A program that was exported with fixed images calls `view(x, [1, 64, 8, 8])`. How many images there
are now shows in the operand: the axis whose size is not the stated one holds the batch, behind as
many values as are stated before it; so does the result's.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod


def viewed(stated: Sequence[int], now: Sequence[int], result: Sequence[int]) -> list[int] | None:
    """The shape of a view: that of its operand was `stated` where that of the result was `result`,
    and is `now`. None where the batch stands in no axis of the result alone."""
    place = _changed(stated, now)
    if place is None:
        return list(result) if tuple(stated) == tuple(now) else None
    before = prod(stated[:place])
    for axis, size in enumerate(result):
        if prod(result[:axis]) == before and size * now[place] % stated[place] == 0:
            scaled = size * now[place] // stated[place]
            return [*result[:axis], scaled, *result[axis + 1 :]]
    return None


def expanded(stated: Sequence[int], now: Sequence[int], result: Sequence[int]) -> list[int] | None:
    """The same of an operand that is repeated along axes of size 1, or before the first."""
    place = _changed(stated, now)
    if place is None:
        return list(result) if tuple(stated) == tuple(now) else None
    axis = place + len(result) - len(stated)
    return [*result[:axis], now[place], *result[axis + 1 :]]


def _changed(stated: Sequence[int], now: Sequence[int]) -> int | None:
    """The one axis whose size is another; None where there is no one such axis."""
    if len(stated) != len(now):
        return None
    found = [k for k, (a, b) in enumerate(zip(stated, now)) if a != b]
    return found[0] if len(found) == 1 else None
