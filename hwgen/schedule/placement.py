"""Where every tensor lives: FM, TM (features) or BM (bits), first fit over live ranges."""

from __future__ import annotations

from dataclasses import dataclass

import networkx as nx
import numpy as np

from hwgen.errors import FitError
from hwgen.ir.graph import Graph
from hwgen.ops.attention import Attention
from hwgen.ops.vector import MergeMean
from hwgen.ops.xnor import MAX_DILATION, XnorConv
from hwgen.passes.separate_streams import separate_streams
from hwgen.schedule.sizing import Sizing

FM, TM, BM = 0, 1, 2
MEMORY_NAMES = ("FM", "TM", "BM")


@dataclass(frozen=True)
class Place:
    """A tensor's region. Word w of token n is at base + n * stride + w (BM: elements of L bits).

    With a width, tokens are image rows of `width`, one every `pitch` addresses:
    base + (n // width) * pitch + (n % width) * stride + w.
    """

    tensor: str
    memory: int
    base: int
    stride: int
    words: int  # words (elements) of a token
    size: int
    first: int  # index of the op that writes it
    last: int  # index of the last op that reads it
    width: int = 0
    pitch: int = 0

    @property
    def padded(self) -> bool:
        """Addresses jump between image rows: an instruction cannot run on from row to row."""
        return self.pitch != self.width * self.stride

    def address(self, token: np.ndarray | int, word: np.ndarray | int = 0) -> np.ndarray | int:
        return self.base + self.step(token) + word

    def step(self, tokens: np.ndarray | int) -> np.ndarray | int:
        """Address distance of tokens that are whole rows, or within a row, apart (or from 0)."""
        if not self.padded:
            return tokens * self.stride
        return tokens // self.width * self.pitch + tokens % self.width * self.stride


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
        if isinstance(op, (Attention, MergeMean)):  # one instruction runs over all tokens
            runs_on |= {*op.sources, *op.outputs()}
    return {t: r for t, r in rows.items() if t not in runs_on}


def feature_memories(graph: Graph) -> dict[str, int]:
    """FM or TM for every feature tensor: two streams of one instruction need two read ports.

    A 2-colouring of the graph whose edges join tensors that one op reads together; of every
    component the colouring is taken that puts less into TM.
    """
    types = graph.types()
    g = nx.Graph()
    g.add_nodes_from(n for n, t in types.items() if t.kind != "bits")
    for op in graph.ops:
        read = [t for t in op.inputs if types[t].kind != "bits"]
        if op.UNIT == "LNAPPLY":
            read = []  # its two sources are read by different instructions
        for i, a in enumerate(read):
            for b in read[i + 1 :]:
                if a == b:
                    raise FitError(
                        op.name,
                        f"reads {a} twice at once",
                        "a memory has one read port",
                        "add an identity layer",
                    )
                g.add_edge(a, b)
    memory: dict[str, int] = {}
    for component in nx.connected_components(g):
        if not nx.is_bipartite(g.subgraph(component)):
            names = ", ".join(sorted(component)[:4])
            raise FitError(
                "schedule", names, "more than two feature memories would have to be read at once",
                "add an identity layer between the residual paths",
            )  # fmt: skip
        colour = nx.bipartite.color(g.subgraph(component))
        weight = [sum(types[t].tokens for t in component if colour[t] == c) for c in (0, 1)]
        tie = weight[0] == weight[1] and colour[min(component)] == 1  # sets have no fixed order
        flip = weight[1] > weight[0] or tie
        memory |= {t: int(colour[t] ^ flip) for t in component}
    return memory


def place(graph: Graph, s: Sizing) -> dict[str, Place]:
    """Regions of all tensors. Raises HwgenError when a memory is too small (which, by how much)."""
    types = graph.types()
    memory, image_rows = feature_memories(graph), _image_rows(graph)
    first = dict.fromkeys(graph.inputs, -1)
    last = dict(first)
    for i, op in enumerate(graph.ops):
        for t in op.outputs():
            first[t] = last[t] = i
        for t in op.inputs:
            last[t] = i
    last[graph.output] = len(graph.ops)
    places: dict[str, Place] = {}
    for name in sorted(types, key=lambda n: (first[n], n)):
        t = types[name]
        if t.kind == "bits":
            stride = bit_stride(t.channels, s)
            align = s.row_elements
            limit = s.bm_rows * s.row_elements
            where = BM
        else:
            stride = -(-t.channels // s.lanes)
            align, where = 1, memory[name]
            limit = (s.fm_words, s.tm_words)[where]
        words = -(-t.channels // s.lanes)
        size, width, pitch = stride * t.tokens, 0, 0
        if name in image_rows:
            width, two = image_rows[name]
            pitch = row_pitch(width, stride, two, s)
            size = pitch * (t.tokens // width)
        if t.kind == "image":
            size = -(-int(np.prod(t.shape)) // s.lanes)
        busy = sorted(
            (p.base, p.base + p.size)
            for p in places.values()
            if p.memory == where and not (p.last < first[name] or last[name] < p.first)
        )
        base = 0
        for lo, hi in busy:
            if base + size <= lo:
                break
            base = max(base, -(-hi // align) * align)
        if base + size > limit:
            size_name = ("fm_words", "tm_words", "bm_rows")[where]
            per = s.row_elements if where == BM else 1
            raise FitError(
                name, f"needs {MEMORY_NAMES[where]} up to {-(-(base + size) // per)}",
                f"{size_name}={limit // per}, {-(-(base + size - limit) // per)} short",
                f"--set {size_name}= a larger size, or smaller images",
            )  # fmt: skip
        places[name] = Place(
            name, where, base, stride, words, size, first[name], last[name], width, pitch
        )
    return places


def demand(graph: Graph, s: Sizing) -> tuple[int, int, int]:
    """Words of FM and TM and rows of BM that the graph needs, whatever `s` offers."""
    graph = separate_streams(graph)
    roomy = s.replace(fm_words=1 << 14, tm_words=1 << 14, bm_rows=(1 << 16) // s.row_elements)
    tops = [0, 0, 0]
    for p in place(graph, roomy).values():
        tops[p.memory] = max(tops[p.memory], p.base + p.size)
    return tops[FM], tops[TM], -(-tops[BM] // s.row_elements)
