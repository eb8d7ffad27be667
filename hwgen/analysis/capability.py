"""Element-wise representational capability of a traced network (docs/capability.md).

How many absolute values an element of the classifier's input can have, counted as in section 3
of BinaryViT's supplementary material (arXiv:2306.16678): the sum over all layers that reach the
classifier along shortcuts of

    values (the largest absolute sum of the layer, with inputs and weights of +-1)
  x cells  (how many of the layer's positions average pooling adds up on the way, at least 1)

It runs on the torch.fx graph, before anything is lowered: layers that cannot be compiled count too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from torch import Tensor, fx, nn

from hwgen import nn as hnn
from hwgen.errors import UnsupportedOpError
from hwgen.frontend.record import place
from hwgen.zoo.network import Network

LARGEST_PIXEL = 255
COUNTINGS = ("stated", "published", "fan_in")


@dataclass(frozen=True)
class CountedLayer:
    """A layer's share: `values` of one element, `cells` of them in an element at the classifier."""

    name: str
    values: int
    cells: int

    @property
    def capability(self) -> int:
        return self.values * self.cells


@dataclass(frozen=True)
class Capability:
    """Layers that reach the classifier, in order of execution."""

    layers: tuple[CountedLayer, ...]

    @property
    def total(self) -> int:
        return sum(layer.capability for layer in self.layers)


@dataclass(frozen=True)
class Reach:
    """What a tensor is made of: cells by layer. extra: tokens in it that stand for no position."""

    cells: dict[str, int] = field(default_factory=dict)
    extra: int = 0


def capability(
    module: nn.Module, image: tuple[int, int, int], counting: str = "stated"
) -> Capability:
    """Capability of a network for images (H, W, channels).

    counting: "stated", the rule of docs/capability.md; "published", the same without attention x
    value and with every second k x k convolution, as the two printed totals of the paper are
    counted; "fan_in", a layer's own inputs instead of its stage's width.
    Raises: UnsupportedOpError if the network cannot be traced.
    """
    assert counting in COUNTINGS, counting
    height, width, channels = image
    training = module.training
    weight = next(module.parameters())
    example = torch.zeros(1, channels, height, width, dtype=weight.dtype, device=weight.device)
    try:
        propagation = _Propagation(hnn.trace(module.eval()), counting)
        with torch.no_grad():
            propagation.run(example)
    except fx.proxy.TraceError as error:
        raise UnsupportedOpError(
            type(module).__name__, str(error).splitlines()[0],
            "control flow must not depend on tensors",
        ) from None  # fmt: skip
    finally:
        module.train(training)
    return propagation.result()


def network_capability(module: Network, counting: str = "stated") -> Capability:
    """`capability` of a network with a `config`, at its own image size."""
    config = module.config
    side = config.image_size
    return capability(module, (side, side, config.in_channels), counting)


class _Propagation(fx.Interpreter):
    """Runs the network on an example for the shapes, and carries `Reach` along its edges."""

    def __init__(self, module: fx.GraphModule, counting: str) -> None:
        super().__init__(module)
        self.counting = counting
        self.reach: dict[fx.Node, Reach] = {}
        self.values: dict[str, int] = {}
        self.positions: dict[str, int] = {}
        self.convolutions: dict[tuple[int, ...], int] = {}  # shape of the result -> layers so far
        self.final = Reach()

    def result(self) -> Capability:
        cells = self.final.cells
        return Capability(
            tuple(
                CountedLayer(name, values, cells[name])
                for name, values in self.values.items()
                if values and name in cells
            )
        )

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if n.op == "placeholder":
            self.reach[n] = Reach()
        elif n.op == "output":
            self.final = self._union(n)
        elif any(a in self.reach for a in n.all_input_nodes):
            self.reach[n] = self._step(n, result)
        return result

    def _step(self, n: fx.Node, result: Tensor) -> Reach:
        inputs = self._union(n)
        if n.op == "call_module":
            return self._module(n, self.fetch_attr(str(n.target)), inputs, result)
        if n.target is hnn.elastic_attention:
            return self._attention(n, 1, result)
        if n.target is hnn.prepend_token:
            return Reach(inputs.cells, inputs.extra + 1)
        if n.target is hnn.first_token:
            return Reach(inputs.cells)
        return self._pooled(inputs, _cells_of_call(n, self._argument))

    def _module(self, n: fx.Node, m: nn.Module, inputs: Reach, result: Tensor) -> Reach:
        if isinstance(m, hnn.QDAttention):
            return self._attention(n, hnn.MAX_LEVEL, result)
        if isinstance(m, hnn.BinaryLinear | hnn.BinaryConv2d | nn.Linear | nn.Conv2d):
            binary = isinstance(m, hnn.BinaryLinear | hnn.BinaryConv2d)
            rows, taps = m.weight.shape[0], prod(m.weight.shape[2:])
            if not inputs.cells:
                values = m.weight[0].numel() * LARGEST_PIXEL // 2
            elif not binary:
                return self._pooled(inputs, taps)
            else:
                values = self._width(m, taps, result)
            positions = result.numel() // rows
            return self._source(str(n.target), values, positions, inputs.extra)
        return self._pooled(inputs, _cells_of_module(m, self._argument(n.args[0]), result))

    def _width(self, m: Any, taps: int, result: Tensor) -> int:
        """Values of a binary layer behind the first."""
        rows, columns = m.weight.shape[:2]
        groups = getattr(m, "groups", 1)
        if self.counting == "published" and taps > 1:
            before = self.convolutions.get(tuple(result.shape), 0)
            self.convolutions[tuple(result.shape)] = before + 1
            if before % 2:
                return 0
        width = columns if self.counting == "fan_in" else max(columns, rows // groups)
        return taps * width

    def _attention(self, n: fx.Node, largest: int, result: Tensor) -> Reach:
        """Attention x value: one term of at most `largest` per key."""
        extra = self._union(n).extra
        keys = self._argument(n.args[1]).shape[-2] - extra
        values = 0 if self.counting == "published" else largest * keys
        positions = result.numel() // result.shape[-1]
        return self._source(f"{place(n)}.AV", values, positions, extra)

    def _source(self, name: str, values: int, positions: int, extra: int) -> Reach:
        """A tensor that is made of one layer's results alone."""
        base, count = name, 1
        while name in self.values:
            count += 1
            name = f"{base}.{count}"
        self.values[name], self.positions[name] = values, positions
        return Reach({name: 1}, extra)

    def _pooled(self, reach: Reach, cells: int) -> Reach:
        """Every layer's cells times `cells`, but no more than it has positions."""
        if cells == 1:
            return reach
        grown = {name: min(cells * n, self.positions[name]) for name, n in reach.cells.items()}
        return Reach(grown, reach.extra)

    def _union(self, n: fx.Node) -> Reach:
        """Of all operands: a layer counts once, with the most cells."""
        operands = [self.reach[a] for a in n.all_input_nodes if a in self.reach]
        cells: dict[str, int] = {}
        for operand in operands:
            for name, count in operand.cells.items():
                cells[name] = max(count, cells.get(name, 0))
        return Reach(cells, max((o.extra for o in operands), default=0))

    def _argument(self, value: Any) -> Any:
        return self.env[value] if isinstance(value, fx.Node) else value


def _cells_of_module(m: nn.Module, x: Tensor, result: Tensor) -> int:
    """Positions that one result of a pooling layer averages; 1 for every other layer."""
    if isinstance(m, nn.AvgPool2d):
        k = m.kernel_size
        return prod(k) if isinstance(k, tuple) else k * k
    if isinstance(m, nn.AdaptiveAvgPool2d):
        return prod(x.shape[2:]) // prod(result.shape[2:])
    return m.window**2 if isinstance(m, hnn.TokenBuilder) else 1


def _cells_of_call(n: fx.Node, value: Any) -> int:
    """Positions that one result of a function or tensor method averages."""
    names = {hnn.shift_mean: 3, hnn.neighbour_mean: 3, hnn.avg_pool_grid: 2}

    def argument(name: str, place: int, default: Any = None) -> Any:
        return value(n.args[place] if place < len(n.args) else n.kwargs.get(name, default))

    if n.target in (hnn.shift_mean, hnn.neighbour_mean):
        return 2 * argument("radius", names[n.target]) + 1
    if n.target is hnn.avg_pool_grid:
        return argument("factor", names[n.target]) ** 2
    if n.target is hnn.window_merge:
        return (argument("grid", 2) // argument("window", 3)) ** 2
    if n.target in ("mean", torch.mean):
        shape, dims = value(n.args[0]).shape, argument("dim", 1, tuple(range(1, 4)))
        return prod(shape[d] for d in _as_tuple(dims))
    return 1


def _as_tuple(dims: int | Iterable[int]) -> tuple[int, ...]:
    return (dims,) if isinstance(dims, int) else tuple(dims)
