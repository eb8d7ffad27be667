"""Representational capability: the paper's two totals, and every rule on a small network."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from hwgen import nn as hnn
from hwgen import zoo
from hwgen.analysis.capability import Capability, capability, network_capability
from hwgen.errors import UnsupportedOpError

STEM = 4 * 4 * 3 * 255 // 2  # of the small networks below


def of_zoo(name: str, counting: str = "stated") -> int:
    return network_capability(zoo.sketch(name), counting).total


def test_deit_small() -> None:
    """Supplementary 3.1; the class token is neither a position nor a key."""
    stem, attention, mlp = 16 * 16 * 3 * 255 // 2, 4 * 384 + 196, 2 * 4 * 384
    assert of_zoo("deit_small_binary") == (attention + mlp) * 12 + stem == 155_568
    assert of_zoo("deit_small_binary", "published") == 153_216
    assert of_zoo("deit_small_binary", "fan_in") == (attention + 384 + 1536) * 12 + stem
    for name in ("gap", "pool", "affine"):  # a mean over 196 tokens instead of one token
        assert of_zoo(f"deit_small_binary_{name}") == 196 * 155_568


@pytest.mark.parametrize("name", ["birealnet34", "reactnet34"])
def test_resnet34(name: str) -> None:
    """Supplementary 3.2, with the printed layer counts and with the real ones."""
    totals = {}
    for counting, depths in (("published", (3, 4, 6, 3)), ("stated", (6, 8, 12, 6))):
        total = 7 * 7 * 3 * 255 // 2
        for stage, (depth, width) in enumerate(zip(depths, (64, 128, 256, 512))):
            total = (4 * total if stage else total) + depth * 9 * width
        totals[counting] = 49 * total
        assert of_zoo(name, counting) == totals[counting]
    assert totals == {"published": 71_193_472, "stated": 83_612_032}
    own = (((18742 + 6 * 576) * 4 + 576 + 7 * 1152) * 4 + 1152 + 11 * 2304) * 4 + 2304 + 5 * 4608
    assert of_zoo(name, "fan_in") == 49 * own


def test_layers_of_resnet34() -> None:
    layers = network_capability(zoo.sketch("birealnet34")).layers
    assert len(layers) == 1 + 6 + 8 + 12 + 6
    assert (layers[0].name, layers[0].values, layers[0].cells) == ("conv1", 18_742, 56 * 56)
    last = layers[-1]
    assert (last.name, last.values, last.cells) == ("layer4.5.binary_conv", 4_608, 49)


def test_binaryvit_small() -> None:
    """Every layer's values times all positions: a mean over the grid ends the network."""
    total = 4 * 4 * 3 * 255 // 2 * 56**2
    stages = zip((64, 128, 256, 512), (3, 4, 8, 4), (8, 8, 4, 4), (8, 4, 1, 1), (56, 28, 14, 7))
    for width, depth, expansion, reduction, side in stages:
        keys = (side // reduction) ** 2
        block = 2 * width * side**2 + keys * side**2 + 2 * expansion * width * side**2
        # keys and values are made at the pooled positions, and so is the reduction before them
        pooled = 2 * width * keys + (width * keys if reduction > 1 else 0)
        total += depth * (block + pooled)
        total += 4 * width * side**2 if width > 64 else 0
    assert of_zoo("binaryvit_small") == total == 45_014_340


def test_bhvit_tiny() -> None:
    total = 6120 * 56**2
    for width, depth, expansion, side in ((64, 2, 8, 56), (128, 2, 8, 28)):
        total += depth * (3 * 9 * width // 4 + 2 * expansion * width) * side**2
    for width, depth, side, windows in ((256, 6, 14, 4), (512, 2, 7, 1)):
        tokens = 49 + windows
        inside = (3 * width + 3 * tokens) * windows * tokens  # query, key, value, attention
        total += depth * (inside + (1 + 8) * width * side**2)
    for width, side in ((128, 28), (256, 14), (512, 7)):
        total += 4 * width * side**2
    assert of_zoo("bhvit_tiny") == total == 38_101_664


# ---------------------------------------------------------------------------- rule by rule


class Around(nn.Module):
    """Stem to an 8x8 grid of 8 channels, a layer under test, a classifier of one position."""

    def __init__(self, layer: nn.Module, channels: int = 8) -> None:
        super().__init__()
        self.stem, self.norm, self.layer = nn.Conv2d(3, 8, 4, 4), nn.BatchNorm2d(8), layer
        self.head = nn.Linear(channels, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer(self.norm(self.stem(x)))
        return self.head(nn.functional.relu(y).flatten(2).amax(2))


class Sum(nn.Module):
    """x + layer(x)."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layer(x)


class Tokens(nn.Module):
    """A function of tokens (B, N, C) in the middle of images."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x.flatten(2).transpose(1, 2)).transpose(1, 2)


def found(layer: nn.Module, counting: str = "stated", channels: int = 8) -> Capability:
    return capability(Around(layer, channels), (32, 32, 3), counting)


def conv(out: int = 8, k: int = 3, groups: int = 1, stride: int = 1) -> nn.Module:
    return hnn.BinaryConv2d(8, out, k, stride, padding=k // 2, groups=groups)


def test_what_counts_nothing() -> None:
    for layer in (
        nn.BatchNorm2d(8), nn.MaxPool2d(3, 2, 1), hnn.RPReLU(8, channel_dim=1), nn.GELU(),
        hnn.LearnedShift((1, 8, 1, 1)), nn.Conv2d(8, 8, 1), Sum(nn.Identity()),
        Sum(nn.BatchNorm2d(8)),
        Tokens(lambda x: hnn.shift_mix(x, 8, 1)),
    ):  # fmt: skip
        assert found(layer).total == STEM, layer


def test_first_layer_is_halved_and_rounded_down() -> None:
    odd = capability(Around(nn.Identity()), (32, 32, 3)).layers[0].values
    assert odd == STEM == 6_120
    network = zoo.create("reactnet_micro", in_channels=1)
    assert network_capability(network).layers[0].values == 7 * 7 * 255 // 2 == 6_247


def test_binary_layers_cut_off_what_came_before() -> None:
    result = found(conv())
    assert [(row.name, row.values) for row in result.layers] == [("layer", 72)]
    assert found(Sum(conv())).total == STEM + 72
    assert found(Sum(nn.Sequential(conv(), Sum(conv())))).total == STEM + 72 + 72
    assert found(Sum(nn.Sequential(conv(), conv()))).total == STEM + 72  # the first is cut off


def test_widths_and_groups() -> None:
    assert found(conv(out=32), channels=32).total == 9 * 32
    assert found(conv(out=32), "fan_in", 32).total == 9 * 8
    assert found(conv(groups=4)).total == 9 * 2
    assert found(conv(out=32, groups=4), channels=32).total == 9 * 8
    narrow = Tokens(hnn.BinaryLinear(8, 2))
    assert found(narrow, channels=2).total == 8


@pytest.mark.parametrize(
    ("pool", "cells"),
    [
        (nn.AvgPool2d(2), 4),
        (nn.AvgPool2d((2, 4)), 8),
        (nn.AdaptiveAvgPool2d(1), 64),
        (nn.AdaptiveAvgPool2d((2, 2)), 16),
        (nn.Conv2d(8, 8, 2, 2), 4),
        (Tokens(lambda x: hnn.avg_pool_grid(x, 8, 4)), 16),
        (Tokens(lambda x: hnn.shift_mean(x, 8, 0, 2)), 5),
        (Tokens(lambda x: hnn.neighbour_mean(x, grid=8, axis=1, radius=1)), 3),
        (Tokens(lambda x: x.mean(1, keepdim=True)), 64),
    ],
)
def test_average_pooling_multiplies(pool: nn.Module, cells: int) -> None:
    assert found(pool).total == cells * STEM
    result = found(nn.Sequential(Sum(conv()), pool))
    assert result.total == cells * (STEM + 72)


def test_a_shared_shortcut_counts_once() -> None:
    """x reaches the sum directly, over x + conv(x), and over a pooling branch of three cells."""

    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = conv(), conv()

        def forward(self, x: Tensor) -> Tensor:
            tokens = x.flatten(2).transpose(1, 2)
            pooled = hnn.shift_mean(tokens, 8, 0, 1).transpose(1, 2).unflatten(2, (8, 8))
            return (x + self.a(x)) + (x + self.b(x)) + pooled

    result = {row.name: (row.values, row.cells) for row in found(Branches()).layers}
    assert result == {"stem": (STEM, 3), "layer.a": (72, 1), "layer.b": (72, 1)}


def test_averages_of_averages_end_at_all_positions() -> None:
    class Filters(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            for _ in range(4):  # 5 x 5 x 5 x 5 cells of 64
                x = hnn.shift_mean(x, 8, 1, 2)
            return x

    assert found(Tokens(Filters())).total == 64 * STEM


def test_attention_counts_keys() -> None:
    class Attention(nn.Module):
        def __init__(self, levels: bool, pooled: bool = False) -> None:
            super().__init__()
            self.pooled, self.clip = pooled, nn.Parameter(torch.tensor(0.1))
            self.inner = hnn.QDAttention(1) if levels else None

        def forward(self, x: Tensor) -> Tensor:
            if self.inner is not None:
                return self.inner(x, x, x)
            s = hnn.avg_pool_grid(x, 8, 2) if self.pooled else x
            return hnn.elastic_attention(x, s, s, self.clip, 1)

    assert found(Tokens(Attention(True))).total == 3 * 64
    assert found(Tokens(Attention(False))).total == 64
    assert found(Tokens(Attention(False, pooled=True))).total == 16
    assert found(Tokens(Attention(False)), "published").layers == ()
    assert found(Tokens(Sum(Attention(False)))).layers[-1].name == "layer.function.layer.AV"


def test_published_counts_every_second_convolution() -> None:
    five = nn.Sequential(*(Sum(conv()) for _ in range(5)))
    assert found(five).total == STEM + 5 * 72
    assert found(five, "published").total == STEM + 3 * 72
    assert found(Sum(conv(k=1)), "published").total == STEM + 8


def test_module_is_left_as_it_was() -> None:
    module = Around(conv()).train()
    capability(module, (32, 32, 3))
    assert module.training


def test_untraceable() -> None:
    class Branch(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if x.sum() > 0 else -x

    with pytest.raises(UnsupportedOpError, match=r"control flow must not depend on tensors$"):
        found(Branch())
