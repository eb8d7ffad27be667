"""Sizes: rules, overrides, and what does not fit."""

from __future__ import annotations

import pytest

from hwgen.engine.sizing import Sizing
from hwgen.errors import FitError, HwgenError
from hwgen.schedule.program import schedule
from hwgen.search.choose import choose
from hwgen.targets import get_target
from tests.graphs import random_graph


def test_rules_name_the_size() -> None:
    with pytest.raises(HwgenError) as error:
        Sizing(lanes=24)
    assert str(error.value) == "sizing: lanes=24; must be 8, 16, 32 or 64; change --set lanes="
    for words in (-2, 511, 65538):
        with pytest.raises(HwgenError, match=f"store_words={words}; must be even, 0 to 65536"):
            Sizing(store_words=words)
    for keys in (1, 2, 128):  # as the guard of attention.v
        with pytest.raises(HwgenError, match=f"pk={keys}; must be a power of two, 4 to 64"):
            Sizing(pk=keys)
    assert Sizing(store_words=9000).store_rows == (2, 9000 - 2 * 4096)


def test_unknown_override_lists_the_sizes() -> None:
    graph = random_graph()
    with pytest.raises(HwgenError) as error:
        choose(graph, get_target("zynq"), {"lane": "16"})
    assert str(error.value).startswith(
        "--set: lane; is not a size of the engine; use act_bits, array_bits, "
    )
    with pytest.raises(HwgenError) as error:
        choose(graph, get_target("zynq"), {"lanes": "many"})
    assert str(error.value) == "--set: lanes=many; must be a whole number; for example lanes=64"


def test_lanes_must_divide_the_channels() -> None:
    with pytest.raises(FitError) as error:
        choose(random_graph(), get_target("zynq"), {"lanes": "32"})
    assert str(error.value) == "pos0: 16 channels; lanes=32 must divide them; --set lanes=16"


def test_array_bits_sets_the_columns() -> None:
    assert choose(random_graph(), get_target("zynq"), {"array_bits": "4096"}).kw == 256


def test_too_small_a_memory_is_named() -> None:
    graph = random_graph()
    with pytest.raises(FitError) as error:
        schedule(graph, choose(graph, get_target("zynq"), {"fm_words": "512"}))
    text = str(error.value)
    assert "needs FM up to" in text
    assert "fm_words=512" in text
    assert "short" in text
