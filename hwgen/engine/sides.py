"""Sizes of windows along the two sides of the grid."""

from __future__ import annotations

Sides = int | tuple[int, int]  # one number for both, or (down, across)


def both(value: Sides) -> tuple[int, int]:
    """(down, across)"""
    return value if isinstance(value, tuple) else (value, value)


def sides(down: int, across: int) -> Sides:
    """One number where both are equal."""
    return down if down == across else (down, across)
