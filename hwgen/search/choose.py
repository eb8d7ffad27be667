"""Sizes of the engine for a network and a target: searched, every size can be fixed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from hwgen.engine.resources import BLOCK_DEPTH, estimate
from hwgen.engine.sizing import Sizing
from hwgen.errors import FitError, HwgenError
from hwgen.ir.graph import Graph
from hwgen.schedule.placement import place
from hwgen.schedule.spill import arranged
from hwgen.search.candidates import (
    FEWEST,
    Candidates,
    blocks,
    group_unit,
    head_channels,
    lane_counts,
)
from hwgen.search.work import Work
from hwgen.targets import Target
from hwgen.targets.fit import excess, named

ACT_BITS = (16, 14, 12, 10)  # the widest that fits: accuracy goes before speed
ENOUGH = 1.05  # a smaller engine is taken if it needs at most this many times the cycles


@dataclass(frozen=True)
class Choice:
    """The sizes that were chosen, and why, in lines for the terminal; tried: where none fits, which
    were."""

    sizing: Sizing
    reasons: tuple[str, ...]
    tried: str = ""


def choose(graph: Graph, target: Target, overrides: dict[str, str | int] | None = None) -> Sizing:
    """The sizes of `search`."""
    return search(graph, target, overrides).sizing


def search(graph: Graph, target: Target, overrides: dict[str, str | int] | None = None) -> Choice:
    """Sizes that hold the network; `overrides` (name -> value) win.

    Of the widest features for which an engine fits the target's budget, the engine with the fewest
    estimated cycles, or a smaller one that is nearly as fast. If none fits, the one that lacks
    least, its memories counted. The target's own engine, if it holds the network and is nearly as
    fast as that; with narrower features only where it is faster.
    Raises HwgenError for an override that is no size or not a number.
    """
    work = Work(graph)
    choice = _search(work, target, overrides)
    own = Sizing(**target.engine) if target.engine and not overrides else None
    head = head_channels(graph)
    if own and head % own.lanes == 0:
        own = own.replace(head=head)
    if own is None or own == choice.sizing or excess(own, target) or not _holds(graph, own, target):
        return choice
    now, then = (_cycles(work, s, target) for s in (own, choice.sizing))
    most = then * ENOUGH if own.act_bits >= choice.sizing.act_bits else then / ENOUGH
    if now > most and excess(choice.sizing, target) is None:
        return choice
    reasons = (f"{named(own)}, the engine of {target.name}: about {now:,} cycles",)
    other = choice.reasons[0].removeprefix("not ")
    return Choice(own, (*reasons, f"not {other}"))


def _holds(graph: Graph, s: Sizing, target: Target) -> bool:
    """Whether an engine's lanes suit the network and its memories hold it."""
    if s.lanes not in lane_counts(graph) or s.head != head_channels(graph):
        return False
    if s.gu > group_unit(graph):
        return False
    least = Candidates(graph, target, {}).sized(s, False, (0, 0, 0))
    if least.wb_words > s.wb_words or least.ps_words > s.ps_words:
        return False
    try:
        ops, order = arranged(graph, s)
        place(ops, s, order)
    except FitError:
        return False
    return True


def _search(work: Work, target: Target, overrides: dict[str, str | int] | None) -> Choice:
    """`search` among engines made for this network."""
    graph = work.graph
    fixed = _integers(overrides or {})
    lanes = (fixed["lanes"],) if "lanes" in fixed else lane_counts(graph)
    if "array_bits" in fixed:
        bits = fixed.pop("array_bits")
        fixed.setdefault("kw", bits // lanes[0])
        lanes = lanes[:1]
    _check_lanes(graph, lanes[0])
    reasons: list[str] = []
    engines = Candidates(graph, target, fixed)
    lacking: list[tuple[float, Sizing, str]] = []
    problem: FitError | None = None
    widths = (fixed["act_bits"],) if "act_bits" in fixed else ACT_BITS
    # features in DDR and the fewest lanes only where nothing else fits: they are slower than
    # narrower features
    groups = [n for n in lanes if n > FEWEST], [n for n in lanes if n == FEWEST]
    in_ddr = (False,) if "spill_words" in fixed else (False, True)
    for some, spilled, act_bits in product(filter(None, groups), in_ddr, widths):
        fits: list[tuple[int, float, Sizing]] = []
        refused: list[tuple[float, Sizing, str]] = []
        try:
            candidates = list(engines.of(some, act_bits, spilled))
        except FitError as error:  # tensors beyond the addresses of few lanes
            problem = problem or error
            continue
        for candidate in candidates:
            over = excess(candidate, target)
            if over is None:
                candidate = _with_store(work, candidate, target, fixed)
                lut = estimate(candidate)["lut"]
                fits.append((_cycles(work, candidate, target), lut, candidate))
            else:
                refused.append((over.ratio, candidate, str(over)))
        if fits:
            enough = ENOUGH * min(n for n, _, _ in fits)
            count, _, best = min((f for f in fits if f[0] <= enough), key=lambda f: (f[1], f[0]))
            faster = [r for r in refused if r[1].array_bits > best.array_bits]
            reasons.insert(0, f"{named(best)}: about {count:,} cycles")
            if faster:
                _, size, why = min(faster, key=lambda r: r[0])
                reasons.append(f"not {named(size)}: {why}")
            if best.store_words:
                reasons.append(_kept(graph, best))
            return Choice(best, tuple(reasons))
        lacking += refused
        if not refused:
            continue  # no feature can be in DDR
        # logic does not depend on the width of features: name the memory where that is short
        width = [r for r in refused if "BRAM36" in r[2]] or refused
        _, size, why = min(width, key=lambda r: r[0])
        reasons.append(f"not {named(size)}: {why}")
    if problem and not lacking:
        raise problem
    nearest = _nearest(engines, [r[1] for r in lacking])
    return Choice(nearest, tuple(reasons), _tried([r[1] for r in lacking], nearest))


def _tried(engines: list[Sizing], nearest: Sizing) -> str:
    """The sizes of engines, each once, and the shortest strips where the nearest has some."""

    def values(name: str) -> str:
        found = sorted({getattr(s, name) for s in engines}, reverse=True)
        return ", ".join(map(str, found))

    strips = f", strips down to {nearest.strip_tokens} tokens" if nearest.strip_tokens else ""
    return (
        f"{values('lanes')} lanes x {values('kw')} bits, features of {values('act_bits')} bits"
        f"{strips}"
    )


def _nearest(engines: Candidates, lacking: list[Sizing]) -> Sizing:
    """Of engines that do not fit the one that lacks least, with memories that hold the network.

    `Candidates.of` stops at logic that does not fit, whatever the memories: they are sized here."""

    def lack(s: Sizing) -> float:
        over = excess(s, engines.target)
        return over.ratio if over else 1.0

    sized = [s for some in map(engines.whole, lacking) for s in some]
    return min(sized or lacking, key=lack)


def _cycles(work: Work, s: Sizing, target: Target) -> int:
    """Estimated cycles on the target's memory."""
    return work.cycles(s, target.rate(s.axi_bits))


def _with_store(work: Work, s: Sizing, target: Target, fixed: dict[str, int]) -> Sizing:
    """The engine with a weight store in what memory it leaves on the target, up to all records.

    There is none unless it holds all records or makes frames shorter by the factor ENOUGH.
    """
    if "store_words" in fixed:
        return s
    all_words = sum(op.record_words(s) for op in work.graph.ops)
    for words in range(min(blocks(all_words), 1 << 16), 0, -BLOCK_DEPTH):
        full = s.replace(store_words=words)
        if excess(full, target) is None:
            gains = ENOUGH * _cycles(work, full, target) <= _cycles(work, s, target)
            return full if gains or words >= all_words else s
    return s


def _kept(graph: Graph, s: Sizing) -> str:
    words = sum(op.record_words(s) for op in graph.ops)
    kept, total = (n * s.word_bytes * 8 / 1e6 for n in (min(words, s.store_words), words))
    share = f"about {kept:.1f} of {total:.1f}" if kept < total else f"all {total:.1f}"
    return f"weights and parameters on chip: {share} Mbit"


def _check_lanes(graph: Graph, lanes: int) -> None:
    for name, t in graph.types().items():
        if t.kind != "image" and t.channels % lanes:
            raise FitError(
                name,
                f"{t.channels} channels",
                f"lanes={lanes} must divide them",
                f"--set lanes={lane_counts(graph)[0]}",
            )


def _integers(overrides: dict[str, str | int]) -> dict[str, int]:
    known = {"array_bits", *Sizing.__dataclass_fields__}
    out = {}
    for name, value in overrides.items():
        if name not in known:
            raise HwgenError(
                "--set", name, "is not a size of the engine", f"use {', '.join(sorted(known))}"
            )
        try:
            out[name] = int(value)
        except ValueError:
            raise HwgenError(
                "--set", f"{name}={value}", "must be a whole number", f"for example {name}=64"
            ) from None
    return out
