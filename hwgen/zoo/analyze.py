"""Parameters, multiply-accumulates and model size of a network, measured with hooks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from hwgen.nn import BinaryConv2d, BinaryLinear, QDAttention

PARTS = ("stem", "S1", "ds1", "S2", "ds2", "S3", "ds3", "S4", "head")


@dataclass(frozen=True)
class Layer:
    """One layer that multiplies; 1 MAC = one multiply-accumulate at batch 1, padding taps counted.

    kind: conv, proj (query, key, value, output dense), attention (Q K^T and A V), mlp, down,
    stem, classifier.
    """

    name: str
    kind: str
    part: str
    binary_macs: int
    float_macs: int
    binary_weights: int


@dataclass(frozen=True)
class Totals:
    """Sums over a part or the whole network; parameters exclude BatchNorm statistics.

    ops = binary_macs / 64 + float_macs (BHViT Table 2); size_bytes counts 1 bit per binary weight
    and 32 bits per float parameter.
    """

    binary_macs: int = 0
    float_macs: int = 0
    binary_weights: int = 0
    float_parameters: int = 0

    @property
    def parameters(self) -> int:
        return self.binary_weights + self.float_parameters

    @property
    def ops(self) -> float:
        return self.binary_macs / 64 + self.float_macs

    @property
    def size_bytes(self) -> float:
        return self.binary_weights / 8 + 4 * self.float_parameters

    def __add__(self, other: Totals) -> Totals:
        return Totals(
            self.binary_macs + other.binary_macs,
            self.float_macs + other.float_macs,
            self.binary_weights + other.binary_weights,
            self.float_parameters + other.float_parameters,
        )


@dataclass(frozen=True)
class Analysis:
    """Layers in execution order, totals per part (stem, S1, ds1, ..., head) and of everything."""

    layers: tuple[Layer, ...]
    parts: dict[str, Totals]
    total: Totals

    def macs(self, kind: str, part: str | None = None) -> int:
        """Binary MACs of one kind of layer, in one part or everywhere."""
        return sum(
            row.binary_macs for row in self.layers if row.kind == kind and part in (None, row.part)
        )


def analyze(module: nn.Module) -> Analysis:
    """Measure a zoo network by one forward pass at its own size.

    Raises: AssertionError if the module is not from the zoo (no `config`).
    """
    config = module.config
    rows: list[Layer] = []
    hooks = [
        layer.register_forward_hook(_hook(name, config.depths, rows))
        for name, layer in module.named_modules()
        if isinstance(layer, BinaryLinear | BinaryConv2d | QDAttention | nn.Linear | nn.Conv2d)
    ]
    training = module.training
    shape = (1, config.in_channels, config.image_size, config.image_size)
    weight = next(module.parameters())
    try:
        with torch.no_grad():
            module.eval()(torch.zeros(shape, dtype=weight.dtype, device=weight.device))
    finally:
        module.train(training)
        for hook in hooks:
            hook.remove()
    parts = OrderedDict((part, Totals()) for part in PARTS)
    for row in rows:
        parts[row.part] += Totals(row.binary_macs, row.float_macs, row.binary_weights)
    binary = {f"{row.name}.weight" for row in rows if row.binary_weights}
    for name, parameter in module.named_parameters():
        if name not in binary:
            parts[part_of(name, config.depths)] += Totals(float_parameters=parameter.numel())
    return Analysis(tuple(rows), dict(parts), sum(parts.values(), Totals()))


def part_of(name: str, depths: tuple[int, ...]) -> str:
    """Part of the network a parameter or layer belongs to, from its dotted name."""
    words = name.split(".")
    if words[0] == "classifier" or words[1] == "layernorm":
        return "head"
    if words[1] == "embeddings":
        return "stem"
    if words[2].startswith("patch_embed"):
        return f"ds{words[2][-1]}"
    first = 1 if words[2] == "layerA" else 3
    return f"S{first + (int(words[3]) >= depths[first - 1])}"


def _kind(name: str) -> str:
    words = name.split(".")
    if "GC" in words:
        return "conv"
    if "attention" in words:
        return "proj"
    if words[0] == "classifier":
        return "classifier"
    if "patch_embeddings" in words:
        return "stem"
    return "mlp" if words[-1] == "dense" else "down"


def _hook(name: str, depths: tuple[int, ...], rows: list[Layer]) -> Callable[..., None]:
    part = part_of(name, depths)

    def record(layer: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        if isinstance(layer, QDAttention):
            windows, tokens, channels = inputs[0].shape
            product = windows * tokens * tokens * channels
            for operands in ("QK", "AV"):
                rows.append(Layer(f"{name}.{operands}", "attention", part, product, 0, 0))
            return
        macs = output.numel() * layer.weight[0].numel()
        if isinstance(layer, BinaryLinear | BinaryConv2d):
            rows.append(Layer(name, _kind(name), part, macs, 0, layer.weight.numel()))
        else:
            rows.append(Layer(name, _kind(name), part, 0, macs, 0))

    return record
