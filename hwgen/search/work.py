"""Cycles of a graph on an engine, op by op and without a schedule: to compare engine sizes.

Per op the slowest of compute (`Op.beats`) and memory port (its parameters and weights, once per
strip; a word a cycle of those in the weight store). `timing.predict` gives exact cycles.
"""

from __future__ import annotations

from collections import Counter

from hwgen.engine.sizing import Sizing
from hwgen.ir.graph import Graph
from hwgen.ops.base import Op
from hwgen.schedule.plan import plan


def kept_words(graph: Graph, s: Sizing) -> Counter[str]:
    """Words of every op's records in the weight store, filled as `schedule.keep` does."""
    kept: Counter[str] = Counter()
    left = s.store_words
    for op in reversed(graph.ops):
        kept[op.name] = min(left, op.record_words(s))
        left -= kept[op.name]
    return kept


def port_cycles(op: Op, s: Sizing, kept: int, loads: int = 1) -> int:
    """Cycles of the memory port for an op whose records come `loads` times in a frame; `kept` words
    of them come from the weight store."""
    beats = s.lanes * 16 // s.axi_bits  # of a word
    records = (op.record_words(s) - kept) * beats + kept
    return loads * records + op.constant_words(s) * beats


def cycles(graph: Graph, s: Sizing) -> int:
    """Estimated cycles of a frame."""
    types, kept = graph.types(), kept_words(graph, s)
    pieces = Counter(piece.name for piece in plan(graph, s.strip_tokens, s.lanes).pieces)
    return sum(
        max(op.beats(s, types), port_cycles(op, s, kept[op.name], pieces[op.name]))
        for op in graph.ops
    )
