"""The float graph: what a network computes, without PyTorch's memory layouts.

A value is (batch, tokens, C) on a grid, row-major, or (batch, windows, T, C). What a node computes,
which parameters it has and which shape results says its kind, a class of `hwgen.floats.kinds`; what
a legal graph is says `hwgen.floats.check`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hwgen.floats.kinds.base import Kind


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


@dataclass(frozen=True, eq=False)
class Node:
    """One operation; its value carries the node's name.

    Raises: IllegalGraph unless `params` are the kind's, by name, and the kind takes as many inputs.
    """

    name: str
    kind: type[Kind]
    inputs: tuple[str, ...]
    params: dict[str, Any]
    layout: Layout

    def __post_init__(self) -> None:
        if self.params.keys() != self.kind.params.keys():
            text = f"has {', '.join(self.params) or 'none'}; {self.kind.name} has "
            raise IllegalGraph(
                "parameters", self.name, text + (", ".join(self.kind.params) or "none")
            )
        fewest, most = self.kind.arity
        if not fewest <= len(self.inputs) <= (most or len(self.inputs)):
            text = f"{len(self.inputs)} inputs; {self.kind.name} has {fewest} to {most or 'any'}"
            raise IllegalGraph("inputs", self.name, text)

    def __getitem__(self, key: str) -> Any:
        return self.params[key]

    def with_(self, **changes: Any) -> Node:
        """A copy with fields, or parameters of the node, replaced."""
        params = self.params | {k: v for k, v in changes.items() if k in self.params}
        return replace(
            self, params=params, **{k: v for k, v in changes.items() if k not in self.params}
        )


@dataclass(frozen=True, eq=False)
class FloatGraph:
    """Nodes by name in an order of execution; `image` names the input, `output` the logits."""

    nodes: dict[str, Node]
    image: str
    output: str

    def consumers(self) -> dict[str, list[Node]]:
        """Nodes that read each value, once per operand."""
        out: dict[str, list[Node]] = {name: [] for name in self.nodes}
        for node in self.nodes.values():
            for name in node.inputs:
                out[name].append(node)
        return out

    def rewrite(self, changed: Iterable[Node], rename: dict[str, str] | None = None) -> FloatGraph:
        """A new graph: nodes added or replaced by name, uses renamed, dead nodes dropped, sorted.

        The order is by depth (longest path from the inputs), then by the old position.
        """
        nodes = dict(self.nodes) | {n.name: n for n in changed}
        rename = rename or {}

        def final(name: str) -> str:
            while name in rename:
                name = rename[name]
            return name

        if rename:
            for k, n in nodes.items():
                if any(i in rename for i in n.inputs):
                    nodes[k] = n.with_(inputs=tuple(final(i) for i in n.inputs))
        output = final(self.output)
        depth: dict[str, int] = {}
        stack = [output, self.image]
        while stack:
            name = stack[-1]
            missing = [i for i in nodes[name].inputs if i not in depth]
            if missing:
                stack += missing
                continue
            stack.pop()
            depth[name] = 1 + max((depth[i] for i in nodes[name].inputs), default=0)
        place = {name: i for i, name in enumerate(nodes)}
        order = sorted(depth, key=lambda name: (depth[name], place[name]))
        return FloatGraph({name: nodes[name] for name in order}, self.image, output)
