"""Execution of the float graph in PyTorch, one node after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hwgen.engine.numerics import HEAD_DIM
from hwgen.floats.graph import FloatGraph, Node

Step = Callable[..., Tensor]


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

    @torch.no_grad()
    def steps(self, images: np.ndarray) -> Iterator[tuple[Node, Tensor]]:
        """Yield every node with its value, in order; values are dropped after their last use."""
        values: dict[str, Tensor] = {}
        for node in self.graph.nodes.values():
            if node.kind == "input":
                x = torch.as_tensor(np.asarray(images)).to(self.dtype)
                value = x.reshape(len(x), -1, x.shape[-1])
            elif node.kind == "constant":
                value = self._tensor(node["value"])[None]
            else:
                value = getattr(self, f"_{node.kind}")(node, *(values[i] for i in node.inputs))
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

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.as_tensor(np.asarray(array)).to(self.dtype)

    def _scaled(self, node: Node, x: Tensor) -> Tensor:
        return x * self._tensor(node["scale"]) + self._tensor(node["bias"])

    @staticmethod
    def _image(node_grid: tuple[int, int], x: Tensor) -> Tensor:
        """(B, H*W, C) -> (B, C, H, W)."""
        return x.reshape(x.shape[0], *node_grid, x.shape[-1]).permute(0, 3, 1, 2)

    def _grid_of(self, node: Node) -> tuple[int, int]:
        return self.graph.nodes[node.inputs[0]].layout.grid

    def _affine(self, node: Node, x: Tensor) -> Tensor:
        return x * self._tensor(node["a"]) + self._tensor(node["b"])

    def _add(self, node: Node, *terms: Tensor) -> Tensor:
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total

    def _rprelu(self, node: Node, x: Tensor) -> Tensor:
        t = x - self._tensor(node["g"])
        return torch.where(t >= 0, t, t * self._tensor(node["slope"])) + self._tensor(node["z"])

    def _gelu(self, node: Node, x: Tensor) -> Tensor:
        return F.gelu(x)

    def _sign(self, node: Node, x: Tensor) -> Tensor:
        return (self._affine(node, x) >= 0).to(self.dtype) * 2 - 1

    def _xnor_linear(self, node: Node, s: Tensor) -> Tensor:
        y = self._scaled(node, s @ self._tensor(node["sign"]).T)
        return self._unwindow(node, y) if node["unwindow"] else y

    def _xnor_conv(self, node: Node, s: Tensor) -> Tensor:
        weight = self._tensor(node["sign"]).permute(0, 3, 1, 2)
        d = node["dilation"]
        y = F.conv2d(
            self._image(self._grid_of(node), s), weight, None, node["stride"], node["padding"],
            d, node["groups"],
        )  # fmt: skip
        return self._scaled(node, y.flatten(2).transpose(1, 2))

    def _conv(self, node: Node, x: Tensor) -> Tensor:
        weight = self._tensor(node["weight"]).permute(0, 3, 1, 2)
        pad = self._tensor(node["pad"])  # outside the grid: the rest is 0 there
        image = self._image(self._grid_of(node), x - pad)
        y = F.conv2d(image, weight, None, node["stride"], node["padding"])
        constant = self._tensor(node["bias"]) + weight.sum((2, 3)) @ pad
        return y.flatten(2).transpose(1, 2) + constant

    def _cross_filter(self, node: Node, x: Tensor) -> Tensor:
        grid = x.reshape(x.shape[0], *self._grid_of(node), x.shape[-1])
        total = self._tensor(node["bias"]).expand_as(grid)
        for (dy, dx), coeff in zip(node["offsets"], node["coeff"]):
            total = total + self._moved(grid, dy, dx, node["pad"]) * self._tensor(coeff)
        return total.reshape(x.shape)

    def _moved(self, grid: Tensor, dy: int, dx: int, pad: np.ndarray | None) -> Tensor:
        """Value (dy, dx) away of every cell of (B, H, W, C)."""
        moved = torch.roll(grid, (-dy, -dx), (1, 2))
        if pad is None:
            return moved
        rows, columns = (torch.arange(n) for n in grid.shape[1:3])
        inside = ((rows + dy >= 0) & (rows + dy < len(rows)))[:, None] & (
            (columns + dx >= 0) & (columns + dx < len(columns))
        )
        return torch.where(inside[..., None], moved, self._tensor(pad))

    def _avg_pool(self, node: Node, x: Tensor) -> Tensor:
        k = node["kernel"]
        y = F.avg_pool2d(self._image(self._grid_of(node), x), k, divisor_override=1)
        return self._scaled(node, y.flatten(2).transpose(1, 2))

    def _max_pool(self, node: Node, x: Tensor) -> Tensor:
        image = self._image(self._grid_of(node), x)
        y = F.max_pool2d(image, node["kernel"], node["stride"], node["padding"])
        return self._scaled(node, y.flatten(2).transpose(1, 2))

    def _merge_max(self, node: Node, x: Tensor) -> Tensor:
        w = node["window"]
        y = F.max_pool2d(self._image(self._grid_of(node), x), w, w, w // 2)
        return self._scaled(node, y.flatten(2).transpose(1, 2))

    def _merge_sum(self, node: Node, x: Tensor) -> Tensor:
        w = node["window"]
        y = F.avg_pool2d(self._image(self._grid_of(node), x), w, w, w // 2, divisor_override=1)
        return self._scaled(node, y.flatten(2).transpose(1, 2))

    def _layer_norm(self, node: Node, x: Tensor, merge: Tensor | None = None) -> Tensor:
        w = node["window"]
        if w:
            b, _, c = x.shape
            h, v = (side // w for side in self._grid_of(node))
            x = x.reshape(b, h, w, v, w, c).transpose(2, 3).reshape(b, h * v, w * w, c)
        if merge is not None:
            x = torch.cat([x, merge[:, None].expand(-1, x.shape[1], -1, -1)], 2)
        return F.layer_norm(x, x.shape[-1:], eps=node["eps"])

    def _attention(self, node: Node, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        context = self.levels(node, q, k) @ self._heads(v)
        return self._scaled(node, context.transpose(-2, -3).reshape(q.shape))

    @staticmethod
    def _heads(x: Tensor) -> Tensor:
        """(..., T, C) -> (..., heads, T, 64)."""
        return x.unflatten(-1, (-1, HEAD_DIM)).transpose(-2, -3)

    def levels(self, node: Node, q: Tensor, k: Tensor) -> Tensor:
        """Attention levels (..., heads, N, M) of a node's q (..., N, C) and k (..., M, C)."""
        q, k = self._heads(q), self._heads(k)
        a = torch.softmax(q @ k.transpose(-1, -2) / HEAD_DIM**0.5, -1)
        alpha, zero = (self._tensor(node[p])[:, None, None] for p in ("alpha", "zero_point"))
        return torch.clamp(torch.round(node["top"] * a / alpha + zero), 0, node["top"])

    def _merge_mean(self, node: Node, z: Tensor) -> Tensor:
        return self._scaled(node, z[:, :, -z.shape[1] :].sum(1))

    def _window_part(self, node: Node, z: Tensor) -> Tensor:
        return self._scaled(node, z[:, :, : node["window"] ** 2])

    def _token_mean(self, node: Node, x: Tensor) -> Tensor:
        return self._scaled(node, x.sum(1, keepdim=True))

    def _tile(self, node: Node, x: Tensor) -> Tensor:
        return torch.cat([x] * node["times"], -1)

    def _pool(self, node: Node, x: Tensor) -> Tensor:
        return x.unflatten(-1, (-1, node["factor"])).mean(-1)

    def _upsample(self, node: Node, x: Tensor) -> Tensor:
        f, (h, w) = node["factor"], self._grid_of(node)
        cells = x.reshape(len(x), h, w, -1)
        return cells.repeat_interleave(f, 1).repeat_interleave(f, 2).flatten(1, 2)

    def _per_window(self, node: Node, g: Tensor) -> Tensor:
        return g[:, :, None]

    def _unwindow(self, node: Node, x: Tensor) -> Tensor:
        b, _, t, c = x.shape
        w = round(t**0.5)
        h, v = (side // w for side in node.layout.grid)
        return x.reshape(b, h, v, w, w, c).transpose(2, 3).reshape(b, -1, c)
