"""First fit against a search base by base, and what many engines share against each alone."""

from __future__ import annotations

import numpy as np
import pytest

from hwgen.engine.sizing import Sizing
from hwgen.errors import FitError
from hwgen.ir.graph import Graph
from hwgen.paths import models_dir
from hwgen.pipeline import load_prepared
from hwgen.schedule.demand import Demand, demand
from hwgen.schedule.layout import BM, FM, TM
from hwgen.schedule.live import Live
from hwgen.schedule.placement import WAYS, Way, _Memory, place
from hwgen.schedule.spill import arranged
from hwgen.search.choose import choose
from hwgen.targets import get_target

LIMIT = 96


@pytest.fixture(scope="module")
def micro() -> Graph:
    return load_prepared(models_dir() / "bhvit_micro_digits.pt").prepared.quantize().graph


def random_tensor(rng: np.random.Generator, name: str, others: list[str], memory: int) -> Live:
    count, stride = int(rng.integers(1, 7)), int(rng.choice([1, 2, 4]))
    start = np.sort(rng.integers(0, 30, count))
    end = start + rng.integers(0, 12, count)
    slots = tuple(k % 2 for k in range(count)) if rng.random() < 0.3 else None
    if slots:  # a slot is free before its next strip
        start = np.arange(count) * 5 + int(rng.integers(0, 5))
        end = start + 8
    replaces = {n for n in others if rng.random() < 0.3}
    size = stride * int(rng.integers(1, 4))
    align = 4 if memory == BM else 1
    return Live(name, memory, stride, 1, align, 1, size, slots, (), start, end, replaces)


def clashes(placed: list[tuple[Live, int]], t: Live, base: int) -> bool:
    """Whether a unit of `t` at a base takes a word that another tensor still has; a result takes
    a unit of an operand that it replaces in the piece that reads it last."""
    for other, there in placed:
        for k, slot in enumerate(t.slot):
            low = base + slot * t.unit_size
            for j, other_slot in enumerate(other.slot):
                at = there + other_slot * other.unit_size
                if low >= at + other.unit_size or at >= low + t.unit_size:
                    continue
                if t.start[k] > other.end[j] or other.start[j] > t.end[k]:
                    continue
                in_place = other.name in t.replaces and at == low
                if not (in_place and other.end[j] == t.start[k]):
                    return True
    return False


@pytest.mark.parametrize("memory", [FM, TM, BM])
@pytest.mark.parametrize("way", WAYS, ids=str)
def test_first_fit_finds_room_where_there_is_some_and_none_that_is_taken(way, memory) -> None:
    rng = np.random.default_rng(memory)
    in_place = full = 0
    for _ in range(12):
        found, placed = _Memory(), []
        for k in range(12):
            t = random_tensor(rng, f"t{k}", list(found.bases), memory)
            base = found.first_fit(t, LIMIT, way)
            lowest = next(
                (b for b in range(0, LIMIT - t.size + 1, t.align) if not clashes(placed, t, b)),
                None,
            )
            if base is None:
                # only a base in the middle of what is free
                assert lowest is None or lowest not in found._bases(t, LIMIT, way, found.high)
                full += 1
                continue
            assert base >= 0
            assert base % t.align == 0
            assert not clashes(placed, t, base)
            in_place += any(base == found.bases.get(n) for n in t.replaces)
            if not (way.top or way.bits or way.over or t.replaces):
                assert base == lowest or lowest not in found._bases(t, LIMIT, way, found.high)
            found.add(t, base)
            placed.append((t, base))
    assert in_place
    assert full


def test_nothing_lies_below_the_first_word() -> None:
    t = Live("t", FM, 1, 1, 1, 1, 8, None, (), np.arange(4), np.arange(4) + 9)
    for way in (Way(), Way(top=True)):
        assert _Memory().first_fit(t, t.size, way) == 0
        assert _Memory().first_fit(t, t.size - 1, way) is None


def test_many_engines_need_what_each_needs_alone(micro) -> None:
    s = choose(micro, get_target("zynq"))
    shared = Demand(micro)
    for spill_words in (0, *shared.spill_levels(s.replace(strip_tokens=16))[1:2]):
        for kw in (64, 256):
            for act_bits in (16, 10):
                engine = s.replace(
                    kw=kw, gs=4, gu=4, strip_tokens=16, spill_words=spill_words, act_bits=act_bits
                )
                fm, tm, bm = shared(engine)
                assert (fm, tm, bm) == demand(micro, engine)
                assert shared.least_words(engine) <= fm + tm
                exact = engine.replace(
                    fm_words=max(64, fm), tm_words=max(64, tm), bm_rows=max(8, bm)
                )
                ops, order = arranged(micro, exact)
                place(ops, exact, order)


def test_what_no_engine_can_address_is_refused_every_time(micro, monkeypatch) -> None:
    for module in ("demand", "placement"):
        monkeypatch.setattr(f"hwgen.schedule.{module}.FEATURE_WORDS", 64)
    shared, s, texts = Demand(micro), Sizing(), set()
    for act_bits in (16, 12):
        with pytest.raises(FitError) as error:
            shared(s.replace(act_bits=act_bits))
        texts.add(str(error.value))
    (text,) = texts
    assert " needs FM up to " in text
    assert "fm_words=64, " in text
