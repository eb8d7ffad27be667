"""Multiply-accumulates and parameters of any network, counted while it runs once."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from hwgen.analysis.operations import Totals
from hwgen.frontend.convolutions import magnitudes

aten = torch.ops.aten
WEIGHTED = {  # places of values and weights among the operands, axis of the weights' results
    aten.convolution: (0, 1, 0), aten.mm: (0, 1, 1), aten.addmm: (1, 2, 1),
}  # fmt: skip
PRODUCTS = {aten.bmm: (0, 1), aten.baddbmm: (1, 2)}
LEVELS = 4  # of attention: 0 .. 3 times a step
ZEROS = 1e-3  # share of a layer's weights that may be exactly 0, and count as +1 then


def count(module: nn.Module, image: tuple[int, int, int]) -> Totals:
    """Of a network in eval mode on an image (height, width, channels) of noise.

    Products are told by their operands' values, not by classes: a layer is binary where its values
    have one magnitude, and its weights one for every result; a product of two values where the
    second has one magnitude and the first at most `LEVELS`. Groups count as what they multiply,
    padding as taps. Parameters that no binary layer has as its signs are float.
    """
    height, width, channels = image
    like = next((p for p in module.parameters() if p.is_floating_point()), torch.zeros(()))
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(1, channels, height, width, generator=generator).to(like)
    counter = _Counter()
    with torch.no_grad(), counter:
        module(noise)
    parameters = sum(p.numel() for p in module.parameters())
    weights = min(counter.binary_weights, parameters)
    return Totals(counter.macs[True], counter.macs[False], weights, parameters - weights)


class _Counter(TorchDispatchMode):
    """Looks at every product that PyTorch computes."""

    def __init__(self) -> None:
        super().__init__()
        self.macs = {True: 0, False: 0}
        self.binary_weights = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        packet = func.overloadpacket
        if packet in flop_registry:
            binary = False
            if packet in WEIGHTED:
                values, weights, axis = WEIGHTED[packet]
                weight = args[weights].movedim(axis, 0)
                binary = _one_magnitude(args[values][None]) and _is_binary(weight)
                self.binary_weights += weight.numel() if binary else 0
            elif packet in PRODUCTS:
                a, b = (args[k] for k in PRODUCTS[packet])
                binary = _one_magnitude(b) and all(_magnitudes(part) <= LEVELS for part in a)
            flops = flop_registry[packet](*args, **(kwargs or {}), out_val=out)
            self.macs[binary] += flops // 2
        return out


def _one_magnitude(x: Tensor) -> bool:
    """Whether the elements of each x[k] have one magnitude, which is not 0."""
    rows = x.abs().flatten(1)
    least, most = rows.amin(1), rows.amax(1)
    return bool(((most - least) <= 1e-5 * most).all()) and bool((most > 0).all())


def _is_binary(weight: Tensor) -> bool:
    """Whether weights (O, ..) are signs with a factor for every result."""
    rows = weight.detach().double().flatten(1).numpy()
    zero = rows == 0
    if zero.mean() <= ZEROS:
        rows = np.where(zero, np.abs(rows).max(1, keepdims=True), rows)
    found = magnitudes(rows)
    return found is not None and bool((found[0] > 0).all())


def _magnitudes(x: Tensor) -> int:
    return len(torch.unique(x.abs()))
