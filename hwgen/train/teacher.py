"""Float teachers for distillation."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from hwgen.errors import HwgenError


def _stage(inputs: int, outputs: int) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    return [conv, nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2)]


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
