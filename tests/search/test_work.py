"""How often parameters come in a frame, as the search estimates it."""

from __future__ import annotations

import pytest

from hwgen.schedule.plan import plan
from hwgen.schedule.program import schedule
from hwgen.search.choose import choose
from hwgen.search.work import Work, leaving
from hwgen.targets import get_target
from hwgen.units.dma import record_words
from tests.graphs import random_graph

STRIPS = {"strip_tokens": 24, "store_words": 0}


def test_what_fits_the_buffers_stays_there() -> None:
    graph = random_graph()
    s = choose(graph, get_target("zynq"), STRIPS)
    ops = list(graph.ops)
    assert leaving(ops[:1], s.replace(qm_slots=64, wb_words=1 << 14)) == 0
    slots = sum(op.channel_words(s) for op in ops if op.parameter_words(s))
    assert slots > 8
    roomy = s.replace(qm_slots=8, wb_words=1 << 14)
    assert leaving(ops, roomy) == pytest.approx(1 - 8 / slots)
    tiles = sum(op.tile_words(s) for op in ops)
    assert leaving(ops, s.replace(qm_slots=64, wb_words=tiles // 4)) == pytest.approx(
        max(1 - (tiles // 4) / tiles, 1 - 64 / slots)
    )


def test_small_buffers_cost_cycles_and_loads() -> None:
    """The estimate and the program agree that less room means more words from memory."""
    graph = random_graph()
    s = choose(graph, get_target("zynq"), STRIPS)
    small = s.replace(qm_slots=8, cm_slots=32, om_slots=32)
    assert any(len(band) > 1 for band in plan(graph, s.strip_tokens, s.lanes).bands)
    work = Work(graph)
    assert work.cycles(small) >= work.cycles(s)
    brought = [
        sum(record_words(i.fields) for i in schedule(graph, size).instructions if i.op == "LOAD")
        for size in (s, small)
    ]
    assert brought[0] < brought[1]
