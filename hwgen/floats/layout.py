"""Shapes of values of the float graph, and what a graph that breaks a rule raises."""

from __future__ import annotations

from dataclasses import dataclass


class IllegalGraph(AssertionError):
    """Our bug, not the user's: a node breaks a rule of `hwgen.floats.check`."""

    def __init__(self, rule: str, node: str, problem: str, after: str = "") -> None:
        self.rule, self.node, self.problem, self.after = rule, node, problem, after
        place = f"after {after}: " if after else ""
        super().__init__(f"{place}{node}: {problem} [rule: {rule}]")


@dataclass(frozen=True)
class Layout:
    """Shape without batch: (tokens, C) on `grid`, or (windows, T, C) with grid (0, 0)."""

    shape: tuple[int, ...]
    grid: tuple[int, int] = (0, 0)

    @property
    def channels(self) -> int:
        return self.shape[-1]

    def with_channels(self, channels: int) -> Layout:
        return Layout((*self.shape[:-1], channels), self.grid)


def on_grid(height: int, width: int, channels: int) -> Layout:
    """Layout of a grid of tokens."""
    return Layout((height * width, channels), (height, width))
