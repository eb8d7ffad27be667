"""Means over large grids: by squares, the same function, nothing else touched."""

from __future__ import annotations

from collections import Counter

import pytest
from torch import nn

from hwgen.passes.lower import lower_model
from tests.frontend.nets import Net, compiles, seeded


def sums(image: tuple[int, int, int]) -> Counter[str]:
    graph = lower_model(seeded(lambda: Net(nn.ReLU())), meta={"image": image})
    return Counter(type(op).__name__ for op in graph.ops)


@pytest.mark.parametrize("image", [(144, 160, 3), (168, 140, 3)])  # squares of 4 and of 7
def test_a_mean_over_a_large_grid_is_one_of_squares(image: tuple[int, int, int]) -> None:
    found = sums(image)
    assert (found["AvgPool"], found["TokenMean"]) == (1, 1)
    compiles(seeded(lambda: Net(nn.ReLU())), image)


@pytest.mark.parametrize("image", [(128, 128, 3), (148, 164, 3)])  # 1,024 tokens; 37 rows, a prime
def test_other_means_stay_one_sum(image: tuple[int, int, int]) -> None:
    found = sums(image)
    assert (found["AvgPool"], found["TokenMean"]) == (0, 1)
