"""Pools of every window, stride, padding and `ceil_mode` as PyTorch computes them."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hwgen.floats.evaluate import Evaluator
from hwgen.floats.kinds import AvgPool, MaxPool, WindowSum
from hwgen.frontend.trace import trace
from hwgen.passes.limits import refusals

GRIDS = ((9, 7), (8, 12), (5, 6))
Pair = tuple[int, int]


class Pooled(nn.Module):
    def __init__(self, pool: nn.Module) -> None:
        super().__init__()
        self.pool, self.head = pool, nn.Linear(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.pool(x).mean((2, 3)))


def windows() -> list[tuple[Pair, Pair, Pair]]:
    """Kernels, strides and paddings of at most half a kernel, square and not."""
    axes = [(k, s, p) for k, s in product((1, 2, 3, 4, 7), (1, 2, 3)) for p in {0, 1, k // 2}]
    axes = [(k, s, p) for k, s, p in axes if 2 * p <= k]
    rng = np.random.default_rng(0)
    some = [(axes[i], axes[j]) for i, j in rng.integers(len(axes), size=(40, 2))]
    return [tuple(zip(*axis)) for axis in some + [(a, a) for a in axes]]


def compare(pool: nn.Module, grid: Pair) -> bool:
    """Whether there is such a pool of a grid; then every cell of it is PyTorch's."""
    image = torch.randn(2, 2, *grid, dtype=torch.float64)
    try:
        want = pool(image)
    except RuntimeError:  # a window that is larger than the grid
        return False
    if want[0, 0].numel() == 1:
        return False
    graph = trace(Pooled(pool).eval(), (*grid, 2))
    assert refusals(graph) == []
    kinds = (AvgPool, MaxPool, WindowSum)
    steps = Evaluator(graph, torch.float64).steps(image.permute(0, 2, 3, 1).numpy())
    *_, got = (value for node, value in steps if node.kind in kinds)
    torch.testing.assert_close(got, want.flatten(2).transpose(1, 2), rtol=1e-12, atol=1e-12)
    return True


@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_maxima(grid: Pair, ceil: bool) -> None:
    found = [compare(nn.MaxPool2d(k, s, p, ceil_mode=ceil), grid) for k, s, p in windows()]
    assert sum(found) > 40


@pytest.mark.parametrize("divisor", [None, 5])
@pytest.mark.parametrize("counted", [False, True])
@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_averages(grid: Pair, ceil: bool, counted: bool, divisor: int | None) -> None:
    options = {"ceil_mode": ceil, "count_include_pad": counted, "divisor_override": divisor}
    found = [compare(nn.AvgPool2d(k, s, p, **options), grid) for k, s, p in windows()]
    assert sum(found) > 40


def test_a_ceil_mode_that_changes_nothing_changes_no_node() -> None:
    for make in (nn.MaxPool2d, nn.AvgPool2d):
        plain, ceil = (
            trace(Pooled(make(2, ceil_mode=mode)).eval(), (8, 8, 2)) for mode in (False, True)
        )
        assert [n.kind for n in plain.nodes.values()] == [n.kind for n in ceil.nodes.values()]
        (a,), (b,) = ([n for n in g.nodes.values() if n.name == "pool"] for g in (plain, ceil))
        assert {k: v for k, v in a.params.items() if not isinstance(v, np.ndarray)} == {
            k: v for k, v in b.params.items() if not isinstance(v, np.ndarray)
        }
