"""Shifts around RPReLUs, one of them between two."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from hwgen.floats.evaluate import Evaluator
from hwgen.floats.kinds import Affine
from hwgen.frontend.trace import trace
from hwgen.nn import LearnedShift
from hwgen.passes.shift_activations import shift_activations


class Net(nn.Module):
    """shift, PReLU, shift, PReLU, shift; the last PReLU also feeds a sum when `twice`."""

    def __init__(self, twice: bool) -> None:
        super().__init__()
        self.twice = twice
        self.shifts = nn.ModuleList(LearnedShift((1, 3, 1, 1)) for _ in range(3))
        self.acts = nn.ModuleList(nn.PReLU(3) for _ in range(2))
        for parameter in self.parameters():
            nn.init.normal_(parameter)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.acts[0](self.shifts[0](x))
        x = self.acts[1](self.shifts[1](x))
        y = self.shifts[2](x)
        return (y + x if self.twice else y).mean((2, 3))


def test_shifts_become_parameters() -> None:
    torch.manual_seed(0)
    images = np.random.default_rng(0).normal(size=(4, 2, 2, 3))
    for twice, affines in ((False, 0), (True, 1)):
        graph = trace(Net(twice).double(), (2, 2, 3))
        got = shift_activations(graph)
        assert sum(n.kind is Affine for n in got.nodes.values()) == affines
        want = Evaluator(graph, torch.float64).logits(images)
        np.testing.assert_allclose(Evaluator(got, torch.float64).logits(images), want, atol=1e-12)
