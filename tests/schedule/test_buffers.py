"""Parameters that stay in the buffers: what is loaded once, and what makes room."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from hwgen.engine.sizing import Sizing
from hwgen.errors import FitError
from hwgen.ops.types import ImageRows
from hwgen.schedule.builder import Builder

LANES = 16


@pytest.fixture
def builder() -> Builder:
    s = Sizing(lanes=LANES, kw=128, qm_slots=8, cm_slots=16, om_slots=32, wb_words=64)
    return Builder(s, {}, {}, ImageRows(1, 1))


def words(value: int, n: int = 1) -> np.ndarray:
    return np.full((n, LANES), value)


def loads(b: Builder) -> int:
    return sum(i.op == "LOAD" for i in b.instructions)


def test_a_record_that_lies_there_is_not_loaded_again(builder) -> None:
    first = builder.load(cm=words(1), om=words(2))
    other = builder.load(cm=words(3), om=words(2))
    assert builder.load(cm=words(1), om=words(2)) is first
    assert other is not first
    assert other.cm != first.cm
    assert loads(builder) == 2


def test_the_same_bytes_for_other_buffers_are_another_record(builder) -> None:
    assert builder.load(cm=words(1)) is not builder.load(om=words(1))
    assert builder.load(cm=words(1, 4)) is not builder.load(cm=words(1, 4), cm_quad=True)
    assert loads(builder) == 4


def strips(builder: Builder, count: int, of: int, again: bool = True) -> Counter[int]:
    """LOADs of each strip, where every strip asks for the same `of` records of CM."""
    made: Counter[int] = Counter()
    builder.step, builder.again = "op", {"op"} if again else set()
    for strip in range(count):
        before = loads(builder)
        for k in range(of):
            builder.load(cm=words(k))
        made[strip] = loads(builder) - before
    return made


def test_what_fits_is_loaded_once(builder) -> None:
    assert strips(builder, 5, 16) == {0: 16, 1: 0, 2: 0, 3: 0, 4: 0}


def test_what_does_not_fit_costs_little_more_than_what_is_too_much(builder) -> None:
    """In turn each would push out the next to be wanted, and all 20 would come again."""
    made = strips(builder, 8, 20)
    assert all(made[strip] <= 10 for strip in range(2, 8))


def test_unwanted_records_go_first(builder) -> None:
    """Round and round: what was loaded longest ago is the first to make room."""
    wanted = strips(builder, 1, 4)
    assert wanted == {0: 4}
    builder.step, builder.again = "once", set()
    slots = [builder.load(cm=words(100 + k)).cm for k in range(40)]
    assert len(set(slots)) == 12, "not all slots of unwanted records are used"
    assert all(a != b for k in range(4, 40) for a, b in [(slots[k], slots[k - 4])])
    assert strips(builder, 1, 4) == {0: 0}


def test_a_record_leaves_all_buffers_at_once(builder) -> None:
    """Without the slots of one buffer the others' are worth nothing."""
    both = builder.load(cm=words(0), om=words(0))
    for k in range(16):
        builder.load(cm=words(1 + k))
    assert not both.there
    assert builder.buffers["om"].owner[both.om] is None
    before = loads(builder)
    builder.load(cm=words(0), om=words(0))
    assert loads(builder) == before + 1


def test_a_load_waits_for_the_readers_of_its_slots(builder) -> None:
    builder.load(cm=words(0))
    builder.buffers["cm"].cmp[:] = np.arange(16) + 5
    block = builder.load(cm=words(1, 3))
    load = builder.instructions[-1]
    assert load.fields["wait_cmp"] == 5 + block.cm + 2


def test_held_slots_are_not_for_taking(builder) -> None:
    builder.held = [builder.load(cm=words(k)) for k in range(14)]
    assert all(builder.load(cm=words(50 + k)).cm >= 14 for k in range(9))
    with pytest.raises(FitError, match="needs 3 cm_slots"):
        builder.load(cm=words(99, 3))


def test_more_slots_than_there_are(builder) -> None:
    with pytest.raises(FitError, match="needs 9 qm_slots; 8 exist"):
        builder.load(qm={"b": words(0, 9)})
