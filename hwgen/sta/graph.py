"""The whole engine as one timing graph: instances of blocks, joined at their ports.

A net's delay counts where a pin is (by its fan-out over the whole engine); arrival times are the
longest paths from the registers, level by level. An input of the engine arrives as from a register
beside it (`PORT_PS` after the clock), an output ends in one without setup time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hwgen.errors import ToolError
from hwgen.sta.blocks import Block
from hwgen.sta.nets import ALONE, NetModel

PORT_PS = 303  # clock to output of a flip-flop


@dataclass(frozen=True)
class Place:
    """An instance of a block: its path in the engine, and the unit that it belongs to (a path, ""
    for what is in no unit)."""

    path: str
    block: Block
    unit: str
    module: str


@dataclass(frozen=True, eq=False)
class Graph:
    """Arrays over all instances; `place` is an index into `places`, `cell` one into its block.

    pins (P, 4): net, kind, cell, place; arcs (A, 3): pin, output net, ps; launches (L, 4): net,
    ps, cell, place; captures (C, 2): pin, ps; drivers (D, 2): net, kinds. A net of -1 is constant.
    inputs, outputs: nets at the ports of the engine. alias: nets as numbered place by place, of
    which first_net is each place's first, -> net.
    """

    nets: int
    pins: np.ndarray
    arcs: np.ndarray
    launches: np.ndarray
    captures: np.ndarray
    drivers: np.ndarray
    inputs: np.ndarray
    outputs: np.ndarray
    places: list[Place]
    first_net: np.ndarray
    alias: np.ndarray


def build(blocks: Mapping[str, Block], top: str, units: Mapping[str, str]) -> Graph:
    """Joins the blocks from `top` down. units: module -> name, of modules whose instances are
    units."""
    places: list[Place] = []
    bases: list[int] = []
    joined: list[tuple[int, int]] = []  # numbers of the same net; -1: constant
    parts: dict[str, list[np.ndarray]] = {
        k: [] for k in ("pins", "arcs", "launches", "captures", "drivers")
    }
    total = pins = 0
    todo: list[tuple[str, str, str, dict[str, list[int]]]] = [(top, "", "", {})]
    while todo:
        module, path, unit, ends = todo.pop()
        block = blocks[module]
        here = len(places)
        places.append(Place(path, block, unit, module))
        bases.append(total)
        for port, outside in ends.items():
            for a, b in zip(block.ports[port][1], outside, strict=True):
                joined.append((-1 if a < 0 else total + a, b))
        parts["pins"].append(_placed(block.pins, total, here))
        parts["launches"].append(_placed(block.launches, total, here))
        parts["arcs"].append(block.arcs + np.array([pins, total, 0]))
        parts["captures"].append(block.captures + np.array([pins, 0]))
        parts["drivers"].append(block.drivers + np.array([total, 0]))
        for kind, instance, ports in block.children:
            inner = f"{path}.{instance}" if path else instance
            mapped = {p: [-1 if n < 0 else total + n for n in nets] for p, nets in ports.items()}
            todo.append((kind, inner, inner if kind in units else unit, mapped))
        total += block.nets
        pins += len(block.pins)
    alias = _merged(total, joined)
    arrays = {k: np.concatenate(v) for k, v in parts.items()}
    for name, column in (("pins", 0), ("arcs", 1), ("launches", 0), ("drivers", 0)):
        arrays[name][:, column] = alias[arrays[name][:, column]]

    def at(way: str) -> np.ndarray:
        ends = {n for way_, nets in blocks[top].ports.values() if way_ == way for n in nets}
        return np.array(sorted({int(alias[n]) for n in ends if n >= 0} - {-1}), dtype=np.int64)

    return Graph(total, **arrays, inputs=at("input"), outputs=at("output"), places=places,
                 first_net=np.array(bases), alias=alias)  # fmt: skip


def _placed(rows: np.ndarray, base: int, place: int) -> np.ndarray:
    """Rows of a block with its nets (first column) and its place (one column more)."""
    found = np.column_stack([rows, np.full(len(rows), place)])
    found[:, 0] += base
    return found


def _merged(total: int, joined: list[tuple[int, int]]) -> np.ndarray:
    """Number -> one number for all of the same net; -1 for nets that are joined to a constant."""
    parent = list(range(total + 1))  # the last is the constant

    def root(n: int) -> int:
        while parent[n] != n:
            parent[n] = parent[parent[n]]
            n = parent[n]
        return n

    for a, b in joined:
        x, y = root(a if a >= 0 else total), root(b if b >= 0 else total)
        parent[min(x, y)] = max(x, y)
    found = np.array([root(n) for n in range(total)])
    return np.where(found == total, -1, found)


def wires(graph: Graph, model: NetModel, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """(ns of each pin's net, fan-out of each net)."""
    driver = np.zeros(graph.nets, dtype=np.int64)
    live = graph.drivers[graph.drivers[:, 0] >= 0]
    driver[live[:, 0]] = live[:, 1]
    net, kind = graph.pins[:, 0], graph.pins[:, 1]
    connected = net >= 0
    sinks = np.bincount(net[connected], minlength=graph.nets)
    sinks[graph.outputs] += 1
    dedicated = connected & (driver[net] >> kind & 1 > 0)
    dedicated &= ~np.isin(kind, ALONE) | (sinks[net] == 1)
    fanout = sinks - np.bincount(net[dedicated], minlength=graph.nets)
    delay = np.where(dedicated, 0.0, model.delay(fanout)[net] * scale)
    return delay, fanout


def launched(graph: Graph, scale: float = 1.0) -> np.ndarray:
    """ns after the clock at which registers and inputs drive their nets; -inf elsewhere."""
    found = np.full(graph.nets, -np.inf)
    net, ps = graph.launches[graph.launches[:, 0] >= 0, :2].T
    np.maximum.at(found, net, ps * scale / 1000)
    found[graph.inputs] = np.maximum(found[graph.inputs], PORT_PS * scale / 1000)
    return found


def propagate(
    graph: Graph, wire: np.ndarray, start: np.ndarray, arcs: np.ndarray, scale: float = 1.0
) -> np.ndarray:
    """Arrival (ns) at every net's driver, level by level; -inf where no path comes.

    start: as `launched`; arcs: rows of `graph.arcs` to use.
    Raises: ToolError for a loop without a register.
    """
    pin, target, ps = graph.arcs[arcs].T
    source = graph.pins[pin, 0]
    keep = (source >= 0) & (target >= 0)
    source, target, delay = source[keep], target[keep], ps[keep] * scale / 1000 + wire[pin[keep]]
    order = np.argsort(source, kind="stable")
    source, target, delay = source[order], target[order], delay[order]
    first = np.searchsorted(source, np.arange(graph.nets + 1))
    waiting = np.bincount(target, minlength=graph.nets)
    arrival = start.copy()
    level = np.flatnonzero((waiting == 0) & (first[1:] > first[:-1]))
    done = 0
    while len(level):
        counts = first[level + 1] - first[level]
        rows = np.repeat(first[level] - np.cumsum(counts) + counts, counts)
        rows += np.arange(counts.sum())
        done += len(rows)
        np.maximum.at(arrival, target[rows], arrival[source[rows]] + delay[rows])
        np.subtract.at(waiting, target[rows], 1)
        reached = np.unique(target[rows])
        level = reached[waiting[reached] == 0]
    if done != len(source):
        stuck = int(np.flatnonzero(waiting > 0)[0])
        raise ToolError(
            "timing", Names(graph)(stuck) or "a net without a name",
            "is in a loop without a register", "break the loop",
        )  # fmt: skip
    return arrival


def capture_times(
    graph: Graph, wire: np.ndarray, arrival: np.ndarray, scale: float = 1.0
) -> np.ndarray:
    """ns from the clock to the end of the slowest path into each row of `captures`, setup time
    included; -inf where no path comes."""
    pin, ps = graph.captures.T
    net = graph.pins[pin, 0]
    found = arrival[net] + wire[pin] + ps * scale / 1000
    return np.where(net >= 0, found, -np.inf)


class Names:
    """Names of nets: path and signal where the driver is."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.order = np.argsort(graph.alias, kind="stable")
        self.first = np.searchsorted(graph.alias[self.order], np.arange(graph.nets + 1))

    def __call__(self, net: int) -> str:
        """Of many names the register's own comes first (it ends in _q), then the deepest: a net is
        made further down than it is used. "" where the Verilog has none."""
        found = []
        for at in self.order[self.first[net] : self.first[net + 1]]:
            place = int(np.searchsorted(self.graph.first_net, at, side="right")) - 1
            where = self.graph.places[place]
            signal = where.block.names.get(int(at - self.graph.first_net[place]))
            if signal is not None:
                found.append(f"{where.path}.{signal}" if where.path else signal)
        return min(found, key=lambda s: (not registered(s), -s.count("."), s), default="")


def registered(signal: str) -> bool:
    """Whether a name is that of a register."""
    return signal.rsplit(".", 1)[-1].split("[")[0].endswith("_q")
