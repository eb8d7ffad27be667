"""Identity copies where one instruction would read a feature memory through two streams at once.

There are two feature memories with one read port each, so the tensors that an op reads together
must be 2-coloured. A tensor read twice by one op, or an odd cycle of such pairs, gets a copy.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from hwgen.ir.graph import Graph
from hwgen.ops.base import Op
from hwgen.ops.post import Post
from hwgen.ops.vector import Pointwise

RESIDUALS = ("pre", "mid", "out")
ONE = 13  # a copy multiplies by 2**13 and shifts it out


class _Parity:
    """Union-find over tensors with the colour relative to the root."""

    def __init__(self) -> None:
        self.parent: dict[str, tuple[str, int]] = {}

    def find(self, name: str) -> tuple[str, int]:
        colour = 0
        while name in self.parent:
            name, flip = self.parent[name]
            colour ^= flip
        return name, colour

    def differ(self, a: str, b: str) -> bool:
        """Ask for different colours; False when they are bound to be equal."""
        (ra, ca), (rb, cb) = self.find(a), self.find(b)
        if ra == rb:
            return ca != cb
        self.parent[ra] = (rb, ca ^ cb ^ 1)
        return True


def separate_streams(graph: Graph) -> Graph:
    """The graph with `Pointwise` identities added where needed; itself when nothing is."""
    types, parity = graph.types(), _Parity()
    ops: list[Op] = []
    for op in graph.ops:
        together = [s for stream in op.streams() for s in stream if types[s].kind != "bits"]
        for role in RESIDUALS:
            tensor = getattr(op.post, role)
            if tensor is None:
                continue
            if not all(parity.differ(tensor, other) for other in together):
                copy = f"{op.name}.{role}.copy"
                one = np.full(types[tensor].channels, 1 << ONE, dtype=np.int64)
                post = Post(sh1=ONE, act_bits=op.post.act_bits)
                ops.append(Pointwise(copy, (tensor,), post, types[tensor], None, m=one))
                types[copy] = types[tensor]
                changed: dict[str, Any] = {role: copy}
                op = replace(op, post=replace(op.post, **changed))
                tensor = copy
                for other in together:
                    parity.differ(tensor, other)
            together.append(tensor)
        ops.append(op)
    return graph if len(ops) == len(graph.ops) else replace(graph, ops=tuple(ops))
