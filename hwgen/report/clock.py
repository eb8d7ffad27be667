"""The clock that frames/s are told for, and the timing section of the report as finished text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hwgen.report import values
from hwgen.report.schema import Report, Timing

PLANNED = "planned"
ESTIMATED = "estimated, no placement"
UNCHECKED = "planned, not checked"


@dataclass(frozen=True)
class Clock:
    """MHz, and where it comes from."""

    mhz: float
    source: str
    words: str  # of the source where there is little room, behind "MHz"

    @property
    def label(self) -> str:
        """For a cell of a table: 190.8 MHz estimated."""
        return f"{self.mhz:.4g} MHz {self.words}"

    def rate(self, cycles: int | None) -> float | None:
        """Frames per second of so many cycles a frame."""
        return None if cycles is None else self.mhz * 1e6 / cycles


def estimate(timing: Timing) -> str:
    """What kind of estimate a timing section is: its source less the tools in brackets."""
    return (timing.source or ESTIMATED).partition(" (")[0]


def clock(planned_mhz: float, timing: Timing) -> Clock:
    """The smaller of the planned and the estimated clock."""
    if timing.fmax_mhz is None:
        return Clock(planned_mhz, UNCHECKED, UNCHECKED)
    if timing.fmax_mhz < planned_mhz:
        return Clock(timing.fmax_mhz, estimate(timing), "estimated")
    text = f"{PLANNED}; {timing.fmax_mhz:.0f} MHz"
    return Clock(planned_mhz, f"{text} {estimate(timing)}", f"{text} estimated")


def of(report: Report) -> Clock:
    """The clock that all rates of a report are told for."""
    return clock(report.target.clock_mhz, report.timing)


def hls(report: Report) -> Clock:
    """The same clock for the HLS engine, whose own nobody estimates: an estimate is the RTL's."""
    found = of(report)
    words = "estimated for the RTL" if found.mhz < report.target.clock_mhz else UNCHECKED
    return Clock(found.mhz, words, words)


def port_bytes_per_second(report: Report) -> float:
    """What all memory ports together move at `of(report)`, each way."""
    return report.config.axi_bits / 8 * of(report).mhz * 1e6


def speed(report: Report) -> dict[str, Any]:
    """The section `fps` for what the report knows of cycles and timing."""
    found, cycles = of(report), report.cycles
    return {
        "predicted": found.rate(cycles.predicted),
        "simulated": found.rate(cycles.simulated),
        "clock_mhz": found.mhz,
        "clock_source": found.source,
    }


def summary_lines(report: Report) -> list[str]:
    """Lines of the terminal: the clock, and what limits it."""
    t = report.timing
    if t.fmax_mhz is None or t.clock_mhz is None:
        return []
    met = "met" if t.fmax_mhz >= t.clock_mhz else "MISSED"
    lines = [
        f"clock       {t.fmax_mhz:.1f} MHz, planned {t.clock_mhz:g}: {met}; "
        f"{values.count(t.failing)} of {values.count(t.endpoints)} ends of paths are late "
        f"({t.source}; nets {t.nets})"
    ]
    if t.paths:
        path = t.paths[0]
        ends = " -> ".join(
            f"{name} ({line})" if line else name
            for name, line in ((path.start, path.start_line), (path.end, path.end_line))
        )
        lines.append(f"            {path.ns:.2f} ns, {path.levels} levels: {ends}")
    return lines


def unit_rows(timing: Timing) -> list[dict[str, Any]]:
    """Every kind of unit: its slowest path, and the slowest inside it."""
    return [
        {
            "name": u.name,
            "instances": values.count(u.instances),
            "ns": f"{u.ns:.2f}",
            "inside": f"{u.inside_ns:.2f}" if u.inside_ns else values.MISSING,
            "late": timing.clock_mhz is not None and u.ns > 1000 / timing.clock_mhz,
        }
        for u in timing.units
    ]


def path_rows(timing: Timing) -> list[dict[str, Any]]:
    """The slowest paths: finished strings, and the cells that they go through."""
    return [
        {
            "ns": f"{p.ns:.2f}",
            "slack": f"{p.slack_ns:+.2f}",
            "levels": p.levels,
            "start": f"{p.start} ({p.start_line})" if p.start_line else p.start,
            "end": f"{p.end} ({p.end_line})" if p.end_line else p.end,
            "through": [
                f"{s.ns:.2f} {s.cell} fan-out {s.fanout} {s.net}".rstrip() for s in p.stages
            ],
        }
        for p in timing.paths
    ]


def histogram(timing: Timing) -> list[dict[str, Any]]:
    """Bars: slack of the ends of paths at the planned clock, the tightest first."""
    step, period = timing.histogram_step_ns, timing.clock_mhz
    if not step or not period or not timing.histogram:
        return []
    most = max(timing.histogram)
    bars: list[dict[str, Any]] = []
    for k in range(len(timing.histogram) - 1, -1, -1):
        count = timing.histogram[k]
        if count or bars:
            slack = 1000 / period - (k + 1) * step
            bars.append(
                {
                    "label": f"{slack:+.2f} ns",
                    "count": values.count(count),
                    "percent": f"{100 * count / most:.1f}",
                    "late": 1000 / period - k * step <= 0,
                }
            )
    while bars and bars[-1]["count"] == "0":
        bars.pop()
    return bars
