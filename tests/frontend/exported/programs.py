"""Programs of torch.export for the tests: written, and changed member by member."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

IMAGE = (16, 16, 1)
Members = dict[str, bytes]


def exported(
    module: nn.Module, path: Path, image: tuple[int, int, int] = IMAGE, batch: int = 1,
    decomposed: bool = False, **options: Any,
) -> Path:  # fmt: skip
    """The program of a network in a file."""
    height, width, channels = image
    example = torch.randn(batch, channels, height, width)
    program = torch.export.export(module, (example,), **options)
    torch.export.save(program.run_decompositions() if decomposed else program, path)
    return path


def changed(path: Path, change: Callable[[Members], None]) -> Path:
    """A program's file after a change of its members, by their names without the folder."""
    with zipfile.ZipFile(path) as file:
        folder = file.namelist()[0].split("/")[0]
        members = {n.split("/", 1)[1]: file.read(n) for n in file.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members.items():
            file.writestr(f"{folder}/{name}", data)
    return path


def edited(member: str, change: Callable[[Any], None]) -> Callable[[Members], None]:
    """A change of the JSON of a member."""

    def change_members(members: Members) -> None:
        values = json.loads(members[member])
        change(values)
        members[member] = json.dumps(values).encode()

    return change_members


class Small(nn.Module):
    """A convolution of the image, a binary one, a mean, a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.fc = nn.Conv2d(1, 16, 4, 4), nn.Linear(16, 3)
        self.conv = nn.Conv2d(16, 16, 3, padding=1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        weight = torch.sign(self.conv.weight)
        y = nn.functional.conv2d(torch.sign(x), weight, padding=1)
        b, c, height, width = y.shape
        return self.fc((x + y).reshape(b, c, height * width).mean(2))
