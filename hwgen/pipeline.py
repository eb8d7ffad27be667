"""The steps behind every command: load, lower, schedule, emit, simulate, synthesise, report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwgen.atomic import staged_dir
from hwgen.emit import emit
from hwgen.emit.folder import BACKENDS, load_program
from hwgen.emit.hls_check import check_addresses, check_hls
from hwgen.emit.image import report_rows
from hwgen.emit.vendor import why_none, write_vendor
from hwgen.engine.resources import check_fit
from hwgen.errors import HwgenError
from hwgen.inputs import calibration, evaluation_images, noise_images, read_image
from hwgen.ir.graph import Graph
from hwgen.report import save_report, update_report
from hwgen.schedule.program import Program, schedule
from hwgen.search.choose import search
from hwgen.synth.hls import hls_section
from hwgen.targets import Target, get_target
from hwgen.timing.predict import predict

SIMULATED_IMAGES = 64  # images that a compiled folder carries for `hwgen simulate`


@dataclass(frozen=True)
class CompileResult:
    """What `compile_model` made."""

    folder: Path
    program: Program
    target: Target
    reasons: tuple[str, ...]  # why the engine has its sizes, and what the target cannot have


@dataclass(frozen=True)
class Classification:
    """Logits of one image; `names` are class names where the checkpoint has them."""

    logits: np.ndarray
    names: tuple[str, ...]

    def lines(self) -> list[str]:
        """The five best classes, one per line."""
        best = np.argsort(-self.logits, kind="stable")[:5]
        name = self.names if len(self.names) == len(self.logits) else range(len(self.logits))
        return [f"{name[k]}  {self.logits[k]:.4f}" for k in best]


def load_prepared(model_path: Path, calib: Path | None):
    """Checkpoint -> (network, info, prepared, calibration images or None, labels or None)."""
    from hwgen.frontend.checkpoint import load_checkpoint
    from hwgen.passes.lower import prepare

    network, info = load_checkpoint(model_path)
    images, labels = calibration(Path(model_path), calib, info.config.image_size)
    size = info.config.image_size
    meta = {
        "name": info.path.stem, "sha256": info.sha256, "mean": list(info.mean),
        "std": list(info.std), "image": [size, size, info.config.in_channels],
    }  # fmt: skip
    return network, info, prepare(network, images, meta=meta), images, labels


def compile_model(
    model_path: Path,
    target_name: str,
    out_dir: Path,
    *,
    force: bool = False,
    overrides: dict[str, str] | None = None,
    calib: Path | None = None,
    blocks: bool = False,
    backend: str = "rtl",
) -> CompileResult:
    """Compile a checkpoint for a target into `out_dir` (`hwgen.emit.folder.emit` lists the folder).

    backend: rtl, hls (HLS C++, docs/hls.md) or both; the program and the weights are the same.
    blocks: compare every block with the float network, for the report (hwgen.report.blocks).
    Raises: HwgenError (one line) for anything the user can mend; nothing is left half-written.
    """
    from hwgen.analysis.fidelity import fidelity
    from hwgen.analysis.operations import analyze
    from hwgen.report.blocks import block_table

    target = get_target(target_name)
    if backend not in BACKENDS:
        raise HwgenError(
            "--backend", backend, "is no back end", f"use {', '.join(BACKENDS[:-1])} or both"
        )
    with staged_dir(out_dir, force) as folder:
        act_bits = (overrides or {}).get("act_bits", "16")
        network, info, prepared, images, labels = load_prepared(model_path, calib)
        graph = prepared.quantize(int(act_bits) if str(act_bits).isdigit() else 16).graph
        choice = search(graph, target, overrides)
        sizing = choice.sizing
        check_fit(sizing, target, graph.meta["name"])
        if sizing.act_bits != graph.meta["act_bits"]:
            graph = prepared.quantize(sizing.act_bits).graph
        program = schedule(graph, sizing)
        if backend == "rtl":
            check_addresses(program)
        else:
            check_hls(graph, sizing, program)
        held_out = evaluation_images(info.meta)
        real = images is not None
        images = images if real else noise_images(prepared.facts["image"])
        shown = held_out or (images, labels)
        shown_first = (None if a is None else a[:SIMULATED_IMAGES] for a in shown)
        emit(folder, program, *shown_first, backend)
        write_vendor(folder, target, sizing, backend)
        prediction = predict(program)
        first = predict(program, warm=False) if program.store_words else prediction
        beat = sizing.axi_bits // 8
        total = analyze(network).total
        report = {
            "model": {
                "name": graph.meta["name"], "sha256": info.sha256, "params": total.parameters,
                "binary_weights": total.binary_weights, "binary_macs": total.binary_macs,
                "float_macs": total.float_macs,
            },
            "target": {
                "name": target.name, "part": target.part, "clock_mhz": target.clock_mhz,
                "budget": target.budget.model_dump(),
            },
            "config": {
                "array_bits": sizing.array_bits, "lanes": sizing.lanes, "act_bits": sizing.act_bits,
                "axi_bits": sizing.axi_bits,
            },
            "cycles": {
                "predicted": prediction.cycles, "predicted_cold": first.cycles,
                "roofline": prediction.roofline,
                "steps": [
                    {"name": n, "unit": u, "predicted": c, "spent": causes.as_dict()}
                    for (n, u, c), causes in zip(prediction.steps, prediction.spent, strict=True)
                ],
            },
            "memory": {
                "read_bytes": prediction.read_beats * beat,
                "read_bytes_cold": first.read_beats * beat,
                "weight_bytes": len(program.weights),
                "kept_bytes": program.store_words * sizing.word_bytes,
            },
            "fps": {"predicted": target.clock_mhz * 1e6 / prediction.cycles},
            "fidelity": fidelity(network, graph, *shown) if real or held_out else {},
        }  # fmt: skip
        if backend != "rtl":
            report["hls"] = hls_section(program, target)
        if blocks:
            report["fidelity"]["blocks"] = block_table(prepared, images)
        save_report(folder, report, graph_nodes(graph), report_rows(program))
    without = why_none(target)
    reasons = (*choice.reasons, without) if without else choice.reasons
    return CompileResult(Path(out_dir), program, target, reasons)


def graph_nodes(graph: Graph) -> list[dict]:
    """The integer graph as the report draws it."""
    nodes = [
        {"name": n, "op": "Input", "unit": "DMA", "shape": list(t.shape), "inputs": []}
        for n, t in graph.inputs.items()
    ]
    for op in graph.ops:
        shape = (op.feature or op.bits).shape
        inputs = list(dict.fromkeys(t.removesuffix(".bits") for t in op.inputs))
        nodes.append(
            {
                "name": op.name,
                "op": type(op).__name__,
                "unit": op.UNIT,
                "shape": list(shape),
                "inputs": inputs,
            }
        )
    return nodes


def simulate_dir(
    folder: Path, *, images: int = 16, threads: int = 1, stall_seed: int | None = None
) -> None:
    """Run the emitted RTL on `images` images; compare every write; put the result in the report."""
    from hwgen.sim.network import simulate_program

    folder = Path(folder)
    require_rtl(folder, "simulate")
    program, pictures, _ = load_program(folder)
    if images > len(pictures):
        raise HwgenError(
            "--images", images, f"the folder holds {len(pictures)}", f"use at most {len(pictures)}"
        )
    shown = pictures[:images]
    if program.store_words and images == 1:  # the steady frame is the second
        shown = np.repeat(shown, 2, axis=0)
    result = simulate_program(
        program,
        folder / "rtl",
        folder / "sim" / "build",
        shown,
        threads=threads,
        stall_seed=stall_seed,
    )
    from hwgen.report import load_report

    report = load_report(folder)
    counts = result.step_cycles or [None] * len(report.cycles.steps)  # None: it did not finish
    steps = [
        step.model_copy(update={"simulated": n})
        for step, n in zip(report.cycles.steps, counts, strict=True)
    ]
    update_report(
        folder,
        cycles={
            "simulated": result.cycles, "simulated_cold": result.cold_cycles,
            "steps": [s.model_dump() for s in steps],
        },
        fps={"simulated": report.target.clock_mhz * 1e6 / result.cycles},
        check={
            "images": len(shown), "tensors": result.tensors, "mismatches": result.mismatches,
            "first_mismatch": result.first_mismatch, "seconds": round(result.seconds, 2),
        },
    )  # fmt: skip


def require_rtl(folder: Path, command: str) -> None:
    """Raises HwgenError for a folder of `--backend hls`, which has no Verilog."""
    if (folder / "hls").is_dir() and not (folder / "rtl").is_dir():
        raise HwgenError(
            str(folder), "holds HLS C++ only", f"`hwgen {command}` takes the Verilog",
            "compile with --backend both; the C++ runs with make -C DIR/hls csim",
        )  # fmt: skip


def synth_dir(folder: Path) -> None:
    """Count the emitted RTL's resources with Yosys, unit by unit; put them in the report."""
    from hwgen.report import load_report
    from hwgen.synth import synthesise

    folder = Path(folder)
    report = load_report(folder)
    require_rtl(folder, "synth")
    target = get_target(report.target.name)
    update_report(folder, resources=synthesise(folder, target))


def run_image(model_path: Path, image: Path) -> Classification:
    """Classify one picture with the integer model."""
    _, info, prepared, _, _ = load_prepared(model_path, None)
    graph = prepared.quantize().graph
    return Classification(
        graph.logits(read_image(image, info.config.image_size)[None])[0], info.class_names
    )
