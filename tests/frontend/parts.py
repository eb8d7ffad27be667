"""Parts that users write, for the small networks of the tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from hwgen import nn as hnn
from hwgen.nn import BinaryConv2d, QDAttention
from tests.frontend.nets import Net


def binary(channels: int, out: int | None = None, *args: Any, **kwargs: Any) -> nn.Module:
    """A binary 3x3 convolution and its norm."""
    out = out or channels
    kwargs = {"padding": 1} | kwargs
    return nn.Sequential(BinaryConv2d(channels, out, 3, *args, **kwargs), nn.BatchNorm2d(out))


class Residual(nn.Module):
    """The activation behind a binary convolution, added to what came in."""

    def __init__(self, act: nn.Module) -> None:
        super().__init__()
        self.layers, self.act = binary(32), act

    def forward(self, x: Tensor) -> Tensor:
        return x + self.act(self.layers(x))


class Hidden(nn.Module):
    """A head of the function `pool` and layers."""

    def __init__(self, pool: Callable[[Tensor], Tensor], *layers: nn.Module) -> None:
        super().__init__()
        self.pool, self.layers = pool, nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(self.pool(x))


class DropPath(nn.Module):
    """Stochastic depth as timm has it: the identity in eval mode."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        if self.probability == 0.0 or not self.training:
            return x
        keep = 1 - self.probability
        mask = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(keep)
        return x * mask / keep


class Tokens(nn.Module):
    """Layers on tokens (B, N, C)."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        b, _, h, w = x.shape
        t = self.layers(x.flatten(2).transpose(1, 2))
        return t.transpose(1, 2).reshape(b, -1, h, w)


class SelfAttention(nn.Module):
    """Attention of signs on tokens, added to them."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.attention = QDAttention(heads)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.attention(x, x, x)


class Move(nn.Module):
    """A learned shift, as ReActNet writes it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.randn(1, channels, 1, 1) * 0.1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias.expand_as(x)


class ReActNetBlock(nn.Module):
    """A block of ReActNet-A as released (arXiv:2003.03488): 3x3, then 1x1, which doubles the
    channels as two layers and `torch.cat`."""

    def __init__(self, c: int, out: int, stride: int) -> None:
        super().__init__()
        self.move11, self.move12, self.move13 = Move(c), Move(c), Move(c)
        self.move21, self.move22, self.move23 = Move(c), Move(out), Move(out)
        self.conv, self.bn1 = BinaryConv2d(c, c, 3, stride, padding=1), nn.BatchNorm2d(c)
        self.ways = nn.ModuleList(BinaryConv2d(c, c, 1) for _ in range(out // c))
        self.norms = nn.ModuleList(nn.BatchNorm2d(c) for _ in range(out // c))
        self.prelu1, self.prelu2 = nn.PReLU(c), nn.PReLU(out)
        self.pool = nn.AvgPool2d(2, 2) if stride == 2 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn1(self.conv(self.move11(x))) + self.pool(x)
        y = self.move13(self.prelu1(self.move12(y)))
        signed = self.move21(y)
        ways = [norm(way(signed)) + y for way, norm in zip(self.ways, self.norms)]
        y = ways[0] if len(ways) == 1 else torch.cat(ways, dim=1)
        return self.move23(self.prelu2(self.move22(y)))


class Applied(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


class Branches(nn.Module):
    """Layers of one value beside each other, one with more behind it (GoogLeNet, ReActNet-A)."""

    def __init__(self, widths: tuple[int, ...] = (32, 32, 16)) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(BinaryConv2d(32, w, 1), nn.BatchNorm2d(w)) for w in widths
        )
        self.branches[-1].append(nn.PReLU(widths[-1]))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


class DenseBlock(nn.Module):
    """Layers that read all that was made before (DenseNet, arXiv:1608.06993)."""

    def __init__(self, growth: int, count: int) -> None:
        super().__init__()
        widths = [32 + growth * k for k in range(count)]
        self.layers = nn.ModuleList(binary(width, growth) for width in widths)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.cat([x, layer(x)], 1)
        return x


class Inception(nn.Module):
    """Branches of a convolution, a binary layer, a maximum and an average (arXiv:1409.4842)."""

    def __init__(self) -> None:
        super().__init__()
        maximum, average = nn.MaxPool2d(3, 1, 1), nn.AvgPool2d(3, 1, 1, count_include_pad=False)
        self.branches = nn.ModuleList(
            [
                nn.Sequential(nn.Conv2d(32, 16, 1), nn.PReLU()),
                nn.Sequential(nn.Conv2d(32, 16, 1), *binary(16, 32), nn.PReLU()),
                nn.Sequential(maximum, nn.Conv2d(32, 16, 1), nn.PReLU()),
                nn.Sequential(average, nn.Conv2d(32, 8, 1), nn.PReLU()),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


class Halves(nn.Module):
    """Half of the channels through a layer of their own, as in CSP and ShuffleNet blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = binary(16)

    def forward(self, x: Tensor) -> Tensor:
        a, b = x.chunk(2, dim=1)
        return torch.cat((self.layers(a) + a, b), dim=1)


def shuffled(x: Tensor, groups: int) -> Tensor:
    b, c, h, w = x.shape
    return x.reshape(b, groups, c // groups, h, w).permute(0, 2, 1, 3, 4).reshape(b, c, h, w)


class Shuffled(nn.Module):
    """A shuffle that is read by a layer and added to it."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = binary(32)

    def forward(self, x: Tensor) -> Tensor:
        x = shuffled(x, 8)
        return x + self.layers(x)


class ShuffleUnit(nn.Module):
    """ShuffleNet V2 (arXiv:1807.11164) with a binary branch."""

    def __init__(self) -> None:
        super().__init__()
        self.branch = nn.Sequential(nn.Conv2d(16, 16, 1), nn.BatchNorm2d(16), *binary(16))

    def forward(self, x: Tensor) -> Tensor:
        x1, x2 = x.chunk(2, 1)
        return shuffled(torch.cat([x1, self.branch(x2)], 1), 2)


class OtherImage(nn.Module):
    """A function of the image before the network."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function, self.net = function, Net(binary(32))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(self.function(x))


class Attend(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.MultiheadAttention(32, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x, x, x)[0]


class ClassToken(nn.Module):
    def __init__(self, cat: Any = None) -> None:
        super().__init__()
        self.token, self.cat = nn.Parameter(torch.zeros(1, 1, 32)), cat

    def forward(self, x: Tensor) -> Tensor:
        if self.cat is None:
            return hnn.prepend_token(x, self.token)[:, 1:]
        return self.cat((self.token.expand(x.shape[0], -1, -1), x), 1)[:, 1:]


class TwoHeads(nn.Module):
    def __init__(self, names: bool = False) -> None:
        super().__init__()
        self.net, self.names = Net(nn.Identity()), names

    def forward(self, x: Tensor) -> Any:
        y = self.net(x)
        return {"a": y, "b": y} if self.names else (y, y)
