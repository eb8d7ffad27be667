"""report.html: one self-contained page; the template gets finished strings only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from hwgen.paths import templates_dir
from hwgen.report import bounds_svg, clock, hls, place, values
from hwgen.report import cycles as grouping
from hwgen.report.graph_svg import CLASSES, draw_blocks, unit_class
from hwgen.report.schema import BlockFidelity, Check, Closeness, Report, Resources5, Step
from hwgen.report.text import bandwidth

RESOURCES = (("lut", "LUT"), ("ff", "FF"), ("bram36", "BRAM36"), ("uram", "URAM"), ("dsp", "DSP"))
ADDRESS_KEYS = ("address", "base", "offset", "addr")
MAX_ROWS = 300


def render_report(
    report: Report | Mapping[str, Any],
    graph_nodes: Sequence[Mapping[str, Any]] = (),
    memory_map: Sequence[Mapping[str, Any]] = (),
) -> str:
    """The HTML page.

    `graph_nodes` are dicts {name, op, unit, shape, inputs} in topological order; `memory_map` is a
    list of dicts with the same keys, shown as they come (address, base, offset as hexadecimal).
    """
    if not isinstance(report, Report):
        report = Report.model_validate(report)
    environment = Environment(
        loader=FileSystemLoader(templates_dir() / "report"),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    groups = grouping.by_layer(report.cycles.steps)
    return environment.get_template("report.html.j2").render(
        report=report,
        facts=_facts(report),
        tiles=_tiles(report),
        totals=_totals(report),
        layers=_cycle_rows(groups, with_steps=True),
        bounds=Markup(bounds_svg.draw(groups)),
        causes=_causes(report.cycles.steps),
        units=_cycle_rows(grouping.by_unit(report.cycles.steps), with_steps=False),
        budget=_budget(report),
        unit_columns=[label for _, label in RESOURCES],
        unit_rows=_unit_rows(report),
        placed=place.facts(report) if report.place.fmax_mhz is not None else [],
        placed_paths=place.path_rows(report.place),
        hls_totals=hls.totals(report) if report.hls.functions else [],
        hls_functions=hls.function_rows(report),
        hls_columns=[label for _, label in hls.RESOURCES],
        source=report.resources.source or "not synthesised yet",
        timing_units=clock.unit_rows(report.timing),
        timing_paths=clock.path_rows(report.timing),
        timing_bars=clock.histogram(report.timing),
        checks=_checks(report.check),
        fidelity=_fidelity(report),
        block_tables=_block_tables(report.fidelity.blocks),
        memory=_memory(memory_map),
        blocks=[
            {
                "name": block.name,
                "svg": Markup(block.svg),
                "nodes": block.nodes,
                "same": ", ".join(block.same),
            }
            for block in draw_blocks(graph_nodes)
        ],
        legend=list(CLASSES),
    )


def _facts(report: Report) -> list[tuple[str, str]]:
    model, config, target = report.model, report.config, report.target
    return [
        ("target", f"{target.name} ({target.part}), planned for {target.clock_mhz:g} MHz"),
        (
            "engine",
            f"{values.count(config.array_bits)} XNOR bits, {config.lanes} lanes, "
            f"{config.act_bits}-bit features, {config.axi_bits} bits of AXI4",
        ),
        *([("memory", bandwidth(report))] if report.memory.port_bytes_per_second else []),
        (
            "network",
            f"{values.count(model.params)} parameters, {values.count(model.binary_weights)} "
            f"of them binary; {values.short(model.binary_macs)} binary and "
            f"{values.short(model.float_macs)} multi-bit MACs per frame",
        ),
        ("checkpoint", f"sha256 {model.sha256[:16]}…"),
    ]


def _tiles(report: Report) -> list[dict[str, str]]:
    cycles, fps, fidelity, check = report.cycles, report.fps, report.fidelity, report.check
    found = clock.of(report)
    at = f"at {found.mhz:.4g} MHz, {found.source}"
    simulated = cycles.simulated is not None
    source = "simulated" if simulated else "predicted"
    of = ", RTL" if report.hls.cycles is not None else ""
    tiles = [
        _tile(f"frames/s{of}", values.rate(fps.simulated or fps.predicted), source, at),
        _tile(
            "cycles, RTL" if of else "cycles per frame",
            values.count(cycles.simulated if simulated else cycles.predicted),
            source,
            f"predicted {values.count(cycles.predicted)}" if simulated else "",
        ),
        _tile(
            "accuracy",
            values.percent(fidelity.accuracy_int),
            "golden model",
            f"float model {values.percent(fidelity.accuracy_float)}",
        ),
        _tile(
            "RTL mismatches",
            values.count(check.mismatches),
            "simulated",
            f"{values.count(check.tensors)} tensors, {values.count(check.images)} images"
            if check.tensors is not None
            else "not simulated yet",
            bad=bool(check.mismatches),
        ),
        _tile(
            f"LUT{of}",
            values.percent(values.ratio(report.resources.lut, report.target.budget.lut)),
            "Yosys",
            f"{values.count(report.resources.lut)} of {values.count(report.target.budget.lut)}"
            if report.resources.lut is not None
            else "not synthesised yet",
            bad=report.resources.fits is False,
        ),
    ]
    return tiles


def _tile(label: str, value: str, source: str, note: str, bad: bool = False) -> dict[str, Any]:
    return {"label": label, "value": value, "source": source, "note": note, "bad": bad}


def _totals(report: Report) -> list[tuple[str, str, str]]:
    c = report.cycles
    busy = values.ratio(c.roofline, c.simulated or c.predicted)
    m = report.memory
    first = []
    if m.kept_bytes:
        first = [
            ("weights that stay on chip", values.megabytes(m.kept_bytes, m.weight_bytes), ""),
            ("first frame, predicted", values.count(c.predicted_cold), "predicted"),
            ("first frame, Verilator", values.count(c.simulated_cold), "simulated"),
            ("read from DDR, steady frame", values.megabytes(m.read_bytes), "predicted"),
            ("read from DDR, first frame", values.megabytes(m.read_bytes_cold), "predicted"),
        ]
    return [
        ("predicted by the schedule", values.count(c.predicted), "predicted"),
        ("Verilator, whole network", values.count(c.simulated), "simulated"),
        ("prediction against simulation", values.deviation(c.predicted, c.simulated), ""),
        ("roofline", values.count(c.roofline), "predicted"),
        ("roofline over total", values.percent(busy), ""),
        *first,
    ]


def _width(value: int | None, top: int) -> str:
    return f"{100 * (value or 0) / top:.2f}" if top else "0"


def _cycle_rows(groups: Sequence[grouping.StepGroup], *, with_steps: bool) -> list[dict[str, Any]]:
    top = max((max(g.predicted or 0, g.simulated or 0) for g in groups), default=0)
    return [
        {
            "name": group.name,
            "predicted": values.count(group.predicted),
            "simulated": values.count(group.simulated),
            "deviation": values.deviation(group.predicted, group.simulated),
            "predicted_width": _width(group.predicted, top),
            "simulated_width": _width(group.simulated, top),
            "shares": _shares(group),
            "count": len(group.steps),
            "steps": _step_rows(group.steps) if with_steps and len(group.steps) > 1 else [],
            "left_out": max(0, len(group.steps) - MAX_ROWS) if with_steps else 0,
        }
        for group in groups
    ]


def _shares(group: grouping.StepGroup) -> list[dict[str, str]]:
    """The bar of a group, cut by unit."""
    totals: dict[str, int] = {}
    for step in group.steps:
        cycles = step.simulated if group.simulated is not None else step.predicted
        totals[step.unit] = totals.get(step.unit, 0) + (cycles or 0)
    whole = sum(totals.values())
    return [
        {
            "unit": unit,
            "colour": unit_class(unit),
            "width": _width(cycles, whole),
            "cycles": values.count(cycles),
        }
        for unit, cycles in totals.items()
        if cycles
    ]


def _causes(steps: Sequence[Step]) -> dict[str, Any]:
    """Where the frame's cycles go, and what most cycles of a layer are, for how many layers."""
    spent = bounds_svg.total(steps)
    if spent is None:
        return {"shares": [], "bound": ""}
    counts = Counter(
        bounds_svg.bound(s.spent) for s in steps if s.spent is not None and s.unit != "STORE"
    )
    layers = [f"{bounds_svg.CAUSES[cause]} {n}" for cause, n in counts.most_common()]
    return {"shares": bounds_svg.shares(spent), "bound": ", ".join(layers)}


def _step_rows(steps: Sequence[Step]) -> list[tuple]:
    return [
        (
            step.name,
            step.unit,
            values.count(step.predicted),
            values.count(step.simulated),
            values.deviation(step.predicted, step.simulated),
            bounds_svg.shares(step.spent) if step.spent else [],
        )
        for step in steps[:MAX_ROWS]
    ]


def _budget(report: Report) -> list[dict[str, Any]]:
    rows = []
    for key, label in RESOURCES:
        used = getattr(report.resources, key)
        available = getattr(report.target.budget, key)
        share = values.ratio(used, available)
        rows.append(
            {
                "label": label,
                "used": values.count(used),
                "available": values.count(available),
                "percent": values.percent(share),
                "over": bool(used) and (not available or used > available),
                "segments": _segments(
                    report.resources.by_unit, key, max(available or 0, used or 0)
                ),
                "width": f"{100 * min(share or 0, 1):.2f}",
            }
        )
    return rows


def _segments(by_unit: Mapping[str, Resources5], key: str, top: float) -> list[dict[str, str]]:
    return [
        {
            "unit": unit,
            "colour": unit_class(unit),
            "width": f"{100 * getattr(row, key) / top:.2f}",
            "value": values.count(getattr(row, key)),
        }
        for unit, row in by_unit.items()
        if top and getattr(row, key)
    ]


def _unit_rows(report: Report) -> list[dict[str, Any]]:
    rows = [
        {
            "name": unit,
            "colour": unit_class(unit),
            "instances": values.count(row.instances),
            "cells": [values.count(getattr(row, key)) for key, _ in RESOURCES],
        }
        for unit, row in report.resources.by_unit.items()
    ]
    return sorted(rows, key=lambda row: -(report.resources.by_unit[row["name"]].lut or 0))


def _checks(check: Check) -> list[tuple[str, str]]:
    first = check.first_mismatch
    if isinstance(first, dict):
        first = ", ".join(f"{key} {value}" for key, value in first.items())
    rows = [
        ("images", values.count(check.images)),
        ("tensors compared", values.count(check.tensors)),
        ("mismatches", values.count(check.mismatches)),
    ]
    return rows + ([("first mismatch", first)] if first else [])


def _fidelity(report: Report) -> list[tuple[str, str]]:
    f = report.fidelity
    return [
        ("accuracy of the float model", values.percent(f.accuracy_float, 2)),
        ("accuracy of the integer model", values.percent(f.accuracy_int, 2)),
        ("same top class", values.percent(f.top1_agreement, 2)),
        ("cosine of the logits", f"{f.logit_cosine:.5f}" if f.logit_cosine else values.MISSING),
    ]


def _block_tables(rows: Sequence[BlockFidelity]) -> list[dict[str, Any]]:
    """Two tables, blocks x activation widths: float signs inside the blocks, and their own."""
    widths = list(dict.fromkeys(row.act_bits for row in rows))
    cells = {(row.block, row.act_bits): row for row in rows}
    tables = []
    for kind, title in (("given", "signs of the float network"), ("own", "the block's own signs")):
        lines = [
            (name, [_closeness(cells.get((name, width)), kind) for width in widths])
            for name in dict.fromkeys(row.block for row in rows)
        ]
        tables.append({"title": title, "widths": widths, "rows": lines})
    return tables if rows else []


def _closeness(row: BlockFidelity | None, kind: str) -> list[str]:
    """Error, equal signs, equal levels."""
    if row is None:
        return [values.MISSING] * 3
    c: Closeness = getattr(row, kind)
    return [values.percent(v, 2) for v in (c.error, c.signs, c.levels)]


def _memory(rows: Sequence[Mapping[str, Any]]) -> dict[str, list]:
    keys = list(dict.fromkeys(key for row in rows for key in row))
    return {
        "columns": [
            (key, isinstance(next((r[key] for r in rows if key in r), None), int)) for key in keys
        ],
        "rows": [[_memory_cell(key, row.get(key)) for key in keys] for row in rows],
    }


def _memory_cell(key: str, value: Any) -> str:
    if value is None:
        return values.MISSING
    if isinstance(value, int) and not isinstance(value, bool):
        return f"0x{value:08x}" if key in ADDRESS_KEYS else values.count(value)
    return str(value)
