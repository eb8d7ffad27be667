"""Rows "ours | Vivado" of the report, every number with where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hwgen.report import values
from hwgen.report.clock import estimate
from hwgen.report.schema import Report, Resources5
from hwgen.vivado_reports.text import Header
from hwgen.vivado_reports.timing import VivadoTiming, read_timing
from hwgen.vivado_reports.utilization import VivadoUtilization, read_utilization

RESOURCES = (("lut", "LUT"), ("ff", "FF"), ("bram36", "BRAM36"), ("uram", "URAM"), ("dsp", "DSP"))


@dataclass(frozen=True)
class Row:
    """One number twice: `ours` of `ours_source`, `theirs` of the user's file `theirs_source`."""

    name: str
    ours: str
    ours_source: str
    theirs: str
    theirs_source: str


def label(header: Header) -> str:
    """`Vivado v.2023.2, Routed, your file timing.rpt`."""
    tool = " ".join(header.tool.split()[:2]) if header.tool else "Vivado"
    parts = [tool, header.state, f"your file {Path(header.path).name}"]
    return ", ".join(p for p in parts if p)


def timing_rows(timing: VivadoTiming, fmax_mhz: float | None, source: str) -> list[Row]:
    """Clock, slack, worst path. fmax_mhz: hwgen's own, None where unknown; source: its kind."""
    clock, theirs = timing.clock, label(timing.header)
    slack = None if fmax_mhz is None else clock.period_ns - 1000 / fmax_mhz

    def row(name: str, ours: str, vivado: str) -> Row:
        return Row(name, ours, source if ours != values.MISSING else "", vivado, theirs)

    rows = [
        row("clock asked for, MHz", values.MISSING, f"{clock.frequency_mhz:.1f} ({clock.name})"),
        row("Fmax, MHz", _number(fmax_mhz, 1), _number(timing.fmax_mhz, 1)),
        row("worst setup slack at that clock, ns", _number(slack, 3), _number(timing.wns_ns, 3)),
        row(
            "failing endpoints",
            values.MISSING,
            f"{values.count(timing.failing_endpoints)} of {values.count(timing.endpoints)}",
        ),
        row("worst hold slack, ns", values.MISSING, _number(timing.whs_ns, 3)),
    ]
    for path in timing.paths[:1]:
        ends = f"{path.source} -> {path.destination}"
        rows.append(
            row(
                "worst path",
                values.MISSING,
                f"{ends}: {path.delay_ns:.3f} ns, {path.levels} levels",
            )
        )
    return rows


def utilization_rows(utilization: VivadoUtilization, ours: Resources5, source: str) -> list[Row]:
    """Resources that either side counted; `ours` as the section `resources` of the report."""
    theirs = label(utilization.header)
    if utilization.scope:
        theirs += f", instance {utilization.scope}"
    rows = []
    for key, name in RESOURCES:
        used, mine = getattr(utilization, key), getattr(ours, key)
        if used is None and not mine:
            continue
        rows.append(
            Row(
                name,
                values.count(mine),
                source if mine is not None else "",
                values.count(None if used is None else used.used),
                theirs,
            )
        )
    return rows


def read_reports(
    files: Mapping[str, Path],
) -> tuple[VivadoTiming | None, VivadoUtilization | None]:
    """The user's files, by "timing" and "utilization". Raises: HwgenError for a wrong one."""
    timing, utilization = files.get("timing"), files.get("utilization")
    return (
        None if timing is None else read_timing(timing),
        None if utilization is None else read_utilization(utilization),
    )


def beside_lines(
    report: Report, timing: VivadoTiming | None, utilization: VivadoUtilization | None
) -> list[str]:
    """Lines of the terminal: our numbers and those of the user's files."""
    rows: list[Row] = []
    if timing is not None:
        rows += timing_rows(timing, report.timing.fmax_mhz, estimate(report.timing))
    if utilization is not None:
        rows += utilization_rows(utilization, report.resources, report.resources.source or "")
    if not rows:
        return []
    lines = ["", f"{'':36} {'hwgen':>14}  Vivado"]
    lines += [f"{row.name:<36} {row.ours:>14}  {row.theirs}" for row in rows]
    sources = dict.fromkeys(row.ours_source for row in rows if row.ours_source)
    lines.append("hwgen: " + "; ".join(sources))
    lines.append("Vivado: " + "; ".join(dict.fromkeys(row.theirs_source for row in rows)))
    return lines


def _number(value: float | None, digits: int) -> str:
    return values.MISSING if value is None else f"{value:.{digits}f}"
