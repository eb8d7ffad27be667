"""What the search leaves out fits no target, and changes nothing of what it compares."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest

from hwgen.engine.resources import estimate, feature_memory, least_feature_memories
from hwgen.engine.sizing import Sizing
from hwgen.errors import FitError
from hwgen.ir.graph import Graph
from hwgen.passes.lower import lower_model
from hwgen.paths import models_dir
from hwgen.pipeline import load_prepared
from hwgen.schedule.demand import Demand, demand
from hwgen.search.candidates import KW, STRIP_TOKENS, Candidates
from hwgen.targets.fit import excess
from tests.search.test_choose import Wide, target


@pytest.fixture(scope="module")
def micro() -> Graph:
    return load_prepared(models_dir() / "bhvit_micro_digits.pt").prepared.quantize().graph


@pytest.fixture(scope="module")
def wide() -> Graph:
    return lower_model(Wide().eval(), meta={"image": (224, 224, 3)})


def one_by_one(engines: Candidates, lanes: int, act_bits: int, spilled: bool) -> Iterator[Sizing]:
    """What `Candidates.of` gives for some lanes, with every memory placed."""
    for kw in (k for k in KW if k >= lanes):
        smallest = engines.smallest(lanes, kw, act_bits, 0)
        if excess(smallest, engines.target):
            yield smallest
            continue
        last, strips = None, set()
        for tokens in STRIP_TOKENS:
            base = smallest.replace(strip_tokens=tokens)
            levels = engines.demand.spill_levels(base) if spilled else [0]
            for words in levels if tokens or not spilled else []:
                own = base.replace(spill_words=words)
                try:
                    needs = demand(engines.graph, own)
                except FitError:
                    continue
                for double in (True, False):
                    last = engines.sized(own, double, needs)
                    if last.strip_tokens not in strips and excess(last, engines.target) is None:
                        strips.add(last.strip_tokens)
                        yield last
        if last is not None and not strips:
            yield last


@pytest.mark.parametrize("act_bits", [16, 10])
@pytest.mark.parametrize("bram36", [10, 40, 81, 83, 110, 140])
def test_the_same_engines_as_with_every_memory_placed(wide, bram36, act_bits) -> None:
    part = target(bram36=bram36, engine={})
    for lanes, spilled in product((64, 16), (False, True)):
        found = list(Candidates(wide, part, {}).of([lanes], act_bits, spilled))
        assert found == list(one_by_one(Candidates(wide, part, {}), lanes, act_bits, spilled))
        assert found


def test_the_same_engines_for_a_whole_network(micro) -> None:
    for bram36, spilled in ((30, True), (45, False)):
        part = target(bram36=bram36, engine={})
        found = list(Candidates(micro, part, {}).of([16], 16, spilled))
        assert found == list(one_by_one(Candidates(micro, part, {}), 16, 16, spilled))


@pytest.mark.parametrize("bram36", [83, 132])
def test_with_ultra_ram_more_words_may_need_fewer_block_rams(wide, bram36) -> None:
    part = target(bram36=bram36, uram=64, engine={})
    found = list(Candidates(wide, part, {}).of([16], 16, False))
    assert found == list(one_by_one(Candidates(wide, part, {}), 16, 16, False))


def test_few_memories_are_placed(wide, monkeypatch) -> None:
    part, placed = target(bram36=10, engine={}), []
    engines = Candidates(wide, part, {})
    needs = Demand.__call__
    monkeypatch.setattr(Demand, "__call__", lambda self, s: placed.append(s) or needs(self, s))
    for act_bits in (16, 14, 12, 10):
        list(engines.of([64, 32, 16], act_bits, True))
    assert len({s.replace(act_bits=16) for s in placed}) <= 3 * len(KW)  # only what is reported


@pytest.mark.parametrize(("lanes", "act_bits"), [(16, 16), (16, 14), (32, 16), (8, 10), (64, 10)])
def test_no_division_of_words_needs_fewer_block_rams(lanes: int, act_bits: int) -> None:
    s = Sizing(lanes=lanes, kw=64, gs=4, gu=4, act_bits=act_bits, axi_bits=64)
    before = 0.0
    for words in range(512, 1 << 14, 1536):
        least = least_feature_memories(s, words)
        assert least >= before
        for fm in range(512, 1 << 14, 512):
            tm = max(512, -(-(words - fm) // 512) * 512)
            assert feature_memory(s, fm)[0] + feature_memory(s, tm)[0] >= least
        before = least


def test_fixed_memories_are_not_counted_again(wide) -> None:
    part = target(bram36=83, engine={})
    fixed = {"fm_words": 512, "tm_words": 512}
    (some, *_) = Candidates(wide, part, fixed).of([16], 16, False)
    assert (some.fm_words, some.tm_words) == (512, 512)
    assert estimate(some)["bram36"] < 83
