"""Cycles of a graph on an engine, op by op and without a schedule: to compare engine sizes.

Per op the slowest of compute (`Op.beats`) and memory ports (its parameters and weights, once a
frame and what of them does not stay in the buffers once more for every further strip, as fast as
memory delivers them; a word a cycle of those in the weight store). Nothing computes while features
go to DDR, and little while they come back.
`timing.predict` gives exact cycles.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import ceil

from hwgen.engine.sizing import Sizing
from hwgen.ir.graph import Graph
from hwgen.ops.base import Op
from hwgen.schedule.plan import Plan, plan
from hwgen.schedule.spill import spill
from hwgen.targets.memory import PORTS_ONLY, Rate
from hwgen.units.dma import Dma


def kept_words(graph: Graph, s: Sizing) -> Counter[str]:
    """Words of every op's records in the weight store, filled as `schedule.keep` does."""
    kept: Counter[str] = Counter()
    left = s.store_words
    for op in reversed(graph.ops):
        kept[op.name] = min(left, op.record_words(s))
        left -= kept[op.name]
    return kept


def port_cycles(op: Op, s: Sizing, kept: int, loads: float = 1, rate: Rate = PORTS_ONLY) -> int:
    """Cycles of the memory ports for an op whose records come `loads` times in a frame; `kept`
    words of them come from the weight store. rate: of memory."""
    beats = s.lanes * 16 // s.axi_bits  # of a word
    words = loads * (op.record_words(s) - kept) + op.constant_words(s)
    return ceil(words * beats * rate.read_cycles) + ceil(loads * kept)


def leaving(band: Sequence[Op], s: Sizing) -> float:
    """Part of a band's parameters that its next strip finds no longer in the buffers."""
    slots = sum(op.channel_words(s) for op in band if op.parameter_words(s))
    weights = sum(op.tile_words(s) for op in band)
    return max(0.0, 1 - s.qm_slots / max(slots, 1), 1 - s.wb_words / max(weights, 1))


def cycles(graph: Graph, s: Sizing, rate: Rate = PORTS_ONLY) -> int:
    """Estimated cycles of a frame, with a memory of this rate."""
    return Work(graph).cycles(s, rate)


class Work:
    """`cycles` of one graph on many engines: what these have in common is found once."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._runs: dict[tuple[int, int, int], tuple[Graph, Plan]] = {}

    def cycles(self, s: Sizing, rate: Rate = PORTS_ONLY) -> int:
        """Estimated cycles of a frame, with a memory of this rate."""
        graph, order = self._run(s)
        types, kept = graph.types(), kept_words(graph, s)
        pieces = Counter(piece.name for piece in order.pieces if not piece.store)
        loads = _loads(graph, order, pieces, s)
        unit = Dma(s.lanes, s.axi_bits)
        stored = sum(types[name].words(s.lanes) for name in order.stored)
        again = sum(reloaded_words(op, order, s, pieces[op.name]) for op in graph.ops if op.LOADED)
        moved = stored * unit.stored_word + ceil(again * unit.word_beats * rate.read_cycles)
        return moved + sum(
            max(op.beats(s, types), port_cycles(op, s, kept[op.name], loads[op.name], rate))
            for op in graph.ops
        )

    def _run(self, s: Sizing) -> tuple[Graph, Plan]:
        """The graph with what is in DDR, and its plan: the same for all columns and stores."""
        key = s.lanes, s.strip_tokens, s.spill_words
        if key not in self._runs:
            graph = spill(self.graph, s)
            order = plan(graph, s.strip_tokens, s.lanes, s.spill_words > 0)
            self._runs[key] = graph, order
        return self._runs[key]


def _loads(graph: Graph, order: Plan, pieces: Mapping[str, int], s: Sizing) -> dict[str, float]:
    """How often the records of every op come in a frame."""
    ops = {op.name: op for op in graph.ops}
    found = dict.fromkeys(ops, 1.0)
    for band in order.bands:
        again = leaving([ops[name] for name in band], s)
        found |= {name: 1 + max(0, pieces[name] - 1) * again for name in band}
    return found


def reloaded_words(op: Op, order: Plan, s: Sizing, strips: int) -> int:
    """Words of a `Reload` in a frame: of every strip its rows and those around it."""
    height, width = op.out.rows
    rows = order.strips[op.name].rows * strips if op.name in order.strips else height
    return rows * width * (op.out.channels // s.lanes)
