"""Where every tensor lives: FM, TM (features) or BM (bits), first fit over live ranges.

Live ranges are kept for every unit of a tensor (a row of its grid, or a strip of rows), in pieces
of the plan. A unit is free again after the last piece that reads it, so that a result may overwrite
its operand row by row, and in place where each word is read before it is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import networkx as nx
import numpy as np

from hwgen.errors import FitError
from hwgen.ir.graph import Graph
from hwgen.ir.types import TensorType
from hwgen.ops.attention import Attention
from hwgen.ops.base import Op
from hwgen.ops.max_pool import MaxPool
from hwgen.ops.vector import CrossFilter, MergeMean, Pointwise
from hwgen.ops.xnor import MAX_DILATION, XnorConv
from hwgen.passes.separate_streams import separate_streams
from hwgen.schedule.plan import ImageRows, Plan, Strips, plan
from hwgen.schedule.sizing import Sizing

Array = np.ndarray
FM, TM, BM = 0, 1, 2
FM_STEP = 512  # words of a block RAM
MEMORY_NAMES = ("FM", "TM", "BM")


@dataclass(frozen=True)
class Place:
    """A tensor's region of `size` words of a memory (BM: elements of L bits).

    Word w of token n is at base + slot * unit_size + (n % unit_tokens) * stride + w, where slot is
    n // unit_tokens, or what `slots` gives for it.
    """

    tensor: str
    memory: int
    base: int
    stride: int
    words: int  # words (elements) of a token
    size: int
    unit_tokens: int  # tokens of a row (or of a strip)
    unit_size: int  # words from unit to unit
    slots: tuple[int, ...] | None = None

    @property
    def padded(self) -> bool:
        """Addresses jump between image rows: an instruction cannot run on from row to row."""
        return self.unit_size != self.unit_tokens * self.stride

    def step(self, tokens: Array | int) -> Array | int:
        """Address distance of tokens that are whole rows, or within a row, apart (or from 0)."""
        if not self.padded:
            return tokens * self.stride
        rows, inside = divmod(tokens, self.unit_tokens)
        return rows * self.unit_size + inside * self.stride

    def address(self, token: Array | int, word: Array | int = 0) -> Array | int:
        unit, inside = divmod(token, self.unit_tokens)
        if self.slots is not None:
            unit = np.asarray(self.slots)[unit] if np.ndim(unit) else self.slots[int(unit)]
        return self.base + unit * self.unit_size + inside * self.stride + word


def bit_stride(channels: int, s: Sizing) -> int:
    """Elements from token to token: a power of two below a row, whole rows above."""
    elements = -(-channels // s.lanes)
    if elements >= s.row_elements:
        return -(-elements // s.row_elements) * s.row_elements
    return 1 << (elements - 1).bit_length()


def row_pitch(width: int, stride: int, two: int, s: Sizing) -> int:
    """Elements from image row to image row for 3x3 convolutions of dilation `two` x an odd number.

    Rows that far apart are an odd number of memory rows apart, hence in different banks: a window
    takes a cycle, not three. Without padding where that would split tokens (even dilations only).
    """
    unit = s.row_elements // two
    if unit == 0 or unit % min(stride, s.row_elements):
        return width * stride
    return (-(-width * stride // unit) | 1) * unit


def _image_rows(graph: Graph) -> dict[str, tuple[int, int]]:
    """Bits that 3x3 convolutions read: width, least power of two that divides one's dilation."""
    rows, runs_on = {}, set()
    for op in graph.ops:
        if isinstance(op, XnorConv) and op.stride == 1:
            width, two = rows.get(op.sources[0], (op.in_grid[1], MAX_DILATION))
            rows[op.sources[0]] = (width, min(two, op.dilation & -op.dilation))
        if isinstance(op, Attention | MergeMean):  # one instruction runs over all tokens
            runs_on |= {*op.sources, *op.outputs()}
    return {t: r for t, r in rows.items() if t not in runs_on}


@dataclass
class _Live:
    """A tensor to be placed: its units, and the pieces that write and read each."""

    name: str
    memory: int
    stride: int
    words: int
    align: int
    unit_tokens: int
    unit_size: int
    slots: tuple[int, ...] | None
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
            self.unit_size, self.slots,
        )  # fmt: skip


def image_words(t: TensorType, rows: ImageRows, lanes: int) -> int:
    """Words of the image, or of a strip of it."""
    row = int(np.prod(t.shape[1:]))
    if not rows.margin:
        return -(-rows.rows * row // lanes)
    return rows.rows * (row // lanes + rows.margin) + rows.margin


def _shape(
    t: TensorType, s: Sizing, strips: Strips | None, image: ImageRows
) -> tuple[int, int, int, int]:
    """(words of a token, stride, tokens of a unit, units) of a tensor."""
    words = -(-t.channels // s.lanes)
    stride = bit_stride(t.channels, s) if t.kind == "bits" else words
    if t.kind == "image":  # elements in a row, no tokens: one unit, or one per strip
        words = image_words(t, image, s.lanes)
        return words, words, 1, len(strips.slots) if strips else 1
    height, width = t.grid
    if height * width != t.tokens:
        height, width = 1, t.tokens
    rows = strips.rows if strips else 1
    return words, stride, rows * width, height // rows


def _in_place(op: Op, guest: Op | None, types: dict[str, TensorType], out: TensorType) -> set[str]:
    """Operands of which every word is read once, just before the same word is written.

    guest: runs beside the op and is a word ahead of it (`hwgen.schedule.beside`).
    """
    if op.post.pool:
        return set()  # a word is made of several, and residuals are read again for each
    read = {t for t in (op.post.pre, op.post.mid, op.post.out) if t}
    if isinstance(op, Pointwise):
        read |= set(op.sources)
    else:
        read -= set(op.sources)
    read |= set(guest.sources if guest else ())
    return {t for t in read if types[t].shape == out.shape and types[t].kind == out.kind}


def live_ranges(graph: Graph, order: Plan, s: Sizing) -> dict[str, _Live]:
    """Units and live ranges of all tensors, in the order in which they are first written."""
    types, image_rows = graph.types(), _image_rows(graph)
    ops = {op.name: op for op in graph.ops}
    live: dict[str, _Live] = {}

    def units(name: str, rows: list[int] | None) -> slice | list[int]:
        """Units of a tensor that hold these rows (None: all)."""
        if rows is None or len(live[name].start) == 1:
            return slice(None)
        if types[name].kind == "image":
            return [part.strip]
        strips = order.strips.get(name)
        return sorted({r // strips.rows for r in rows}) if strips else rows

    time, guest = -1, None  # the op that runs beside this piece
    for piece in order.pieces:
        time += guest is None
        op, part = ops.get(piece.name), piece.part
        rows = list(range(part.first, part.first + part.count)) if part else None
        made = op.outputs() if op else {piece.name: types[piece.name]}
        for name, t in made.items():
            if name not in live:
                strips = order.strips.get(name)
                words, stride, tokens, count = _shape(t, s, strips, order.image)
                bits, size = t.kind == "bits", tokens * stride
                if name in image_rows and not strips:
                    size = row_pitch(tokens, stride, image_rows[name][1], s)
                live[name] = _Live(
                    name, BM if bits else FM, stride, words,
                    s.row_elements if bits else 1, tokens, size,
                    strips.slots if strips else None, np.full(count, -1), np.full(count, -1),
                    _in_place(op, guest, types, t) if op and not strips else set(),
                )  # fmt: skip
            live[name].start[units(name, rows)] = time
            live[name].end[units(name, rows)] = time
        for name in op.inputs if op else ():
            need = op.operand_rows(name, part.first, part.count) if part else None
            if need is not None and name not in op.sources:  # a residual may be on a coarser grid
                factor = max(1, (op.feature or op.bits).grid[0] // max(1, types[name].grid[0]))
                need = sorted({row // factor for row in need})
            live[name].end[units(name, need)] = time
        guest = op if piece.beside else None
    live[graph.output].end[:] = len(order.pieces)
    for name in feature_memories(graph, live, len(order.pieces), (s.fm_words, s.tm_words)):
        live[name].memory = TM
    return live


def feature_memories(
    graph: Graph, live: dict[str, _Live], time: int, limits: tuple[int, int]
) -> set[str]:
    """The feature tensors that live in TM: two streams of one instruction need two read ports.

    A 2-colouring of the graph whose edges join tensors that one op reads together. Its components,
    the largest first, are coloured so that both memories hold their words, and then so that the
    peaks of both grow least.
    """
    g = nx.Graph()
    g.add_nodes_from(n for n, t in live.items() if t.memory != BM)
    for op in graph.ops:
        read = [t for t in op.inputs if t in g]
        if op.UNIT == "LNAPPLY":
            read = []  # its two sources are read by different instructions
        if isinstance(op, CrossFilter | MaxPool) and len(op.sources) == 2:  # through one stream
            g.add_edges_from((tensor, f"{op.name} other memory") for tensor in op.sources)
            read.remove(op.sources[1])
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
    use, held = (
        [[sum((f(live[t], time) for t in names), np.zeros(time)) for names in s] for s in sides]
        for f in (_use, _held)
    )
    used, full, out = np.zeros((2, time)), np.zeros((2, time)), set()
    for k in sorted(range(len(sides)), key=lambda k: (-max(u.max() for u in use[k]), sides[k])):
        ways = []
        for tm, step in ((1, 1), (0, -1)):
            w, h = used + np.stack(use[k][::step]), full + np.stack(held[k][::step])
            ways.append(((w.max(1).sum(), w[TM].max(), w[TM].sum()), tm, w, h))
        fitting = [way for way in ways if (way[-1].max(1) <= limits).all()]
        _, tm, used, full = min(fitting or ways, key=lambda way: way[0])
        out |= set(sides[k][tm])
    return out


def _held(t: _Live, time: int) -> Array:
    """`_use`, but whole as long as it lives for a tensor in strips and for one without rows."""
    if t.slots is None and len(t.start) > 1:
        return _use(t, time)
    out = np.zeros(time)
    out[t.start.min() : t.end.max() + 1] = t.size
    return out


def _use(t: _Live, time: int) -> Array:
    """Words of a tensor that are in use in every piece."""
    change = np.zeros(time + 1)
    np.add.at(change, t.start, t.unit_size)
    np.add.at(change, np.minimum(np.maximum(t.end, t.start + 1), time), -t.unit_size)
    return np.cumsum(change)[:time]


class _Memory:
    """Units placed so far: address and time ranges."""

    def __init__(self) -> None:
        self.low, self.high, self.start, self.end, self.owner, self.unit = (
            np.empty(0, dtype=np.int64) for _ in range(6)
        )
        self.names: list[str] = []
        self.bases: dict[str, int] = {}
        self.shapes: dict[str, tuple[int, int]] = {}

    def add(self, t: _Live, base: int) -> None:
        low = base + t.slot * t.unit_size
        n = len(low)
        for name, values in (
            ("low", low), ("high", low + t.unit_size), ("start", t.start), ("end", t.end),
            ("owner", np.full(n, len(self.names))), ("unit", np.arange(n)),
        ):  # fmt: skip
            setattr(self, name, np.concatenate([getattr(self, name), values]))
        self.names.append(t.name)
        self.bases[t.name], self.shapes[t.name] = base, (t.unit_size, t.stride)

    def first_fit(self, t: _Live, limit: int, top: bool) -> int | None:
        """Base for a tensor: in place of an operand if it can, or of rows that are free by then,
        so that the rest stays in one piece, else the lowest (highest) free."""
        near = (self.start <= t.end.max()) & (self.end >= t.start.min())
        mine = np.array([name in t.replaces for name in self.names], dtype=bool)
        step = t.unit_size if t.slots is None and len(t.start) > 1 else limit
        step = -(-step // t.align) * t.align
        bases = {0, *range(0, limit, step)}
        bases |= {-(-int(h) // t.align) * t.align for h in self.high[near]}
        last = limit - t.size
        inside = sorted((b for b in bases if b <= last), reverse=top)
        if top:
            inside = [last // t.align * t.align, *inside]
        same = [
            self.bases[n] for n in sorted(t.replaces)
            if n in self.bases and self.shapes[n] == (t.unit_size, t.stride)
        ]  # fmt: skip
        over = []  # where another tensor was made by rows, the latest first
        if t.memory == FM and t.slots is None and len(t.start) > 1:
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
    live = live_ranges(graph, order, s)
    try:
        return dict(_place(live, s, False))
    except FitError as error:
        try:
            return dict(_place(live, s, True))
        except FitError:
            raise error from None


def _place(live: dict[str, _Live], s: Sizing, top: bool) -> Iterator[tuple[str, Place]]:
    memories = (_Memory(), _Memory(), _Memory())
    limits = (s.fm_words, s.tm_words, s.bm_rows * s.row_elements)
    whole_first = sorted(live.items(), key=lambda item: item[1].slots is not None)
    for name, t in whole_first:  # strips take what room the whole tensors leave
        high = top and t.slots is None and len(t.start) > 1 and t.memory == FM
        base = memories[t.memory].first_fit(t, limits[t.memory], high)
        if base is None:
            roomy = memories[t.memory].first_fit(t, 1 << 20, False)
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
    graph = separate_streams(graph)
    order = plan(graph, s.strip_tokens, s.lanes)
    roomy = s.replace(fm_words=1 << 14, tm_words=1 << 14, bm_rows=(1 << 16) // s.row_elements)
    live = live_ranges(graph, order, roomy)
    tops = _tops(dict(_place(live, roomy, False)))
    used = sum((_use(t, len(order.pieces)) for t in live.values() if t.memory == FM), np.zeros(1))
    for words in range(tops[FM] // FM_STEP * FM_STEP, int(used.max()) - 1, -FM_STEP):
        try:  # results that overlay their operand from the top of the memory down
            tops = _tops(dict(_place(live, roomy.replace(fm_words=words), True)))
        except FitError:
            break
    return tops[FM], tops[TM], -(-tops[BM] // s.row_elements)


def _tops(places: dict[str, Place]) -> list[int]:
    """Words used of every memory."""
    return [max((p.base + p.size for p in places.values() if p.memory == m), default=0)
            for m in (FM, TM, BM)]  # fmt: skip
