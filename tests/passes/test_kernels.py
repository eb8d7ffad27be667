"""Convolutions inside a network, of any kernel, stride, padding and grid, as users write them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hwgen.analysis.fidelity import fidelity
from hwgen.nn import BinaryConv2d
from hwgen.passes.lower import prepare
from tests.networks import randomise
from tests.schedule.test_program import check as check_program

C = 32


class Residual(nn.Module):
    """body(x) + shortcut(x)."""

    def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + self.shortcut(x)


def norm() -> nn.Module:
    return nn.BatchNorm2d(C)


BODIES = {
    "float 3x3": lambda: nn.Conv2d(C, C, 3, padding=1),
    "norm, then float 3x3": lambda: nn.Sequential(nn.BatchNorm2d(C), nn.Conv2d(C, C, 3, padding=1)),
    "float 5x5, stride 2": lambda: nn.Conv2d(C, C, 5, 2, 2),
    "shortcut 1x1, stride 2": lambda: Residual(
        nn.Sequential(BinaryConv2d(C, C, 3, 2, padding=1), norm()),
        nn.Sequential(nn.Conv2d(C, C, 1, 2), norm()),
    ),
    "binary 5x5": lambda: BinaryConv2d(C, C, 5, padding=2),
    "binary 1x1, stride 2": lambda: BinaryConv2d(C, C, 1, stride=2),
    "binary 3x3 without padding": lambda: BinaryConv2d(C, C, 3),
    "binary 3x3, stride 2, groups": lambda: BinaryConv2d(C, C, 3, 2, padding=1, groups=2),
    "binary 7x7, stride 2": lambda: BinaryConv2d(C, C, 7, 2, padding=3),
    "binary 3x3, dilation 2, padding 1": lambda: BinaryConv2d(C, C, 3, padding=1, dilation=2),
}


def network(body: nn.Module) -> nn.Module:
    stem = [nn.Conv2d(3, C, 4, 4), norm()]
    return nn.Sequential(*stem, body, norm(), nn.PReLU(C), Logits())


class Logits(nn.Module):
    """Mean over the grid, linear."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(C, 7)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x.mean((2, 3)))


def images(height: int, width: int, count: int) -> np.ndarray:
    small = np.random.default_rng(3).integers(0, 256, (count, height // 4, width // 4, 3))
    return small.astype(np.uint8).repeat(4, 1).repeat(4, 2)


@pytest.mark.parametrize("size", [(32, 32), (28, 36)], ids=str)
@pytest.mark.parametrize("body", BODIES)
def test_the_integer_graph_and_its_program_agree_with_the_network(
    body: str, size: tuple[int, int]
) -> None:
    torch.manual_seed(2)
    module = randomise(network(BODIES[body]()))
    graph = prepare(module, images(*size, 16)).quantize().graph
    assert fidelity(module, graph, images(*size, 64))["logit_cosine"] > 0.995
    check_program(graph, {})


def test_a_deep_stem() -> None:
    """The first convolution reads the image, the second its features; both pad."""
    torch.manual_seed(2)
    stem = [nn.Conv2d(3, C, 3, 2, 1), norm(), nn.ReLU(), nn.Conv2d(C, C, 3, 2, 1), norm()]
    module = randomise(nn.Sequential(*stem, BinaryConv2d(C, C, 3, padding=1), norm(), Logits()))
    graph = prepare(module, images(32, 32, 16)).quantize().graph
    assert [type(op).__name__ for op in graph.ops][:3] == ["ImageConv", "PatchConv", "XnorConv"]
    assert fidelity(module, graph, images(32, 32, 64))["logit_cosine"] > 0.99
    check_program(graph, {})
