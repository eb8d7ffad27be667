"""A network that is no BHViT, built from the same layers: for tests of every stage."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hwgen.nn import BatchNorm, BinaryConv2d, BinaryLinear, LearnedShift, QDAttention, RPReLU

IMAGE = (32, 32, 3)


class ConvBlock(nn.Module):
    """x + RPReLU(BN(conv3x3(sgn(x + shift)))) on an image, then a norm."""

    def __init__(self, channels: int, groups: int, dilation: int) -> None:
        super().__init__()
        self.shift = LearnedShift((1, channels, 1, 1))
        self.conv = BinaryConv2d(
            channels, channels, 3, padding=dilation, dilation=dilation, groups=groups, bias=True
        )
        self.bn = BatchNorm(channels, channel_dim=1)
        self.act = RPReLU(channels, channel_dim=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.act(self.bn(self.conv(self.shift(x))))


class SmallAttentionNet(nn.Module):
    """Patch stem, two binary 3x3 blocks, a strided binary convolution, global attention, linear.

    Image (B, 3, 32, 32) -> logits (B, classes); 8x8 grid of 32 channels, then 4x4 of 64.
    """

    def __init__(self, classes: int = 7) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 4, 4)
        self.stem_norm = nn.BatchNorm2d(32)
        self.blocks = nn.Sequential(ConvBlock(32, 1, 1), ConvBlock(32, 2, 2))
        self.down_norm = nn.BatchNorm2d(32)
        self.down = BinaryConv2d(32, 64, 2, stride=2)
        self.bn = BatchNorm(64)
        self.query, self.key, self.value = (BinaryLinear(64, 64) for _ in range(3))
        self.norms = nn.ModuleList(BatchNorm(64) for _ in range(3))
        self.acts = nn.ModuleList(RPReLU(64) for _ in range(3))
        self.attention = QDAttention(1)
        self.context_norm = BatchNorm(64)
        self.head = nn.Linear(64, classes)

    def forward(self, image: Tensor) -> Tensor:
        x = self.blocks(self.stem_norm(self.stem(image)))
        x = self.down(self.down_norm(x)).flatten(2).transpose(1, 2)
        t = self.bn(x)
        q, k, v = (
            act(norm(layer(t)) + t)
            for layer, norm, act in zip((self.query, self.key, self.value), self.norms, self.acts)
        )
        x = self.context_norm(self.attention(q, k, v)) + v + t
        return self.head(x.mean(dim=1))


class ActivationNet(nn.Module):
    """Patch stem and a binary 3x3 block for every activation that has a table, then a linear layer.

    Image (B, 3, 32, 32) -> logits (B, classes); 8x8 grid of 32 channels.
    """

    def __init__(self, classes: int = 7) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 4, 4)
        self.acts = nn.ModuleList(
            [
                nn.GELU(), nn.SiLU(), nn.Hardswish(), nn.Sigmoid(), nn.Tanh(), nn.Hardtanh(),
                nn.ReLU6(), nn.Hardtanh(-0.5, 2.5), nn.LeakyReLU(0.1),
            ]
        )  # fmt: skip
        count = len(self.acts)
        self.norms = nn.ModuleList(BatchNorm(32, channel_dim=1) for _ in range(count))
        self.shifts = nn.ModuleList(LearnedShift((1, 32, 1, 1)) for _ in range(count))
        self.convs = nn.ModuleList(BinaryConv2d(32, 32, 3, padding=1) for _ in range(count))
        self.head = nn.Linear(32, classes)

    def forward(self, image: Tensor) -> Tensor:
        x = self.stem(image)
        for shift, conv, norm, act in zip(self.shifts, self.convs, self.norms, self.acts):
            x = x + act(norm(conv(shift(x))))
        return self.head(x.mean((2, 3)))


def activation_net() -> ActivationNet:
    """Seeded; norms spread their values over the chords and beyond."""
    torch.manual_seed(5)
    net = ActivationNet()
    for norm in net.norms:
        norm.weight.data.uniform_(-4.0, 4.0)
        norm.bias.data.uniform_(-2.0, 2.0)
        norm.running_var.fill_(60.0)
    return net.eval()


class HalvingNet(nn.Module):
    """Patch stem and three binary 3x3 convolutions of stride 2, the second in two groups.

    Image (B, 3, 32, 32) -> logits (B, classes); grids 16x16 of 32 channels, 8x8 and 4x4 of 64,
    2x2 of 128.
    """

    def __init__(self, classes: int = 7) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 2, 2)
        layers = ((32, 64, 1), (64, 64, 2), (64, 128, 1))
        self.shifts = nn.ModuleList(LearnedShift((1, c, 1, 1)) for c, _, _ in layers)
        self.convs = nn.ModuleList(
            BinaryConv2d(c, o, 3, 2, padding=1, groups=g) for c, o, g in layers
        )
        self.norms = nn.ModuleList(BatchNorm(o, channel_dim=1) for _, o, _ in layers)
        self.acts = nn.ModuleList(RPReLU(o, channel_dim=1) for _, o, _ in layers)
        self.pool = nn.AvgPool2d(2)
        self.head = nn.Linear(128, classes)

    def forward(self, image: Tensor) -> Tensor:
        x = self.stem(image)
        for k, (shift, conv) in enumerate(zip(self.shifts, self.convs, strict=True)):
            y = self.acts[k](self.norms[k](conv(shift(x))))
            x = y + self.pool(x) if k == 1 else y
        return self.head(x.mean((2, 3)))


class StemNet(nn.Module):
    """A ResNet's stem (7x7 with stride 2, norm, 3x3 max-pool), two binary blocks, pool, linear.

    Image (B, 3, 32, 32) -> logits (B, classes); 8x8 grid of 32 channels, then 4x4.
    """

    def __init__(self, classes: int = 7) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 32, 7, 2, 3, bias=False)
        self.bn = BatchNorm(32, channel_dim=1)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.blocks = nn.Sequential(ConvBlock(32, 1, 1), nn.AvgPool2d(2), ConvBlock(32, 1, 1))
        self.head = nn.Linear(32, classes)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.blocks(self.pool(self.bn(self.conv(image)))).mean((2, 3)))


def randomise(module: nn.Module, seed: int = 0) -> nn.Module:
    """Natural values for norms, activations, shifts and attention steps; eval mode."""
    g = torch.Generator().manual_seed(seed)

    def draw(tensor: Tensor, low: float, high: float) -> None:
        tensor.data.copy_(torch.rand(tensor.shape, generator=g) * (high - low) + low)

    for layer in module.modules():
        if isinstance(layer, BatchNorm | nn.BatchNorm2d):
            draw(layer.weight, 0.5, 1.5)
            draw(layer.bias, -0.5, 0.5)
            draw(layer.running_mean, -0.3, 0.3)
            draw(layer.running_var, 0.5, 1.5)
            layer.weight.data[torch.rand(layer.weight.shape, generator=g) < 0.1] *= -1
        elif isinstance(layer, RPReLU):
            draw(layer.move1, -0.3, 0.3)
            draw(layer.move2, -0.3, 0.3)
            draw(layer.prelu.weight, -0.1, 0.6)
        elif isinstance(layer, QDAttention) and layer.learned:
            draw(layer.alpha, 0.15, 0.4)
            draw(layer.zero_point, -0.2, 0.2)
            layer.init_state.fill_(1.0)
        elif type(layer).__name__ == "LayerScale":
            draw(layer.alpha, -0.2, 0.4)
            draw(layer.move, -0.1, 0.1)
    for name, parameter in module.named_parameters():
        leaf = name.rsplit(".", 1)[-1]
        if leaf in ("a1", "parm"):
            draw(parameter, 0.2, 0.8)
        elif leaf.startswith("move") and leaf[4:5] in ("", "q", "k", "v"):
            draw(parameter, -0.2, 0.2)
    return module.eval()


def small_attention_net(seed: int = 0, classes: int = 7) -> nn.Module:
    """The network above with random weights."""
    torch.manual_seed(seed)
    return randomise(SmallAttentionNet(classes), seed)


def halving_net(seed: int = 0, classes: int = 7) -> nn.Module:
    """The network of stride-2 convolutions with random weights."""
    torch.manual_seed(seed)
    return randomise(HalvingNet(classes), seed)


def stem_net(seed: int = 0) -> nn.Module:
    """StemNet with random weights."""
    torch.manual_seed(seed)
    return randomise(StemNet(), seed)
