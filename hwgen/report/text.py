"""A report as lines for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwgen.report import values
from hwgen.report.schema import Report

if TYPE_CHECKING:
    from hwgen.zoo.analyze import Analysis


def analysis_lines(name: str, analysis: Analysis) -> list[str]:
    """MACs and parameters of a network, one line per part (`hwgen.zoo.analyze`)."""
    row = "{:<8} {:>14} {:>14} {:>14} {:>14}".format
    lines = [
        f"{name}: per frame, 1 MAC = one multiply-accumulate",
        row("part", "binary MACs", "float MACs", "binary weights", "float params"),
    ]
    for part, total in [*analysis.parts.items(), ("all", analysis.total)]:
        numbers = (
            total.binary_macs, total.float_macs, total.binary_weights, total.float_parameters
        )  # fmt: skip
        lines.append(row(part, *map(values.count, numbers)))
    ops, size = analysis.total.ops, analysis.total.size_bytes
    lines.append(f"OPs {values.short(ops)} (binary MACs / 64 + float MACs), {size / 1e6:.3g} MB")
    return lines


def summary(report: Report) -> list[str]:
    """At most ten lines; each number says where it comes from, unknown ones are left out."""
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
    if cycles.predicted is not None:
        lines.append(f"cycles      {values.count(cycles.predicted)} per frame (predicted)")
    if cycles.simulated is not None:
        lines[-1 if cycles.predicted is not None else len(lines) :] = [
            f"cycles      {values.count(cycles.simulated)} per frame (simulated), "
            f"{values.count(cycles.predicted)} (predicted)"
        ]
    if report.memory.kept_bytes:
        lines.append(
            f"weights     {values.megabytes(report.memory.kept_bytes, report.memory.weight_bytes)} "
            f"stay on chip; first frame {values.count(cycles.predicted_cold)} cycles (predicted)"
        )
    speed = fps.simulated or fps.predicted
    if speed is not None:
        source = "simulated cycles" if fps.simulated else "predicted cycles"
        lines.append(
            f"frames/s    {values.rate(speed)} at {report.target.clock_mhz:g} MHz ({source})"
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
    return lines
