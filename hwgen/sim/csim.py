"""C simulation of the emitted HLS C++: every write of every instruction against the golden model.

`make -C DIR/hls csim` does the same without hwgen; this module builds the test bench once and runs
several programs on it, with planted faults where a test wants them.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwgen.emit.hls import sources, write_frame, write_places
from hwgen.emit.rtl import render
from hwgen.engine.sizing import Sizing
from hwgen.errors import SimulationError
from hwgen.schedule.program import Program
from hwgen.tools.headers import ap_types
from hwgen.tools.versions import require

Array = np.ndarray
LINE = re.compile(r"csim: image \d+: (\d+) steps, (\d+) tensors, (\d+) writes compared, 0 differ")


@dataclass(frozen=True)
class CsimResult:
    """Outcome of a C simulation."""

    frames: int  # compared in full
    steps: int  # of a frame
    tensors: int
    writes: int  # of all frames
    first_difference: str | None  # "step .., tensor .., token .., channel ..: value got .."
    seconds: float


def build_csim(folder: Path, sizing: Sizing, *, sanitize: bool = False) -> Path:
    """Write the sources for `sizing` into `folder` and build them; returns the executable.

    sanitize: with AddressSanitizer and UndefinedBehaviorSanitizer. Raises SimulationError with
    g++'s first line: a warning in our own files counts as well.
    """
    require("g++")
    require("make")
    folder.mkdir(parents=True, exist_ok=True)
    texts = {**sources(sizing), "Makefile": render("hls/Makefile.j2", images=1)}
    for name, text in texts.items():  # what is as it was is not built again
        file = folder / name
        if not file.is_file() or file.read_text() != text:
            file.write_text(text)
    target = "csim_sanitize" if sanitize else "csim_plain"
    command = ["make", "-C", str(folder), target, f"AP_TYPES={ap_types()}"]
    done = subprocess.run(
        [*command, f"PYTHON={sys.executable}"], capture_output=True, text=True, check=False
    )
    if done.returncode or done.stderr.strip():
        first = next((x for x in done.stderr.splitlines() if "error" in x or "warning" in x), "")
        raise SimulationError(
            "g++", first or done.stderr[-500:], "the HLS C++ must build without a warning",
            f"see {folder}",
        )  # fmt: skip
    return (folder / target).resolve()


def run_csim(
    exe: Path,
    program: Program,
    images: Array,
    *,
    corrupt: Callable[[dict[str, Array]], None] | None = None,
    weights: bytes | None = None,
    binary: bytes | None = None,
) -> CsimResult:
    """Run images (N, H, W, 3) one after another; ends with the first that differs.

    `corrupt` changes the golden values; `weights` and `binary` replace the weight image and the
    program: planted faults that the comparison has to find.
    """
    values = program.graph.run(images)
    if corrupt is not None:
        corrupt(values)
    with tempfile.TemporaryDirectory(prefix="hwgen_csim_") as tmp:
        folder = Path(tmp)
        (folder / "program.bin").write_bytes(program.binary() if binary is None else binary)
        (folder / "weights.bin").write_bytes(program.weights if weights is None else weights)
        write_places(folder, program)
        for n, image in enumerate(images):
            mine = {name: value[n : n + 1] for name, value in values.items()}
            write_frame(folder, n, program, image, mine)
        start = time.perf_counter()
        done = subprocess.run(
            [str(exe), str(folder), str(folder), str(len(images))],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        seconds = time.perf_counter() - start
    found = [tuple(map(int, m.groups())) for m in LINE.finditer(done.stdout)]
    message = done.stderr.strip()
    if done.returncode not in (0, 1) or (done.returncode == 1) != message.startswith("csim: image"):
        raise SimulationError(
            exe.name, message.splitlines()[0] if message else f"exit code {done.returncode}",
            "the simulation must end with a comparison", "check the files it names",
        )  # fmt: skip
    steps, tensors, _ = found[0] if found else (0, 0, 0)
    difference = message.removeprefix("csim: ") if done.returncode else None
    return CsimResult(len(found), steps, tensors, sum(f[2] for f in found), difference, seconds)
