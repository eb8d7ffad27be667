"""Binary ResNet-18 and -34: Bi-Real Net (arXiv:1808.00278), ReActNet (arXiv:2003.03488)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from hwgen.errors import CheckpointError
from hwgen.nn import BatchNorm, BinaryConv2d, LearnedShift
from hwgen.zoo.config import STAGES, ResNetConfig
from hwgen.zoo.network import Network
from hwgen.zoo.registry import register

KERNEL = 3
_WAY_OUT = "give a state dict with the keys of the released Bi-Real Net or ReActNet"


class ResNetBlock(nn.Module):
    """One binary 3x3 convolution with its shortcut, images (B, I, H, W) -> (B, O, H/s, W/s).

    bireal:   BN(conv(sgn(x))) + shortcut(x)
    reactnet: PReLU(BN(conv(sgn(x + move0))) + shortcut(x) + move1) + move2
    shortcut: x, or BN(conv1x1(avgpool2x2(x))) in full precision where the shape changes. The signs
    are padded by zeros; a weight is sgn(W) mean|W|, the mean over an output channel.
    """

    def __init__(self, inputs: int, channels: int, stride: int, block: str) -> None:
        super().__init__()
        self.reactnet = block == "reactnet"
        if self.reactnet:
            self.move0 = LearnedShift((1, inputs, 1, 1))
        self.binary_conv = BinaryConv2d(
            inputs, channels, KERNEL, stride, padding=1, centre=False, scale_gradient=False
        )
        self.bn1 = BatchNorm(channels, channel_dim=1)
        if self.reactnet:
            self.move1 = LearnedShift((1, channels, 1, 1))
            self.prelu = nn.PReLU(channels)
            self.move2 = LearnedShift((1, channels, 1, 1))
        self.downsample = None
        if stride != 1 or inputs != channels:
            self.downsample = nn.Sequential(
                nn.AvgPool2d(2, stride) if stride != 1 else nn.Identity(),
                nn.Conv2d(inputs, channels, 1, bias=False),
                BatchNorm(channels, channel_dim=1),
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn1(self.binary_conv(self.move0(x) if self.reactnet else x))
        y = y + (x if self.downsample is None else self.downsample(x))
        return self.move2(self.prelu(self.move1(y))) if self.reactnet else y


class BinaryResNet(Network):
    """Classifier with the state-dict keys of the released Bi-Real Net and ReActNet (ResNet).

    Stem: conv 7x7 stride 2 padding 3, BN, max-pool 3x3 stride 2 padding 1; four stages of blocks;
    mean over the grid; linear classifier. Stem, shortcuts and classifier are full precision.
    The input is normalised outside: x = (uint8 / 255 - mean) / std.
    Shapes: (B, in_channels, S, S) -> (B, classes). Raises: HwgenError from `ResNetConfig`.
    """

    layer1: nn.Sequential
    layer2: nn.Sequential
    layer3: nn.Sequential
    layer4: nn.Sequential

    def __init__(self, config: ResNetConfig) -> None:
        super().__init__()
        self.config = config
        width = config.channels[0]
        self.conv1 = nn.Conv2d(config.in_channels, width, 7, 2, 3, bias=False)
        self.bn1 = BatchNorm(width, channel_dim=1)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        for k, (channels, depth) in enumerate(zip(config.channels, config.depths), 1):
            blocks = []
            for index in range(depth):
                stride = 2 if index == 0 and k > 1 else 1
                blocks.append(ResNetBlock(width, channels, stride, config.block))
                width = channels
            setattr(self, f"layer{k}", nn.Sequential(*blocks))
        self.fc = nn.Linear(width, config.classes)

    def forward(self, image: Tensor) -> Tensor:
        x = self.maxpool(self.bn1(self.conv1(image)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))

    @staticmethod
    def part_of(name: str) -> str:
        """Part of the network (hwgen.analysis.operations) that a parameter or layer belongs to."""
        words = name.split(".")
        if not words[0].startswith("layer"):
            return "head" if words[0] == "fc" else "stem"
        stage = int(words[0][-1])
        return f"ds{stage - 1}" if words[2] == "downsample" and stage > 1 else f"S{stage}"

    @staticmethod
    def kind_of(name: str) -> str:
        """Kind (hwgen.analysis.operations) of a layer that multiplies."""
        if "." in name:
            return "down" if "downsample" in name else "conv"
        return "classifier" if name == "fc" else "stem"


# ------------------------------------------------------------------------------- checkpoints


def with_released_keys(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict with the keys of a `BinaryResNet` for those of the released Bi-Real Net.

    `binary_conv.weights` (n, 1) becomes `binary_conv.weight` (O, I, 3, 3). Others stay.
    """
    state = dict(state)
    for key in [k for k in state if k.endswith(".binary_conv.weights")]:
        norm = key.replace("binary_conv.weights", "bn1.weight")
        rows = len(state[norm]) if norm in state and state[norm].dim() == 1 else 0
        if rows and state[key].numel() % (rows * KERNEL**2) == 0:
            state[key.removesuffix("s")] = state.pop(key).reshape(rows, -1, KERNEL, KERNEL)
    return state


def is_resnet(state: Mapping[str, Tensor]) -> bool:
    """Whether the keys (after `with_released_keys`) are those of a binary ResNet."""
    return "conv1.weight" in state and any(".binary_conv." in key for key in state)


def resnet_config(state: Mapping[str, Tensor], stated: object = None) -> ResNetConfig:
    """Configuration of the binary ResNet whose parameters `state` holds.

    Everything but the image size shows in keys and shapes; stated: the plain values of the file's
    own configuration, of which only "image_size" is used (default 224).
    Raises: CheckpointError if the keys are not those of a binary ResNet.
    """
    channels, depths = [], []
    for stage in range(1, STAGES + 1):
        prefix = f"layer{stage}."
        found = {int(i) for key in state if key.startswith(prefix)
                 if (i := key.split(".")[1]).isdecimal()}  # fmt: skip
        if found != set(range(len(found))) or not found:
            raise CheckpointError(
                f"state_dict: layer{stage}",
                f"has blocks {', '.join(map(str, sorted(found)[:8])) or 'none'}",
                "needs blocks 0, 1, ...",
                _WAY_OUT,
            )
        depths.append(len(found))
        channels.append(_shape(state, f"{prefix}0.binary_conv.weight", 4)[0])
    size = stated.get("image_size", 224) if isinstance(stated, Mapping) else 224
    return ResNetConfig(
        image_size=size,
        channels=tuple(channels),
        depths=tuple(depths),
        block="reactnet" if "layer1.0.move0.bias" in state else "bireal",
        classes=_shape(state, "fc.weight", 2)[0],
        in_channels=_shape(state, "conv1.weight", 4)[1],
    )


def _shape(state: Mapping[str, Tensor], key: str, dims: int) -> tuple[int, ...]:
    shape = tuple(state[key].shape) if key in state else ()
    if len(shape) != dims or min(shape) < 1:
        raise CheckpointError(
            f"state_dict: {key}", f"has shape {shape}" if key in state else "is missing",
            f"needs {dims} positive axes", _WAY_OUT,
        )  # fmt: skip
    return shape


# ----------------------------------------------------------------------------------- presets


@register
def birealnet18(**overrides: Any) -> BinaryResNet:
    """Bi-Real Net 18: 11.7 M parameters at 1000 classes (arXiv:1808.00278)."""
    return BinaryResNet(ResNetConfig(**{"block": "bireal", **overrides}))


@register
def birealnet34(**overrides: Any) -> BinaryResNet:
    """Bi-Real Net 34: 21.8 M parameters at 1000 classes (arXiv:1808.00278)."""
    sizes = {"block": "bireal", "depths": (6, 8, 12, 6)}
    return BinaryResNet(ResNetConfig(**{**sizes, **overrides}))


@register
def reactnet18(**overrides: Any) -> BinaryResNet:
    """ReActNet on ResNet-18: Bi-Real Net 18 with learned shifts and PReLU (arXiv:2003.03488)."""
    return BinaryResNet(ResNetConfig(**overrides))


@register
def reactnet34(**overrides: Any) -> BinaryResNet:
    """ReActNet on ResNet-34 (the blocks of arXiv:2003.03488, the depths of ResNet-34)."""
    return BinaryResNet(ResNetConfig(**{"depths": (6, 8, 12, 6), **overrides}))


@register
def reactnet_micro(**overrides: Any) -> BinaryResNet:
    """64x64 images, two convolutions per stage, 10 classes: small enough to simulate as a whole."""
    sizes = {
        "image_size": 64,
        "channels": (64, 128, 128, 256),
        "depths": (2, 2, 2, 2),
        "classes": 10,
    }
    return BinaryResNet(ResNetConfig(**{**sizes, **overrides}))
