"""Where every tensor lives: FM, TM (features) or BM (bits), first fit over live ranges.

Live ranges are kept for every unit of a tensor (a row of its grid, or a strip of rows), in pieces
of the plan. A unit is free again after the last piece that reads it, so that a result may overwrite
its operand row by row, and in place where each word is read before it is written.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np

from hwgen.engine.sizing import Sizing
from hwgen.errors import FitError
from hwgen.ir.graph import Graph
from hwgen.schedule.layout import (
    BM,
    FM,
    MEMORY_NAMES,
    TM,
    Place,
)
from hwgen.schedule.live import Live, live_ranges
from hwgen.schedule.plan import Plan

Array = np.ndarray

FEATURE_WORDS = 1 << 14  # of FM and of TM: the addresses of the program
BIT_ELEMENTS = 1 << 16  # the same of BM


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
        start, end, low, high = (a[near] for a in (self.start, self.end, self.low, self.high))
        # units that live at a time; each pair forbids the bases between `above` and `below`
        unit, other = np.nonzero((t.start[:, None] <= end) & (start <= t.end[:, None]))
        offset = (t.slot * t.unit_size)[unit]
        above, below = low[other] - offset - t.unit_size, high[other] - offset
        same = [
            self.bases[n] for n in sorted(t.replaces)
            if n in self.bases and self.shapes[n] == (t.unit_size, t.stride)
        ]  # fmt: skip
        if same:
            mine = np.array([name in t.replaces for name in self.names], dtype=bool)
            read_last = mine[self.owner[near]][other] & (end[other] == t.start[unit])
        for base in same:
            clash = (above < base) & (base < below)
            if not (clash & ~(read_last & (base == above + t.unit_size))).any():
                return base
        bases = self._bases(t, limit, way, high)
        order = np.argsort(above)
        reach = np.maximum.accumulate(np.concatenate([[0], below[order]]))
        free = reach[np.searchsorted(above[order], bases)] <= bases
        return int(bases[free.argmax()]) if free.any() else None

    def _bases(self, t: Live, limit: int, way: Way, high: Array) -> Array:
        """Where a tensor may begin in `limit` words, what is tried first first; high: the ends of
        what lives beside it."""
        by_rows, last = t.slots is None and len(t.start) > 1, limit - t.size
        step = t.unit_size if by_rows else limit
        steps = np.arange(0, limit, -(-step // t.align) * t.align)
        inside = np.unique(np.concatenate([[0], steps, -(-high // t.align) * t.align]))
        inside = inside[inside <= last]
        over: list[int] = []  # where another tensor was made by rows, the latest first
        if by_rows and {FM: way.top, TM: False, BM: way.bits}[t.memory]:
            inside = np.concatenate([[last // t.align * t.align], inside[::-1]])
        if by_rows and way.over and t.memory == FM:
            shape = (t.unit_size, t.stride)
            over = [b for n, b in self.bases.items() if self.shapes[n] == shape and b <= last][::-1]
        return np.concatenate([np.array(over, dtype=np.int64), inside])


def place(graph: Graph, s: Sizing, order: Plan) -> dict[str, Place]:
    """Regions of all tensors. Raises HwgenError when a memory is too small (which, by how much)."""
    problem = None
    # `demand` sizes memories by the colours of a roomy engine
    for limits, even in product((s, roomy(s)), (False, True) if s.spill_words else (False,)):
        try:
            return placed(live_ranges(graph, order, limits, even), s)
        except FitError as error:
            problem = problem or error
    assert problem is not None
    raise problem


def roomy(s: Sizing) -> Sizing:
    """The engine with as much memory as the program can address."""
    rows = BIT_ELEMENTS // s.row_elements
    return s.replace(fm_words=FEATURE_WORDS, tm_words=FEATURE_WORDS, bm_rows=rows)


def placed(live: dict[str, Live], s: Sizing) -> dict[str, Place]:
    """Regions of all tensors, in every memory by the first of WAYS that finds some."""
    places: dict[str, Place] = {}
    problems: list[FitError] = []
    for memory in (FM, TM, BM):
        limit = _limit(memory, s)
        found = in_memory(live, memory, limit)
        if found is None:
            problems.append(_no_room(live, memory, limit, s))
        else:
            places |= found
    if problems:
        raise min(problems, key=lambda error: list(live).index(error.place))
    return {name: places[name] for name, _ in _whole_first(live)}


def in_memory(live: dict[str, Live], memory: int, limit: int) -> dict[str, Place] | None:
    """Regions in one memory of `limit` words; None where none of WAYS finds some for all."""
    for way in WAYS:
        found, missing = _place(live, memory, limit, way)
        if missing is None:
            return {name: live[name].at(base) for name, base in found.bases.items()}
    return None


def _limit(memory: int, s: Sizing) -> int:
    """Words (elements) of a memory."""
    return (s.fm_words, s.tm_words, s.bm_rows * s.row_elements)[memory]


def _whole_first(live: dict[str, Live]) -> list[tuple[str, Live]]:
    """Strips take what room the whole tensors leave."""
    return sorted(live.items(), key=lambda item: item[1].slots is not None)


def _place(live: dict[str, Live], memory: int, limit: int, way: Way) -> tuple[_Memory, Live | None]:
    """One memory of `limit` words with its tensors, up to the first for which there is no room."""
    found = _Memory()
    order = _whole_first({name: t for name, t in live.items() if t.memory == memory})
    if way.large:
        order.sort(key=lambda item: (item[1].slots is not None, -item[1].size))
    for _, t in order:
        base = found.first_fit(t, limit, way)
        if base is None:
            return found, t
        found.add(t, base)
    return found, None


def _no_room(live: dict[str, Live], memory: int, limit: int, s: Sizing) -> FitError:
    """What the first of WAYS finds no room for in a memory of `limit` words, and what it needs."""
    found, t = _place(live, memory, limit, WAYS[0])
    assert t is not None
    free = found.first_fit(t, 1 << 20, WAYS[0])
    assert free is not None, f"{t.name}: no room in {1 << 20} words"
    size_name = ("fm_words", "tm_words", "bm_rows")[memory]
    per = s.row_elements if memory == BM else 1
    need, have = -(-(free + t.size) // per), limit // per
    return FitError(
        t.name, f"needs {MEMORY_NAMES[memory]} up to {need}",
        f"{size_name}={have}, {need - have} short",
        f"--set {size_name}= a larger size, or smaller images",
    )  # fmt: skip
