"""Builds and runs sim/harness: the whole engine under Verilator, every lane write compared.

`build` verilates `hwgen_core` with one set of sizes; `run` executes a program on it. The files:

- program: 64 bytes an instruction; weights: the DDR weight image; input: the image, uint8
- expected_dst: records {u8 mem, u8 mask, u16 addr, LANES x int16}, in program order
- expected_bit: records {u16 addr, LANES bits}
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwgen.engine.isa import OPCODES
from hwgen.errors import SimulationError
from hwgen.paths import sim_dir
from hwgen.targets.memory import DEPTH, PORTS_ONLY, Rate
from hwgen.tools.verilator import verilate
from hwgen.tools.versions import PathLike

TOP = "hwgen_core"
LATENCY = 40  # cycles from a read address to its first beat
MAX_IDLE = 20_000  # cycles without progress that end a run
HEADERS = ("checker.h", "ddr.h", "json.h", "timeline.h")


@dataclass(frozen=True)
class Image:
    """Files of one image; `None` is not compared or not written. network: its program and weights
    where not all images are of one network. reset_after: a soft reset ends the frame in this cycle
    (0: none does)."""

    input: PathLike
    expected_dst: PathLike | None = None
    expected_bit: PathLike | None = None
    output: PathLike | None = None
    network: tuple[PathLike, PathLike] | None = None
    reset_after: int = 0


def build(
    build_dir: PathLike,
    rtl_files: Sequence[PathLike],
    params: Mapping[str, int],
    *,
    threads: int = 1,
    optimise: str = "-O3",
) -> Path:
    """Executable of `hwgen_core` with `params` (needs LANES, ACT_BITS, AXI_BITS and AXI_PORTS)."""
    folder = sim_dir() / "harness"
    defines = " ".join(
        f"-DHWGEN_{name}={params[name]}" for name in ("LANES", "ACT_BITS", "AXI_BITS", "AXI_PORTS")
    )
    return verilate(
        TOP,
        rtl_files,
        build_dir,
        folder / "hwgen_sim.cpp",
        parameters=params,
        threads=threads,
        cflags=f"{optimise} {defines}",
        include_dirs=[folder],
        depends=[folder / name for name in HEADERS],
    )


def run(
    exe: PathLike,
    program: PathLike,
    weights: PathLike,
    images: Sequence[Image],
    *,
    stall_seed: int | None = None,
    latency: int = LATENCY,
    rate: Rate = PORTS_ONLY,
    max_idle: int = MAX_IDLE,
    frames: int = 1,
    cold: bool = False,
    timeout: float | None = None,
) -> dict:
    """Runs the images one after another; the harness's JSON: {"ok", "frames": [one per image]}.

    program, weights: of the images without a network of their own; all have one, or none has.
    rate: beats per cycle that memory delivers. cold: the weight base is written before every frame,
    so that none takes weights from the store.
    A frame that differs, stalls or stops with an error ends the run; its entry says why
    ("first_mismatch", "hang", "error"). Raises SimulationError when there is no report at all.
    """
    command = [str(exe)]
    networks = [i.network for i in images if i.network]
    assert len(networks) in (0, len(images)), "all images have a network of their own, or none has"
    for files in networks or [(program, weights)]:
        command += ["--program", str(files[0]), "--weights", str(files[1])]
    for image in images:
        command += ["--reset-after", str(image.reset_after)]
        command += ["--input", str(image.input)]
        command += ["--expected-dst", str(image.expected_dst or "-")]
        command += ["--expected-bit", str(image.expected_bit or "-")]
        command += ["--output", str(image.output or "-")]
    numbers = {"latency": latency, "max-idle": max_idle, "frames": frames, "stall-seed": stall_seed,
               "cold": int(cold), "rate-beats": rate.beats, "rate-cycles": rate.cycles,
               "rate-depth": DEPTH}  # fmt: skip
    for name, value in numbers.items():
        if value is not None:
            command += [f"--{name}", str(value)]
    with tempfile.TemporaryDirectory(prefix="hwgen_sim_") as folder:
        report = Path(folder) / "report.json"
        done = subprocess.run(
            [*command, "--json", str(report)],
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )
        if not report.is_file():
            message = done.stderr.strip().splitlines()
            raise SimulationError(
                Path(exe).name,
                message[-1] if message else f"exit code {done.returncode}",
                "the simulation must end with a report",
                "check the files it names",
            )
        return _name_opcodes(json.loads(report.read_text()))


def _name_opcodes(report: dict) -> dict:
    """The report with names in place of opcodes, where it says which unit hangs."""
    names = {code: name for name, (code, _) in OPCODES.items()}
    for hang in filter(None, (frame["hang"] for frame in report["frames"])):
        for unit in hang["units"]:
            unit["op"] = names.get(unit["op"], "?")
        hang["sequencer"] = names.get(hang["sequencer"], "empty" if hang["sequencer"] < 0 else "?")
    return report


def describe(frame: Mapping) -> str:
    """One line on what went wrong in a frame, '' if nothing did."""
    where = f"image {frame['image']}, cycle {frame['cycles']}"
    bad, hang = frame["first_mismatch"], frame["hang"]
    if bad:
        lane = f" lane {bad['lane']}" if bad["lane"] >= 0 else ""
        return (
            f"{where}: {bad['stream']} write {bad['index']}, {bad['field']} at address"
            f" {bad['addr']}{lane}: got {bad['got']}, expected {bad['expected']}"
        )
    if hang:
        heads = [
            f"{u['unit']} holds {u['op']}"
            + (f", waits for {u['waits_for']}" if u["waits_for"] else "")
            for u in hang["units"]
        ]
        return f"{where}: no progress in {hang['unit']}; {'; '.join(heads) or 'no unit holds work'}"
    if frame["error"]:
        return f"{where}: error {frame['error']} ({frame['error_text']})"
    if frame["port_conflict"]:
        return f"{where}: two reads of one memory port in a cycle"
    if frame["protocol_errors"]:
        return f"{where}: {frame['protocol_errors']} violations of AXI"
    return "" if frame["ok"] else f"{where}: not done"


def dst_records(
    mem: np.ndarray, addr: np.ndarray, words: np.ndarray, mask: np.ndarray | int = 0xFF
) -> np.ndarray:
    """Records of expected_dst: mem (n,), addr (n,), words (n, lanes), mask (n,) or one value."""
    n, lanes = words.shape
    kind = np.dtype([("mem", "u1"), ("mask", "u1"), ("addr", "<u2"), ("word", "<i2", (lanes,))])
    out = np.zeros(n, dtype=kind)
    out["mem"], out["mask"], out["addr"], out["word"] = mem, mask, addr, words
    return out


def bit_records(addr: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """Records of expected_bit: addr (n,), bits (n, lanes) of 0 and 1."""
    n, lanes = bits.shape
    out = np.zeros(n, dtype=[("addr", "<u2"), ("bits", "u1", (lanes // 8,))])
    out["addr"] = addr
    out["bits"] = np.packbits(bits.astype(np.uint8), axis=1, bitorder="little")
    return out
