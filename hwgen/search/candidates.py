"""Engines that the search compares: lanes x columns, with memories that hold the network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from hwgen.engine.resources import (
    BLOCK_DEPTH,
    estimate,
    feature_memory,
    least_feature_memories,
)
from hwgen.engine.sizing import Sizing
from hwgen.errors import FitError
from hwgen.ir.graph import Graph
from hwgen.schedule.demand import Demand, Words
from hwgen.targets import Target
from hwgen.targets.fit import excess

KW = (256, 128, 64)
FEWEST = 8  # lanes
STRIP_TOKENS = (0, 448, 224, 112)  # the longest strips that fit


class Candidates:
    """Engines for a graph and a target; `fixed` (name -> value) are sizes that the user chose."""

    def __init__(self, graph: Graph, target: Target, fixed: dict[str, int]) -> None:
        self.graph, self.target, self.fixed = graph, target, fixed
        self.demand = Demand(graph)
        self._record = max(op.buffer_words() for op in graph.ops)
        self._head, self._unit = head_channels(graph), group_unit(graph)
        self._partials: dict[tuple[int, ...], int] = {}

    def of(self, lanes: Sequence[int], act_bits: int, spilled: bool) -> Iterator[Sizing]:
        """Each with all strips that fit, else the one with the least memory. spilled: with as few
        features in DDR as these need.

        Raises FitError where no engine holds the network: beyond the addresses of the program.
        """
        found, problem = False, None
        for count in lanes:
            for kw in (self.fixed["kw"],) if "kw" in self.fixed else [k for k in KW if k >= count]:
                smallest = self.smallest(count, kw, act_bits, 0)
                if excess(smallest, self.target):  # whatever the memories are
                    found = True
                    yield smallest
                    continue
                bases = list(self._bases(smallest, spilled))
                fitting: dict[int, Sizing] = {}  # by strips
                for base in bases:
                    if base.strip_tokens not in fitting and (fit := self._fitting(base)):
                        fitting[base.strip_tokens] = fit
                        yield fit
                found |= bool(fitting)
                if fitting or not bases:
                    continue
                try:
                    yield self._least(bases)
                    found = True
                except FitError as error:
                    problem = error
        if problem and not found:
            raise problem

    def whole(self, s: Sizing) -> list[Sizing]:
        """The engine with memories that hold the network, of one that `of` stopped at for its
        logic: without and with features in DDR; none beyond the addresses of the program."""
        smallest, found = self.smallest(s.lanes, s.kw, s.act_bits, 0), []
        if s != smallest:
            return [s]
        for spilled in (False,) if "spill_words" in self.fixed else (False, True):
            for base in list(self._bases(smallest, spilled))[-1:]:
                with suppress(FitError):
                    found.append(self.sized(base, False))
        return found

    def smallest(self, lanes: int, kw: int, act_bits: int, strip_tokens: int) -> Sizing:
        """The engine with the smallest memories."""
        fixed, target = self.fixed, self.target
        gs = fixed.get("gs", min(lanes, 1 << ((kw // 9).bit_length() - 1)))
        return Sizing(
            lanes=lanes, kw=kw, gs=gs, gu=fixed.get("gu", min(gs, self._unit)),
            axi_ports=fixed.get("axi_ports", target.axi_ports),
            axi_bits=fixed.get("axi_bits", min(target.beat_bits, lanes * 8)),
            act_bits=act_bits, strip_tokens=strip_tokens,
            spill_words=fixed.get("spill_words", 0),
            head=self._head, ultra=fixed.get("ultra", int(target.uram > 0)),
            fm_words=BLOCK_DEPTH, tm_words=BLOCK_DEPTH, bm_rows=4 * BLOCK_DEPTH,
        )  # fmt: skip

    def sized(self, base: Sizing, double: bool, words: Words | None = None) -> Sizing:
        """An engine with memories in whole block RAMs. double: two of every record; words: of FM
        and TM and rows of BM, else those that the placement needs."""
        fm, tm, bm = words or self.demand(base)
        sized = base.replace(
            fm_words=blocks(fm), tm_words=blocks(tm), bm_rows=4 * blocks(-(-bm // 4)),
            wb_words=blocks(max((1 + double) * self._record, 2 * base.kw // 16)),
            ps_words=max(256, self._widest_partial(base)),
        )  # fmt: skip
        return sized.replace(**self.fixed)

    def _bases(self, smallest: Sizing, spilled: bool) -> Iterator[Sizing]:
        """Engines that need less and less memory: shorter strips; spilled: of each strips more and
        more of the features in DDR, the largest first."""
        fixed = self.fixed.get("strip_tokens")
        for tokens in STRIP_TOKENS if fixed is None else (fixed,):
            base = smallest.replace(strip_tokens=tokens)
            if not spilled:
                yield base
            elif tokens:
                for words in self.demand.spill_levels(base):
                    yield base.replace(spill_words=words)

    def _fitting(self, base: Sizing) -> Sizing | None:
        """The engine with memories that hold the network and fit the target, else None."""
        for double in (True, False):
            if not self._may_fit(base, double):
                continue
            try:
                s = self.sized(base, double)
            except FitError:  # beyond the addresses of the program
                return None
            if excess(s, self.target) is None:
                return s
        return None

    def _may_fit(self, base: Sizing, double: bool) -> bool:
        """Whether the words that live at once fit, which no placement can do without. (A placement
        takes much longer to find than these are to count.)"""
        if base.ultra or {"fm_words", "tm_words"} & self.fixed.keys():
            return True  # more words may need fewer block RAMs; the user's are not more
        s = self.sized(base, double, (0, 0, 0))
        features = sum(feature_memory(s, n)[0] for n in (s.fm_words, s.tm_words))
        least = least_feature_memories(s, self.demand.least_words(base))
        need = estimate(s)["bram36"] - features + least
        return round(need) <= self.target.budget.bram36

    def _least(self, bases: list[Sizing]) -> Sizing:
        """The last that holds the network. Raises FitError of the last where none does."""
        problem = None
        for base in reversed(bases):
            try:
                return self.sized(base, False)
            except FitError as error:
                problem = problem or error
        assert problem is not None
        raise problem

    def _widest_partial(self, s: Sizing) -> int:
        """Results of the widest image row that needs several chunks."""
        key = s.lanes, s.kw, s.gs, s.gu
        if key not in self._partials:
            types = self.graph.types()
            self._partials[key] = max(op.partial_results(s, types) for op in self.graph.ops)
        return self._partials[key]


def lane_counts(graph: Graph) -> tuple[int, ...]:
    """Lane counts that divide every channel count, the largest first. (Channels are multiples of
    16, so that the fewest lanes always do.)"""
    channels = [t.channels for t in graph.types().values() if t.kind != "image"]
    for op in graph.ops:
        channels += op.lane_channels()
    found = tuple(n for n in (64, 32, 16) if all(c % n == 0 for c in channels))
    if found:
        return (*found, FEWEST)
    odd = next(n for n, t in graph.types().items() if t.kind != "image" and t.channels % 16)
    raise FitError(odd, "channels", "must be a multiple of 16 lanes", "widen the layer")


def head_channels(graph: Graph) -> int:
    """Channels of the attention heads; of networks without one the default. An engine has heads of
    one width: the step of another one's raises FitError."""
    return next((h for h in (op.head_channels() for op in graph.ops) if h), Sizing.head)


def group_unit(graph: Graph) -> int:
    """Largest power of two that divides every group slice of a 3x3 convolution."""
    units = [op.group_unit() for op in graph.ops]
    return min([1 << 6, *(unit for unit in units if unit is not None)])


def blocks(words: int) -> int:
    """Words of whole block RAMs."""
    return max(1, -(-words // BLOCK_DEPTH)) * BLOCK_DEPTH
