"""README's lines about engines that were placed and routed, from their reports."""

from __future__ import annotations

from collections.abc import Iterable

from hwgen.report import place, values
from hwgen.report.schema import Report
from hwgen.report.values import table_row
from hwgen.results import claims

COLUMNS = (
    "network", "part", "MHz reached (asked for)", "frames/s at that clock", claims.MEMORY, "sites",
    "slowest path",
)  # fmt: skip


def lines(reports: Iterable[Report]) -> list[str]:
    """Markdown of the reports with a section `place`; [] without any."""
    rows = [r for r in reports if r.place.fmax_mhz is not None]
    if not rows:
        return []
    out = [
        "",
        "Engines that were really placed and routed, by open tools ([how](docs/place.md)); the "
        "clock is that of the slowest path after routing:",
        "",
        table_row(COLUMNS),
        table_row(["---"] * 2 + ["---:"] * 3 + ["---"] * 2),
    ]
    for report in rows:
        found, slowest = report.place, report.place.paths[:1]
        cells = (
            report.model.name, found.part or values.MISSING,
            f"{found.fmax_mhz:.1f} ({found.goal_mhz:g})",
            values.rate(place.frames_per_second(report)), claims.memory(report, found.fmax_mhz),
            ", ".join(
                f"{name} {values.count(n)} ({values.percent(n / there, 0)})"
                for name, n, there in place.used(found)
            ),
            "".join(f"`{p.start}` to `{p.end}`" for p in slowest) or values.MISSING,
        )  # fmt: skip
        out.append(table_row(cells))
    return out
