"""The slowest paths of a timing graph, told in names of the Verilog."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.sta.graph import Graph


@dataclass(frozen=True)
class Stage:
    """A cell of a path: its type, the net that it drives, that net's fan-out, ns until there."""

    cell: str
    net: str
    fanout: int
    ns: float


@dataclass(frozen=True)
class Path:
    """From a register's clock to the next one's: start and end are registers (their signals), ns
    the whole time, setup included."""

    ns: float
    start: str
    end: str
    stages: tuple[Stage, ...]

    @property
    def levels(self) -> int:
        """Cells between the two registers; a carry chain counts once."""
        kinds = [s.cell for s in self.stages[1:]]
        chained = sum(a == b and a.startswith("CARRY") for a, b in zip(kinds, kinds[1:]))
        return len(kinds) - chained


class Tracer:
    """Follows paths backwards from their ends. arcs: (ns) of all; `arrival` as propagated."""

    def __init__(
        self, graph: Graph, arrival: np.ndarray, wire: np.ndarray, fanout: np.ndarray, scale: float
    ) -> None:
        self.graph, self.arrival, self.wire, self.fanout = graph, arrival, wire, fanout
        self.scale = scale
        order = np.argsort(graph.arcs[:, 1], kind="stable")
        self.arcs = graph.arcs[order]
        self.first = np.searchsorted(self.arcs[:, 1], np.arange(graph.nets + 1))
        self.launch: dict[int, int] = {int(n): k for k, n in enumerate(graph.launches[:, 0])}
        # every net's numbers, to find its names
        self.by_net = np.argsort(graph.alias, kind="stable")
        self.start_of = np.searchsorted(graph.alias[self.by_net], np.arange(graph.nets + 1))

    def name(self, net: int) -> str:
        """Path and signal of a net where its driver is; "" where the Verilog has no name."""
        found = []
        for at in self.by_net[self.start_of[net] : self.start_of[net + 1]]:
            place = int(np.searchsorted(self.graph.first_net, at, side="right")) - 1
            where = self.graph.places[place]
            signal = where.block.names.get(int(at - self.graph.first_net[place]))
            if signal is not None:
                found.append(f"{where.path}.{signal}" if where.path else signal)
        # the register itself, else the deepest: a net is made further down than it is used
        return min(found, key=lambda s: (not _register(s), -s.count("."), s), default="")

    def path(self, capture: int, ns: float) -> Path:
        """The slowest path that ends at row `capture` of the graph's captures."""
        pin, _ = self.graph.captures[capture]
        net, _, cell, place = self.graph.pins[pin]
        where = self.graph.places[place]
        instance = where.block.cells[cell]
        owned = self._driven_by(int(place), int(cell))
        end = owned or f"{where.path}.{instance}".lstrip(".")
        stages: list[Stage] = []
        at = int(net)
        while True:
            rows = range(self.first[at], self.first[at + 1])
            best = None
            for row in rows:
                p, _, ps = self.arcs[row]
                source = int(self.graph.pins[p, 0])
                if source < 0:
                    continue
                here = self.arrival[source] + self.wire[p] + ps * self.scale / 1000
                if abs(here - self.arrival[at]) < 1e-9:
                    best = (int(p), source)
                    break
            if best is None:
                kind = self._type(self.graph.launches[self.launch[at], 2:4]) if at in self.launch else "port"
                stages.append(Stage(kind, self.name(at), int(self.fanout[at]), float(self.arrival[at])))
                break
            kind = self._type(self.graph.pins[best[0], 2:4])
            stages.append(Stage(kind, self.name(at), int(self.fanout[at]), float(self.arrival[at])))
            at = best[1]
        stages.reverse()
        return Path(ns, stages[0].net, end, tuple(stages))

    def _driven_by(self, place: int, cell: int) -> str:
        """Name of what a register drives."""
        rows = self.graph.launches
        mine = rows[(rows[:, 3] == place) & (rows[:, 2] == cell)]
        names = [self.name(int(n)) for n in mine[:, 0] if n >= 0]
        return next((n for n in names if n), "")

    def _type(self, cell_place: np.ndarray) -> str:
        cell, place = map(int, cell_place)
        return self.graph.places[place].block.types[cell]


def _register(signal: str) -> bool:
    return signal.rsplit(".", 1)[-1].split("[")[0].endswith("_q")
