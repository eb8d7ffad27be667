"""8-bit weights: scale of an output channel, norms before them, steps behind them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from hwgen.floats.graph import FloatGraph
from hwgen.floats.kinds import Add, Affine, Input
from hwgen.floats.kinds.base import Node
from hwgen.floats.layout import Layout
from hwgen.ops.dense import NARROW_BITS, PatchConv, weight_bits
from hwgen.passes.distribute import distribute
from hwgen.passes.lower import prepare


class Classifier(nn.Module):
    """GELU of a 3x3 patch convolution (rows of 9), mean over tokens, norm, linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 256, 3, 3)
        self.act = nn.GELU()
        self.norm = nn.BatchNorm1d(256)
        self.head = nn.Linear(256, 10)

    def forward(self, image: Tensor) -> Tensor:
        x = self.act(self.stem(image)).flatten(2).transpose(1, 2)
        return self.head(self.norm(x.transpose(1, 2)).transpose(1, 2).mean(1))


def images(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 24, 24, 3), dtype=np.uint8)


def test_every_output_channel_uses_all_eight_bits() -> None:
    torch.manual_seed(0)
    module = Classifier().eval()
    with torch.no_grad():
        module.stem.weight *= torch.logspace(-2, 0, 256)[:, None, None, None]
        module.head.weight *= torch.logspace(-3, 0, 10)[:, None]
        module.norm.running_var *= torch.logspace(-3, 3, 256)
    lowered = prepare(module, images(8, 1)).quantize()
    layers = {op.name: op for op in lowered.graph.ops if isinstance(op, PatchConv)}
    assert layers.keys() == {"stem", "head"}
    for op in layers.values():
        assert weight_bits(op.weight.shape[1], op.weight.shape[3]) == NARROW_BITS
        largest = np.abs(op.weight).max((1, 2, 3))
        assert set(largest.tolist()) <= {0, 127}  # 0: classes that fill up a word
    assert layers["stem"].post.chords is None  # the scale comes before it: GELU is an op of its own
    assert any(op.post.chords is not None for op in lowered.graph.ops)
    x = images(16, 2)
    scale = (x / 255.0 - lowered.graph.meta["mean"]) / lowered.graph.meta["std"]
    with torch.no_grad():
        want = module(torch.tensor(scale, dtype=torch.float32).permute(0, 3, 1, 2)).numpy()
    got = lowered.graph.logits(x)
    error = np.sqrt(((got - want) ** 2).mean() / (want**2).mean())
    assert error < 0.02, error


def affine(name: str, source: str, layout: Layout, rng: np.random.Generator) -> Node:
    c = layout.channels
    return Node(name, Affine, (source,), {"a": rng.normal(size=c), "b": rng.normal(size=c)}, layout)


def test_a_sum_takes_the_affine_behind_it_once() -> None:
    """((p + q) A + r) B: B waits for what A made, and no factor is lost."""
    rng, layout = np.random.default_rng(0), Layout((4, 16), (2, 2))
    nodes = [Node("image", Input, (), {"grid": (2, 2), "channels": 16}, layout)]
    nodes += [affine(name, "image", layout, rng) for name in "pqr"]
    nodes += [Node("s", Add, ("p", "q"), {}, layout), affine("A", "s", layout, rng)]
    nodes += [Node("t", Add, ("A", "r"), {}, layout), affine("B", "t", layout, rng)]
    graph = FloatGraph({n.name: n for n in nodes}, "image", "B")

    def value(g: FloatGraph, name: str, x: np.ndarray) -> np.ndarray:
        n = g.nodes[name]
        inner = [value(g, i, x) for i in n.inputs]
        if n.kind is Affine:
            return inner[0] * n["a"] + n["b"]
        return sum(inner) if n.kind is Add else x

    x = rng.normal(size=(4, 16))
    after = distribute(graph)
    np.testing.assert_allclose(value(after, after.output, x), value(graph, "B", x))
    assert len(after.nodes) == len(graph.nodes) - 1
