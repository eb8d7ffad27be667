"""Worst paths of a placed and routed design, from the delays that nextpnr wrote (SDF 3.0).

nextpnr's report has one path per clock. Its SDF file has every cell arc, net arc and setup time
behind that report, so the longest path to each register follows:

    arrival(launch pin) = clock to output;  arrival(pin) = max(arrival(driver) + arc)
    delay of a path     = arrival(data pin) + setup

Maxima of the (min:typ:max) triples, as nextpnr's setup analysis takes them; the clock arrives
everywhere at once, as it does there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

_CELL = re.compile(r'^\s*\(CELLTYPE "(.*)"\)')
_INSTANCE = re.compile(r"^\s*\(INSTANCE (\S*?)\)\s*$")
_NET = re.compile(r"^\s*\(INTERCONNECT (\S+)/(\S+) (\S+)/(\S+) \(\d+:\d+:(\d+)\)")
_ARC = re.compile(r"^\s*\(IOPATH (?:\((?:posedge|negedge) )?([^\s()]+)\)? (\S+) \(\d+:\d+:(\d+)\)")
_CHECK = re.compile(
    r"^\s*\(SETUPHOLD \((?:posedge|negedge) (\S+)\) \((?:posedge|negedge) (\S+)\)"
    r" \(-?\d+:-?\d+:(-?\d+)\)"
)
_ESCAPED = re.compile(r"\\(.)")

Pin = tuple[str, str]  # cell, port


@dataclass(frozen=True)
class Step:
    """One delay of a path: kind clk-to-q, logic, routing or setup, up to `pin` of a `cell` type."""

    kind: str
    pin: Pin
    cell: str
    delay_ns: float


@dataclass(frozen=True)
class Route:
    """From a register's output to a register's input."""

    steps: tuple[Step, ...]

    def total(self, *kinds: str) -> float:
        """Delay in ns of steps of these kinds, or of all."""
        return sum(s.delay_ns for s in self.steps if not kinds or s.kind in kinds)

    @property
    def start(self) -> Pin:
        return self.steps[0].pin

    @property
    def end(self) -> Pin:
        return self.steps[-1].pin

    @property
    def levels(self) -> int:
        """Cells between the two registers."""
        return sum(s.kind == "logic" for s in self.steps)


@dataclass
class Delays:
    """Arcs of an SDF file in ps: nets driver -> [(pin, ps)], cells input -> [(output, ps)]."""

    kind: dict[str, str] = field(default_factory=dict)
    nets: dict[Pin, list[tuple[Pin, int]]] = field(default_factory=dict)
    arcs: dict[Pin, list[tuple[Pin, int]]] = field(default_factory=dict)
    setup: dict[Pin, int] = field(default_factory=dict)
    clocks: set[Pin] = field(default_factory=set)


def read_sdf(path: Path) -> Delays:
    """Delays of a file; pins that share the driver of a clock pin are clock pins too."""
    found = Delays()
    with path.open() as lines:
        _read(lines, found)
    drivers = {
        driver
        for driver, sinks in found.nets.items()
        if any(pin in found.clocks for pin, _ in sinks)
    }
    for driver in drivers:
        found.clocks.update(pin for pin, _ in found.nets[driver])
    return found


def _read(lines: Iterable[str], found: Delays) -> None:
    kind = cell = ""
    for line in lines:
        if m := _NET.match(line):
            driver, sink = (_plain(m[1]), m[2]), (_plain(m[3]), m[4])
            found.nets.setdefault(driver, []).append((sink, int(m[5])))
        elif m := _ARC.match(line):
            found.arcs.setdefault((cell, m[1]), []).append(((cell, m[2]), int(m[3])))
        elif m := _CHECK.match(line):
            pin = (cell, m[1])
            found.setup[pin] = max(int(m[3]), found.setup.get(pin, int(m[3])))
            found.clocks.add((cell, m[2]))
        elif m := _CELL.match(line):
            kind = m[1]
        elif m := _INSTANCE.match(line):
            cell = _plain(m[1])
            found.kind[cell] = kind


def _plain(name: str) -> str:
    return _ESCAPED.sub(r"\1", name)


class Arrivals:
    """Latest arrival at every pin that a register reaches, and the arc that makes it late."""

    def __init__(self, delays: Delays) -> None:
        self.delays = delays
        self.late: dict[Pin, int] = {}
        self.before: dict[Pin, tuple[Pin, str, int]] = {}
        self._propagate()

    def _successors(self, pin: Pin) -> Iterator[tuple[Pin, str, int]]:
        for sink, ps in self.delays.nets.get(pin, ()):
            if sink not in self.delays.clocks:
                yield sink, "routing", ps
        if pin not in self.delays.clocks:
            for out, ps in self.delays.arcs.get(pin, ()):
                yield out, "logic", ps

    def _propagate(self) -> None:
        """Longest paths in topological order; pins of a combinational loop get none."""
        waiting: dict[Pin, int] = {}
        pins = set(self.delays.nets) | set(self.delays.arcs)
        for pin in pins:
            for after, _, _ in self._successors(pin):
                waiting[after] = waiting.get(after, 0) + 1
        for pin in self.delays.clocks:
            for out, ps in self.delays.arcs.get(pin, ()):
                if ps >= self.late.get(out, -1):
                    self.late[out] = ps
                    self.before[out] = (pin, "clk-to-q", ps)
        ready = [pin for pin in pins if not waiting.get(pin)]
        while ready:
            pin = ready.pop()
            at = self.late.get(pin)
            for after, kind, ps in self._successors(pin):
                if at is not None and at + ps > self.late.get(after, -1):
                    self.late[after] = at + ps
                    self.before[after] = (pin, kind, ps)
                waiting[after] -= 1
                if not waiting[after]:
                    ready.append(after)

    def endpoints(self) -> list[tuple[int, Pin]]:
        """(delay in ps with setup, data pin), the worst first."""
        ends = ((self.late[p] + ps, p) for p, ps in self.delays.setup.items() if p in self.late)
        return sorted(ends, reverse=True)

    def route(self, end: Pin) -> Route:
        """The longest path to a data pin."""
        kind = self.delays.kind
        steps = [Step("setup", end, kind.get(end[0], ""), self.delays.setup[end] / 1000)]
        pin = end
        while pin in self.before:
            earlier, what, ps = self.before[pin]
            steps.append(Step(what, pin, kind.get(pin[0], ""), ps / 1000))
            pin = earlier
        return Route(tuple(reversed(steps)))
