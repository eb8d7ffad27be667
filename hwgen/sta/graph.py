"""The whole engine as one timing graph: instances of blocks, joined at their ports.

Net delay counts where a pin is (its net's fan-out over the whole engine); arrival times are the
longest paths from the registers, level by level. An input of the engine arrives as from a register
beside it (`PORT_PS` after the clock), an output ends in one without setup.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from hwgen.errors import ToolError
from hwgen.sta.blocks import Block
from hwgen.sta.nets import GENERAL, NetModel

PORT_PS = 303  # clock to output of a flip-flop


@dataclass(frozen=True)
class Place:
    """An instance of a block: its path in the engine, and the unit that it belongs to."""

    path: str
    block: Block
    unit: str  # path of the unit, "" for the top
    module: str


@dataclass(eq=False)
class Graph:
    """Arrays over all instances; `place` is an index into `places`, `cell` one into its block.

    pins (P, 4): net, kind, cell, place; arcs (A, 3): pin, output net, ps; launches (L, 4): net,
    ps, cell, place; captures (C, 2): pin, ps. `outputs`: nets at ports of the engine.
    """

    nets: int
    pins: np.ndarray
    arcs: np.ndarray
    launches: np.ndarray
    captures: np.ndarray
    drivers: np.ndarray
    inputs: dict[int, str]
    outputs: dict[int, str]
    places: list[Place]
    first_net: np.ndarray  # of every place, in `alias`
    alias: np.ndarray  # net as numbered place by place -> net
    names: dict[int, tuple[int, int]] = field(default_factory=dict)


def build(blocks: Mapping[str, Block], top: str, units: Mapping[str, str]) -> Graph:
    """Joins the blocks from `top` down. units: module -> name, where an instance is a unit."""
    places: list[Place] = []
    bases: list[int] = []
    joined: list[tuple[int, int]] = []  # numbers of the same net; -1: constant
    parts: dict[str, list[np.ndarray]] = {k: [] for k in ("pins", "arcs", "launches", "captures", "drivers")}
    total = pin_total = 0
    todo: list[tuple[str, str, str, dict[str, list[int]] | None]] = [(top, "", "", None)]
    while todo:
        module, path, unit, ends = todo.pop()
        block = blocks[module]
        here, base, pin_base = len(places), total, pin_total
        places.append(Place(path, block, unit, module))
        bases.append(base)
        total += block.nets
        pin_total += len(block.pins)
        for port, outside in (ends or {}).items():
            for a, b in zip(block.ports[port][1], outside, strict=True):
                joined.append((-1 if a < 0 else base + a, b))
        pins = np.column_stack([block.pins, np.full(len(block.pins), here)])
        pins[:, 0] += base
        launches = np.column_stack([block.launches, np.full(len(block.launches), here)])
        launches[:, 0] += base
        parts["pins"].append(pins)
        parts["launches"].append(launches)
        parts["arcs"].append(block.arcs + [pin_base, base, 0])
        parts["captures"].append(block.captures + [pin_base, 0])
        parts["drivers"].append(block.drivers + [base, 0])
        for kind, instance, ports in block.children:
            inner = f"{path}.{instance}" if path else instance
            mapped = {p: [-1 if n < 0 else base + n for n in nets] for p, nets in ports.items()}
            todo.append((kind, inner, inner if kind in units else unit, mapped))
    alias = _merged(total, joined)
    arrays = {k: np.concatenate(v) for k, v in parts.items()}
    for name, column in (("pins", 0), ("arcs", 1), ("launches", 0), ("drivers", 0)):
        arrays[name][:, column] = alias[arrays[name][:, column]]
    ports = blocks[top].ports
    ends = {w: {int(alias[n]): p for p, (way, nets) in ports.items() if way == w for n in nets if n >= 0} for w in ("input", "output")}
    return Graph(
        total, **arrays, inputs=ends["input"], outputs=ends["output"], places=places,
        first_net=np.array(bases), alias=alias,
    )  # fmt: skip


def _merged(total: int, joined: list[tuple[int, int]]) -> np.ndarray:
    """Number -> smallest number of the same net; -1 for nets that are joined to a constant."""
    parent = list(range(total + 1))  # the last is the constant

    def root(n: int) -> int:
        while parent[n] != n:
            parent[n] = parent[parent[n]]
            n = parent[n]
        return n

    for a, b in joined:
        x, y = root(a if a >= 0 else total), root(b if b >= 0 else total)
        if x != y:
            parent[min(x, y)] = max(x, y)
    found = np.array([root(n) for n in range(total)])
    return np.where(found == total, -1, found)


@dataclass(frozen=True, eq=False)
class Arrivals:
    """arrival: ns at every net's driver, -inf where no path comes; wire: ns of every pin's net."""

    arrival: np.ndarray
    wire: np.ndarray
    fanout: np.ndarray


def wires(graph: Graph, model: NetModel, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """(ns of each pin's net, fan-out of each net)."""
    driver = np.zeros(graph.nets, dtype=np.int64)
    live = graph.drivers[graph.drivers[:, 0] >= 0]
    driver[live[:, 0]] = live[:, 1]
    net, kind = graph.pins[:, 0], graph.pins[:, 1]
    dedicated = (kind != GENERAL) & (net >= 0) & (driver[net] == kind)
    routed = net[(net >= 0) & ~dedicated]
    fanout = np.bincount(routed, minlength=graph.nets)
    for out in graph.outputs:
        fanout[out] += out >= 0
    delay = np.where(dedicated, 0.0, model.delay(fanout)[net] * scale)
    return delay, fanout


def propagate(
    graph: Graph, wire: np.ndarray, launched: np.ndarray, arcs: np.ndarray, scale: float = 1.0
) -> np.ndarray:
    """Arrival (ns) at every net's driver, level by level.

    launched: ns of every net that a register drives, else -inf; arcs: rows of `graph.arcs` to use.
    Raises: ToolError for a loop without a register.
    """
    pin, target, ps = graph.arcs[arcs].T
    source = graph.pins[pin, 0]
    keep = (source >= 0) & (target >= 0)
    source, target, delay = source[keep], target[keep], (ps[keep] * scale / 1000 + wire[pin[keep]])
    order = np.argsort(source, kind="stable")
    source, target, delay = source[order], target[order], delay[order]
    start = np.searchsorted(source, np.arange(graph.nets + 1))
    waiting = np.bincount(target, minlength=graph.nets)
    arrival = launched.copy()
    level = np.flatnonzero((waiting == 0) & (start[1:] > start[:-1]))
    done = 0
    while len(level):
        counts = start[level + 1] - start[level]
        rows = np.repeat(start[level] - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        done += len(rows)
        np.maximum.at(arrival, target[rows], arrival[source[rows]] + delay[rows])
        np.subtract.at(waiting, target[rows], 1)
        reached = np.unique(target[rows])
        level = reached[waiting[reached] == 0]
    if done != len(source):
        stuck = int(np.flatnonzero(waiting > 0)[0])
        raise ToolError("timing", net_name(graph, stuck), "is in a loop without a register", "")
    return arrival


def net_name(graph: Graph, net: int) -> str:
    """Path and signal of a net, the name that its Verilog gives it."""
    best = ""
    for at in np.flatnonzero(graph.alias == net):
        place = int(np.searchsorted(graph.first_net, at, side="right")) - 1
        name = graph.places[place].block.names.get(int(at - graph.first_net[place]))
        if name is not None:
            path = graph.places[place].path
            full = f"{path}.{name}" if path else name
            if not best or full.count(".") > best.count("."):
                best = full
    return best
