"""Execution of the float graph in PyTorch, one node after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from hwgen.floats.graph import FloatGraph
from hwgen.floats.kinds import Call, Input
from hwgen.floats.kinds.base import Node


class Evaluator:
    """Runs a float graph on images (batch, H, W, channels) in `dtype`; values keep our layout.

    change: (node name, value) -> the value that the readers get, for studies of errors.
    """

    def __init__(
        self,
        graph: FloatGraph,
        dtype: torch.dtype = torch.float32,
        change: Callable[[str, Tensor], Tensor] = lambda name, value: value,
    ) -> None:
        self.graph, self.dtype, self.change = graph, dtype, change
        last = {name: node.name for node in graph.nodes.values() for name in node.inputs}
        self._free: dict[str, list[str]] = {}
        for name, user in last.items():
            self._free.setdefault(user, []).append(name)

    def call(self, node: Node) -> Call:
        """A node of the graph with what its evaluation needs to know."""
        layouts = tuple(self.graph.nodes[name].layout for name in node.inputs)
        return Call(node, layouts, self.dtype)

    @torch.no_grad()
    def steps(self, images: np.ndarray) -> Iterator[tuple[Node, Tensor]]:
        """Yield every node with its value, in order; values are dropped after their last use."""
        image = torch.as_tensor(np.asarray(images)).to(self.dtype)
        values: dict[str, Tensor] = {}
        for node in self.graph.nodes.values():
            inputs = [values[name] for name in node.inputs] if node.kind is not Input else [image]
            value = node.kind.evaluate(self.call(node), *inputs)
            values[node.name] = value = self.change(node.name, value)
            yield node, value
            for name in self._free.get(node.name, ()):
                del values[name]

    def logits(self, images: np.ndarray) -> np.ndarray:
        """(batch, classes) of the graph's output."""
        for node, value in self.steps(images):
            if node.name == self.graph.output:
                return value.reshape(len(value), -1).numpy()
        raise AssertionError("the output is no node")
