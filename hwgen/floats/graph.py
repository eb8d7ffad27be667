"""The float graph: what a network computes, without PyTorch's memory layouts.

A value is (batch, tokens, C) on a grid, row-major, or (batch, windows, T, C). What a node computes,
which parameters it has and which shape results says its kind, a class of `hwgen.floats.kinds`; what
a legal graph is says `hwgen.floats.check`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hwgen.floats.kinds.base import Node


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
