"""`report_timing_summary` (UG906, "Timing Summary Report") as text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hwgen.errors import HwgenError
from hwgen.vivado_reports.text import Header, read_report, truncated

COMMAND = "report_timing_summary"
WORST = 10  # paths that are kept
NO_NUMBER = ("NA", "inf")

_CLOCK = re.compile(r"^\s*(\S+)\s+\{([^}]*)\}\s+(\d+\.\d+)\s+(\d+\.\d+)\s*$")
_SLACK = re.compile(
    r"^Slack(?: \((?:MET|VIOLATED)\))?\s*:\s*(-?[\d.]+)ns\s+\((required|arrival) time"
)
_CLOCKED = re.compile(r"clocked by (\S+)\s+\{")
_DELAYS = re.compile(r"(-?\d+(?:\.\d+)?)ns")


@dataclass(frozen=True)
class VivadoClock:
    """A clock of the design; wns_ns: worst setup slack inside it, None without such a path."""

    name: str
    period_ns: float
    frequency_mhz: float
    wns_ns: float | None


@dataclass(frozen=True)
class VivadoPath:
    """A setup path of the timing details. Delays in ns; levels: logic levels; cells: by kind."""

    slack_ns: float
    source: str
    destination: str
    clock: str
    requirement_ns: float
    delay_ns: float
    logic_ns: float
    route_ns: float
    levels: int
    cells: str


@dataclass(frozen=True)
class VivadoTiming:
    """What Vivado says of the timing of a design; slacks in ns, negative where it is not met.

    wns, tns: worst and total setup slack; whs, ths: hold; None where hold was not analysed.
    paths: setup, the worst first, at most WORST.
    """

    header: Header
    wns_ns: float
    tns_ns: float
    failing_endpoints: int
    endpoints: int
    whs_ns: float | None
    ths_ns: float | None
    clocks: tuple[VivadoClock, ...]
    paths: tuple[VivadoPath, ...]

    @property
    def clock(self) -> VivadoClock:
        """The clock with the least setup slack."""
        timed = [c for c in self.clocks if c.wns_ns is not None]
        return min(timed or self.clocks, key=lambda c: c.wns_ns or 0.0)

    @property
    def met(self) -> bool:
        """Setup and, where analysed, hold."""
        return self.wns_ns >= 0 and (self.whs_ns is None or self.whs_ns >= 0)

    @property
    def fmax_mhz(self) -> float:
        """1000 / (period - WNS) of `clock`: what the tool reached while it aimed at its period."""
        slack = self.wns_ns if self.clock.wns_ns is None else self.clock.wns_ns
        return 1000 / (self.clock.period_ns - slack)


def read_timing(path: Path | str) -> VivadoTiming:
    """The report in a file. Raises: HwgenError for a wrong, cut or unconstrained one."""
    header, lines = read_report(path, COMMAND)
    row = _design_summary(str(path), lines)
    clocks = tuple(_clocks(str(path), lines))
    paths = sorted(_setup_paths(str(path), lines), key=lambda p: p.slack_ns)
    return VivadoTiming(
        header=header,
        wns_ns=row["WNS(ns)"],
        tns_ns=row["TNS(ns)"],
        failing_endpoints=int(row["TNS Failing Endpoints"]),
        endpoints=int(row["TNS Total Endpoints"]),
        whs_ns=row.get("WHS(ns)"),
        ths_ns=row.get("THS(ns)"),
        clocks=clocks,
        paths=tuple(paths[:WORST]),
    )


def _section(lines: Sequence[str], title: str) -> list[str] | None:
    """Lines of the section `| title`, up to the next one; None where there is none."""
    starts = [n for n, line in enumerate(lines) if line.strip() == f"| {title}"]
    if not starts:
        return None
    body = lines[starts[0] + 3 :]  # its underline and rule
    ends = [n for n, line in enumerate(body) if line.startswith("| ")]
    return list(body[: ends[0]] if ends else body)


def _table(section: Sequence[str]) -> tuple[list[str], list[str]] | None:
    """(column names, rows) of the first table: names, a line of dashes, rows up to a blank line."""
    for n, line in enumerate(section[1:], 1):
        if line.strip() and set(line) <= set("- "):
            rows = []
            for row in section[n + 1 :]:
                if not row.strip():
                    break
                rows.append(row)
            return re.split(r"\s{2,}", section[n - 1].strip()), rows
    return None


def _design_summary(path: str, lines: Sequence[str]) -> dict[str, float]:
    """Column -> number of the only row of "Design Timing Summary"."""
    section = _section(lines, "Design Timing Summary")
    if section is None:
        raise truncated(path, "Design Timing Summary", COMMAND)
    table = _table(section)
    if table is None or not table[1]:
        raise truncated(path, "row below WNS(ns) in the Design Timing Summary", COMMAND)
    names, rows = table
    if "WNS(ns)" not in names:
        raise HwgenError(
            path,
            "no WNS(ns)",
            "setup must be analysed",
            "write it without -hold or -delay_type min",
        )
    cells = dict(zip(names, rows[0].split(), strict=False))
    if cells["WNS(ns)"] in NO_NUMBER:
        raise HwgenError(
            path, f"WNS {cells['WNS(ns)']}", "the design must have a clock",
            "read vendor/engine.xdc, or a file with create_clock",
        )  # fmt: skip
    try:
        row = {name: float(cell) for name, cell in cells.items() if cell not in NO_NUMBER}
    except ValueError as error:
        raise truncated(path, "numbers in the Design Timing Summary", COMMAND) from error
    for name in ("WNS(ns)", "TNS(ns)", "TNS Failing Endpoints", "TNS Total Endpoints"):
        if name not in row:
            raise truncated(path, f"{name} in the Design Timing Summary", COMMAND)
    return row


def _clocks(path: str, lines: Sequence[str]) -> Iterator[VivadoClock]:
    """Rows of "Clock Summary", with the setup slack of "Intra Clock Table"."""
    names, rows = _table(_section(lines, "Intra Clock Table") or []) or ([], [])
    # A clock without setup paths has blanks in front of its other numbers: only a full row tells.
    full = [row.split() for row in rows if len(row.split()) == len(names)]
    slacks = {cells[0]: float(cells[1]) for cells in full if cells[1] not in NO_NUMBER}
    found = [m for m in map(_CLOCK.match, _section(lines, "Clock Summary") or []) if m]
    if not found:
        raise truncated(path, "clock in the Clock Summary", COMMAND)
    for m in found:
        yield VivadoClock(m[1], float(m[3]), float(m[4]), slacks.get(m[1]))


def _setup_paths(path: str, lines: Sequence[str]) -> Iterator[VivadoPath]:
    """Every "Slack (..) : (required time - arrival time)" of the timing details."""
    starts = [(n, m) for n, m in enumerate(map(_SLACK.match, lines)) if m]
    for n, slack in starts:
        if slack[2] == "required":
            yield _path(path, float(slack[1]), lines[n + 1 : n + 25])


def _path(path: str, slack: float, lines: Sequence[str]) -> VivadoPath:
    fields: dict[str, str] = {}
    clocks: list[str] = []
    for line in lines:
        if line.strip().startswith("Location"):
            break
        name, sign, value = line.strip().partition(":")
        if sign and name not in fields:
            fields[name] = value.strip()
        clocks += _CLOCKED.findall(line)
    try:
        delay, logic, route = map(float, _DELAYS.findall(fields["Data Path Delay"]))
        (requirement,) = map(float, _DELAYS.findall(fields["Requirement"].partition("(")[0]))
        levels, _, cells = fields["Logic Levels"].partition(" ")
        return VivadoPath(
            slack_ns=slack,
            source=fields["Source"],
            destination=fields["Destination"],
            clock=clocks[-1] if clocks else fields["Path Group"],
            requirement_ns=requirement,
            delay_ns=delay,
            logic_ns=logic,
            route_ns=route,
            levels=int(levels),
            cells=cells.strip(" ()"),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise truncated(path, f"full path below the slack of {slack:g} ns", COMMAND) from error
