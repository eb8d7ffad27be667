"""README's table of numbers, generated from reports/*.json.

`python -m hwgen.results.readme` rewrites the block between the markers; a test compares it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hwgen import evaluation
from hwgen.atomic import write_text_atomic
from hwgen.paths import CHECKOUT, reports_dir
from hwgen.report import values
from hwgen.report.schema import Bench, FidelityTable, Report
from hwgen.report.text import worst
from hwgen.report.values import table_row
from hwgen.results import claims, compare, pages, placed
from hwgen.results.markers import fill

COLUMNS = (
    "network", "target", "accuracy, golden model (float)", "cycles, simulated (predicted)",
    claims.RATE, claims.MEMORY, "binary GOPS sustained", "array use",
    "LUT, Yosys", "BRAM36, Yosys", "DSP, Yosys", "tensors checked in RTL",
)  # fmt: skip


def numbers(folder: Path) -> str:
    """The Markdown between the markers, from every report and bench.json of a folder."""
    reports: list[Report] = []
    bench: Bench | None = None
    fidelity: FidelityTable | None = None
    evaluations: dict[str, dict[str, Any]] = {}  # of whole test splits, by model
    for path in sorted(folder.glob("*.json")):
        text = path.read_text()
        body = json.loads(text)
        schema = body.get("schema", "") if isinstance(body, dict) else ""
        if schema.startswith("hwgen.report/"):
            reports.append(Report.model_validate(body))
        elif schema.startswith("hwgen.bench/"):
            bench = Bench.model_validate(body)
        elif schema.startswith("hwgen.fidelity/"):
            fidelity = FidelityTable.model_validate(body)
        elif schema == evaluation.FORMAT:
            evaluations[body["model"]] = body
    if not (reports or bench or fidelity):
        return "No reports yet.\n"
    lines: list[str] = []
    if reports:
        lines += table_row(COLUMNS), table_row(["---"] * 2 + ["---:"] * (len(COLUMNS) - 2))
        lines += [
            table_row(_report_cells(report, evaluations.get(report.model.name)))
            for report in reports
        ]
        lines += compare.lines(reports)
        lines += placed.lines(reports)
    if bench is not None:
        lines += ["", f"Benchmark (`make bench`, {bench.cores} cores):", ""]
        lines += table_row(("what", "value", "limit")), table_row(("---", "---:", "---"))
        for result in bench.results:
            value = values.rate(result.value)
            lines.append(
                table_row((result.name, f"{value} {result.unit}".strip(), result.limit or ""))
            )
    if fidelity is not None:
        lines += _fidelity_lines(fidelity)
    return "\n".join(lines).strip() + "\n"


def _fidelity_lines(fidelity: FidelityTable) -> list[str]:
    """Worst block of each network: error by activation width, and at the widest the rest."""
    every = [row for rows in fidelity.networks.values() for row in rows]
    widths = sorted({row.act_bits for row in every}, reverse=True)
    lines = [
        "",
        "Blocks of the golden model against the float network, each fed with its float input; the "
        "worst block of each network (`python -m hwgen.results.fidelity`). Signs that go on inside "
        "a block are the float network's; in the last three columns they are the block's own, so "
        "that a sign flipped by rounding changes what follows:",
        "",
        table_row(
            ["network", *(f"output error, {w} bits" for w in widths)]
            + [f"equal {what}, {widths[0]} bits" for what in ("signs", "attention levels")]
            + [f"{what}, own signs, {widths[0]} bits" for what in ("error", "signs", "levels")]
        ),
        table_row(["---"] + ["---:"] * (len(widths) + 5)),
    ]
    for name, rows in fidelity.networks.items():
        given = {w: worst([row.given for row in rows if row.act_bits == w]) for w in widths}
        own = worst([row.own for row in rows if row.act_bits == widths[0]])
        first = given[widths[0]]
        numbers = [given[w].error for w in widths]
        numbers += [first.signs, first.levels, own.error, own.signs, own.levels]
        lines.append(table_row([name, *(values.percent(v, 2) for v in numbers)]))
    return lines


def _accuracy(report: Report, evaluated: dict[str, Any] | None) -> str:
    """Of the report, else of `hwgen evaluate`, with its number of images."""
    integer, real, images = report.fidelity.accuracy_int, report.fidelity.accuracy_float, ""
    if integer is None and evaluated is not None and "integer" in evaluated:
        integer, real = (evaluated[kind]["top1"] for kind in ("integer", "float"))
        images = f", {values.count(evaluated['images'])} images"
    return f"{values.percent(integer)} ({values.percent(real)}){images}"


def _report_cells(report: Report, evaluated: dict[str, Any] | None) -> list[str]:
    cycles, check = report.cycles, report.check
    checked = values.MISSING
    if check.tensors is not None:
        checked = f"{values.count(check.tensors)}, {values.count(check.mismatches)} differ"
    return [
        report.model.name,
        report.target.name,
        _accuracy(report, evaluated),
        f"{values.count(cycles.simulated)} ({values.count(cycles.predicted)})",
        claims.rate(report),
        claims.memory(report),
        _sustained(report),
        values.percent(_array_use(report), 0),
        *(claims.share(report, key) for key in ("lut", "bram36", "dsp")),
        checked,
    ]


def _sustained(report: Report) -> str:
    """Two operations per binary multiply-accumulate, at the clock of frames/s."""
    fps, macs = claims.frames_per_second(report), report.model.binary_macs
    return values.rate(2 * macs * fps / 1e9) if fps and macs else values.MISSING


def _array_use(report: Report) -> float | None:
    """Binary multiply-accumulates per cycle, of those that the array can do."""
    cycles = report.cycles.simulated or report.cycles.predicted
    macs, bits = report.model.binary_macs, report.config.array_bits
    return macs / (cycles * bits) if cycles and macs and bits else None


def main() -> None:
    """README, and the tables of hwgen.results.pages."""
    path = CHECKOUT / "README.md"
    write_text_atomic(path, fill(path.read_text(), numbers(reports_dir())))
    for page in pages.PAGES:
        path = CHECKOUT / "docs" / page
        write_text_atomic(path, pages.filled(page, path.read_text(), reports_dir()))


if __name__ == "__main__":
    main()
