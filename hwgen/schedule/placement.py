"""Where every tensor lives: FM, TM (features) or BM (bits), first fit over live ranges.

Live ranges are kept for every unit of a tensor (a row of its grid, or a strip of rows), in pieces
of the plan. A unit is free again after the last piece that reads it, so that a result may overwrite
its operand row by row, and in place where each word is read before it is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import numpy as np

from hwgen.engine.sizing import Sizing
from hwgen.errors import FitError
from hwgen.ir.graph import Graph
from hwgen.schedule.layout import (
    BLOCK_WORDS,
    BM,
    FM,
    MEMORY_NAMES,
    TM,
    Place,
)
from hwgen.schedule.live import Live, live_ranges, words_in_use
from hwgen.schedule.plan import Plan
from hwgen.schedule.spill import arranged

Array = np.ndarray


class Way(NamedTuple):
    """How first fit chooses. top: whole tensors made by rows lie from the top of FM down; over:
    where another of the same rows was made, so that the rest of FM stays in one piece;
    large: the largest tensors choose first, not those that are made first; bits: `top` in BM."""

    top: bool = False
    bits: bool = False
    over: bool = True
    large: bool = False


WAYS = (  # in the order of trials
    Way(), Way(top=True), Way(large=True), Way(over=False), Way(bits=True),
    Way(bits=True, large=True),
)  # fmt: skip


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
        top = {FM: way.top, TM: False, BM: way.bits}[t.memory]
        top = top and t.slots is None and len(t.start) > 1
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


def place(graph: Graph, s: Sizing, order: Plan) -> dict[str, Place]:
    """Regions of all tensors. Raises HwgenError when a memory is too small (which, by how much)."""
    problem = None
    for limits, even in product((s, roomy(s)), (False, True) if s.spill_words else (False,)):
        try:
            return _placed(live_ranges(graph, order, limits, even), s)
        except FitError as error:
            problem = problem or error
    assert problem is not None
    raise problem


def roomy(s: Sizing) -> Sizing:
    """The engine with as much memory as addresses reach."""
    return s.replace(fm_words=1 << 14, tm_words=1 << 14, bm_rows=(1 << 16) // s.row_elements)


def _placed(live: dict[str, Live], s: Sizing) -> dict[str, Place]:
    """Regions of all tensors, in every memory by the first of WAYS that finds some."""
    places: dict[str, Place] = {}
    problems: list[FitError] = []
    for memory in (FM, TM, BM):
        try:
            places |= _in_memory(live, memory, _limit(memory, s), s)
        except FitError as error:
            problems.append(error)
    if problems:
        raise min(problems, key=lambda error: list(live).index(error.place))
    return {name: places[name] for name, _ in _whole_first(live)}


def _in_memory(live: dict[str, Live], memory: int, limit: int, s: Sizing) -> dict[str, Place]:
    """Regions in one memory. Raises FitError of the first of WAYS where none finds any."""
    own = {name: t for name, t in live.items() if t.memory == memory}
    problem = None
    for way in WAYS:
        try:
            return dict(_place(own, limit, s, way))
        except FitError as error:
            problem = problem or error
    assert problem is not None
    raise problem


def _limit(memory: int, s: Sizing) -> int:
    """Words (elements) of a memory."""
    return (s.fm_words, s.tm_words, s.bm_rows * s.row_elements)[memory]


def _whole_first(live: dict[str, Live]) -> list[tuple[str, Live]]:
    """Strips take what room the whole tensors leave."""
    return sorted(live.items(), key=lambda item: item[1].slots is not None)


def _place(live: dict[str, Live], limit: int, s: Sizing, way: Way) -> Iterator[tuple[str, Place]]:
    """Regions of the tensors of one memory of `limit` words."""
    memory, order = _Memory(), _whole_first(live)
    if way.large:
        order.sort(key=lambda item: (item[1].slots is not None, -item[1].size))
    for name, t in order:
        base = memory.first_fit(t, limit, way)
        if base is None:
            base = memory.first_fit(t, 1 << 20, WAYS[0])
            assert base is not None, f"{name}: no room in {1 << 20} words"
            size_name = ("fm_words", "tm_words", "bm_rows")[t.memory]
            per = s.row_elements if t.memory == BM else 1
            need, have = -(-(base + t.size) // per), limit // per
            raise FitError(
                name, f"needs {MEMORY_NAMES[t.memory]} up to {need}",
                f"{size_name}={have}, {need - have} short",
                f"--set {size_name}= a larger size, or smaller images",
            )  # fmt: skip
        memory.add(t, base)
        yield name, t.at(base)


def demand(graph: Graph, s: Sizing) -> tuple[int, int, int]:
    """Words of FM and TM and rows of BM that the graph needs, whatever `s` offers."""
    graph, order = arranged(graph, s)
    most = roomy(s)
    found: list[list[int]] = []
    problem = None
    for even in (False, True) if s.spill_words else (False,):
        live = live_ranges(graph, order, most, even)
        try:
            found.append(_smallest(live, len(order.pieces), most))
        except FitError as error:
            problem = problem or error
    if problem and not found:
        raise problem
    fm, tm, bm = min(found, key=lambda tops: tops[FM] + tops[TM])
    return fm, tm, -(-bm // s.row_elements)


def _smallest(live: dict[str, Live], pieces: int, s: Sizing) -> list[int]:
    """Words of every memory, of roomy ones."""
    tops = _tops(_placed(live, s))
    steps = ((FM, BLOCK_WORDS), (TM, BLOCK_WORDS), (BM, 4 * BLOCK_WORDS * s.row_elements))
    for memory, step in steps:
        tops[memory] = _least(live, memory, pieces, tops[memory], step, s)
    return tops


def _least(live: dict[str, Live], memory: int, pieces: int, top: int, step: int, s: Sizing) -> int:
    """Words of a memory that do in place of `top`, tried in steps of block RAMs."""
    uses = [words_in_use(t, pieces) for t in live.values() if t.memory == memory]
    used = int(sum(uses, np.zeros(1)).max())
    for words in range((top - 1) // step * step, used - 1, -step):
        try:
            top = _tops(_in_memory(live, memory, words, s))[memory]
        except FitError:
            break
    return top


def _tops(places: dict[str, Place]) -> list[int]:
    """Words used of every memory."""
    return [max((p.base + p.size for p in places.values() if p.memory == m), default=0)
            for m in (FM, TM, BM)]  # fmt: skip
