"""What users write: each line is a small network that compiles, or is refused with its line.

ok: the float graph is the network to 1e-9, and the golden integer model agrees with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwgen.analysis.fidelity import fidelity
from hwgen.errors import HwgenError, UnsupportedOpError
from hwgen.frontend.trace import trace
from hwgen.nn import BatchNorm, BinaryConv2d, BinaryLinear, RPReLU
from hwgen.passes.lower import lower_model, prepare
from tests.frontend.nets import META, Net, agrees, compiles, seeded
from tests.frontend.parts import (
    Applied,
    Attend,
    Branches,
    ClassToken,
    DenseBlock,
    DropPath,
    Halves,
    Hidden,
    Inception,
    OtherImage,
    ReActNetBlock,
    Residual,
    SelfAttention,
    Shuffled,
    ShuffleUnit,
    Tokens,
    TwoHeads,
    binary,
)
from tests.networks import IMAGE
from tests.schedule.test_program import check as check_program


def with_head(*layers: nn.Module) -> nn.Module:
    return Net(binary(32), head=nn.Sequential(*layers))


def residual(function: Callable[[Any, Tensor], Tensor]) -> Callable[[Any, Tensor], Tensor]:
    return lambda self, x: x + self.bn(self.conv(function(self, x)))


def activated(function: Callable[[Tensor], Tensor]) -> Callable[[Any, Tensor], Tensor]:
    """The activation behind a binary convolution, added to what came in."""
    return lambda self, x: x + function(self.bn(self.conv(x)))


def head(pool: Callable[[Tensor], Tensor], *layers: nn.Module, image: Any = IMAGE) -> Any:
    return lambda: Net(binary(32), head=Hidden(pool, *(layers or (nn.Linear(32, 4),))))


OK: dict[str, Callable[[], nn.Module]] = {
    "baseline": lambda: Net(binary(32)),
    "float 3x3": lambda: Net(nn.Conv2d(32, 32, 3, padding=1)),
    "float 1x1 stride 2": lambda: Net(nn.Conv2d(32, 32, 1, 2)),
    "binary 5x5": lambda: Net(BinaryConv2d(32, 32, 5, padding=2)),
    "binary 1x1 stride 2": lambda: Net(BinaryConv2d(32, 32, 1, 2)),
    "binary 3x3 without padding": lambda: Net(BinaryConv2d(32, 32, 3)),
    "float conv 1x1": lambda: Net(nn.Conv2d(32, 32, 1)),
    "float conv 1x1 residual": lambda: Net(
        lambda s, x: x + F.conv2d(x, s.float_weight[..., :1, :1])),
    "binary 1x1": lambda: Net(BinaryConv2d(32, 32, 1)),
    "binary 3x3 stride 2": lambda: Net(binary(32, 64, 2), channels=64),
    "Hardtanh before sign": lambda: Net(residual(lambda s, x: F.hardtanh(x))),
    "Hardtanh module before sign": lambda: Net(nn.Sequential(nn.Hardtanh(), *binary(32))),
    "tanh before sign": lambda: Net(residual(lambda s, x: torch.tanh(x))),
    "Hardtanh kept": lambda: Net(activated(nn.Hardtanh())),
    "Hardtanh before sign and kept": lambda: Net(lambda s, x: (
        lambda y: y + s.bn(s.conv(y)))(F.hardtanh(x))),
    "clamp": lambda: Net(activated(lambda x: x.clamp(-1, 1))),
    "torch.clamp": lambda: Net(activated(lambda x: torch.clamp(x, min=-1.0, max=1.0))),
    "clamp(min=0)": lambda: Net(activated(lambda x: x.clamp(min=0))),
    "ReLU": lambda: Net(activated(nn.ReLU())),
    "ReLU(inplace=True)": lambda: Net(activated(nn.ReLU(inplace=True))),
    "PReLU": lambda: Net(Residual(nn.PReLU())),
    "PReLU per channel": lambda: Net(Residual(nn.PReLU(32))),
    "F.prelu": lambda: Net(lambda s, x: x + F.prelu(s.bn(s.conv(x)), s.scale.view(-1))),
    "LeakyReLU": lambda: Net(activated(nn.LeakyReLU(0.2))),
    "ReLU6": lambda: Net(activated(nn.ReLU6())),
    "F.relu6": lambda: Net(activated(F.relu6)),
    "SiLU": lambda: Net(activated(nn.SiLU())),
    "Hardswish": lambda: Net(activated(F.hardswish)),
    "Hardsigmoid": lambda: Net(activated(nn.Hardsigmoid())),
    "Sigmoid": lambda: Net(activated(torch.sigmoid)),
    "Tanh": lambda: Net(activated(torch.tanh)),
    "GELU": lambda: Net(activated(nn.GELU())),
    "neg": lambda: Net(residual(lambda s, x: -x)),
    "torch.neg": lambda: Net(residual(lambda s, x: torch.neg(x).neg().neg())),
    "1 - x": lambda: Net(residual(lambda s, x: 1 - x)),
    "x * parameter": lambda: Net(residual(lambda s, x: x * s.scale)),
    "parameter * x": lambda: Net(residual(lambda s, x: s.scale * x + s.scale)),
    "parameter - x": lambda: Net(residual(lambda s, x: s.scale - x)),
    "x + parameter.expand_as(x)": lambda: Net(residual(lambda s, x: x + s.scale.expand_as(x))),
    "x / parameter": lambda: Net(residual(lambda s, x: x.div(s.scale) / 2)),
    "AvgPool2d 2": lambda: Net(nn.AvgPool2d(2)),
    "F.avg_pool2d": lambda: Net(lambda s, x: F.avg_pool2d(x, 2)),
    "F.avg_pool2d stride": lambda: Net(lambda s, x: F.avg_pool2d(x, kernel_size=2, stride=(2, 2))),
    "AdaptiveAvgPool2d to 4x4": lambda: Net(nn.AdaptiveAvgPool2d(4)),
    "MaxPool2d 2": lambda: Net(nn.MaxPool2d(2)),
    "F.max_pool2d": lambda: Net(lambda s, x: F.max_pool2d(x, 2)),
    "F.max_pool2d 3 s2 p1": lambda: Net(lambda s, x: F.max_pool2d(x, 3, 2, 1)),
    "AvgPool2d 3 s2 p1": lambda: Net(nn.AvgPool2d(3, 2, 1)),
    "AvgPool2d 3 s1 p1, padding not counted": lambda: Net(
        nn.AvgPool2d(3, 1, 1, count_include_pad=False)),
    "AvgPool2d 3 s2": lambda: Net(nn.AvgPool2d(3, 2)),
    "AvgPool2d 7 s2 p3 of a norm": lambda: Net(nn.Sequential(
        nn.BatchNorm2d(32), nn.AvgPool2d(7, 2, 3, count_include_pad=False), nn.BatchNorm2d(32))),
    "F.avg_pool2d, divisor_override": lambda: Net(
        lambda s, x: F.avg_pool2d(x, 2, 1, padding=1, divisor_override=3)),
    "MaxPool2d 3": lambda: Net(nn.MaxPool2d(3)),
    "MaxPool2d 4": lambda: Net(nn.MaxPool2d(4)),
    "MaxPool2d 5 s1 p2": lambda: Net(nn.MaxPool2d(5, 1, 2)),
    "MaxPool2d 5 s2 p1": lambda: Net(nn.MaxPool2d(5, 2, 1)),
    "MaxPool2d 7": lambda: Net(nn.MaxPool2d(7, 1, 0)),
    "F.max_pool2d of pairs": lambda: Net(lambda s, x: F.max_pool2d(x, (3, 3), (2, 2), (1, 1))),
    "MaxPool2d 3 s2, ceil_mode": lambda: Net(nn.MaxPool2d(3, 2, ceil_mode=True)),
    "MaxPool2d 2, ceil_mode": lambda: Net(nn.MaxPool2d(2, ceil_mode=True)),
    "MaxPool2d 5 s3 p1, ceil_mode": lambda: Net(nn.MaxPool2d(5, 3, 1, ceil_mode=True)),
    "MaxPool2d 3x1": lambda: Net(nn.MaxPool2d((3, 1), (2, 1), (1, 0))),
    "F.max_pool2d 1x7 s1x2 p0x3": lambda: Net(
        lambda s, x: F.max_pool2d(x, (1, 7), (1, 2), (0, 3))),
    "MaxPool2d 4x6": lambda: Net(nn.MaxPool2d((4, 6))),
    "AvgPool2d 3 s2, ceil_mode": lambda: Net(nn.AvgPool2d(3, 2, ceil_mode=True)),
    "F.avg_pool2d 3 s2 p1, ceil_mode, padding not counted": lambda: Net(
        lambda s, x: F.avg_pool2d(x[:, :, ::2, ::2], 3, 2, 1, True, False)),
    "AvgPool2d 3x1": lambda: Net(nn.AvgPool2d((3, 1), 1, (1, 0))),
    "AvgPool2d 2x4": lambda: Net(nn.AvgPool2d((2, 4))),
    "AdaptiveAvgPool2d to 8x2": lambda: Net(nn.AdaptiveAvgPool2d((8, 2))),
    "DropPath": lambda: Net(lambda s, x: x + DropPath(0.1).eval()(s.bn(s.conv(x)))),
    "Dropout2d": lambda: Net(nn.Sequential(nn.Dropout2d(0.1), *binary(32))),
    "F.dropout": lambda: Net(residual(lambda s, x: F.dropout(x, 0.1, training=s.training))),
    "F.dropout2d": lambda: Net(residual(lambda s, x: F.dropout2d(x, 0.1, s.training))),
    "F.batch_norm": lambda: Net(lambda s, x: x + F.batch_norm(
        s.conv(x), s.bn.running_mean, s.bn.running_var, s.bn.weight, s.bn.bias)),
    "casts and copies": lambda: Net(
        residual(lambda s, x: x.type_as(x).to(x.device).clone().detach())),
    "binary linear on tokens": lambda: Net(Tokens(BinaryLinear(32, 32), BatchNorm(32), RPReLU(32))),
    "LayerNorm on tokens": lambda: Net(Tokens(nn.LayerNorm(32))),
    "F.linear": lambda: Net(lambda s, x: F.linear(
        x.flatten(2).transpose(1, 2), s.float_weight[..., 0, 0]).transpose(1, 2).view(x.shape)),
    "x @ W": lambda: Net(lambda s, x: (
        x.flatten(2).transpose(1, 2) @ s.float_weight[..., 0, 0]).transpose(1, 2).view(x.shape)),
    "einsum-like permute": lambda: Net(lambda s, x: x.permute(0, 2, 3, 1).permute(0, 3, 1, 2)),
    # groups
    "depthwise 3x3": lambda: Net(nn.Conv2d(32, 32, 3, padding=1, groups=32)),
    "depthwise 3x3 s2": lambda: Net(nn.Conv2d(32, 32, 3, 2, padding=1, groups=32)),
    "depthwise 3x3 without padding": lambda: Net(nn.Conv2d(32, 32, 3, groups=32)),
    "depthwise 3x3, dilation 2": lambda: Net(
        nn.Conv2d(32, 32, 3, padding=2, dilation=2, groups=32)),
    "depthwise 5x5 of a norm": lambda: Net(nn.Sequential(
        nn.BatchNorm2d(32), nn.Conv2d(32, 32, 5, padding=2, groups=32))),
    "two depthwise filters a channel": lambda: Net(
        nn.Conv2d(32, 64, 3, padding=1, groups=32), channels=64),
    "MobileNet block": lambda: Net(nn.Sequential(
        nn.Conv2d(32, 48, 1), nn.BatchNorm2d(48), nn.ReLU6(),
        nn.Conv2d(48, 48, 3, 2, padding=1, groups=48), nn.BatchNorm2d(48), nn.ReLU6(),
        nn.Conv2d(48, 32, 1), nn.BatchNorm2d(32))),
    "1x1 in 4 groups": lambda: Net(nn.Conv2d(32, 32, 1, groups=4)),
    "3x3 in 2 groups of 32": lambda: Net(nn.Sequential(
        nn.Conv2d(32, 64, 1), nn.Conv2d(64, 64, 3, padding=1, groups=2)), channels=64),
    "3x3, dilation 2": lambda: Net(nn.Conv2d(32, 32, 3, padding=2, dilation=2)),
    "binary depthwise": lambda: Net(BinaryConv2d(32, 32, 3, padding=1, groups=32)),
    "binary depthwise s2": lambda: Net(binary(32, 32, 2, groups=32)),
    "binary 3x3 in 8 groups of 8": lambda: Net(nn.Sequential(
        nn.Conv2d(32, 64, 1), *binary(64, groups=8)), channels=64),
    "binary 3x3 in 4 groups of 20": lambda: Net(nn.Sequential(
        nn.Conv2d(32, 80, 1), *binary(80, groups=4)), channels=80),
    "binary 3x3 in 2 groups of 48": lambda: Net(nn.Sequential(
        nn.Conv2d(32, 96, 1), *binary(96, groups=2)), channels=96),
    "binary 3x3 in 4 groups of 6": lambda: Net(nn.Sequential(
        nn.Conv2d(32, 24, 1), *binary(24, groups=4)), channels=24),
    "binary 3x3 in 8 groups of 64": lambda: Net(nn.Sequential(
        nn.Conv2d(32, 512, 1), *binary(512, groups=8)), channels=512),
    "binary 1x1 in 4 groups": lambda: Net(BinaryConv2d(32, 32, 1, groups=4)),
    # sides of their own
    "1x3": lambda: Net(nn.Conv2d(32, 32, (1, 3), padding=(0, 1))),
    "7x1, then 1x7": lambda: Net(nn.Sequential(
        nn.Conv2d(32, 32, (7, 1), padding=(3, 0)), nn.Conv2d(32, 32, (1, 7), padding=(0, 3)))),
    "3x2 s1x2 p0x1, dilation 2x1": lambda: Net(
        nn.Conv2d(32, 32, (3, 2), (1, 2), (0, 1), (2, 1))),
    "binary 1x3": lambda: Net(BinaryConv2d(32, 32, (1, 3), padding=(0, 1))),
    "binary 1x3 of your own": lambda: Net(lambda s, x: F.conv2d(
        torch.sign(x), torch.sign(s.float_weight[:, :, :1]), padding=(0, 1))),
    "binary 7x1, then 1x7": lambda: Net(nn.Sequential(
        BinaryConv2d(32, 32, (7, 1), padding=(3, 0)), nn.BatchNorm2d(32),
        BinaryConv2d(32, 32, (1, 7), padding=(0, 3)), nn.BatchNorm2d(32))),
    "binary 3x3 s2x1": lambda: Net(nn.Sequential(
        BinaryConv2d(32, 32, 3, (2, 1), padding=1), nn.BatchNorm2d(32))),
    "binary 3x3, padding 1x0": lambda: Net(nn.Sequential(
        BinaryConv2d(32, 32, 3, padding=(1, 0)))),
    "binary 3x3, dilation 1x2": lambda: Net(nn.Sequential(
        BinaryConv2d(32, 32, 3, padding=(1, 2), dilation=(1, 2)))),
    "binary 1x3 in 8 groups": lambda: Net(nn.Sequential(
        BinaryConv2d(32, 32, (1, 3), padding=(0, 1), groups=8))),
    "depthwise 1x7": lambda: Net(nn.Conv2d(32, 32, (1, 7), padding=(0, 3), groups=32)),
    "depthwise 7x1 s2x1": lambda: Net(
        nn.Conv2d(32, 32, (7, 1), (2, 1), padding=(3, 0), groups=32)),
    "depthwise 3x3 s1x2": lambda: Net(nn.Conv2d(32, 32, 3, (1, 2), padding=1, groups=32)),
    "depthwise 1x3, dilation 1x2": lambda: Net(
        nn.Conv2d(32, 32, (1, 3), padding=(0, 2), dilation=(1, 2), groups=32)),
    # channels
    "torch.cat": lambda: Net(lambda s, x: torch.cat((x, s.bn(s.conv(x))), 1), channels=64),
    "torch.cat of a value and itself": lambda: Net(nn.Sequential(
        Applied(lambda x: torch.cat([x, x], 1)), *binary(64)), channels=64),
    "torch.cat of branches": lambda: Net(Branches(), channels=80),
    "torch.cat of 12 and 20 channels": lambda: Net(nn.Sequential(Branches((12, 20)), *binary(32))),
    "torch.cat of signs": lambda: Net(lambda s, x: s.bn(F.conv2d(
        torch.cat([torch.sign(x[:, 8:]), x[:, :8].sign()], 1), torch.sign(s.float_weight)))),
    "chunk": lambda: Net(lambda s, x: x.chunk(2, 1)[0], channels=16),
    "chunk, two branches": lambda: Net(Halves(), channels=32),
    "torch.split": lambda: Net(lambda s, x: (
        lambda a, b, c: torch.cat([c, x, a, b], 1))(*torch.split(x, [8, 8, 16], 1)), channels=64),
    "slice of channels": lambda: Net(lambda s, x: s.bn(s.conv(x))[:, 3:13], channels=10),
    "every second channel": lambda: Net(lambda s, x: F.relu(x)[:, ::2] + x[:, 1::2], channels=16),
    "x[:, [2, 0, 1]]": lambda: Net(lambda s, x: x[:, list(range(31, -1, -1))]),
    "narrow": lambda: Net(lambda s, x: x.narrow(1, 16, 16), channels=16),
    "channels of the image": lambda: OtherImage(lambda x: x[:, [2, 1, 0]]),
    "nn.ChannelShuffle": lambda: Net(nn.Sequential(nn.ChannelShuffle(4), *binary(32))),
    "channel shuffle": lambda: Net(
        lambda s, x: x.view(-1, 2, 16, 8, 8).transpose(1, 2).flatten(1, 2)),
    "channel shuffle, kept": lambda: Net(nn.Sequential(Shuffled(), *binary(32))),
    "torch.cat with zeros": lambda: Net(
        lambda s, x: torch.cat((x, torch.zeros_like(x)), 1), channels=64),
    "ResNet shortcut of option A": lambda: Net(lambda s, x: F.relu(
        F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 16, 16))), channels=64),
    "F.pad of 4 channels": lambda: Net(lambda s, x: F.conv2d(
        F.pad(x[:, 2:30], (0, 0, 0, 0, 1, 3), value=0.5), s.float_weight)),
    "ReActNet-A blocks as released": lambda: Net(nn.Sequential(
        ReActNetBlock(32, 32, 1), ReActNetBlock(32, 64, 2)), channels=64),
    "DenseNet block, growth 12": lambda: Net(DenseBlock(12, 6), channels=104),
    "DenseNet block, growth 16": lambda: Net(DenseBlock(16, 4), channels=96),
    "Inception block": lambda: Net(nn.Sequential(Inception(), *binary(72, 32))),
    "three tokens of one linear layer, chunk": lambda: Net(Tokens(
        BinaryLinear(32, 96), Applied(lambda t: sum(t.chunk(3, dim=-1))))),
    "three tokens of one linear layer, permute": lambda: Net(Tokens(
        BinaryLinear(32, 96), Applied(lambda t: (lambda y: y[0] + y[1] * 0.5 - y[2])(
            t.reshape(t.shape[0], -1, 3, 32).permute(2, 0, 1, 3))))),
    "three tokens of one linear layer, unbind": lambda: Net(Tokens(
        BinaryLinear(32, 96), Applied(lambda t: (lambda q, k, v: q + k * 0.5 - v)(
            *t.reshape(t.shape[0], -1, 3, 32).unbind(2))))),
    "head: torch.cat of two means": head(
        lambda x: torch.cat([x.mean((2, 3)), F.adaptive_avg_pool2d(x, 1).flatten(1)], 1),
        nn.Linear(64, 4)),
    "ShuffleNet unit": lambda: Net(nn.Sequential(ShuffleUnit(), ShuffleUnit())),
    # heads
    "head: mean((2, 3))": head(lambda x: x.mean((2, 3))),
    "head: mean([-2, -1])": head(lambda x: torch.mean(x, dim=[-2, -1])),
    "head: mean(3).mean(2)": head(lambda x: x.mean(3).mean(2)),
    "head: mean(2).mean(-1, keepdim=True)": head(
        lambda x: x.mean(2, keepdim=True).mean(dim=-1, keepdim=True)[..., 0, 0]),
    "head: mean(-1).mean(-1)": head(lambda x: torch.mean(x, -1).mean(-1)),
    "head: AdaptiveAvgPool2d, Flatten, Dropout": lambda: with_head(
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.1), nn.Linear(32, 4)),
    "head: AdaptiveAvgPool2d((1, 1)), torch.flatten": head(
        lambda x: torch.flatten(F.adaptive_avg_pool2d(x, (1, 1)), 1)),
    "head: view(B, -1)": head(lambda x: F.adaptive_avg_pool2d(x, 1).view(x.size(0), -1)),
    "head: squeeze": head(lambda x: F.adaptive_avg_pool2d(x, 1).squeeze(-1).squeeze(-1)),
    "head: squeeze()": head(lambda x: F.adaptive_avg_pool2d(x, 1).squeeze()),
    "head: [:, :, 0, 0]": head(lambda x: F.adaptive_avg_pool2d(x, 1)[:, :, 0, 0]),
    "head: [..., 0, 0]": head(lambda x: x.mean((2, 3), keepdim=True)[..., 0, 0]),
    "head: AvgPool2d of the grid": lambda: with_head(
        nn.AvgPool2d(8), nn.Flatten(), nn.Linear(32, 4)),
    "head: F.avg_pool2d of the grid": head(lambda x: F.avg_pool2d(x, x.shape[2:]).flatten(1)),
    "head: F.avg_pool2d by size": head(lambda x: F.avg_pool2d(x, x.size(3)).view(-1, 32)),
    "head: BatchNorm1d": lambda: with_head(
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.BatchNorm1d(32), nn.Linear(32, 4)),
    "head: mean, BatchNorm1d": head(lambda x: x.mean((2, 3)), nn.BatchNorm1d(32), nn.Linear(32, 4)),
    "head: hidden ReLU": lambda: with_head(
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 4)),
    "head: hidden GELU": head(
        lambda x: x.mean((2, 3)), nn.Linear(32, 64), nn.GELU(), nn.Dropout(), nn.Linear(64, 4)),
    "head: hidden Hardtanh": head(
        lambda x: x.mean((2, 3)), nn.Linear(32, 32), nn.Hardtanh(), nn.Linear(32, 4)),
    "head: LayerNorm": head(lambda x: x.mean((2, 3)), nn.LayerNorm(32), nn.Linear(32, 4)),
    "head: binary linear": head(lambda x: x.mean((2, 3)), BinaryLinear(32, 16), BatchNorm(16)),
    "head: 1x1 convolution": lambda: with_head(
        nn.AdaptiveAvgPool2d(1), nn.Conv2d(32, 4, 1), nn.Flatten()),
    "head: Flatten of 4x4": lambda: with_head(
        nn.AvgPool2d(2), nn.Flatten(), nn.Linear(512, 4)),
    "head: Flatten of a grid that is not square": lambda: Net(nn.AvgPool2d((2, 4)),
        head=nn.Sequential(nn.Flatten(), nn.Linear(256, 4))),
    "head: binary linear of a grid that is not square": lambda: with_head(
        nn.AvgPool2d((2, 4)), nn.Flatten(), BinaryLinear(256, 64), BatchNorm(64),
        nn.Linear(64, 4)),
    "head: flattened tokens": head(
        lambda x: F.avg_pool2d(x, 4).flatten(2).transpose(1, 2).flatten(1), nn.Linear(128, 4)),
    "head: binary linear of a flattened grid": lambda: with_head(
        nn.AvgPool2d(4), nn.Flatten(), BinaryLinear(128, 64), BatchNorm(64), nn.Linear(64, 4)),
}  # fmt: skip

NO: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "padding=same of an even kernel": (
        lambda: Net(nn.Conv2d(32, 32, 2, padding="same")),
        r"^body: Conv2d kernel=\(2, 2\) stride=\(1, 1\) padding=same dilation=\(1, 1\) groups=1; "
        r"supported: as much padding before as behind; give padding as numbers$"),
    "circular padding": (
        lambda: Net(nn.Conv2d(32, 32, 2, 2, padding_mode="circular")),
        r"^body: Conv2d with circular padding; supported: zero padding$"),
    "GELU tanh": (
        lambda: Net(nn.GELU(approximate="tanh")), r"^body: GELU approximate='tanh'; supported: th"),
    "ELU": (lambda: Net(nn.ELU()), r"^body: ELU; supported: AdaptiveAvgPool2d, "),
    "clamp(max=1)": (
        lambda: Net(lambda s, x: x.clamp(max=1.0)),
        r"^body: clamp min=None max=1.0; supported: two numbers, or min=0$"),
    "MaxPool2d, dilation 2": (
        lambda: Net(nn.MaxPool2d(3, 2, dilation=2)),
        r"^body: MaxPool2d kernel=3 stride=2 padding=0 dilation=2 return_indices=False; supported: "
        r"no dilation, values alone$"),
    "AdaptiveAvgPool2d to 3x3": (
        lambda: Net(nn.AdaptiveAvgPool2d(3)),
        r"^body: AdaptiveAvgPool2d of a 8x8 grid to 3; supported: to 1x1, or to a grid of equal w"),
    "windows by a reshape": (
        lambda: Net(lambda s, x: x.view(-1, 32, 2, 4, 2, 4).view(x.shape)),
        r"^body: a reshape to \(2, 32, 2, 4, 2, 4\); it must not cut channels or grid sides$"),
    "cut channels": (
        lambda: Net(lambda s, x: F.relu(x.view(-1, 2, 16, 8, 8)).flatten(1, 2)),
        r"^body: relu of channels cut into 2x16; supported: reshapes and permutations until t"),
    "concat of rows": (
        lambda: Net(lambda s, x: torch.cat((x, x), 2)),
        r"^body: cat along axis 2 of \(B, C, Y, X\); needs the channels there$"),
    "concat of grids": (
        lambda: Net(lambda s, x: torch.cat((x, F.avg_pool2d(x, 2)), 1)),
        r"^body: fails on an image of 32x32x3: Sizes of tensors must match except in dimension 1"),
    "concat with a picture": (
        lambda: Net(lambda s, x: torch.cat((x, s.float_weight[None, 0, :2, :1, :1].expand(
            2, -1, 8, 8).tril()), 1), channels=34),
        r"^body: cat with a constant; supported: one value for each of its channels$"),
    "slice of rows": (
        lambda: Net(lambda s, x: x[:, :, 1:]),
        r"^body: indexing \[:, :, 1:\]; supported: of sides of one cell, ranges and lists"),
    "chunk of rows": (
        lambda: Net(lambda s, x: x.chunk(2, 2)[0]),
        r"^body: chunk along axis 2 of \(B, C, Y, X\); supported: along the channels$"),
    "SE gate": (
        lambda: Net(lambda s, x: x * torch.sigmoid(x.mean((2, 3), keepdim=True))),
        r"^body: a product of two tensors; a factor must be a parameter$"),
    "GroupNorm": (lambda: Net(nn.GroupNorm(4, 32)), r"^body: GroupNorm; supported: "),
    "MultiheadAttention": (
        lambda: Net(Tokens(Attend())),
        r"^body.layers.0.inner: MultiheadAttention; supported: "),
    "attention heads of two widths": (
        lambda: Net(Tokens(SelfAttention(1), SelfAttention(2))),
        r"^body.layers.1.attention: attention heads of 16 channels, those of "
        r"body.layers.0.attention have 32; supported: heads of one width in a network; give it "
        r"heads of 32$"),
    "scaled_dot_product_attention": (
        lambda: Net(lambda s, x: F.scaled_dot_product_attention(x, x, x)),
        r"^body: scaled_dot_product_attention; supported: "),
    "Upsample": (lambda: Net(nn.Upsample(scale_factor=2)), r"^body: Upsample; supported: "),
    "roll": (lambda: Net(lambda s, x: torch.roll(x, 1, 2)), r"^body: roll; supported: "),
    "F.pad": (
        lambda: Net(lambda s, x: F.pad(x, (1, 1, 1, 1))),
        r"^body: pad along axis 3 of \(B, C, Y, X\); supported: of channels; padding= of the la"),
    "log_softmax": (
        head(lambda x: F.log_softmax(x.mean((2, 3)), 1)),
        r"^head: log_softmax; the engine gives logits, whose largest is the same class; return th"),
    "Softmax": (
        lambda: with_head(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 4), nn.Softmax(1)),
        r"^head.3: Softmax; the engine gives logits, whose largest is the same class; return the "),
    "x.softmax": (
        lambda: with_head(Hidden(lambda x: x.mean((2, 3)).softmax(-1), nn.Linear(32, 4))),
        r"^head.0: softmax; the engine gives logits, "),
    "two outputs": (
        lambda: TwoHeads(),
        r"^TwoHeads: the output is a tuple of 2; a network returns its logits \(B, n\); return on"),
    "dict output": (
        lambda: TwoHeads(names=True),
        r"^TwoHeads: the output is a dict of 2; a network returns its logits \(B, n\); return one"),
    "an image as output": (
        lambda: Net(nn.Identity(), head=nn.Conv2d(32, 16, 1)),
        r"^Net: the output is no vector; a network returns its logits \(B, n\)$"),
    "a constant output": (
        lambda: Net(nn.Identity(), head=Hidden(lambda x: torch.zeros(x.shape[0], 32))),
        r"^Net: the output is the same for all images; a network returns its logits \(B, n\)$"),
    "class token": (
        lambda: Net(Tokens(ClassToken())),
        r"^body.layers.0: prepend_token; a class token has no place on the grid; classify the mea"),
    "class token by torch.cat": (
        lambda: Net(Tokens(ClassToken(torch.cat))), r"^body.layers.0: cat with a constant; a "),
    "half": (lambda: Net(lambda s, x: x.half().float()), r"^body: a cast to float16; needs float3"),
    "a mean over one side": (
        lambda: Net(lambda s, x: x + x.mean(3, keepdim=True)),
        r"^body: mean over X; supported: mean over all tokens$"),
    "batch of one only": (
        lambda: Net(lambda s, x: x.view(1, 32, 8, 8)),
        r"^body: fails on an image of 32x32x3: shape '\[1, 32, 8, 8\]' is invalid for input of si"),
}  # fmt: skip


@pytest.mark.parametrize("case", OK)
def test_ok(case: str) -> None:
    compiles(seeded(OK[case]))


@pytest.mark.parametrize("case", NO)
def test_no(case: str) -> None:
    make, message = NO[case]
    with pytest.raises(HwgenError, match=message) as caught:
        lower_model(seeded(make), meta={"image": IMAGE})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("image", "channels"), [((32, 64, 3), 3), ((64, 48, 3), 3), ((32, 32, 1), 1), ((32, 32, 4), 4)]
)
def test_images(image: tuple[int, int, int], channels: int) -> None:
    def make() -> nn.Module:
        net = Net(binary(32))
        net.stem = nn.Conv2d(channels, 32, 4, 4)
        return net

    compiles(seeded(make), image)


STEMS = {
    "3x3 of 28x28x1 (MNIST)": ((28, 28, 1), (3, 1, 1)),
    "5x5 s2 of 28x28x1": ((28, 28, 1), (5, 2, 2)),
    "3x3 of 30x30x3": ((30, 30, 3), (3, 1, 1)),
    "7x7 s2 of 20x15x3": ((20, 15, 3), (7, 2, 3)),
    "3x3 without padding of 20x17x1": ((20, 17, 1), (3, 1, 0)),
    "4x4 s4 of 21x18x3": ((21, 18, 3), (4, 4, 0)),
    "3x5 s2x1 p1x2 of 16x10x3": ((16, 10, 3), ((3, 5), (2, 1), (1, 2))),
    "1x7 of 12x17x1": ((12, 17, 1), ((1, 7), 1, (0, 3))),
    "7x1 s2x3 of 14x18x3": ((14, 18, 3), ((7, 1), (2, 3), (3, 0))),
    "4x2 s4x2 of 16x12x3": ((16, 12, 3), ((4, 2), (4, 2), 0)),
    "2x4 s2x4 of 17x18x3": ((17, 18, 3), ((2, 4), (2, 4), 0)),
    "3x3 s2 of 16x10x4": ((16, 10, 4), (3, 2, 1)),
    "3x3 of 12x17x5": ((12, 17, 5), (3, 1, 1)),
}


@pytest.mark.parametrize("case", STEMS)
def test_stems(case: str) -> None:
    """Images of any size: rows that are no whole words, pixels that windows leave out."""
    (height, width, channels), window = STEMS[case]

    def make() -> nn.Module:
        net = Net(binary(32))
        net.stem = nn.Conv2d(channels, 32, *window)
        return net

    module, image = seeded(make), (height, width, channels)
    agrees(module, image)
    images = np.random.default_rng(0).integers(0, 256, (4, *image)).astype(np.uint8)
    graph = prepare(module, images, meta={k: (v * 2)[:channels] for k, v in META.items()})
    lowered = graph.quantize().graph
    assert fidelity(module, lowered, images)["logit_cosine"] > 0.99
    check_program(lowered, {})


def test_a_network_that_is_not_flattened() -> None:
    agrees(seeded(lambda: with_head(nn.AdaptiveAvgPool2d(1), nn.Conv2d(32, 4, 1))))


def test_a_network_that_asks_for_float32() -> None:
    """By x.float() it runs in double precision all the same; by a type it is checked in float32."""
    agrees(seeded(lambda: Net(residual(lambda s, x: x.float() + torch.ones(1).float()))))
    agrees(seeded(lambda: Net(residual(lambda s, x: x.to(torch.float32).type(torch.float32)))))
    net = seeded(lambda: Net(residual(lambda s, x: torch.ones((), dtype=torch.float32) * x)))
    net.norm = CastsTheHardWay()
    lower_model(net, meta={"image": IMAGE})


class CastsTheHardWay(nn.Module):
    """Fails in double precision."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(32, 32, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight + 0) if x.dtype == torch.float32 else F.conv2d(
            x, torch.ones(32, 32, 1, 1, dtype=torch.float32))  # fmt: skip


@pytest.mark.parametrize("make", [torch.compile, lambda m: torch.jit.script(m)])
def test_compiled_modules(make: Callable[[nn.Module], nn.Module]) -> None:
    with pytest.raises(UnsupportedOpError) as caught:
        trace(Net(make(nn.Sequential(nn.ReLU()))), IMAGE)
    kind = "compile" if make is torch.compile else "jit"
    assert str(caught.value) == (
        f"body: a module of torch.{kind}; its Python cannot be traced; give the nn.Module that it "
        "was made from"
    )


def test_layers_that_are_no_attributes() -> None:
    """Those without weights."""
    agrees(seeded(lambda: Net(activated([nn.ReLU()][0]))))
    with pytest.raises(UnsupportedOpError) as caught:
        trace(seeded(lambda: Net(activated([nn.PReLU()][0]))), IMAGE)
    assert str(caught.value) == (
        "body: PReLU, which is no part of the network; it has weights; make it an attribute of its "
        "module, or use nn.ModuleList"
    )


def test_a_clamp_before_signs_leaves_no_node() -> None:
    graph = agrees(seeded(OK["Hardtanh module before sign"]))
    assert "clamp" not in {n.kind.name for n in graph.nodes.values()}
    graph = agrees(seeded(OK["Hardtanh before sign and kept"]))
    assert [n.kind.name for n in graph.nodes.values()].count("clamp") == 1


def test_the_tables_of_the_documentation() -> None:
    from tests.frontend import table

    page = table.PAGE.read_text()
    assert table.written(page) == page, "python -m tests.frontend.table"
