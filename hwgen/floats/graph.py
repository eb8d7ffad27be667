"""The float graph: what a network computes, without PyTorch's memory layouts.

A value is (batch, tokens, C) on a grid, row-major, or (batch, windows, T, C). Node kinds (all
vectors per channel, float64; `s` marks +-1 values):

    input                                the image, (H*W, channels)
    constant      value                  a fixed tensor, broadcast over the batch
    affine        a, b                   a x + b
    add                                  sum of two or more inputs
    rprelu        g, slope, z            t = x - g; (t >= 0 ? t : slope t) + z
    gelu
    sign          a, b                   s = (a x + b >= 0 ? 1 : -1)
    xnor_linear   sign, scale, bias, unwindow      scale (s . sign) + bias
    xnor_conv     sign (O, k, k, C), scale, bias, stride, padding, dilation, groups
    conv          weight (O, k, k, C), bias, stride, padding, pad, quad    O x C on every position
                                         for k = 1; x is pad (C,) in the padding; quad: `split_stem`
    cross_filter  offsets, coeff (R, C), bias, pad   sum_r coeff_r x[y + dy_r, x + dx_r]; outside
                                         the grid x is pad (C,), or circular where pad is None
    avg_pool      kernel, scale, bias              scale sum(k x k cells) + bias
    max_pool      kernel, stride, padding, scale, bias           scale max(k x k cells) + bias
    merge_max, merge_sum  window, scale, bias      w x w cells from w i - w//2, clipped
    layer_norm    eps, window            inputs x, or x and merge tokens appended to every window
    attention     alpha, zero_point (heads,), top, scale, bias      scale sum_t level v + bias,
                                         level = clamp(round(top A / alpha + zero_point), 0, top)
    merge_mean    scale, bias            scale sum over windows of the last `windows` tokens + bias
    window_part   window, scale, bias    the first w*w tokens of every window
    token_mean    scale, bias            scale sum over tokens + bias
    tile times / pool factor / unwindow window / per_window / upsample factor     layout only

Side of a convolution's or pooling's result: floor((side + 2 padding - dilation (k - 1) - 1) /
stride) + 1. A position in the padding adds 0 to a sum (but see pad) and is never a maximum.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

Array = np.ndarray

SCALED = frozenset(  # kinds with parameters `scale` and `bias` applied to what they compute
    {"xnor_linear", "xnor_conv", "avg_pool", "max_pool", "merge_max", "merge_sum", "attention"}
    | {"merge_mean", "window_part", "token_mean"}
)
ANCHORS = SCALED | {"conv", "cross_filter", "layer_norm"}  # kinds that are an op of their own
ELEMENTWISE = frozenset({"affine", "add", "rprelu", "gelu"})
VIEWS = frozenset({"tile", "pool", "unwindow", "per_window", "upsample"})


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
    """One operation; its value carries the node's name."""

    name: str
    kind: str
    inputs: tuple[str, ...]
    params: dict[str, Any]
    layout: Layout

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
