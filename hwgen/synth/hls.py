"""Estimates of the HLS engine for the report: cycles from the program, resources from the sizes."""

from __future__ import annotations

from hwgen.report.hls import RESOURCES
from hwgen.report.schema import Hls, HlsFunction
from hwgen.schedule.program import Program
from hwgen.synth.hls_model import Cost, functions
from hwgen.targets import Target
from hwgen.timing.hls_cycles import function_cycles


def hls_section(program: Program, target: Target) -> Hls:
    """Estimated cycles and resources of the HLS engine and of each of its functions."""
    calls = function_cycles(program, rate=target.rate(program.sizing.axi_bits))
    found = functions(program.sizing)
    assert set(calls) <= {f.name for f in found}
    rows = []
    for f in found:
        used = calls.get(f.name)
        rows.append(
            HlsFunction(
                name=f.name,
                rtl=list(f.rtl),
                calls=None if used is None else used.calls,
                cycles=None if used is None else used.cycles,
                **_rounded(f.cost),
            )
        )
    cycles = sum(c.cycles for c in calls.values())
    engine = {key: sum(getattr(row, key) for row in rows) for key, _ in RESOURCES}
    return Hls(
        cycles=cycles,
        fps=target.clock_mhz * 1e6 / cycles,
        **engine,
        fits=all(engine[key] <= getattr(target.budget, key) for key, _ in RESOURCES),
        functions=rows,
    )


def _rounded(cost: Cost) -> dict[str, float]:
    """Whole LUTs, flip-flops and multipliers, halves of block RAMs."""
    return {key: round(2 * getattr(cost, key)) / 2 for key, _ in RESOURCES}
