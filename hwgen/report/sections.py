"""Sections of a report (`hwgen.report.schema`), from what a compile and a simulation found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hwgen.ir.graph import Graph
from hwgen.report import clock
from hwgen.report.schema import Report, Timing
from hwgen.schedule.program import Program
from hwgen.targets import Target
from hwgen.timing.predict import predict

if TYPE_CHECKING:
    from hwgen.analysis.operations import Totals
    from hwgen.sim.network import SimResult

Sections = dict[str, dict[str, Any]]


def subject(program: Program, target: Target, total: Totals) -> Sections:
    """model, target and config: which network on what; `total` counts the float network."""
    meta, sizing = program.graph.meta, program.sizing
    return {
        "model": {
            "name": meta["name"], "sha256": meta["sha256"], "params": total.parameters,
            "binary_weights": total.binary_weights, "binary_macs": total.binary_macs,
            "float_macs": total.float_macs,
        },
        "target": {
            "name": target.name, "part": target.part, "clock_mhz": target.clock_mhz,
            "budget": target.budget.model_dump(),
        },
        "config": {
            "array_bits": sizing.array_bits, "lanes": sizing.lanes, "act_bits": sizing.act_bits,
            "axi_ports": sizing.axi_ports, "axi_bits": sizing.axi_bits,
        },
    }  # fmt: skip


def predicted(program: Program, target: Target) -> Sections:
    """cycles, memory and fps as the schedule predicts them, of a steady and of the first frame."""
    bits = program.sizing.axi_bits
    rate = target.rate(bits)
    steady = predict(program, rate=rate)
    first = predict(program, warm=False, rate=rate) if program.store_words else steady
    beat, dram = bits // 8, target.dram
    return {
        "cycles": {
            "predicted": steady.cycles, "predicted_cold": first.cycles,
            "roofline": steady.roofline,
            "steps": [
                {"name": n, "unit": u, "predicted": c, "spent": causes.as_dict()}
                for (n, u, c), causes in zip(steady.steps, steady.spent, strict=True)
            ],
        },
        "memory": {
            "read_bytes": steady.read_beats * beat, "read_bytes_cold": first.read_beats * beat,
            "weight_bytes": len(program.weights),
            "kept_bytes": program.store_words * program.sizing.word_bytes,
            "port_bytes_per_second": float(target.port_bytes_per_second(bits)),
            "dram": dram.words if dram else None,
            "dram_bytes_per_second": float(dram.bytes_per_second) if dram else None,
        },
        "fps": {
            "predicted": target.clock_mhz * 1e6 / steady.cycles,
            "clock_mhz": target.clock_mhz, "clock_source": clock.UNCHECKED,
        },
    }  # fmt: skip


def simulated(report: Report, result: SimResult) -> Sections:
    """cycles, fps and check of a simulation of the network of `report`.

    A simulation ends at its first mismatch, within a frame: then there are no cycles, and those of
    an earlier simulation go.
    """
    known = not result.mismatches
    counts = result.step_cycles if known else [None] * len(report.cycles.steps)
    steps = [
        step.model_copy(update={"simulated": n})
        for step, n in zip(report.cycles.steps, counts, strict=True)
    ]
    new = {
        "simulated": result.cycles if known else None,
        "simulated_cold": result.cold_cycles if known else None,
    }
    cycles = report.cycles.model_copy(update=new)
    return {
        "cycles": {**new, "steps": [s.model_dump() for s in steps]},
        "fps": clock.speed(report.model_copy(update={"cycles": cycles})),
        "check": {
            "images": result.frames, "tensors": result.tensors, "mismatches": result.mismatches,
            "first_mismatch": result.first_mismatch, "seconds": round(result.seconds, 2),
        },
    }  # fmt: skip


def timed(report: Report, timing: Timing) -> Sections:
    """timing, and frames/s at the clock that it allows, those of the HLS engine too."""
    now = report.model_copy(update={"timing": timing})
    return {
        "timing": timing.model_dump(),
        "fps": clock.speed(now),
        "hls": {"fps": clock.hls(now).rate(report.hls.cycles)},
    }


def graph_nodes(graph: Graph) -> list[dict[str, Any]]:
    """The integer graph as the report draws it."""
    nodes = [
        {"name": n, "op": "Input", "unit": "DMA", "shape": list(t.shape), "inputs": []}
        for n, t in graph.inputs.items()
    ]
    for op in graph.ops:
        nodes.append(
            {
                "name": op.name, "op": type(op).__name__, "unit": op.UNIT,
                "shape": list(op.out.shape),
                "inputs": list(dict.fromkeys(t.removesuffix(".bits") for t in op.inputs)),
            }
        )  # fmt: skip
    return nodes
