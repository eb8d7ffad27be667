"""An image of 512 x 512 in strips, whose features no memory of the part holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hwgen.emit.rtl import write_rtl
from hwgen.nn import BinaryConv2d
from hwgen.passes.lower import lower_model
from hwgen.schedule.program import schedule
from hwgen.search.choose import search
from hwgen.sim.network import build_simulator, simulate_program
from hwgen.targets import get_target
from hwgen.targets.fit import excess
from hwgen.timing.predict import predict

SIDE = 512


class Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = BinaryConv2d(channels, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x)) + x


class Large(nn.Module):
    """A 4x4 patch stem of 64 channels, four binary 3x3 layers with residuals, a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, 64, 4, 4), nn.Linear(64, 10)
        self.blocks = nn.Sequential(*(Block(64) for _ in range(4)))

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(image)).mean((2, 3)))


@pytest.mark.full
def test_a_frame_is_exact_and_in_the_cycles_predicted(tmp_path: Path) -> None:
    torch.manual_seed(0)
    graph, target = lower_model(Large().eval(), meta={"image": (SIDE, SIDE, 3)}), get_target("zynq")
    sizing = search(graph, target).sizing
    assert excess(sizing, target) is None
    program = schedule(graph, sizing)
    assert program.kept
    write_rtl(tmp_path / "rtl", sizing)
    build_simulator(program, tmp_path / "rtl", tmp_path / "build")
    image = np.random.default_rng(1).integers(0, 256, (1, SIDE, SIDE, 3)).astype(np.uint8)
    result = simulate_program(program, tmp_path / "rtl", tmp_path / "build", image)
    assert result.first_mismatch is None
    assert result.cold_cycles == predict(program, warm=False).cycles
    print(f"{result.cold_cycles:,} cycles, {result.tensors} tensors")
