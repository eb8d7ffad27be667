"""Random legal networks of parts that move, group and pool channels and cells."""

from __future__ import annotations

from collections.abc import Callable
from math import gcd

import numpy as np
import torch
from torch import Tensor, nn

from hwgen.nn import BinaryConv2d, LearnedShift
from tests.frontend.nets import Mean
from tests.networks import randomise

WIDTHS = (16, 24, 32, 48, 64)
Maker = Callable[["Random", int], nn.Module]


class Cat(nn.Module):
    """Parts of one value, one behind the other."""

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([part(x) for part in self.parts], 1)


class Sum(nn.Module):
    """x + part(x), of as many channels."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, x: Tensor) -> Tensor:
        return x + self.part(x)


class Slice(nn.Module):
    """Channels from `first` on, `count` of them, every `step`."""

    def __init__(self, first: int, count: int, step: int = 1) -> None:
        super().__init__()
        self.channels = slice(first, first + count * step, step)

    def forward(self, x: Tensor) -> Tensor:
        return x[:, self.channels]


class Halves(nn.Module):
    """A part of the first half; the second as it is, before or behind."""

    def __init__(self, part: nn.Module, swap: bool) -> None:
        super().__init__()
        self.part, self.swap = part, swap

    def forward(self, x: Tensor) -> Tensor:
        a, b = x.chunk(2, 1)
        return torch.cat((b, self.part(a)) if self.swap else (self.part(a), b), 1)


class Shuffle(nn.Module):
    """reshape, transpose, reshape."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        return x.view(b, self.groups, c // self.groups, h, w).transpose(1, 2).reshape(b, c, h, w)


class Random:
    """Draws parts: a part takes (B, C, H, W) and says how many channels and cells it gives."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.names: list[str] = []

    def one(self, *choices: int) -> int:
        return int(choices[self.rng.integers(len(choices))])

    def body(self, c: int, side: int, count: int) -> tuple[nn.Module, int]:
        """So many parts, with the channels that they give."""
        layers: list[nn.Module] = []
        for _ in range(count):
            part, c, side = self.part(c, side)
            layers.append(part)
        return nn.Sequential(*layers), c

    def groups(self, *channels: int) -> int:
        """A number of groups of so many channels."""
        most = gcd(*channels)
        return self.one(*(g for g in range(1, most + 1) if most % g == 0))

    def binary(self, c: int, out: int, kernel: int = 3, stride: int = 1) -> nn.Module:
        shift = LearnedShift((1, c, 1, 1))
        nn.init.uniform_(shift.bias, -0.3, 0.3)
        groups = self.groups(c, out)
        if kernel == 1 and groups == c:
            groups = 1  # a single weight, less its mean, has no sign
        conv = BinaryConv2d(c, out, kernel, stride, padding=kernel // 2, groups=groups)
        self.names.append(f"binary {kernel}x{kernel} s{stride} g{groups} {c}->{out}")
        return nn.Sequential(shift, conv, nn.BatchNorm2d(out))

    def dense(self, c: int, out: int, kernel: int, stride: int = 1) -> nn.Module:
        groups = self.groups(c, out)
        self.names.append(f"float {kernel}x{kernel} s{stride} g{groups} {c}->{out}")
        conv = nn.Conv2d(c, out, kernel, stride, kernel // 2, groups=groups)
        return nn.Sequential(conv, nn.BatchNorm2d(out))

    def part(self, c: int, side: int) -> tuple[nn.Module, int, int]:
        """A part, the channels and the side that it gives."""
        kind = self.one(*range(11 if side > 3 else 8))
        out = self.one(*WIDTHS)
        if kind == 0:
            return Cat(self.binary(c, out), self.binary(c, out)), 2 * out, side
        if kind == 1:
            other = self.one(*WIDTHS)
            return Cat(self.binary(c, out, 1), self.dense(c, other, 1)), out + other, side
        if kind == 2:
            self.names.append("shuffle")
            return Shuffle(self.one(2, 4, 8)), c, side
        if kind == 3:
            self.names.append("halves")
            return Halves(self.binary(c // 2, c // 2), bool(self.one(0, 1))), c, side
        if kind == 4:
            step = self.one(1, 2)
            count = self.one(*(n for n in (8, 12, 16, 32) if n * step <= c))
            first = self.one(*range(c - count * step + 1))
            self.names.append(f"slice {first} {count} {step}")
            act = nn.PReLU(count)
            return nn.Sequential(Slice(first, count, step), act), count, side
        if kind == 5:
            return Sum(self.binary(c, c)), c, side
        if kind == 6:
            self.names.append("depthwise")
            conv = nn.Conv2d(c, c, self.one(3, 5), padding="same", groups=c)
            return nn.Sequential(conv, nn.BatchNorm2d(c), nn.ReLU()), c, side
        if kind == 7:
            return self.binary(c, out, self.one(1, 3, 5)), out, side
        size, stride, padding = self.one(2, 3, 4, 5), self.one(1, 2), self.one(0, 1)
        below = (side + 2 * padding - size) // stride + 1
        if below < 2 or 2 * padding > size:
            return Sum(self.dense(c, c, 3)), c, side
        self.names.append(f"pool {kind} {size} s{stride} p{padding}")
        if kind == 8:
            counted = bool(self.one(0, 1))
            return nn.AvgPool2d(size, stride, padding, count_include_pad=counted), c, below
        if kind == 9:
            return nn.MaxPool2d(size, stride, padding), c, below
        return nn.Conv2d(c, c, size, stride, padding, groups=c), c, below


class RandomNet(nn.Module):
    """A stem, random parts, a norm, the mean, a classifier."""

    def __init__(self, seed: int, parts: int) -> None:
        super().__init__()
        draw = Random(seed)
        c = draw.one(*WIDTHS)
        self.stem, self.norm = nn.Conv2d(3, c, 4, 4), nn.BatchNorm2d(c)
        self.body, c = draw.body(c, 8, parts)
        self.names, self.last, self.head = draw.names, nn.BatchNorm2d(c), Mean(c)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.last(self.body(self.norm(self.stem(image)))))


def random_net(seed: int, parts: int = 3) -> nn.Module:
    """Seeded, with natural values; `names` says of what it is."""
    torch.manual_seed(seed)
    return randomise(RandomNet(seed, parts), seed)
