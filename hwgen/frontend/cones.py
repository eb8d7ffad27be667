"""What a value is computed from: operations between it and one value before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import fx


def read(node: fx.Node) -> list[fx.Node]:
    """Values that a node reads, without constants."""
    return [n for n in node.all_input_nodes if n.op != "get_attr"]


def cones(
    node: fx.Node, position: dict[fx.Node, int], inside: Callable[[fx.Node], bool], longest: int
) -> Iterator[tuple[fx.Node, list[fx.Node]]]:
    """(value, the operations in order) for every value from which alone a node is computed by 2 to
    `longest` operations of which each is `inside`. position: of every node in its graph."""
    if not inside(node):
        return
    found, before = [node], set(read(node))
    while before and len(found) < longest:
        latest = max(before, key=position.__getitem__)
        if len(before) == 1 and len(found) > 1:
            yield latest, sorted(found, key=position.__getitem__)
        if not inside(latest):
            return
        before = (before - {latest}) | set(read(latest))
        found.append(latest)
