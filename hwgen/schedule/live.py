"""Live ranges of tensors in pieces of the plan, and which feature memory holds each."""

from __future__ import annotations

from dataclasses import dataclass, field

import networkx as nx
import numpy as np

from hwgen.engine.sizing import Sizing
from hwgen.errors import FitError
from hwgen.ir.graph import Graph
from hwgen.ops.base import Op
from hwgen.ops.types import TensorType
from hwgen.schedule.layout import (
    BM,
    FM,
    TM,
    Place,
    image_rows_of,
    row_pitch,
    unit_shape,
)
from hwgen.schedule.plan import Part, Plan, rows_read

Array = np.ndarray


@dataclass
class Live:
    """A tensor to be placed: its units, and the pieces that write and read each."""

    name: str
    memory: int
    stride: int
    words: int
    align: int
    unit_tokens: int
    unit_size: int
    slots: tuple[int, ...] | None
    first: tuple[int, ...]  # of a reloaded tensor: first row of every strip
    start: Array
    end: Array
    replaces: set[str] = field(default_factory=set)  # tensors whose words it may take in place

    @property
    def slot(self) -> Array:
        """Position of every unit."""
        return np.arange(len(self.start)) if self.slots is None else np.asarray(self.slots)

    @property
    def size(self) -> int:
        return (int(self.slot.max()) + 1) * self.unit_size

    def at(self, base: int) -> Place:
        return Place(
            self.name, self.memory, base, self.stride, self.words, self.size, self.unit_tokens,
            self.unit_size, self.slots, self.first,
        )  # fmt: skip


def _in_place(op: Op, guest: Op | None, types: dict[str, TensorType], out: TensorType) -> set[str]:
    """Operands of which every word is read once, just before the same word is written.

    guest: runs beside the op and is a word ahead of it (`hwgen.schedule.beside`).
    """
    if op.post.pool:
        return set()  # a word is made of several, and residuals are read again for each
    read = {t for t in (op.post.pre, op.post.mid, op.post.out) if t}
    if op.IN_PLACE:
        read |= set(op.sources)
    else:
        read -= set(op.sources)
    read |= set(guest.sources if guest else ())
    return {t for t in read if types[t].shape == out.shape and types[t].kind == out.kind}


def live_ranges(graph: Graph, order: Plan, s: Sizing, even: bool = False) -> dict[str, Live]:
    """Units and live ranges of all tensors, in the order in which they are first written.
    even: as `feature_memories` has it."""
    live = unit_ranges(graph, order, s)
    limits = s.fm_words, s.tm_words
    for name in feature_memories(graph, live, len(order.pieces), limits, even):
        live[name].memory = TM
    return live


def unit_ranges(graph: Graph, order: Plan, s: Sizing) -> dict[str, Live]:
    """`live_ranges` with all features in FM."""
    types, image_rows = graph.types(), image_rows_of(graph)
    ops = {op.name: op for op in graph.ops}
    live: dict[str, Live] = {}

    def units(name: str, rows: list[int] | None) -> slice | list[int]:
        """Units of a tensor that hold these rows (None: all)."""
        if rows is None or len(live[name].start) == 1:
            return slice(None)
        if types[name].kind == "image":
            return slice(None) if part is None else [part.strip]
        strips = order.strips.get(name)
        if strips and strips.first:
            return slice(None) if part is None else strips.same(part.strip)
        return sorted({r // strips.rows for r in rows}) if strips else rows

    time = -1
    part: Part | None = None
    guest: Op | None = None  # runs beside this piece
    for piece in order.pieces:
        time += guest is None
        op, part = ops.get(piece.name), piece.part
        rows = list(range(part.first, part.first + part.count)) if part else None
        if piece.store:
            live[piece.name].end[units(piece.name, rows)] = time
            continue
        made = op.outputs() if op else {piece.name: types[piece.name]}
        for name, t in made.items():
            if name not in live:
                strips = order.strips.get(name)
                words, stride, tokens, count = unit_shape(t, s, strips, order.image)
                bits, size = t.kind == "bits", tokens * stride
                # a strip that waits for its place costs cycles: where memory is short
                in_place = not strips or s.spill_words > 0
                if name in image_rows and not strips:
                    size = row_pitch(tokens, stride, image_rows[name][1], s)
                live[name] = Live(
                    name, BM if bits else FM, stride, words,
                    s.row_elements if bits else 1, tokens, size,
                    strips.slots if strips else None, strips.first if strips else (),
                    np.full(count, -1), np.full(count, -1),
                    _in_place(op, guest, types, t) if op and in_place else set(),
                )  # fmt: skip
            live[name].start[units(name, rows)] = time
            live[name].end[units(name, rows)] = time
        for name in op.inputs if op is not None and not op.LOADED else ():
            assert op is not None
            need = rows_read(op, name, types[name], part.first, part.count) if part else None
            live[name].end[units(name, need)] = time
        guest = op if piece.beside else None
    live[graph.output].end[:] = len(order.pieces)
    return live


def feature_memories(
    graph: Graph, live: dict[str, Live], time: int, limits: tuple[int, int], even: bool
) -> set[str]:
    """The feature tensors that live in TM: two streams of one instruction need two read ports.

    A 2-colouring of the graph whose edges join tensors that one op reads together. Its components,
    the largest first, are coloured so that both memories hold their words, and then so that the
    peaks of both grow least. even: and those of both while a component lives; else all in FM that
    does not make it larger.
    """
    g = nx.Graph()
    g.add_nodes_from(n for n, t in live.items() if t.memory != BM)
    for op in graph.ops:
        streams = [[t for t in stream if t in g] for stream in op.streams()]
        for stream in streams:  # its tensors share a memory
            if len(stream) > 1:
                g.add_edges_from((tensor, f"{op.name} other memory") for tensor in stream)
        read = [stream[0] for stream in streams if stream]
        read += [t for t in op.inputs[len(op.sources) :] if t in g]
        for i, a in enumerate(read):
            g.add_edges_from((a, b) for b in read[i + 1 :])
    sides = []
    for component in nx.connected_components(g):
        if not nx.is_bipartite(g.subgraph(component)):
            names = ", ".join(sorted(component)[:4])
            raise FitError(
                "schedule", names, "more than two feature memories would have to be read at once",
                "add an identity layer between the residual paths",
            )  # fmt: skip
        colour = nx.bipartite.color(g.subgraph(component))
        real = component & live.keys()
        # sorted, since sets have no fixed order
        sides.append(sorted(sorted(t for t in real if colour[t] == c) for c in (0, 1)))
    taken = {  # by a result in place, as it is read for the last time
        name
        for t in live.values()
        for name in t.replaces & live.keys()
        if live[name].end.max() == t.start.min()
    }

    def whole(t: Live, time: int) -> Array:
        return words_held(t, time, t.name in taken)

    use, held = (
        [[sum((f(live[t], time) for t in names), np.zeros(time)) for names in s] for s in sides]
        for f in (words_in_use, whole)
    )
    used, full, out = np.zeros((2, time)), np.zeros((2, time)), set()
    for k in sorted(range(len(sides)), key=lambda k: (-max(u.max() for u in use[k]), sides[k])):
        ways = []
        for tm, step in ((1, 1), (0, -1)):
            w, h = used + np.stack(use[k][::step]), full + np.stack(held[k][::step])
            lives = (h != full).any(0) & even
            peaks = w.max(1).sum(), h.max(1).sum(), h[:, lives].max(initial=0)
            ways.append(((*peaks, w[TM].max(), w[TM].sum()), tm, w, h))
        fitting = [way for way in ways if (way[-1].max(1) <= limits).all()]
        _, tm, used, full = min(fitting or ways, key=lambda way: way[0])
        out |= set(sides[k][tm])
    return out


def words_held(t: Live, time: int, taken: bool = False) -> Array:
    """`words_in_use`, but whole as long as it lives for one in strips or without rows, and in the
    piece that reads the last of one that is read as a whole. taken: in that piece in place."""
    if t.slots is None and len(t.start) > 1:
        held = words_in_use(t, time)
        last = int(t.end.min())
        if not taken and last == t.end.max() and t.start.max() < last < time:
            held[last] = t.size
        return held
    out = np.zeros(time)
    out[t.start.min() : t.end.max() + (0 if taken else 1)] = t.size
    return out


def words_in_use(t: Live, time: int) -> Array:
    """Words of a tensor that are in use in every piece."""
    change = np.zeros(time + 1)
    np.add.at(change, t.start, t.unit_size)
    np.add.at(change, np.minimum(np.maximum(t.end, t.start + 1), time), -t.unit_size)
    return np.cumsum(change)[:time]
