"""The slowest paths of a timing graph, told in names of the Verilog."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from hwgen.sta.graph import Graph, Names

MAX_TRIED = 20_000  # ends that `slowest` looks at


@dataclass(frozen=True)
class Stage:
    """A cell of a path: its type, the net that it drives, that net's fan-out, ns until there."""

    cell: str
    net: str
    fanout: int
    ns: float


@dataclass(frozen=True)
class TimedPath:
    """From a register's clock to the next one's: start and end are registers (their signals), ns
    the whole time, setup included; unit: the one in which it ends."""

    ns: float
    start: str
    end: str
    unit: str
    stages: tuple[Stage, ...]

    @property
    def levels(self) -> int:
        """Cells between the two registers; a carry chain counts once."""
        kinds = [s.cell for s in self.stages[1:]]
        chained = sum(a == b and a.startswith("CARRY") for a, b in pairwise(kinds))
        return len(kinds) - chained


class Tracer:
    """Follows paths backwards from their ends. All times as graph.py gives them for one scale."""

    def __init__(
        self, graph: Graph, arrival: np.ndarray, wire: np.ndarray, fanout: np.ndarray, scale: float
    ) -> None:
        self.graph, self.arrival, self.wire, self.fanout = graph, arrival, wire, fanout
        self.scale = scale
        self.arcs = graph.arcs[np.argsort(graph.arcs[:, 1], kind="stable")]
        self.first = np.searchsorted(self.arcs[:, 1], np.arange(graph.nets + 1))
        self.launch = {int(n): row for row, n in enumerate(graph.launches[:, 0])}
        self.names = Names(graph)
        self.known: dict[int, str] = {}

    def slowest(self, ends: np.ndarray, count: int, *, above: float = 0.0) -> list[TimedPath]:
        """The slowest paths by their ends (`capture_times`), one for each pair of registers."""
        found: dict[tuple[str, str], TimedPath] = {}
        order = np.argsort(-ends, kind="stable")[:MAX_TRIED]
        for row in order:
            if ends[row] <= above or len(found) == count:
                break
            path = self.path(int(row), float(ends[row]))
            found.setdefault((_word(path.start), _word(path.end)), path)
        return list(found.values())

    def path(self, capture: int, ns: float) -> TimedPath:
        """The slowest path that ends at row `capture` of the graph's captures."""
        net, _, cell, place = map(int, self.graph.pins[self.graph.captures[capture, 0]])
        where = self.graph.places[place]
        end = self._driven_by(place, cell) or self._cell(place, cell)
        stages: list[Stage] = []
        while True:
            step = self._before(net)
            stages.append(self._stage(net, step))
            if step is None:
                break
            net = int(self.graph.pins[step, 0])
        stages.reverse()
        start = stages[0].net
        if not start and net in self.launch:
            start = self._cell(*map(int, self.graph.launches[self.launch[net], [3, 2]]))
        return TimedPath(ns, start, end, where.unit, tuple(stages))

    def _cell(self, place: int, cell: int) -> str:
        """Path of a cell."""
        where = self.graph.places[place]
        return f"{where.path}.{where.block.cells[cell]}".lstrip(".")

    def _before(self, net: int) -> int | None:
        """The pin through which the slowest path comes to a net; None where it starts there."""
        for pin, _, ps in self.arcs[self.first[net] : self.first[net + 1]]:
            source = self.graph.pins[pin, 0]
            if source >= 0:
                here = self.arrival[source] + self.wire[pin] + ps * self.scale / 1000
                if abs(here - self.arrival[net]) < 1e-9:
                    return int(pin)
        return None

    def _stage(self, net: int, pin: int | None) -> Stage:
        if pin is not None:
            cell, place = map(int, self.graph.pins[pin, 2:4])
        elif net in self.launch:
            cell, place = map(int, self.graph.launches[self.launch[net], 2:4])
        else:
            return Stage("port", self._name(net), int(self.fanout[net]), float(self.arrival[net]))
        kind = self.graph.places[place].block.types[cell]
        return Stage(kind, self._name(net), int(self.fanout[net]), float(self.arrival[net]))

    def _driven_by(self, place: int, cell: int) -> str:
        """Name of what a register drives; "" for a memory or where there is none."""
        rows = self.graph.launches
        mine = rows[(rows[:, 3] == place) & (rows[:, 2] == cell), 0]
        return next((name for n in mine if n >= 0 and (name := self._name(int(n)))), "")

    def _name(self, net: int) -> str:
        if net not in self.known:
            self.known[net] = self.names(net)
        return self.known[net]


def _word(signal: str) -> str:
    """A signal without its bit, instance numbers and the numbers of a memory's blocks."""
    return re.sub(r"\[\d+\]|(?:\.\d+)+$", "", signal)
