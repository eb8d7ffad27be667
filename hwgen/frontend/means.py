"""A mean over one side of the grid and then over the other is one mean: x.mean(3).mean(2)."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

MEANS = {torch.mean, "mean"}


def join_means(graph: fx.Graph) -> None:
    """mean(mean(x, i), j) becomes mean(x, (i, j))."""
    for node in graph.nodes:
        outer, inner = _dims(node), _dims(node.args[0]) if node.args else None
        if outer is None or inner is None or outer[1] != inner[1]:
            continue
        dims, keep = inner
        left = [d for d in range(_rank(node.args[0].args[0])) if keep or d not in dims]
        both = sorted({*dims, *(left[d] for d in outer[0])})
        with graph.inserting_after(node):
            joined = graph.call_method("mean", (node.args[0].args[0], tuple(both), keep))
        joined.meta = dict(node.meta)
        node.replace_all_uses_with(joined)


def _rank(node: Any) -> int:
    return int(node.meta["value"].dim())


def _dims(node: Any) -> tuple[list[int], bool] | None:
    """The axes of a mean, and whether they stay as sides of one cell; None for another node."""
    if not isinstance(node, fx.Node) or node.target not in MEANS or not node.args:
        return None
    names = ("dim", "keepdim")
    given = dict(zip(names, node.args[1:])) | dict(node.kwargs)
    dim = given.get("dim")
    if given.keys() - set(names) or dim is None or not isinstance(node.args[0], fx.Node):
        return None
    rank = _rank(node.args[0])
    dims = [int(d) % rank for d in (dim if isinstance(dim, tuple | list) else (dim,))]
    return dims, bool(given.get("keepdim", False))
