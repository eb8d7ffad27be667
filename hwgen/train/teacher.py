"""Float teachers for distillation."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from hwgen.errors import HwgenError


def _layer(inputs: int, outputs: int) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    return [conv, nn.BatchNorm2d(outputs), nn.ReLU()]


def _stage(inputs: int, outputs: int) -> list[nn.Module]:
    return [*_layer(inputs, outputs), nn.MaxPool2d(2)]


class SmallCNN(nn.Module):
    """Three-stage float CNN on the image averaged to 24x24 cells; a teacher for small data sets.

    Shapes: (B, 3, S, S) -> (B, classes), S a multiple of 24.
    """

    def __init__(self, classes: int, image_size: int) -> None:
        super().__init__()
        factor = max(1, image_size // 24)
        layers = [nn.AvgPool2d(factor), *_stage(3, 32), *_stage(32, 64), *_stage(64, 128)]
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(128, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))


class ResNet9(nn.Module):
    """Nine-layer float residual CNN on the image averaged to 32x32 cells (David Page's CIFAR-10
    network, "How to train your ResNet", 2018); a teacher for small photographs.

    Shapes: (B, 3, S, S) -> (B, classes), S a multiple of 32.
    """

    def __init__(self, classes: int, image_size: int) -> None:
        super().__init__()
        head = [nn.AvgPool2d(max(1, image_size // 32)), *_layer(3, 64)]
        stages = [*_stage(64, 128), _Residual(128), *_stage(128, 256), *_stage(256, 512)]
        self.body = nn.Sequential(*head, *stages, _Residual(512), nn.AdaptiveMaxPool2d(1))
        self.head = nn.Linear(512, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).flatten(1))


class _Residual(nn.Module):
    """x + two layers of as many channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*_layer(channels, channels), *_layer(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


TEACHERS = {"cnn": SmallCNN, "resnet9": ResNet9}  # trained first, in the same run


def load_torchscript(path: str) -> nn.Module:
    """A teacher saved with torch.jit (for example DeiT-Small for ImageNet), in eval mode.

    Raises: HwgenError if the file is missing or is no TorchScript archive.
    """
    if not Path(path).is_file():
        raise HwgenError(
            "teacher.path", path, "is not a file", "save the teacher with torch.jit.save"
        )
    try:
        return torch.jit.load(path, map_location="cpu").eval()
    except RuntimeError as error:
        line = str(error).strip().splitlines()[0]
        raise HwgenError("teacher.path", path, line, "save it with torch.jit.save") from None
