"""Widths that are no multiple of the lanes: padded, and the same numbers come out."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hwgen.analysis.fidelity import fidelity
from hwgen.errors import UnsupportedOpError
from hwgen.floats.check import check
from hwgen.floats.evaluate import Evaluator
from hwgen.frontend.trace import trace
from hwgen.nn import BatchNorm, BinaryConv2d, BinaryLinear, RPReLU, tile_channels
from hwgen.passes.lower import Prepared, prepare
from hwgen.passes.pad_channels import pad_channels
from tests.networks import randomise
from tests.schedule.test_program import check as check_program

SIDE = 32
CASES = {
    "24": (24, {}),
    "40, LayerNorm": (40, {"norm": True}),
    "100, LayerNorm": (100, {"norm": True}),
    "24, LayerNorm of GELU": (24, {"norm": True, "act": nn.GELU()}),
    "40, LayerNorm of Sigmoid": (40, {"norm": True, "act": nn.Sigmoid()}),
    "17, patches": (17, {"patches": True}),
}


class Narrow(nn.Module):
    """Stem, binary convolution, an activation, LayerNorm, a residual binary linear layer."""

    def __init__(
        self, c: int, norm: bool = False, act: nn.Module | None = None, patches: bool = False
    ) -> None:
        super().__init__()
        conv = BinaryConv2d(c, c, 2, 2) if patches else BinaryConv2d(c, c, 3, 1, 1)
        self.grid = nn.Sequential(nn.Conv2d(3, c, 4, 4), nn.BatchNorm2d(c), conv, nn.BatchNorm2d(c))
        self.act = act or RPReLU(c, channel_dim=1)
        self.norm = nn.LayerNorm(c) if norm else nn.Identity()
        self.line, self.line_norm, self.head = BinaryLinear(c, c), BatchNorm(c), nn.Linear(c, 7)

    def forward(self, image: Tensor) -> Tensor:
        x = self.norm(self.act(self.grid(image)).flatten(2).transpose(1, 2))
        return self.head((self.line_norm(self.line(x)) + x).mean(1))


def images(count: int = 16) -> np.ndarray:
    small = np.random.default_rng(3).integers(0, 256, (count, 8, 8, 3)).astype(np.uint8)
    return small.repeat(4, 1).repeat(4, 2)


@cache
def prepared(case: str) -> tuple[nn.Module, Prepared]:
    torch.manual_seed(1)
    c, options = CASES[case]
    module = randomise(Narrow(c, **options))
    return module, prepare(module, images())


@pytest.mark.parametrize("case", CASES)
def test_the_padded_graph_computes_the_same(case: str) -> None:
    module = prepared(case)[0].double()
    graph = trace(module, (SIDE, SIDE, 3))
    padded = pad_channels(graph, 16)
    check(padded, "pad_channels")
    widths = {n.layout.channels for n in padded.nodes.values() if n.name != graph.output}
    assert widths == {3, -(-CASES[case][0] // 16) * 16}
    values = [
        {node.name: value for node, value in Evaluator(g, torch.float64).steps(images(4))}
        for g in (graph, padded)
    ]
    for name, value in values[0].items():
        grown = values[1][name][..., : value.shape[-1]]
        assert float((grown - value).abs().max()) < 1e-9, name
    module.float()


@pytest.mark.parametrize("case", CASES)
def test_integer_graph_and_program_agree_with_the_network(case: str) -> None:
    module, found = prepared(case)
    graph = found.quantize().graph
    assert fidelity(module, graph, images(64))["logit_cosine"] > 0.995
    check_program(graph, {})


def test_a_graph_of_whole_words_is_left_alone() -> None:
    graph = trace(randomise(Narrow(32)), (SIDE, SIDE, 3))
    assert pad_channels(graph, 16) is graph


class Tiled(nn.Module):
    """Tokens of so many channels, twice, added to a binary layer."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 4, 4)
        self.wide, self.head = BinaryLinear(channels, 2 * channels), nn.Linear(2 * channels, 4)

    def forward(self, image: Tensor) -> Tensor:
        x = self.stem(image).flatten(2).transpose(1, 2)
        return self.head((self.wide(x) + tile_channels(x, 2)).mean(1))


@pytest.mark.parametrize(
    ("module", "line"),
    [
        (
            Narrow(25),
            r"^grid.2: a binary convolution of 25 channels with zero padding; an odd number of "
            r"channels cannot be filled up with signs that cancel; use an even number of channels$",
        ),
        (
            Tiled(40),
            r"^tile: tile of 40 channels; its channels are addressed by number: must be a "
            r"multiple of the lanes; pad or widen the layer$",
        ),
    ],
    ids=["odd", "tiles"],
)  # fmt: skip
def test_what_cannot_be_padded_is_named(module: nn.Module, line: str) -> None:
    graph = trace(randomise(module), (SIDE, SIDE, 3))
    with pytest.raises(UnsupportedOpError, match=line):
        pad_channels(graph, 16)
