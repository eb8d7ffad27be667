"""Whole network in Verilator: every write of every instruction against the golden model."""

from __future__ import annotations

import bisect
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np

from hwgen.schedule.program import Program, step_cycles
from hwgen.sim.harness import LATENCY, Image, build, describe, run
from hwgen.targets.memory import PORTS_ONLY, Rate


@dataclass(frozen=True)
class Frame:
    """One image of one network; a soft reset in cycle `reset_after` ends it (0: it is whole)."""

    program: Program
    image: np.ndarray
    reset_after: int = 0


@dataclass(frozen=True)
class SimResult:
    """Outcome of a simulation; cycles, steps and timeline are those of the second frame where there
    is one: the first fills the weight store, the others are like the second."""

    cycles: int
    cold_cycles: int  # of the first frame
    beats_read: tuple[int, ...]  # of every frame, on the memory port
    step_cycles: list[int]  # per entry of `program_steps`
    timeline: list[tuple[int, int, int]]  # start, issue end, retire of every compute instruction
    tensors: int
    writes: int
    mismatches: int
    first_mismatch: str | None
    seconds: float
    frames: int
    outputs: np.ndarray  # integer logits (frames, classes)


def build_simulator(program: Program, rtl: Path, build_dir: Path, threads: int = 1) -> Path:
    """Verilate the emitted engine (reused when nothing changed)."""
    files = [
        rtl / name for name in (rtl / "files.f").read_text().split() if name != "hwgen_engine.v"
    ]
    return build(build_dir, files, program.sizing.parameters(), threads=threads)


def _image(
    folder: Path,
    program: Program,
    image: np.ndarray,
    values: dict[str, np.ndarray],
    index: int,
    network: tuple[Path, Path] | None = None,
    reset_after: int = 0,
) -> Image:
    """Input and expected writes of one image, in files of `folder`; `index`: of it in `values`."""
    dst, bit = program.expected(values, index)
    for name, data in (("input", program.input_bytes(image)), ("dst", dst), ("bit", bit)):
        (folder / name).write_bytes(data)
    return Image(
        folder / "input", folder / "dst", folder / "bit", folder / "output", network, reset_after
    )  # fmt: skip


def simulate_program(
    program: Program,
    rtl: Path,
    build_dir: Path,
    images: np.ndarray,
    *,
    threads: int = 1,
    stall_seed: int | None = None,
    latency: int = LATENCY,
    rate: Rate = PORTS_ONLY,
    corrupt: Callable[[dict[str, np.ndarray]], None] | None = None,
    weights: bytes | None = None,
) -> SimResult:
    """Simulate images (N, H, W, 3) one after another and compare every write.

    `latency` cycles from a read address to its first beat, in a memory that delivers `rate`.
    `corrupt` changes the golden values, `weights` replaces the weight image: planted faults that
    the comparison has to find.
    """
    exe = build_simulator(program, rtl, build_dir, threads)
    values = program.graph.run(images)
    if corrupt is not None:
        corrupt(values)
    with tempfile.TemporaryDirectory(prefix="hwgen_net_") as tmp:
        folder = Path(tmp)
        (folder / "program.bin").write_bytes(program.binary())
        (folder / "weights.bin").write_bytes(program.weights if weights is None else weights)
        files, outputs = [], []
        for n, image in enumerate(images):
            (folder / str(n)).mkdir()
            files.append(_image(folder / str(n), program, image, values, n))
            outputs.append(folder / str(n) / "output")
        report = run(
            exe,
            folder / "program.bin",
            folder / "weights.bin",
            files,
            stall_seed=stall_seed,
            latency=latency,
            rate=rate,
        )
        frames = report["frames"]
        logits = [
            program.output_values(output.read_bytes())
            for output, frame in zip(outputs, frames, strict=False)
            if frame["done"]
        ]
    bad = next((f for f in frames if not f["ok"]), None)
    steady = frames[min(1, len(frames) - 1)]
    # the harness has the cycle of the event, a cycle before the count shows it
    ends = [(issue_end, retire + 1) for _, issue_end, retire in steady["steps"]]
    complete = len(ends) == len(program.compute)
    return SimResult(
        cycles=steady["cycles"],
        cold_cycles=frames[0]["cycles"],
        beats_read=tuple(f["beats_read"] for f in frames),
        step_cycles=step_cycles(program, ends, steady["cycles"]) if complete else [],
        timeline=[tuple(s) for s in steady["steps"]],
        tensors=len({w.tensor for i in program.compute for w in (i.dst, i.bit) if w}) * len(frames),
        writes=sum(f["writes_checked"] for f in frames),
        mismatches=int(bad is not None),
        first_mismatch=None if bad is None else locate(program, bad),
        seconds=sum(f["seconds"] for f in frames),
        frames=len(frames),
        outputs=np.array(logits),
    )


def simulate_in_turn(
    frames: Sequence[Frame], rtl: Path, build_dir: Path, *, threads: int = 1
) -> list[dict]:
    """Frames of several networks on one engine that is never reset but where a frame says so.

    Every frame's report of the harness (`hwgen.sim.harness.run`), the logits under "logits" and the
    first difference in terms of the network, or None, under "difference". Ends with a frame that
    differs. All programs have the sizes of the first.
    """
    exe = build_simulator(frames[0].program, rtl, build_dir, threads)
    assert all(f.program.sizing == frames[0].program.sizing for f in frames)
    with tempfile.TemporaryDirectory(prefix="hwgen_net_") as tmp:
        networks: dict[int, tuple[Path, Path]] = {}
        files: list[Image] = []
        outputs: list[Path] = []
        for n, f in enumerate(frames):
            folder = Path(tmp) / str(n)
            folder.mkdir()
            if id(f.program) not in networks:
                networks[id(f.program)] = (folder / "program", folder / "weights")
                (folder / "program").write_bytes(f.program.binary())
                (folder / "weights").write_bytes(f.program.weights)
            own = networks[id(f.program)]
            values = f.program.graph.run(f.image[None])
            files.append(_image(folder, f.program, f.image, values, 0, own, f.reset_after))
            outputs.append(folder / "output")
        program, weights = networks[id(frames[0].program)]
        reports = run(exe, program, weights, files)["frames"]
        for f, output, report in zip(frames, outputs, reports, strict=False):
            report["difference"] = None if report["ok"] else locate(f.program, report)
            if report["done"]:
                report["logits"] = f.program.output_values(output.read_bytes())
    return reports


def locate(program: Program, frame: dict) -> str:
    """The first difference in terms of the network: step, tensor, token, channel."""
    bad = frame["first_mismatch"]
    if not bad:
        return describe(frame)
    stream = 0 if bad["stream"] == "dst" else 1
    ends = list(accumulate(c[stream] for c in program.write_counts()))
    k = bisect.bisect_right(ends, bad["index"])
    if k >= len(ends):
        return f"after the last step: {describe(frame)}"
    instruction = program.compute[k]
    writes = (instruction.dst, instruction.bit)[stream]
    assert writes is not None, "write_counts counts those that are there"
    n = bad["index"] - (ends[k - 1] if k else 0)
    channel = int(writes.word[n]) * program.sizing.lanes + max(bad["lane"], 0)
    return (
        f"step {instruction.step} (compute instruction {k}, {instruction.op}), "
        f"tensor {writes.tensor}, "
        f"token {int(writes.token[n])}, channel {channel}: {bad['field']} got {bad['got']}, "
        f"expected {bad['expected']} (image {frame['image']}, cycle {frame['cycles']})"
    )
