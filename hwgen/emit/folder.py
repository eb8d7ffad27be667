"""The output folder of `hwgen compile`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from hwgen.emit.hls import write_hls
from hwgen.emit.image import FILES, write_image
from hwgen.emit.rtl import TOP, masters, render, write_rtl
from hwgen.engine.sizing import Sizing
from hwgen.paths import sim_dir
from hwgen.schedule.program import Program
from hwgen.targets.memory import DEPTH, PORTS_ONLY, Rate
from hwgen.tools import plain

BACKENDS = ("rtl", "hls", "both")


def emit(
    folder: Path,
    program: Program,
    images: np.ndarray,
    labels: np.ndarray | None,
    backend: str = "rtl",
    rate: Rate = PORTS_ONLY,
) -> None:
    """Write image/ and golden/, and of each back end: rtl/, sim/, host/ (rtl); hls/ (hls).

    `images` (N, H, W, 3) uint8 are simulated later, on a memory of `rate`. backend: one of
    BACKENDS.
    """
    assert backend in BACKENDS
    write_image(folder / "image", program)
    golden = folder / "golden"
    golden.mkdir()
    (golden / "graph.json").write_text(program.graph.to_json())
    labels = np.full(len(images), -1) if labels is None else labels
    np.savez_compressed(golden / "images.npz", images=images, labels=labels)
    if backend != "rtl":
        write_hls(folder / "hls", program, images)
    if backend == "hls":
        return
    write_rtl(folder / "rtl", program.sizing)
    write_sim(folder / "sim", program, images[0], rate)
    host = folder / "host"
    host.mkdir()
    (host / "driver.py").write_text(driver_text(program, folder / "image"))


def driver_text(program: Program, image_folder: Path) -> str:
    """host/driver.py for PYNQ; it takes the files of `image_folder` only."""
    digests = {n: hashlib.sha256((image_folder / n).read_bytes()).hexdigest() for n in FILES}
    s, (image,) = program.sizing, program.graph.inputs.values()
    sizes = f"{s.lanes | s.act_bits << 8 | s.kw << 16:#010x}"
    ports = f"{s.axi_ports | s.axi_bits << 8:#010x}"
    return render(
        "host/driver.py.j2",
        meta=program.graph.meta,
        image=image.shape,
        sizes=sizes,
        ports=ports,
        digests=digests,
        row_padding=list(program.row_padding),
    )


def write_sim(folder: Path, program: Program, image: np.ndarray, rate: Rate) -> None:
    """The cocotb regression that `make -C DIR/sim` runs: input, expected output, memory, tests."""
    folder.mkdir()
    memory = {"ports": masters(program.sizing), "rate": asdict(rate) | {"depth": DEPTH}}
    (folder / "memory.json").write_text(json.dumps(memory) + "\n")
    values = program.graph.run(image[None], keep=False)
    logits = values[program.graph.output].reshape(-1).astype("<i2")
    (folder / "input.bin").write_bytes(program.input_bytes(image))
    (folder / "expected_output.bin").write_bytes(logits.tobytes())
    record = next(i for i in program.instructions if i.op == "LOAD")
    (folder / "first_record.txt").write_text(f"{record.fields['ddr']}\n")
    library = folder / "hwgen_cocotb"
    library.mkdir()
    for source in [*sorted((sim_dir() / "hwgen_cocotb").glob("*.py")), Path(plain.__file__)]:
        (library / source.name).write_text(source.read_text())
    (folder / "Makefile").write_text(render("sim/Makefile.j2", top=TOP))


def load_program(folder: Path) -> tuple[Program, np.ndarray, np.ndarray]:
    """Rebuild the program of an output folder from its golden graph; images and labels too."""
    from hwgen.errors import HwgenError
    from hwgen.ir.graph import Graph
    from hwgen.schedule.program import schedule

    try:
        graph = Graph.from_json((folder / "golden" / "graph.json").read_text())
        sizes = json.loads((folder / "image" / "memory_map.json").read_text())["sizing"]
        sizing = Sizing(**sizes)
        with np.load(folder / "golden" / "images.npz") as data:
            images, labels = data["images"], data["labels"]
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise HwgenError(
            str(folder), "is incomplete", "must be the output of `hwgen compile`", "compile again"
        ) from error
    program = schedule(graph, sizing)
    if program.binary() != (folder / "image" / "program.bin").read_bytes():
        raise HwgenError(
            str(folder),
            "program.bin",
            "differs from what this version of hwgen makes of the graph",
            "compile again",
        )
    return program, images, labels
