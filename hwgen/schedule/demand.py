"""Memories that a graph needs on an engine; what engines have in common is found once.

The words of FM and TM depend on the lanes, the strips and which features are in DDR; the rows of
BM on the elements of a row as well. Nothing else of an engine matters.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np

from hwgen.engine.sizing import Sizing
from hwgen.errors import FitError
from hwgen.ir.graph import Graph
from hwgen.passes.separate_streams import separate_streams
from hwgen.schedule.layout import BLOCK_WORDS, BM, FM, TM
from hwgen.schedule.live import Live, feature_memories, unit_ranges, words_in_use
from hwgen.schedule.placement import (
    BIT_ELEMENTS,
    FEATURE_WORDS,
    in_memory,
    placed,
    roomy,
)
from hwgen.schedule.spill import arranged, sizes

Array = np.ndarray
Words = tuple[int, int, int]  # of FM and TM, rows of BM


def demand(graph: Graph, s: Sizing) -> Words:
    """Words of FM and TM and rows of BM that the graph needs, whatever `s` offers."""
    return Demand(graph)(s)


class Demand:
    """`demand` of one graph on many engines."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._separated = separate_streams(graph)
        self._runs: dict[tuple[int, int, int], _Run] = {}
        self._known: dict[tuple[_Run, int], Words | FitError] = {}
        self._levels: dict[tuple[int, int], list[int]] = {}

    def __call__(self, s: Sizing) -> Words:
        """Words of FM and TM and rows of BM. Raises FitError beyond the addresses of the program
        (which tensor, by how much)."""
        run = self._run(s)
        key = run, s.row_elements
        if key not in self._known:
            try:
                self._known[key] = run.needs(s)
            except FitError as error:
                self._known[key] = error
        found = self._known[key]
        if isinstance(found, FitError):
            raise found
        return found

    def least_words(self, s: Sizing) -> int:
        """FM and TM together have no fewer words, however the tensors are placed."""
        return self._run(s).most_in_use

    def spill_levels(self, s: Sizing) -> list[int]:
        """Values of `spill_words` that differ in what they keep in DDR, the largest first."""
        key = s.lanes, s.strip_tokens
        if key not in self._levels:
            self._levels[key] = sorted(set(sizes(self._separated, s).values()), reverse=True)
        return self._levels[key]

    def _run(self, s: Sizing) -> _Run:
        key = s.lanes, s.strip_tokens, s.spill_words
        if key not in self._runs:
            self._runs[key] = _Run(self.graph, s)
        return self._runs[key]


class _Run:
    """A graph as engines of some lanes run it, with some strips and features in DDR.

    s: one of these engines."""

    def __init__(self, graph: Graph, s: Sizing) -> None:
        self.s, self.spilled = roomy(s), s.spill_words > 0
        self.graph, self.order = arranged(graph, s)
        self.time = len(self.order.pieces)
        self.live = unit_ranges(self.graph, self.order, self.s)

    def needs(self, s: Sizing) -> Words:
        """Words of FM and TM and rows of BM on an engine `s` of those."""
        bits = self.live
        if s.row_elements != self.s.row_elements:
            bits = unit_ranges(self.graph, self.order, roomy(s))
        rows = 4 * BLOCK_WORDS * s.row_elements
        elements = _least(bits, BM, self.time, BIT_ELEMENTS, rows)
        features = self.features
        if elements is None or features is None:
            placed({**bits, **self.divided(False)}, roomy(s))
            raise AssertionError("found room for what had none")
        return *features, -(-elements // s.row_elements)

    @cached_property
    def features(self) -> tuple[int, int] | None:
        """Words of FM and TM, divided in the way that needs fewer; None where none has room."""
        found = []
        for even in (False, True) if self.spilled else (False,):
            live = self.divided(even)
            fm, tm = (_least(live, m, self.time, FEATURE_WORDS, BLOCK_WORDS) for m in (FM, TM))
            if fm is not None and tm is not None:
                found.append((fm, tm))
        return min(found, key=sum, default=None)

    def divided(self, even: bool) -> dict[str, Live]:
        """The features, in FM or in TM."""
        limits = FEATURE_WORDS, FEATURE_WORDS
        in_tm = feature_memories(self.graph, self.live, self.time, limits, even)
        return {
            name: replace(t, memory=TM if name in in_tm else FM)
            for name, t in self.live.items()
            if t.memory != BM
        }

    @cached_property
    def most_in_use(self) -> int:
        """Words of features that live at once and can share none."""
        features = [t for t in self.live.values() if t.memory != BM]
        return int(sum((_unshared(t, self.time) for t in features), np.zeros(1)).max())


def _least(live: dict[str, Live], memory: int, pieces: int, limit: int, step: int) -> int | None:
    """Words of a memory that do, tried in steps of block RAMs down from what `limit` words need;
    None where these are too few."""
    top = _top(live, memory, limit)
    if top is None:
        return None
    uses = [words_in_use(t, pieces) for t in live.values() if t.memory == memory]
    used = int(sum(uses, np.zeros(1)).max())
    for words in range((top - 1) // step * step, used - 1, -step):
        smaller = _top(live, memory, words)
        if smaller is None:
            break
        top = smaller
    return top


def _top(live: dict[str, Live], memory: int, limit: int) -> int | None:
    """Words used of a memory of `limit`; None where these are too few."""
    places = in_memory(live, memory, limit)
    return None if places is None else max((p.base + p.size for p in places.values()), default=0)


def _unshared(t: Live, time: int) -> Array:
    """Words of a tensor in use in every piece, but none in the one that reads a unit last, where a
    result may take its place. Strips of one slot count once."""
    rows = np.zeros(len(t.start), dtype=int) if t.slots is None else t.slot
    change = np.zeros((rows.max() + 1, time + 1))
    np.add.at(change, (rows, t.start), 1)
    np.add.at(change, (rows, np.minimum(t.end, time)), -1)
    in_use = np.cumsum(change, axis=1)[:, :time]
    return t.unit_size * (in_use[0] if t.slots is None else (in_use > 0).sum(0))
