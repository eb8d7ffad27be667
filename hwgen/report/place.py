"""Section `place` of the report as finished text: clock, use, slowest paths."""

from __future__ import annotations

from typing import Any

from hwgen.report import values
from hwgen.report.schema import Place, Report

SITES = {  # nextpnr's name of a site -> ours, in the order of the report
    "TRELLIS_COMB": "LUT4", "TRELLIS_FF": "FF", "DP16KD": "DP16KD", "MULT18X18D": "MULT18X18D",
    "SLICE_LUTX": "LUT5/6", "SLICE_FFX": "FF", "RAMB36E1_RAMB36E1": "RAMB36E1",
    "RAMB18E1_RAMB18E1": "RAMB18E1", "DSP48E1_DSP48E1": "DSP48E1", "RAMB36E1": "RAMB36E1",
    "RAMB18E1": "RAMB18E1", "DSP48E1": "DSP48E1",
}  # fmt: skip


def used(place: Place) -> list[tuple[str, int, int]]:
    """(name, used, available) of the sites that a design is sized by."""
    return [
        (name, place.used[site].used, place.used[site].available)
        for site, name in SITES.items()
        if site in place.used
    ]


def summary_line(report: Report) -> str:
    """The line of the terminal."""
    place = report.place
    sites = ", ".join(f"{n} {values.count(u)}/{values.count(a)}" for n, u, a in used(place))
    fps = values.rate(frames_per_second(report))
    clock = f"{place.fmax_mhz:.1f} MHz, asked for {place.goal_mhz:g}; {fps} frames/s at that clock"
    return f"placed      {clock}; {sites} ({place.source}, seed {place.seed})"


def frames_per_second(report: Report) -> float | None:
    """Frames at the clock that was reached; simulated cycles where there are any."""
    cycles = report.cycles.simulated or report.cycles.predicted
    if cycles is None or report.place.fmax_mhz is None:
        return None
    return report.place.fmax_mhz * 1e6 / cycles


def facts(report: Report) -> list[tuple[str, str]]:
    """Rows name, value above the table of paths."""
    place = report.place
    simulated = report.cycles.simulated is not None
    return [
        ("clock reached", f"{place.fmax_mhz:.1f} MHz"),
        ("clock asked for", f"{place.goal_mhz:g} MHz"),
        (
            f"frames/s at that clock, {'simulated' if simulated else 'predicted'} cycles",
            values.rate(frames_per_second(report)),
        ),
        (
            "register inputs later than asked for",
            f"{values.count(place.failing)} of {values.count(place.endpoints)}",
        ),
        ("part, seed", f"{place.part}, {place.seed}"),
        *(
            (name, f"{values.count(n)} of {values.count(there)}, {values.percent(n / there)}")
            for name, n, there in used(place)
        ),
    ]


def path_rows(place: Place) -> list[dict[str, Any]]:
    """The slowest paths: finished strings, and the signals that they go through."""
    return [
        {
            "delay": f"{path.delay_ns:.2f}",
            "logic": f"{path.logic_ns:.2f}",
            "routing": f"{path.routing_ns:.2f}",
            "levels": path.levels,
            "start": _end(path.start, path.start_src),
            "end": _end(path.end, path.end_src),
            "through": list(dict.fromkeys(step.at for step in path.steps)),
        }
        for path in place.paths
    ]


def _end(name: str, src: str | None) -> str:
    return f"{name} ({src})" if src else name
