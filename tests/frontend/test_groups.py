"""Convolutions in groups as other layers: the same sums, and the layers that are meant."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from hwgen.frontend import groups
from hwgen.frontend.trace import trace
from hwgen.nn import BinaryConv2d
from tests.frontend.nets import Net, seeded
from tests.networks import IMAGE

RNG = np.random.default_rng(0)


def signs(*shape: int) -> np.ndarray:
    return np.where(RNG.normal(size=shape) >= 0, 1.0, -1.0)


def convolved(x: np.ndarray, weight: np.ndarray, count: int) -> np.ndarray:
    return F.conv2d(torch.from_numpy(x), torch.from_numpy(weight), padding=1, groups=count).numpy()


def test_a_dense_layer_of_groups() -> None:
    x, weight = RNG.normal(size=(2, 12, 5, 5)), RNG.normal(size=(8, 3, 3, 3))
    want = convolved(x, weight, 4)
    np.testing.assert_allclose(convolved(x, groups.dense(weight, 4), 1), want)


def test_a_dilated_kernel() -> None:
    x, weight = torch.randn(1, 4, 9, 9), RNG.normal(size=(2, 4, 3, 3))
    want = F.conv2d(x.double(), torch.from_numpy(weight), dilation=3)
    got = F.conv2d(x.double(), torch.from_numpy(groups.spread(weight, 3)))
    torch.testing.assert_close(got, want)


@pytest.mark.parametrize(("count", "left"), [(8, 1), (8, 2), (8, 4), (24, 1), (24, 4), (3, 1)])
def test_two_layers_in_fewer_groups_are_twice_a_layer(count: int, left: int) -> None:
    x, weight = signs(2, 24, 5, 5), signs(48, 24 // count, 3, 3)
    first, second = groups.paired(weight, count, left)
    assert first.shape == second.shape == (48, 24 // left, 3, 3)
    assert (np.abs(first) == 1).all()
    total = convolved(x, first, left) + convolved(x, second, left)
    np.testing.assert_array_equal(total, 2 * convolved(x, weight, count))


@pytest.mark.parametrize(
    ("window", "inputs", "outputs", "own", "most"),
    [
        ((3, 1, 1, 1, 4), 64, 64, True, 4),
        ((3, 1, 1, 1, 8), 64, 64, True, 8),
        ((3, 1, 1, 1, 4), 80, 80, True, 4),  # 20 channels
        ((3, 1, 2, 2, 32), 32, 32, True, 32),
        ((3, 1, 1, 1, 2), 896, 64, True, 2),
        ((3, 1, 1, 1, 2), 928, 64, False, 1),  # sums taken twice would not fit 16 bits
        ((3, 2, 1, 1, 2), 32, 32, True, 1),  # but as words of 16 channels
        ((3, 2, 1, 1, 8), 64, 64, False, 2),
        ((3, 1, 1, 1, 2), 24, 24, False, 1),
        ((1, 1, 0, 1, 5), 10, 10, False, 1),
    ],
)
def test_groups_of_a_binary_op(
    window: groups.Window, inputs: int, outputs: int, own: bool, most: int
) -> None:
    assert groups.own_groups(window, inputs, outputs) == own
    if not own:
        assert groups.fewer(window, inputs, outputs) == most


KINDS = {
    "3x3": (lambda: nn.Conv2d(32, 32, 3, padding=1, groups=32), {"cross_filter": 1}),
    "5x5": (lambda: nn.Conv2d(32, 32, 5, padding=2, groups=32), {"cross_filter": 3, "add": 1}),
    "s2": (
        lambda: nn.Conv2d(32, 32, 3, 2, padding=1, groups=32), {"channel_filter": 1}),
    "s3, which does not divide 8": (
        lambda: nn.Conv2d(32, 32, 3, 3, padding=1, groups=32), {"cross_filter": 1, "max_pool": 1}),
    "s3 of an even kernel": (
        lambda: nn.Conv2d(32, 32, 2, 3, groups=32), {"channel_filter": 1, "max_pool": 1}),
    "not padded": (lambda: nn.Conv2d(32, 32, 3, groups=32), {"channel_filter": 1}),
    "even": (lambda: nn.Conv2d(32, 32, 2, padding=1, groups=32), {"channel_filter": 1}),
    "large and not padded": (lambda: nn.Conv2d(32, 32, 5, groups=32), {"conv": 1}),
    "1x1": (lambda: nn.Conv2d(32, 32, 1, groups=32), {"affine": 1}),
    "groups of 16": (lambda: nn.Conv2d(32, 32, 3, padding=1, groups=2), {"conv": 1}),
    "groups of 32": (
        lambda: nn.Sequential(nn.Conv2d(32, 64, 1), nn.Conv2d(64, 32 * 2, 1, groups=2)),
        {"conv": 3, "gather": 3}),
    "binary, groups of 8": (
        lambda: BinaryConv2d(32, 32, 3, padding=1, groups=4), {"xnor_conv": 1, "sign": 1}),
    "binary, one channel each": (
        lambda: BinaryConv2d(32, 32, 3, padding=1, groups=32),
        {"xnor_conv": 1, "sign": 1}),
    "binary 1x1": (
        lambda: BinaryConv2d(32, 32, 1, groups=8), {"xnor_linear": 2, "sign": 1, "add": 1}),
}  # fmt: skip
STEM = Counter({"input": 1, "conv": 2, "affine": 1, "token_mean": 1})


@pytest.mark.parametrize("case", KINDS)
def test_what_a_layer_becomes(case: str) -> None:
    make, expected = KINDS[case]
    wide = 64 if case == "groups of 32" else 32
    graph = trace(seeded(lambda: Net(make(), wide)), IMAGE)
    assert Counter(n.kind.name for n in graph.nodes.values()) == STEM + Counter(expected)
