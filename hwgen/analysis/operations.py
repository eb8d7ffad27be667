"""Parameters, multiply-accumulates and model size of a network, measured with hooks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from hwgen.nn import BinaryConv2d, BinaryLinear, QDAttention
from hwgen.zoo.binaryvit import ElasticSelfAttention
from hwgen.zoo.network import Network
from hwgen.zoo.resnet import BinaryResNet

COUNTED = (BinaryLinear, BinaryConv2d, QDAttention, ElasticSelfAttention, nn.Linear, nn.Conv2d)


@dataclass(frozen=True)
class Totals:
    """Of a layer, a part or the whole network; parameters exclude BatchNorm statistics.

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
        return Totals(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Totals)))

    def __sub__(self, other: Totals) -> Totals:
        return Totals(*(getattr(self, f.name) - getattr(other, f.name) for f in fields(Totals)))


@dataclass(frozen=True, kw_only=True)
class Layer(Totals):
    """One layer that multiplies; 1 MAC = one multiply-accumulate at batch 1, padding taps counted.

    kind: conv, proj (query, key, value, reduction, output dense), attention (Q K^T and A V), mlp,
    down, stem, classifier.
    """

    name: str
    kind: str
    part: str


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


def analyze(module: Network) -> Analysis:
    """Measure a zoo network by one forward pass at its own size.

    Raises: AssertionError if the module is not from the zoo (no `config`).
    """
    config = module.config
    rows: list[Layer] = []
    place = _places(module)
    hooks = [
        layer.register_forward_hook(_hook(name, place, rows))
        for name, layer in module.named_modules()
        if isinstance(layer, COUNTED)
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
    stages = [(f"ds{s}", f"S{s + 1}") for s in range(1, len(config.depths))]
    names = ("stem", "S1", *(name for pair in stages for name in pair), "head")
    parts = OrderedDict((part, Totals()) for part in names)
    for row in rows:
        parts[row.part] += row
    counted = {f"{row.name}.{p}" for row in rows for p in ("weight", "bias")}
    for name, parameter in module.named_parameters():
        if name not in counted:
            parts[place(name)[0]] += Totals(float_parameters=parameter.numel())
    return Analysis(tuple(rows), dict(parts), sum(parts.values(), Totals()))


def _places(module: Network) -> Callable[[str], tuple[str, str]]:
    """(part, kind) of a dotted name; a network that is no BHViT says them itself."""
    if isinstance(module, BinaryResNet):
        return lambda name: (module.part_of(name), module.kind_of(name))
    return lambda name: (part_of(name, module.config.depths), _kind(name))


def part_of(name: str, depths: tuple[int, ...]) -> str:
    """Part of the network a parameter or layer belongs to, from its dotted name."""
    words = name.split(".")
    if words[0] == "classifier" or words[1] == "layernorm":
        return "head"
    if words[1] == "embeddings":
        return "stem"
    if words[2].startswith("patch_embed"):
        return f"ds{words[2][-1]}"
    block = int(words[3]) + (sum(depths[:2]) if words[2] == "layerB" else 0)
    return f"S{next(s for s in range(1, len(depths) + 1) if block < sum(depths[:s]))}"


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


def _hook(
    name: str, place_of: Callable[[str], tuple[str, str]], rows: list[Layer]
) -> Callable[..., None]:
    part, kind = place_of(name)

    def record(layer: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        if isinstance(layer, QDAttention | ElasticSelfAttention):
            windows, tokens, channels = inputs[0].shape
            keys = getattr(layer, "keys", tokens)
            product = windows * tokens * keys * channels
            for operands in ("QK", "AV"):
                rows.append(Layer(product, name=f"{name}.{operands}", kind="attention", part=part))
            return
        assert isinstance(layer.weight, Tensor)
        macs, weights = output.numel() * layer.weight[0].numel(), layer.weight.numel()
        parameters = sum(p.numel() for p in layer.parameters())
        if isinstance(layer, BinaryLinear | BinaryConv2d):
            real = parameters - weights
            work = {"binary_macs": macs, "binary_weights": weights, "float_parameters": real}
        else:
            work = {"float_macs": macs, "float_parameters": parameters}
        rows.append(Layer(**work, name=name, kind=kind, part=part))

    return record
