"""Ratios of `make bench`."""

from __future__ import annotations

import time

from hwgen.results.bench import WIDE, fastest_pair, search_ratio
from hwgen.results.width_study import configurations
from hwgen.zoo.untrained import photographs, untrained


def test_the_smallest_of_each_counts_and_both_are_called_in_turn() -> None:
    calls: list[str] = []

    def slow_at_first() -> None:
        calls.append("a")
        time.sleep(0.05 if len(calls) == 1 else 0)

    a, b = fastest_pair(slow_at_first, lambda: calls.append("b"), 3)
    assert calls == ["a", "b"] * 3
    assert 0 < a < 0.05
    assert b > 0


def test_time_of_the_search_over_that_of_lowering() -> None:
    assert WIDE in configurations()
    pictures = photographs(96)
    ratio = search_ratio(untrained("bhvit_micro", pictures), pictures, repeats=1)
    assert ratio > 0
