"""Benchmarks (`make bench`): ratios are measured side by side in one run, minima of repetitions."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hwgen.atomic import write_text_atomic
from hwgen.paths import models_dir
from hwgen.report.schema import Bench, BenchResult

if TYPE_CHECKING:
    from torch import nn

    from hwgen.ir import Graph

REPEATS = 7
SEARCHES = 2  # repetitions of what takes long
WIDE = "d160"  # of the width study: its features go to DDR


def fastest_pair(
    a: Callable[[], object], b: Callable[[], object], repeats: int = REPEATS
) -> tuple[float, float]:
    """Smallest wall seconds of a and of b, called in turn."""
    best = [float("inf"), float("inf")]
    for _ in range(repeats):
        for k, call in enumerate((a, b)):
            start = time.perf_counter()
            call()
            best[k] = min(best[k], time.perf_counter() - start)
    return best[0], best[1]


def search_ratio(network: nn.Module, pictures: np.ndarray, repeats: int = SEARCHES) -> float:
    """Time of the search for an engine on zynq over that of tracing and lowering the network."""
    from hwgen.passes.lower import lower_model
    from hwgen.search.choose import search
    from hwgen.targets import get_target

    graph, target = lower_model(network, pictures), get_target("zynq")
    searching, lowering = fastest_pair(
        lambda: search(graph, target), lambda: lower_model(network, pictures), repeats
    )
    return searching / lowering


def run(out: Path) -> list[str]:
    """Run all benchmarks, write them to `out`, return lines for the terminal."""
    import torch

    from hwgen.analysis.fidelity import normalised
    from hwgen.emit.folder import load_program
    from hwgen.frontend.checkpoint import load_checkpoint
    from hwgen.passes.lower import lower_model
    from hwgen.pipeline import compile_model
    from hwgen.results.width_study import configurations
    from hwgen.sim.network import build_simulator, simulate_program
    from hwgen.zoo.untrained import photographs, untrained

    model = models_dir() / "bhvit_micro_digits.pt"
    results = []

    def note(
        name: str, value: float, unit: str, limit: str | None = None, passed: bool | None = None
    ) -> None:
        results.append(
            BenchResult(name=name, value=round(value, 4), unit=unit, limit=limit, passed=passed)
        )

    def golden_ratio(name: str, network: nn.Module, graph: Graph, pixels: np.ndarray) -> None:
        x = normalised(pixels, graph.meta).float()

        def float_model() -> object:
            with torch.inference_mode():
                return network(x)

        integer, real = fastest_pair(lambda: graph.logits(pixels), float_model)
        name = f"{name}: golden model / float32 PyTorch, batch {len(pixels)}"
        note(name, integer / real, "ratio", "<= 1", integer <= real)

    pictures = photographs(224)
    networks = {name: untrained(f"bhvit_{name}", pictures) for name in ("tiny", "small")}
    for name, network in networks.items():
        golden_ratio(name, network, lower_model(network, pictures), pictures[:1])

    wide = untrained("bhvit_tiny", pictures, classes=37, **configurations()[WIDE])
    for name, network in {"small": networks["small"], WIDE: wide}.items():
        ratio = search_ratio(network, pictures)
        note(f"{name}: search of the engine / lowering", ratio, "ratio", "<= 1", ratio <= 1)

    with tempfile.TemporaryDirectory() as tmp:
        folder = Path(tmp) / "micro"
        start = time.perf_counter()
        compile_model(model, "zynq", folder)
        seconds = time.perf_counter() - start
        note("compile micro, without synthesis", seconds, "s", "< 10", seconds < 10)

        # the limit on simulation speed is for an array of 2,048 bits
        folder = Path(tmp) / "array"
        compile_model(model, "zynq", folder, overrides={"array_bits": "2048"})
        program, images, _ = load_program(folder)
        network, _ = load_checkpoint(model)
        for batch in (1, 64):
            golden_ratio("micro", network, program.graph, images[:batch])

        start = time.perf_counter()
        build_simulator(program, folder / "rtl", folder / "sim" / "build")
        note("build of the RTL simulation", time.perf_counter() - start, "s")
        check = simulate_program(program, folder / "rtl", folder / "sim" / "build", images[:4])
        speed = (check.cold_cycles + 3 * check.cycles) / check.seconds
        array = program.sizing.array_bits
        note(
            f"RTL simulation, {array}-bit array, one core",
            speed,
            "cycles/s",
            ">= 20000",
            speed >= 20000,
        )

    bench = Bench(cores=os.cpu_count() or 1, results=results)
    write_text_atomic(out, bench.to_json())
    return [
        f"{r.name:<52} {r.value:>12,.3f} {r.unit:<9} {r.limit or '':<9} "
        f"{'' if r.passed is None else 'ok' if r.passed else 'MISSED'}"
        for r in results
    ]
