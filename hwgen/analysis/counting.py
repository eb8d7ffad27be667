"""Multiply-accumulates and parameters of any network, by layer, counted while it runs once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from hwgen.analysis.operations import Analysis, Layer, Totals
from hwgen.frontend.convolutions import magnitudes

aten = torch.ops.aten
WEIGHTED = {  # places of values and weights among the operands, axis of the weights' results
    aten.convolution: (0, 1, 0), aten.mm: (0, 1, 1), aten.addmm: (1, 2, 1),
}  # fmt: skip
PRODUCTS = {aten.bmm: (0, 1), aten.baddbmm: (1, 2)}
LEVELS = 4  # of attention: 0 .. 3 times a step
ZEROS = 1e-3  # share of a layer's weights that may be exactly 0, and count as +1 then


def count(module: nn.Module, image: tuple[int, int, int]) -> Totals:
    """Of a whole network: the total of `count_layers`."""
    return count_layers(module, image).total


def count_layers(module: nn.Module, image: tuple[int, int, int]) -> Analysis:
    """Of a network in eval mode on an image (height, width, channels) of noise: every module in
    which something is multiplied, and the children of the network, which are its parts.

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
    with torch.no_grad(), _entered(module, counter.stack), counter:
        module(noise)
    parameters = sum(p.numel() for p in module.parameters())
    weights = min(sum(w.binary_weights for w in counter.work.values()), parameters)
    total = Totals(
        sum(w.binary_macs for w in counter.work.values()),
        sum(w.float_macs for w in counter.work.values()), weights, parameters - weights,
    )  # fmt: skip
    layers = tuple(_layer(module, place, work) for place, work in counter.work.items())
    return Analysis(layers, _parts(module, layers, total), total)


def _layer(module: nn.Module, place: str, work: Totals) -> Layer:
    """The row of a module; its parameters are those that no module within it holds."""
    own = module.get_submodule(place)
    made = dict(own.named_children()).get("parametrizations")  # its weights are computed from these
    held = sum(p.numel() for p in own.parameters(recurse=False))
    held += sum(p.numel() for p in made.parameters()) if made is not None else 0
    weights = min(work.binary_weights, held)
    return Layer(
        work.binary_macs, work.float_macs, weights, held - weights,
        name=place or type(module).__name__, kind="layer",
        part=place.split(".")[0] or type(module).__name__,
    )  # fmt: skip


def _parts(module: nn.Module, layers: tuple[Layer, ...], total: Totals) -> dict[str, Totals]:
    """Totals of the network's children; what lies in none of them is under the network's name."""
    parts = {name: Totals() for name, _ in module.named_children()}
    for name, child in module.named_children():
        held = sum(p.numel() for p in child.parameters())
        rows = sum((row for row in layers if row.part == name), Totals())
        weights = min(rows.binary_weights, held)
        parts[name] = Totals(rows.binary_macs, rows.float_macs, weights, held - weights)
    left = total - sum(parts.values(), Totals())
    return {name: t for name, t in parts.items() if t != Totals()} | (
        {type(module).__name__: left} if left != Totals() else {}
    )


@contextmanager
def _entered(module: nn.Module, stack: list[str]) -> Iterator[None]:
    """The paths of the modules that are being called, the innermost last."""
    hooks = []
    for name, m in module.named_modules():
        hooks += [
            m.register_forward_pre_hook(lambda *_, name=name: stack.append(name)),
            m.register_forward_hook(lambda *_: stack.pop() and None, always_call=True),
        ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


class _Counter(TorchDispatchMode):
    """Looks at every product that PyTorch computes. work: by the module that is being called."""

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.work: dict[str, Totals] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        packet = func.overloadpacket
        if packet in flop_registry:
            binary, signs = False, 0
            if packet in WEIGHTED:
                values, weights, axis = WEIGHTED[packet]
                weight = args[weights].movedim(axis, 0)
                binary = _one_magnitude(args[values][None]) and _is_binary(weight)
                signs = weight.numel() if binary else 0
            elif packet in PRODUCTS:
                a, b = (args[k] for k in PRODUCTS[packet])
                binary = _one_magnitude(b) and all(_magnitudes(part) <= LEVELS for part in a)
            macs = flop_registry[packet](*args, **(kwargs or {}), out_val=out) // 2
            place = self.stack[-1] if self.stack else ""
            done = Totals(macs if binary else 0, 0 if binary else macs, signs)
            self.work[place] = self.work.get(place, Totals()) + done
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
