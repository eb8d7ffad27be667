"""Products counted by their values: known networks, and `analyze`, which counts by classes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwgen.analysis.counting import count
from hwgen.analysis.operations import Totals, analyze
from hwgen.zoo import create


@pytest.mark.parametrize(
    "name", ["bhvit_micro", "bhvit_nano", "bhvit_paper", "binaryvit_micro", "reactnet_micro"]
)
def test_as_analyze_counts(name: str) -> None:
    torch.manual_seed(0)
    network = create(name).eval()
    config = network.config
    image = (config.image_size, config.image_size, config.in_channels)
    assert count(network, image) == analyze(network).total


class Own(nn.Conv2d):
    """Signs of x and of the weights, with a factor for each result."""

    def forward(self, x: Tensor) -> Tensor:
        scale = self.weight.abs().mean((1, 2, 3), keepdim=True)
        return F.conv2d(
            torch.sign(x), torch.sign(self.weight) * scale, None, self.stride, self.padding,
            self.dilation, self.groups,
        )  # fmt: skip


class RealInputs(Own):
    """Signs of the weights only: no binary layer."""

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, torch.sign(self.weight), None, 1, self.padding)


class RealWeights(Own):
    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(torch.sign(x), self.weight, None, 1, self.padding)


STEM = 64 * 9 * 3 * 32  # multiply-accumulates of a 3x3 convolution of an 8x8 image to 32 channels
LAYERS = {  # binary MACs, float MACs, binary weights, all parameters of the layer
    "binary": (lambda: Own(32, 32, 3, padding=1), (64 * 9 * 32 * 32, 0, 9 * 32 * 32)),
    "binary in 8 groups": (
        lambda: Own(32, 32, 3, padding=1, groups=8), (64 * 9 * 32 * 4, 0, 9 * 32 * 4)),
    "binary depthwise": (lambda: Own(32, 32, 3, padding=1, groups=32), (64 * 9 * 32, 0, 9 * 32)),
    "real inputs": (lambda: RealInputs(32, 32, 3, padding=1), (0, 64 * 9 * 32 * 32, 0)),
    "real weights": (lambda: RealWeights(32, 32, 3, padding=1), (0, 64 * 9 * 32 * 32, 0)),
    "float in 4 groups": (lambda: nn.Conv2d(32, 32, 1, groups=4), (0, 64 * 32 * 8, 0)),
    "float depthwise": (
        lambda: nn.Conv2d(32, 32, 3, 2, 1, groups=32), (0, 16 * 9 * 32, 0)),
}  # fmt: skip


@pytest.mark.parametrize("case", LAYERS)
def test_a_layer(case: str) -> None:
    make, (binary, real, weights) = LAYERS[case]
    torch.manual_seed(0)
    layer = make()
    network = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), layer).eval()
    parameters = sum(p.numel() for p in network.parameters())
    found = count(network, (8, 8, 3))
    assert found == Totals(binary, STEM + real, weights, parameters - weights)
