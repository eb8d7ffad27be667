"""The HLS back end in the report: estimates beside what is known of the RTL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hwgen.report import clock, values
from hwgen.report.schema import Hls, HlsFunction, Report

RESOURCES = (("lut", "LUT"), ("ff", "FF"), ("bram36", "BRAM36"), ("dsp", "DSP"))


def totals(report: Report) -> list[dict[str, Any]]:
    """Rows of the comparison: what, RTL and where from, HLS, what the part has."""
    c, r, h, budget = report.cycles, report.resources, report.hls, report.target.budget
    simulated = c.simulated is not None
    source, cycles = ("simulated", c.simulated) if simulated else ("predicted", c.predicted)
    rows = [
        {
            "name": "cycles per frame",
            "rtl": values.count(cycles),
            "source": source,
            "hls": values.count(h.cycles),
            "available": "",
            "over": False,
        },
        {
            "name": "frames/s (clock)",
            "rtl": _rate(clock.of(report), cycles),
            "source": source,
            "hls": _rate(clock.hls(report), h.cycles),
            "available": "",
            "over": False,
        },
    ]
    for key, label in RESOURCES:
        used, available = getattr(r, key), getattr(budget, key)
        rows.append(
            {
                "name": label,
                "rtl": values.count(used),
                "source": "Yosys" if used is not None else "",
                "hls": values.count(getattr(h, key)),
                "available": values.count(available),
                "over": (getattr(h, key) or 0) > (available or 0),
            }
        )
    return rows


def _rate(at: clock.Clock, cycles: int | None) -> str:
    return values.MISSING if cycles is None else f"{values.rate(at.rate(cycles))} ({at.label})"


def function_rows(report: Report) -> list[dict[str, Any]]:
    """Rows of the table by function: the function's estimates, the RTL units' Yosys counts.

    RTL units that no function stands for come last, then the sums.
    """
    by_unit, found = report.resources.by_unit, report.hls.functions
    if not found:
        return []
    named = {unit for f in found for unit in f.rtl}
    rest = [unit for unit in by_unit if unit not in named]
    rows = [_row(f.name, f, f.rtl, report) for f in found]
    if rest:
        rows.append(_row("RTL only", None, rest, report))
    rows.append(_row("all", report.hls, [], report))
    rows[-1]["rtl"] = [values.count(getattr(report.resources, key)) for key, _ in RESOURCES]
    return rows


def _row(
    name: str, used: HlsFunction | Hls | None, names: Sequence[str], report: Report
) -> dict[str, Any]:
    units = [report.resources.by_unit[n] for n in names if n in report.resources.by_unit]
    return {
        "name": name,
        "calls": values.count(getattr(used, "calls", None)),
        "cycles": values.count(getattr(used, "cycles", None)),
        "hls": [values.count(getattr(used, key, None)) for key, _ in RESOURCES],
        "units": ", ".join(names),
        "rtl": [
            values.count(sum(getattr(u, key) or 0 for u in units) if units else None)
            for key, _ in RESOURCES
        ],
    }


def summary_line(report: Report) -> str:
    """One line for the terminal."""
    h, budget = report.hls, report.target.budget
    used = ", ".join(
        f"{label} {values.count(getattr(h, key))}/{values.count(getattr(budget, key))}"
        for key, label in RESOURCES
    )
    fits = "fits" if h.fits else "DOES NOT FIT"
    return f"HLS         {values.count(h.cycles)} cycles per frame, {used}, {fits} (estimated)"
