"""Which feature tensors are kept in DDR, where FM and TM are too small for them.

A tensor is stored strip by strip as it is made, and every band that reads it has a `Reload` of its
own: of the rows of a strip, and of those around it that a filter reads. So it takes room for a
strip; where a band does not run in strips all of it comes back, when its first reader asks for it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hwgen.engine.sizing import Sizing
from hwgen.ir.graph import Graph
from hwgen.ops.base import Op
from hwgen.ops.post import Post
from hwgen.ops.reload import Reload
from hwgen.ops.types import TensorType
from hwgen.passes.separate_streams import separate_streams
from hwgen.schedule.plan import Bands, Plan, plan, plan_bands, seen_rows


def arranged(graph: Graph, s: Sizing) -> tuple[Graph, Plan]:
    """The graph as an engine runs it, with copies and reloads, and in which order."""
    graph = spill(separate_streams(graph), s)
    return graph, plan(graph, s.strip_tokens, s.lanes, s.spill_words > 0)


def spill(graph: Graph, s: Sizing) -> Graph:
    """The graph with a `Reload` for every band that reads a tensor of at least `s.spill_words`
    words that can be kept in DDR; itself where there are none, or spill_words is 0, or it has them
    (as the graph that compile wrote)."""
    if not s.spill_words or any(isinstance(op, Reload) for op in graph.ops):
        return graph
    bands = plan_bands(graph, s.strip_tokens, s.lanes)
    large = {name for name, n in sizes(graph, s, bands).items() if n >= s.spill_words}
    return _reloaded(graph, bands, large) if large else graph


def sizes(graph: Graph, s: Sizing, bands: Bands | None = None) -> dict[str, int]:
    """Words of every feature tensor that can be kept in DDR."""
    bands = bands or plan_bands(graph, s.strip_tokens, s.lanes)
    types = graph.types()
    readers: dict[str, list[Op]] = {op.name: [] for op in graph.ops}
    for op in graph.ops:
        for name in set(op.inputs) & readers.keys():
            readers[name].append(op)
    return {
        op.name: types[op.name].words(s.lanes)
        for op in graph.ops
        if op.feature is not None and op.inputs and _can(graph, op, readers[op.name], bands)
    }


def _can(graph: Graph, op: Op, readers: list[Op], bands: Bands) -> bool:
    """Whether all bands that read its result bring back rows of it."""
    made, height = bands.home[op.name], op.out.rows[0]
    outside = [r for r in readers if bands.home[r.name] != made]
    if op.name == graph.output or not bands.rows[made] or not outside:
        return False
    for reader in readers:
        residual = op.name not in reader.sources
        if residual and reader.is_coarse(op.out, reader.out.grid):
            return False
    for reader in outside:
        if reader.last_tokens(op.name):
            continue
        if not bands.rows[bands.home[reader.name]]:
            continue  # all of it comes back
        rows = bands.rows[bands.home[reader.name]] * bands.scale[reader.name]
        own = reader.out.rows[0]
        if not rows or own % rows:
            return False
        if height * bands.scale[reader.name] % own and own % height:
            return False  # its rows are no multiple of the band's
        if not all(
            seen_rows(reader, op.name, op.out, first, rows) for first in range(0, own, rows)
        ):
            return False
    return True


def _reloaded(graph: Graph, bands: Bands, names: set[str]) -> Graph:
    types = graph.types()
    ops: list[Op] = []
    made: dict[tuple[str, int, int], str] = {}  # tensor, band, last tokens -> its reload there
    for op in graph.ops:
        here, own = bands.home[op.name], {}
        for name in names & set(op.inputs):
            if bands.home[name] == here:
                continue
            key = name, here, op.last_tokens(name)
            if key not in made:
                made[key] = f"{name}.reload{sum(n == name for n, _, _ in made)}"
                ops.append(_reload(made[key], name, types[name], op))
            own[name] = made[key]
        ops.append(_reading(op, own) if own else op)
    return replace(graph, ops=tuple(ops))


def _reload(name: str, source: str, t: TensorType, reader: Op) -> Reload:
    """What a reader needs of a tensor of type `t`."""
    post, last = Post(act_bits=reader.post.act_bits), reader.last_tokens(source)
    if last:
        t = replace(t, shape=(t.shape[0], last, t.channels))
    return Reload(name, (source,), post, t, None, last)


def _reading(op: Op, names: dict[str, str]) -> Op:
    """An op with other names of its operands."""
    residuals: dict[str, Any] = {
        role: names.get(tensor, tensor)
        for role in ("pre", "mid", "out")
        if (tensor := getattr(op.post, role)) is not None
    }
    sources = tuple(names.get(tensor, tensor) for tensor in op.sources)
    return replace(op, sources=sources, post=replace(op.post, **residuals))
