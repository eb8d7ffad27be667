"""What becomes of channels that are put together, taken apart and shuffled; `agrees` and `compiles`
of tests/frontend say that the values are right."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwgen.errors import UnsupportedOpError
from hwgen.floats.evaluate import Evaluator
from hwgen.floats.graph import FloatGraph
from hwgen.floats.kinds import Conv, Gather, Input
from hwgen.floats.kinds.base import Node
from hwgen.floats.layout import Layout, on_grid
from hwgen.frontend.trace import trace
from hwgen.nn import BinaryConv2d
from hwgen.passes.move_channels import move_channels
from tests.frontend.nets import Net, seeded
from tests.frontend.parts import Halves, ReActNetBlock, ShuffleUnit, binary, shuffled
from tests.networks import IMAGE


class Released(nn.Module):
    """The end of a block of ReActNet-A as released: two branches, each added to what it reads."""

    def __init__(self) -> None:
        super().__init__()
        self.sides = nn.ModuleList(
            nn.Sequential(BinaryConv2d(32, 32, 1), nn.BatchNorm2d(32)) for _ in range(2)
        )
        self.act = nn.ModuleList(nn.PReLU(32) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([act(side(x) + x) for side, act in zip(self.sides, self.act)], 1)


def moved(part: object, channels: int = 32) -> tuple[FloatGraph, Counter[str]]:
    """The graph of a part behind the stem, with the same values, and its kinds."""
    graph = trace(seeded(lambda: Net(part, channels)), IMAGE)
    after = move_channels(graph)
    images = np.random.default_rng(0).normal(size=(2, *IMAGE))
    want, got = (Evaluator(g, torch.float64).logits(images) for g in (graph, after))
    np.testing.assert_allclose(got, want, atol=1e-12)
    return after, Counter(n.kind.name for n in after.nodes.values())


STEM = Counter({"input": 1, "conv": 2, "affine": 1, "token_mean": 1})  # and the classifier
FREE = {
    "branches of one value": (
        lambda: Parallel(*(BinaryConv2d(32, 32, 1) for _ in range(2))), 64),
    "slices of a layer": (lambda: nn.Sequential(*binary(32), Split(8)), 24),
    "a shuffle before a layer": (lambda: nn.Sequential(nn.ChannelShuffle(4), *binary(32)), 32),
    "a shuffle behind a layer": (lambda: nn.Sequential(*binary(32), nn.ChannelShuffle(4)), 32),
    "a shuffle and back": (
        lambda: nn.Sequential(nn.ChannelShuffle(4), nn.ChannelShuffle(8)), 32),
    "a value beside itself, added": (lambda: Twice(), 64),
}  # fmt: skip


class Split(nn.Module):
    """ReLU of the channels from `first` on."""

    def __init__(self, first: int) -> None:
        super().__init__()
        self.first = first

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x[:, self.first :])


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = binary(32, 64)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x) + torch.cat([x, x], 1)


@pytest.mark.parametrize("case", FREE)
def test_free(case: str) -> None:
    make, channels = FREE[case]
    _, kinds = moved(make(), channels)
    assert not kinds["gather"]
    assert kinds["conv"] == 2


def test_the_branches_of_reactnet_are_one_layer() -> None:
    """As `tile_channels` says it: one layer, one sum with a tiled value, one activation."""
    _, kinds = moved(Released(), 64)
    added = Counter(sign=1, xnor_linear=1, add=1, tile=1, affine=1, rprelu=1)
    assert kinds == STEM + added


def test_blocks_of_reactnet_have_no_copy() -> None:
    """A tiled value is added to one layer of twice the outputs, as `tile_channels` has it."""
    _, kinds = moved(nn.Sequential(ReActNetBlock(32, 32, 1), ReActNetBlock(32, 64, 2)), 64)
    assert (kinds["gather"], kinds["tile"], kinds["conv"]) == (0, 1, 2)
    assert (kinds["xnor_conv"], kinds["xnor_linear"]) == (2, 2)


def test_slices_are_layers_of_their_own() -> None:
    graph, kinds = moved(lambda s, x: (
        lambda y: F.relu(y[:, :12]) + y[:, 20:])(s.bn(s.conv(x))), 12)  # fmt: skip
    assert kinds["xnor_conv"] == 2
    assert sorted(n.layout.channels for n in graph.nodes.values() if "conv" in n.kind.name)[1:] == [
        12, 12, 32,
    ]  # fmt: skip


COPIES = {
    "a value and a layer": (lambda s, x: torch.cat([x, s.bn(s.conv(x))], 1), 64, 1),
    "a value that others read": (lambda: Halves(), 32, 2),
    "a sum": (lambda s, x: (x + s.bn(s.conv(x)))[:, 16:], 16, 1),
}  # fmt: skip


@pytest.mark.parametrize("case", COPIES)
def test_words_are_copied(case: str) -> None:
    part, channels, count = COPIES[case]
    made = part() if part.__code__.co_argcount == 0 else part
    _, kinds = moved(made, channels)
    assert (kinds["gather"], kinds["conv"]) == (count, 2)


def test_others_are_copied_by_a_convolution() -> None:
    """A shuffle that is kept; every weight is 0 or 1."""
    graph, kinds = moved(lambda s, x: x + s.bn(s.conv(x)) + shuffled(x, 8))
    assert (kinds["gather"], kinds["conv"]) == (0, 3)
    (copy,) = (n for n in graph.nodes.values() if n.kind is Conv and "body" in n.name)
    weight = copy["weight"][:, 0, 0]
    assert ((weight == 0) | (weight == 1)).all()
    assert (weight.sum(0) == 1).all()
    assert (weight.sum(1) == 1).all()


def test_a_layer_of_unequal_parts_is_a_sum_of_layers() -> None:
    """12 channels of one layer and 20 of another, signed: neither is copied."""
    _, kinds = moved(
        nn.Sequential(Parallel(nn.Conv2d(32, 12, 1), nn.Conv2d(32, 20, 3, padding=1)), *binary(32))
    )
    assert (kinds["conv"], kinds["xnor_conv"], kinds["add"]) == (4, 2, 1)


class Parallel(nn.ModuleList):
    def __init__(self, *layers: nn.Module) -> None:
        super().__init__(layers)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([layer(x) for layer in self], 1)


def test_parts_of_other_widths_are_copied() -> None:
    """24 channels, then 8, kept by a norm that the mean reads."""
    _, kinds = moved(lambda s, x: F.relu(torch.cat([F.relu(x)[:, 8:], x[:, :8]], 1)))
    assert (kinds["gather"], kinds["conv"], kinds["add"]) == (0, 4, 1)


def test_channels_that_pass_by_many_blocks() -> None:
    """They are copied on the way, not read from all of the blocks at once."""
    graph, _ = moved(nn.Sequential(*(ShuffleUnit() for _ in range(8))))
    assert max(len(n.inputs) for n in graph.nodes.values()) <= 4


def test_a_constant_channel() -> None:
    """Scale 0 and a bias, through both kinds of copies."""
    image = Node("image", Input, (), {"grid": (2, 2), "channels": 3}, on_grid(2, 2, 3))
    for picks in (((0, 2), (0, 0), (0, 0)), ((0, 1),) * 4):
        n = len(picks)
        params = {"picks": picks, "scale": np.arange(n) * 0.5, "bias": np.arange(n)[::-1] * 1.0}
        gather = Node("y", Gather, ("image",), params, on_grid(2, 2, n))
        graph = FloatGraph({"image": image, "y": gather}, "image", "y")
        x = np.random.default_rng(0).normal(size=(2, 2, 2, 3))
        want, got = (Evaluator(g, torch.float64).logits(x) for g in (graph, move_channels(graph)))
        np.testing.assert_allclose(got, want)


def test_windows_of_odd_numbers_of_channels_are_refused() -> None:
    image = Node("image", Input, (), {"grid": (2, 2), "channels": 3}, Layout((1, 4, 3)))
    params = {"picks": ((0, 1),), "scale": np.ones(1), "bias": np.zeros(1)}
    gather = Node("y", Gather, ("image",), params, Layout((1, 4, 1)))
    rule = r"^y: channels moved in windows; supported: of multiples of 16 channels$"
    with pytest.raises(UnsupportedOpError, match=rule):
        move_channels(FloatGraph({"image": image, "y": gather}, "image", "y"))
