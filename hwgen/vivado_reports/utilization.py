"""`report_utilization` as text: the tables of the whole design, or one row of `-hierarchical`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hwgen.emit.rtl import TOP
from hwgen.vivado_reports.text import Header, read_report, truncated

COMMAND = "report_utilization"

# Site types of the flat tables: 7-series first, then UltraScale+. Behind synthesis LUTs have a `*`.
SITES = {
    "lut": ("Slice LUTs", "CLB LUTs"),
    "ff": ("Slice Registers", "CLB Registers"),
    "bram36": ("Block RAM Tile",),
    "uram": ("URAM",),
    "dsp": ("DSPs",),
}
COLUMNS = {  # of the hierarchical table; a RAMB18 is half a tile
    "lut": {"Total LUTs": 1.0},
    "ff": {"FFs": 1.0},
    "bram36": {"RAMB36": 1.0, "RAMB18": 0.5},
    "uram": {"URAM": 1.0},
    "dsp": {"DSP48 Blocks": 1.0, "DSP Blocks": 1.0},
}
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Used:
    """How many of a resource; available: on the device, None in a hierarchical report."""

    used: float
    available: int | None


@dataclass(frozen=True)
class VivadoUtilization:
    """What Vivado counted. bram36: tiles of 36 kbit, halves possible; uram: None on 7-series.

    scope: the instance that is counted, None for the whole design.
    """

    header: Header
    scope: str | None
    lut: Used
    ff: Used
    bram36: Used
    dsp: Used
    uram: Used | None


def read_utilization(path: Path | str) -> VivadoUtilization:
    """The report in a file; of a hierarchical one the engine's row, or else that of the top.

    Raises: HwgenError for a wrong or cut one.
    """
    header, lines = read_report(path, COMMAND)
    rows = list(_rows(lines))
    hierarchy = next(
        (n for n, r in enumerate(rows) if [c.strip() for c in r[:2]] == ["Instance", "Module"]),
        None,
    )
    scope = None
    if hierarchy is None:
        found = _flat(rows)
    else:
        scope, found = _hierarchical(rows[hierarchy], rows[hierarchy + 1 :])
    missing = next((k for k in SITES if k not in found and k != "uram"), None)
    if missing:
        name = " or ".join(SITES[missing] if hierarchy is None else COLUMNS[missing])
        raise truncated(
            str(path), f"row {name}" if hierarchy is None else f"column {name}", COMMAND
        )
    return VivadoUtilization(header=header, scope=scope, uram=found.pop("uram", None), **found)


def _rows(lines: Sequence[str]) -> Iterator[list[str]]:
    """Cells of every table row, blanks at the right cut off (those at the left are the depth)."""
    for line in lines:
        if line.startswith("|") and line.rstrip().endswith("|"):
            yield [cell.rstrip() for cell in line.strip().strip("|").split("|")]


def _flat(rows: Sequence[list[str]]) -> dict[str, Used]:
    """Resources of the tables `Site Type | Used | Fixed | .. | Available | Util%`."""
    names = {site: key for key, sites in SITES.items() for site in sites}
    found: dict[str, Used] = {}
    columns: list[str] = []
    for row in rows:
        cells = [c.strip() for c in row]
        if cells[0] == "Site Type":
            columns = cells
        key = names.get(cells[0].rstrip("*"))
        if key is None or key in found or not {"Used", "Available"} <= set(columns):
            continue
        values = dict(zip(columns, cells, strict=False))
        if _NUMBER.fullmatch(values["Used"]) and values.get("Available", "").isdigit():
            found[key] = Used(float(values["Used"]), int(values["Available"]))
    return found


def _hierarchical(
    columns: list[str], rows: Sequence[list[str]]
) -> tuple[str | None, dict[str, Used]]:
    """(instance, resources): the row whose module is the engine, else the first."""
    names = [c.strip() for c in columns]
    full = [r for r in rows if len(r) == len(names)]
    if not full:
        return None, {}
    engine = [r for r in full if r[1].strip() == TOP and not r[0].strip().startswith("(")]
    row = (engine or full)[0]
    cells = dict(zip(names, row, strict=True))
    found = {}
    for key, parts in COLUMNS.items():
        counts = [
            (_NUMBER.match(cells[c].strip()), weight) for c, weight in parts.items() if c in cells
        ]
        if counts and all(m for m, _ in counts):
            found[key] = Used(sum(float(m[0]) * weight for m, weight in counts if m), None)
    return (row[0].strip() if engine else None), found
