"""Where every tensor lives: FM, TM (features) or BM (bits), first fit over live ranges.

Live ranges are kept for every unit of a tensor (a row of its grid, or a strip of rows), in pieces
of the plan. A unit is free again after the last piece that reads it, so that a result may overwrite
its operand row by row, and in place where each word is read before it is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from hwgen.engine.sizing import Sizing
from hwgen.errors import FitError
from hwgen.ir.graph import Graph
from hwgen.passes.separate_streams import separate_streams
from hwgen.schedule.layout import (
    BM,
    FM,
    FM_STEP,
    MEMORY_NAMES,
    TM,
    Place,
)
from hwgen.schedule.live import Live, live_ranges, words_in_use
from hwgen.schedule.plan import Plan, plan
from hwgen.schedule.spill import spill

Array = np.ndarray


class Way(NamedTuple):
    """How first fit chooses. top: whole tensors made by rows lie from the top of FM down; over:
    where another of the same rows was made, so that the rest of FM stays in one piece;
    large: the largest tensors choose first, not those that are made first."""

    top: bool = False
    over: bool = True
    large: bool = False


WAYS = (Way(), Way(top=True), Way(large=True), Way(over=False))  # in the order of trials


class _Memory:
    """Units placed so far: address and time ranges."""

    def __init__(self) -> None:
        self.low, self.high, self.start, self.end, self.owner, self.unit = (
            np.empty(0, dtype=np.int64) for _ in range(6)
        )
        self.names: list[str] = []
        self.bases: dict[str, int] = {}
        self.shapes: dict[str, tuple[int, int]] = {}

    def add(self, t: Live, base: int) -> None:
        low = base + t.slot * t.unit_size
        n = len(low)
        for name, values in (
            ("low", low), ("high", low + t.unit_size), ("start", t.start), ("end", t.end),
            ("owner", np.full(n, len(self.names))), ("unit", np.arange(n)),
        ):  # fmt: skip
            setattr(self, name, np.concatenate([getattr(self, name), values]))
        self.names.append(t.name)
        self.bases[t.name], self.shapes[t.name] = base, (t.unit_size, t.stride)

    def first_fit(self, t: Live, limit: int, way: Way) -> int | None:
        """Base for a tensor: in place of an operand if it can, or of rows that are free by then,
        so that the rest stays in one piece, else the lowest (highest) free."""
        near = (self.start <= t.end.max()) & (self.end >= t.start.min())
        mine = np.array([name in t.replaces for name in self.names], dtype=bool)
        step = t.unit_size if t.slots is None and len(t.start) > 1 else limit
        step = -(-step // t.align) * t.align
        bases = {0, *range(0, limit, step)}
        bases |= {-(-int(h) // t.align) * t.align for h in self.high[near]}
        last = limit - t.size
        top = way.top and t.slots is None and len(t.start) > 1 and t.memory == FM
        inside = sorted((b for b in bases if b <= last), reverse=top)
        if top:
            inside = [last // t.align * t.align, *inside]
        same = [
            self.bases[n] for n in sorted(t.replaces)
            if n in self.bases and self.shapes[n] == (t.unit_size, t.stride)
        ]  # fmt: skip
        over = []  # where another tensor was made by rows, the latest first
        if way.over and t.memory == FM and t.slots is None and len(t.start) > 1:
            shape = (t.unit_size, t.stride)
            over = [b for n, b in self.bases.items() if self.shapes[n] == shape and b <= last][::-1]
        for base in (*same, *over, *inside):
            low = (base + t.slot * t.unit_size)[:, None]
            clash = (low < self.high[near]) & (self.low[near] < low + t.unit_size)
            clash &= (t.start[:, None] <= self.end[near]) & (self.start[near] <= t.end[:, None])
            if base in same and len(self.owner):
                aligned = mine[self.owner[near]] & (low == self.low[near])
                clash &= ~(aligned & (self.end[near] == t.start[:, None]))
            if not clash.any():
                return base
        return None


def place(graph: Graph, s: Sizing, order: Plan | None = None) -> dict[str, Place]:
    """Regions of all tensors. Raises HwgenError when a memory is too small (which, by how much)."""
    order = order or plan(graph, s.strip_tokens, s.lanes)
    return _placed(live_ranges(graph, order, s), s)


def _placed(live: dict[str, Live], s: Sizing) -> dict[str, Place]:
    """Regions by the first of WAYS that finds some. Raises the first's FitError where none does."""
    problem = None
    for way in WAYS:
        try:
            return dict(_place(live, s, way))
        except FitError as error:
            problem = problem or error
    assert problem is not None
    raise problem


def _place(live: dict[str, Live], s: Sizing, way: Way) -> Iterator[tuple[str, Place]]:
    memories = (_Memory(), _Memory(), _Memory())
    limits = (s.fm_words, s.tm_words, s.bm_rows * s.row_elements)

    def rank(item: tuple[str, Live]) -> tuple[bool, int]:
        return item[1].slots is not None, -item[1].size if way.large else 0

    whole_first = sorted(live.items(), key=rank)
    for name, t in whole_first:  # strips take what room the whole tensors leave
        base = memories[t.memory].first_fit(t, limits[t.memory], way)
        if base is None:
            roomy = memories[t.memory].first_fit(t, 1 << 20, WAYS[0])
            assert roomy is not None, f"{name}: no room in {1 << 20} words"
            size_name = ("fm_words", "tm_words", "bm_rows")[t.memory]
            per = s.row_elements if t.memory == BM else 1
            need, have = -(-(roomy + t.size) // per), limits[t.memory] // per
            raise FitError(
                name, f"needs {MEMORY_NAMES[t.memory]} up to {need}",
                f"{size_name}={have}, {need - have} short",
                f"--set {size_name}= a larger size, or smaller images",
            )  # fmt: skip
        memories[t.memory].add(t, base)
        yield name, t.at(base)


def demand(graph: Graph, s: Sizing) -> tuple[int, int, int]:
    """Words of FM and TM and rows of BM that the graph needs, whatever `s` offers."""
    graph = spill(separate_streams(graph), s)
    order = plan(graph, s.strip_tokens, s.lanes)
    roomy = s.replace(fm_words=1 << 14, tm_words=1 << 14, bm_rows=(1 << 16) // s.row_elements)
    live = live_ranges(graph, order, roomy)
    tops = _tops(_placed(live, roomy))
    used = sum(
        (words_in_use(t, len(order.pieces)) for t in live.values() if t.memory == FM), np.zeros(1)
    )
    for words in range(tops[FM] // FM_STEP * FM_STEP, int(used.max()) - 1, -FM_STEP):
        try:  # results that overlay their operand from the top of the memory down, say
            tops = _tops(_placed(live, roomy.replace(fm_words=words)))
        except FitError:
            break
    return tops[FM], tops[TM], -(-tops[BM] // s.row_elements)


def _tops(places: dict[str, Place]) -> list[int]:
    """Words used of every memory."""
    return [max((p.base + p.size for p in places.values() if p.memory == m), default=0)
            for m in (FM, TM, BM)]  # fmt: skip
