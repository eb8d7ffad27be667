"""Layers and functions of `hwgen.nn` in a program are these layers again, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hwgen import nn as hnn
from hwgen import zoo
from hwgen.errors import UnsupportedOpError
from hwgen.floats.evaluate import Evaluator
from hwgen.frontend.exported.network import ExportedNetwork
from hwgen.frontend.load import load_network
from hwgen.frontend.options import Options
from hwgen.frontend.trace import trace
from hwgen.passes.lower import prepare
from hwgen.zoo.untrained import photographs, untrained
from tests.frontend.exported.programs import exported
from tests.frontend.exported.test_load import same_integers
from tests.frontend.nets import META, agrees, seeded

SIZE = (36, 36, 3)
GIVEN = Options(mean=META["mean"], std=META["std"])
Forward = Callable[[Any, Tensor], Tensor]


class Tokens(nn.Module):
    """A function of 9 x 9 tokens of 32 channels, and of what it may need, before a classifier."""

    def __init__(self, function: Forward, eps: float = 1e-5) -> None:
        super().__init__()
        self.function = function
        self.stem, self.fc = nn.Conv2d(3, 32, 4, 4), nn.Linear(32, 3)
        self.windows, self.attention = hnn.TokenBuilder(32, 3, 9), hnn.QDAttention(2)
        self.aligned = hnn.TokenBuilder(32, 3, 9, merge="avg")
        self.plain = hnn.QDAttention(2, learned=False)
        self.wide, self.act = hnn.BinaryLinear(64, 32), hnn.RPReLU(32)
        self.up, self.near = hnn.BinaryLinear(32, 64), hnn.BinaryLinear(32, 32)
        self.parm, self.clip = nn.Parameter(torch.rand(32)), nn.Parameter(torch.tensor(0.02))
        with torch.no_grad():
            self.attention.alpha.copy_(torch.tensor([0.04, 0.06]))
            self.windows.norm.eps = eps
            self.windows.norm.bias.uniform_(-0.5, 0.5)
            self.windows.a1.uniform_(0, 1)

    def forward(self, image: Tensor) -> Tensor:
        x = self.stem(image).flatten(2).transpose(1, 2)
        return self.fc(self.function(self, x).mean(1))


def in_windows(s: Any, x: Tensor) -> Tensor:
    """As a block of BHViT."""
    z = s.windows(x)
    q, k, v = s.act(s.near(z)) + z, s.near(z - 0.1) + z, s.near(z + 0.1) + z
    z = s.act(s.attention(q, k - 0.1, v + 0.1) + q + k + v)
    y = hnn.window_merge(z, s.parm, 9, 3)
    return x + s.act(s.near(y) + y)


def coarse_keys(s: Any, x: Tensor) -> Tensor:
    """As a block of BinaryViT."""
    p = hnn.avg_pool_grid(x, 9, 3)
    q, k, v = s.act(s.near(x) + x), s.act(s.near(p) + p), s.near(p - 0.1) + p
    context = hnn.elastic_attention(q, k + 0.1, v - 0.1, s.clip, 2)
    k, v = (hnn.upsample_grid(t, 3, 3) for t in (k, v))
    return s.act(context + q + k + v)


def twice(s: Any, x: Tensor) -> Tensor:
    """Aligned windows, and attention of all tokens by one layer that is called twice."""
    z = s.aligned(x)
    z = s.act(s.plain(z, z, z) + z)
    y = hnn.window_merge(z, s.parm, 9, 3)
    y = x + s.act(s.near(y) + y)
    y = s.act(s.attention(y, y, y)) + y
    return s.act(s.attention(y, y, x)) + y


CASES: dict[str, tuple[Forward, set[str]]] = {
    "shift_mean": (lambda s, x: x + s.act(hnn.shift_mean(x, 9, 0, 2)), {"cross_filter"}),
    "shift_mix": (lambda s, x: x + s.act(hnn.shift_mix(x, 9, 1)), {"cross_filter"}),
    "neighbour_mean": (lambda s, x: x + s.act(hnn.neighbour_mean(x, 9, 1, 1)), {"cross_filter"}),
    "three of them": (
        lambda s, x: x + hnn.shift_mean(x, 9, 0, 1) + hnn.shift_mean(x, 9, 1, 1)
        + hnn.shift_mix(x, 9, 1), {"cross_filter"}),
    "tile_channels": (
        lambda s, x: x + s.wide(s.up(x) + hnn.tile_channels(x, 2)), {"xnor_linear"}),
    "pool_channels": (
        lambda s, x: x + (lambda y: s.wide(y) + hnn.pool_channels(y, 2))(s.up(x) + 0.1), {"pool"}),
    "elastic_attention": (
        lambda s, x: x + hnn.elastic_attention(x + 0.1, x - 0.1, x, s.clip, 2), {"attention"}),
    "avg_pool_grid, upsample_grid, elastic_attention of other keys": (
        coarse_keys, {"attention", "avg_pool", "upsample"}),
    "TokenBuilder, QDAttention, window_merge": (
        in_windows, {"merge_max", "merge_sum", "layer_norm", "attention", "unwindow"}),
    "a layer called twice": (twice, {"avg_pool", "layer_norm", "attention", "unwindow"}),
}  # fmt: skip


@pytest.mark.parametrize("decomposed", [False, True], ids=["as exported", "decomposed"])
@pytest.mark.parametrize("case", CASES)
def test_the_program_is_the_network(tmp_path: Path, case: str, decomposed: bool) -> None:
    function, kinds = CASES[case]
    module = seeded(lambda: Tokens(function))
    path = exported(module, tmp_path / "net.pt2", SIZE, decomposed=decomposed)
    network, _ = load_network(path, GIVEN)
    assert network.state_dict().keys() == module.state_dict().keys()
    agrees(network, SIZE)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, *SIZE))
    graphs = [trace(m, SIZE) for m in (module, network)]
    names = [{n.kind.name for n in g.nodes.values()} for g in graphs]
    assert kinds <= names[0]
    assert kinds <= names[1]
    want, got = (Evaluator(g, torch.float64).logits(x) for g in graphs)
    np.testing.assert_allclose(got, want, atol=1e-9, rtol=1e-9)
    same_integers(module, network, rng.integers(0, 256, (8, *SIZE), dtype=np.uint8))


@pytest.mark.parametrize("batch", [2, 3])
def test_any_batch(tmp_path: Path, batch: int) -> None:
    module = seeded(lambda: Tokens(in_windows))
    network, _ = load_network(exported(module, tmp_path / "net.pt2", SIZE, batch=batch), GIVEN)
    agrees(network, SIZE)
    prepare(network, np.zeros((2, *SIZE), dtype=np.uint8), meta=META)
    for images in (1, 2, 5):
        x = torch.randn(images, 3, 36, 36)
        with torch.no_grad():
            torch.testing.assert_close(network(x), module(x))


def test_a_layer_that_is_not_the_one_of_hwgen(tmp_path: Path) -> None:
    """A TokenBuilder with another epsilon, which no shape tells."""
    path = exported(seeded(lambda: Tokens(in_windows, eps=0.1)), tmp_path / "net.pt2", SIZE)
    with pytest.raises(UnsupportedOpError) as caught:
        load_network(path, GIVEN)
    assert str(caught.value) == (
        f"{path}: windows: TokenBuilder or QDAttention that gives other results than hwgen.nn's; "
        "a program has these layers as they are; compile the network itself, FILE.py:NAME"
    )


def test_a_difference_is_named_whatever_the_batch(tmp_path: Path) -> None:
    """Signs of dot products that are 0, in a program of one image."""
    module = seeded(lambda: Tokens(lambda s, x: x + s.wide(s.up(x))))
    network, _ = load_network(exported(module, tmp_path / "net.pt2", SIZE), GIVEN)
    with pytest.raises(UnsupportedOpError, match=r"sign of [0-9]+ values that are exactly 0; "):
        trace(network, SIZE)


def test_what_is_no_function_of_hwgen_is_refused(tmp_path: Path) -> None:
    """A shift that does not go round, a mean that is no mean."""
    for function, rule in (
        (lambda s, x: x + torch.roll(x.unflatten(1, (9, 9)), 1, 1).flatten(1, 2), "roll"),
        (lambda s, x: x + (x.unflatten(1, (9, 9)) + torch.roll(
            x.unflatten(1, (9, 9)), 1, 1)).flatten(1, 2) / 2, "roll"),
    ):  # fmt: skip
        path = exported(seeded(lambda f=function: Tokens(f)), tmp_path / "net.pt2", SIZE)
        network, _ = load_network(path, GIVEN)
        with pytest.raises(UnsupportedOpError, match=f"^forward: {rule}; supported: "):
            trace(network, SIZE)


class Doubled(nn.Module):
    """A network that hwgen builds, with other results."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return 2 * self.inner(x)


@pytest.mark.parametrize(
    ("name", "decomposed"), [("bhvit_micro", True), ("binaryvit_micro", False)]
)
def test_whole_networks(tmp_path: Path, name: str, decomposed: bool) -> None:
    images = photographs(zoo.create(name).config.image_size)
    module = Doubled(untrained(name, images)).eval()
    size = images.shape[1:]
    path = exported(module, tmp_path / "net.pt2", size, decomposed=decomposed)
    network, _ = load_network(path, GIVEN)
    assert isinstance(network, ExportedNetwork)
    same_integers(module, network, images[:4])
