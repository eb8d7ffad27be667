"""A report as lines for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hwgen.report import clock, place, values
from hwgen.report.hls import summary_line
from hwgen.report.schema import Closeness, Report

if TYPE_CHECKING:
    from hwgen.analysis.capability import Capability
    from hwgen.analysis.operations import Analysis, Totals


def analysis_lines(name: str, analysis: Analysis) -> list[str]:
    """Every layer of a network, then every part and their sum (`hwgen.analysis.operations`)."""
    width = max(len(layer.name) for layer in analysis.layers)
    row = f"{{:<{width}}} {{:>11}} {{:>14}} {{:>14}} {{:>11}} {{:>12}} {{:>11}}".format
    titles = ("parameters", "binary weights", "binary MACs", "float MACs", "OPs", "kB")

    def line(label: str, t: Totals) -> str:
        counts = (t.parameters, t.binary_weights, t.binary_macs, t.float_macs, round(t.ops))
        return row(label, *map(values.count, counts), f"{t.size_bytes / 1e3:,.1f}")

    lines = [f"{name}: per frame, 1 MAC = one multiply-accumulate", row("layer", *titles)]
    left = analysis.total
    for layer in analysis.layers:
        lines.append(line(layer.name, layer))
        left -= layer
    lines += [line("norms, activations, shifts, positions", left), "", row("part", *titles)]
    lines += [line(part, total) for part, total in analysis.parts.items()]
    lines.append(line("all", analysis.total))
    return [
        *lines,
        "OPs = binary MACs / 64 + float MACs; kB: 1 bit per binary weight, 32 per other parameter",
    ]


def capability_lines(found: Capability, published: Capability | None = None) -> list[str]:
    """Every layer that counts in the representational capability, and their sum."""
    width = max((len(layer.name) for layer in found.layers), default=5)
    row = f"{{:<{width}}} {{:>9}} {{:>9}} {{:>14}}".format
    lines = [
        "representational capability of an element at the classifier (docs/capability.md)",
        row("layer", "values", "cells", "values x cells"),
    ]
    for layer in found.layers:
        lines.append(row(layer.name, *map(values.count, (layer.values, layer.cells)),
                         values.count(layer.capability)))  # fmt: skip
    lines.append(row("all", "", "", values.count(found.total)))
    if published is not None:
        lines.append(row("all, as published", "", "", values.count(published.total)))
    return lines


def worst(rows: Sequence[Closeness]) -> Closeness:
    """The largest error and the smallest fractions of some blocks."""

    def known(name: str) -> list[float]:
        return [v for v in (getattr(row, name) for row in rows) if v is not None]

    return Closeness(
        error=max(known("error"), default=None),
        signs=min(known("signs"), default=None),
        levels=min(known("levels"), default=None),
    )


def bandwidth(report: Report) -> str:
    """What the memory ports move at the clock of frames/s, and what the board's DRAM delivers."""
    config, memory = report.config, report.memory
    ports = f"{config.axi_ports} port{'s' if config.axi_ports > 1 else ''}"
    bits = f"{config.axi_bits // config.axi_ports} bits x {clock.of(report).mhz:.4g} MHz"
    text = f"{ports} x {bits} = {values.gigabytes(clock.port_bytes_per_second(report))}"
    if memory.dram is None:
        return f"{text}; no board, DRAM as fast as that"
    return f"{text}; {memory.dram} = {values.gigabytes(memory.dram_bytes_per_second)}"


def summary(report: Report) -> list[str]:
    """A line per part; each number says where it comes from, unknown ones are left out."""
    cycles, fps, res, check = report.cycles, report.fps, report.resources, report.check
    fidelity, budget, config = report.fidelity, report.target.budget, report.config
    lines = [
        f"{report.model.name} on {report.target.name} ({report.target.part}): "
        f"{values.count(config.array_bits)} XNOR bits, {config.lanes} lanes"
    ]
    if fidelity.accuracy_int is not None:
        lines.append(
            f"accuracy    {values.percent(fidelity.accuracy_int, 2)} integer, "
            f"{values.percent(fidelity.accuracy_float, 2)} float, "
            f"same class {values.percent(fidelity.top1_agreement, 2)} (golden model)"
        )
    if fidelity.blocks:
        width = fidelity.blocks[0].act_bits
        rows = [row for row in fidelity.blocks if row.act_bits == width]
        given, own = worst([row.given for row in rows]), worst([row.own for row in rows])
        lines.append(
            f"blocks      output error at most {values.percent(given.error, 2)} with float signs, "
            f"{values.percent(own.error, 2)} with own; signs equal at least "
            f"{values.percent(given.signs, 2)} ({width} bits, golden model)"
        )
    if cycles.predicted is not None:
        lines.append(f"cycles      {values.count(cycles.predicted)} per frame (predicted)")
    if cycles.simulated is not None:
        lines[-1 if cycles.predicted is not None else len(lines) :] = [
            f"cycles      {values.count(cycles.simulated)} per frame (simulated), "
            f"{values.count(cycles.predicted)} (predicted)"
        ]
    if report.memory.port_bytes_per_second is not None:
        lines.append(f"memory      {bandwidth(report)}")
    if report.memory.kept_bytes:
        lines.append(
            f"weights     {values.megabytes(report.memory.kept_bytes, report.memory.weight_bytes)} "
            f"stay on chip; first frame {values.count(cycles.predicted_cold)} cycles (predicted)"
        )
    speed, at = fps.simulated or fps.predicted, clock.of(report)
    if speed is not None:
        source = "simulated cycles" if fps.simulated else "predicted cycles"
        lines.append(
            f"frames/s    {values.rate(speed)} at {at.mhz:.4g} MHz ({at.source}; {source})"
        )
    if check.mismatches is not None:
        lines.append(
            f"check       {values.count(check.mismatches)} mismatches in "
            f"{values.count(check.tensors)} tensors, {values.count(check.images)} images "
            "(RTL against golden model)"
        )
    if check.first_mismatch:
        lines.append(f"            first: {check.first_mismatch}")
    if res.lut is not None:
        used = ", ".join(
            f"{label} {values.count(getattr(res, key))}/{values.count(getattr(budget, key))}"
            for key, label in (("lut", "LUT"), ("ff", "FF"), ("bram36", "BRAM36"), ("dsp", "DSP"))
        )
        fits = "" if res.fits is None else ", fits" if res.fits else ", DOES NOT FIT"
        lines.append(f"resources   {used}{fits} ({res.source})")
    lines += clock.summary_lines(report)
    if report.place.fmax_mhz is not None:
        lines.append(place.summary_line(report))
    if report.hls.cycles is not None:
        lines.append(summary_line(report))
    return lines
