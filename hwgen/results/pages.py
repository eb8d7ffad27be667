"""Tables of docs/timing.md and docs/performance.md, generated from reports/ like README's.

`python -m hwgen.results.readme` rewrites them between their markers; a test compares.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from hwgen.report import values
from hwgen.report.bounds_svg import CAUSES
from hwgen.report.schema import Report
from hwgen.report.values import table_row
from hwgen.results.markers import fill
from hwgen.targets import get_target

SLOWEST_UNITS = 8
BEFORE = {  # cycles simulated with the engine that was estimated at 81 MHz
    ("bhvit_micro_digits", "zynq"): 42178,
    ("bhvit_tiny", "zynq"): 839702,
    ("bhvit_small", "zynq"): 1256771,
    ("bhvit_tiny_fp", "zynq"): 2054247,
    ("bhvit_small_fp", "zynq"): 2471400,
    ("binaryvit_small", "zynq"): 1402006,
    ("binaryvit_small_fp", "zynq"): 2618237,
    ("reactnet18", "zynq"): 1809808,
    ("bhvit_tiny", "kv260"): 432185,
    ("bhvit_small", "kv260"): 683472,
    ("binaryvit_small", "kv260"): 873449,
}
CAUSES_OF = ("bhvit_tiny_untrained", "bhvit_small_untrained", "binaryvit_small_untrained")
CAUSES_ON = "zynq"
ENGINES = ((32, 256), (64, 128), (64, 256))  # lanes, columns of zynq's engines with 12-bit features


def clocks(folder: Path) -> str:
    """Every engine whose clock was estimated: its slowest path, and that of its slowest units."""
    lines = [
        table_row(
            ("engine", "planned, MHz", "slowest path, ns", "estimated, MHz", "ends of paths, late",
             "slowest path into a unit, ns")
        ),
        table_row(["---"] + ["---:"] * 4 + ["---"]),
    ]  # fmt: skip
    seen: set[tuple[str, ...]] = set()
    for report in _reports(folder):
        timing, config = report.timing, report.config
        if timing.critical_ns is None or timing.clock_mhz is None or timing.fmax_mhz is None:
            continue
        engine = (
            f"{report.target.name}: {config.lanes} lanes x {config.array_bits // config.lanes} "
            f"columns, {config.act_bits} bits"
        )
        units = sorted(timing.units, key=lambda unit: -unit.ns)[:SLOWEST_UNITS]
        cells = (
            engine, f"{timing.clock_mhz:g}", f"{timing.critical_ns:.2f}", f"{timing.fmax_mhz:.1f}",
            f"{values.count(timing.endpoints)}, {values.count(timing.failing)}",
            ", ".join(f"{unit.name} {unit.ns:.2f}" for unit in units),
        )  # fmt: skip
        if cells not in seen:
            lines.append(table_row(cells))
        seen.add(cells)
    return "\n".join(lines) + "\n"


def costs(folder: Path) -> str:
    """Cycles of a frame beside those of the engine before it was pipelined."""
    lines = [
        table_row(("network", "target", "before", "simulated", "predicted", "")),
        table_row(["---"] * 2 + ["---:"] * 4),
    ]
    for report in _reports(folder):
        before = BEFORE.get((report.model.name.removesuffix("_untrained"), report.target.name))
        now = report.cycles.simulated
        if before is not None and now is not None:
            cells = [report.model.name, report.target.name, values.count(before), values.count(now)]
            cells += [values.count(report.cycles.predicted), f"{100 * (now / before - 1):+.2f} %"]
            lines.append(table_row(cells))
    return "\n".join(lines) + "\n"


def causes(folder: Path) -> str:
    """Predicted cycles of a frame by cause, of the binary networks on zynq."""
    by_name = {r.model.name: r for r in _reports(folder) if r.target.name == CAUSES_ON}
    reports = [by_name[name] for name in CAUSES_OF if name in by_name]
    spent = [_spent(report) for report in reports]
    totals = [sum(counts.values()) for counts in spent]
    names = [r.model.name.removesuffix("_untrained") for r in reports]
    lines = [
        table_row(["cause", *(text for name in names for text in (f"{name}, cycles", "share"))]),
        table_row(["---"] + ["---:"] * (2 * len(names))),
    ]
    for cause in sorted(CAUSES, key=lambda c: -spent[0][c] if spent else 0):
        cells = [CAUSES[cause]]
        for counts, total in zip(spent, totals):
            cells += [
                values.count(counts[cause]),
                values.percent(values.ratio(counts[cause], total)),
            ]
        lines.append(table_row(cells))
    cells = ["**frame**"]
    for total in totals:
        cells += [f"**{values.count(total)}**", ""]
    return "\n".join([*lines, table_row(cells)]) + "\n"


def _spent(report: Report) -> dict[str, int]:
    return {
        cause: sum(getattr(step.spent, cause) for step in report.cycles.steps) for cause in CAUSES
    }


def engines(folder: Path) -> str:
    """What Yosys counts of engines of 32 and 64 lanes, against XC7Z020."""
    there = get_target("zynq")
    columns = {"lut": there.lut, "bram36": there.bram36, "dsp": there.dsp}
    lines = [
        table_row(["engine", *(f"{k.upper()} ({values.count(n)})" for k, n in columns.items())]),
        table_row(["---"] + ["---:"] * len(columns)),
    ]
    counted = {
        (row["sizing"]["lanes"], row["sizing"]["kw"], row["sizing"]["act_bits"]): row["counted"]
        for row in json.loads((folder / "resource_model.json").read_text())
        if row["target"] == "zynq"
    }
    for lanes, kw in ENGINES:
        found = counted[lanes, kw, 12]
        lines.append(table_row([f"{lanes} x {kw}", *(values.count(found[key]) for key in columns)]))
    return "\n".join(lines) + "\n"


def _reports(folder: Path) -> Sequence[Report]:
    """Reports of a folder, by file name."""
    texts = [path.read_text() for path in sorted(folder.glob("*.json"))]
    return [Report.model_validate_json(t) for t in texts if '"hwgen.report/' in t[:100]]


PAGES: dict[str, dict[str, Callable[[Path], str]]] = {
    "timing.md": {"clocks": clocks, "costs": costs},
    "performance.md": {"causes": causes, "engines": engines},
}


def filled(page: str, text: str, folder: Path) -> str:
    """A page's text with its tables from the reports of a folder."""
    for name, block in PAGES[page].items():
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        text = fill(text, block(folder), f"docs/{page}", begin, end)
    return text
