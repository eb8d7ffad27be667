"""Memory image of a program and its map."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from hwgen.schedule.layout import MEMORY_NAMES
from hwgen.schedule.program import REGION, Program

FILES = ("program.bin", "weights.bin", "memory_map.json")


def ddr_regions(program: Program) -> list[dict]:
    """Regions of host memory with their offsets: program, weights, input, output. Of two memory
    ports each has half of every region, at half its offset."""
    rest = len(program.row_padding)
    rows = f", {rest} bytes behind every row" if rest else ""
    sizes = [
        ("program", program.program_bytes, "instructions of 16 to 64 bytes"),
        ("weights", len(program.weights), "LOAD records and constant tensors, in program order"),
        ("input", program.image_bytes, "uint8 image, row-major H x W x 3" + rows),
        ("output", program.output_words * program.sizing.word_bytes, "int16 logits"),
    ]
    if program.kept:  # at the next aligned offset, which the program counts on
        sizes.append(("features", program.kept_bytes, "int16 features between two bands of strips"))
    offset, out = 0, []
    for name, size, holds in sizes:
        out.append({"memory": "DDR", "name": name, "offset": offset, "bytes": size, "holds": holds})
        align = REGION * program.sizing.axi_ports
        offset += -(-size // align) * align
    return out


def on_chip_regions(program: Program) -> list[dict]:
    """Regions of FM, TM and BM over the frame: address, size, and the steps they live."""
    graph = program.graph
    written = dict.fromkeys(graph.inputs, "input")
    read = {graph.output: "output"}
    for op in graph.ops:
        written |= dict.fromkeys(op.outputs(), op.name)
        read |= {t: op.name for t in op.inputs if t != graph.output}
    return [
        {
            "memory": MEMORY_NAMES[p.memory], "name": p.tensor, "offset": p.base, "words": p.size,
            "from": written[p.tensor], "to": read.get(p.tensor, written[p.tensor]),
        }
        for p in program.places.values()
    ]  # fmt: skip


def report_rows(program: Program) -> list[dict]:
    """Both maps as the report's table shows them."""
    ddr = [
        {
            "memory": "DDR",
            "name": r["name"],
            "offset": r["offset"],
            "size": f"{r['bytes']:,} bytes",
            "holds": r["holds"],
        }
        for r in ddr_regions(program)
    ]
    chip = [
        {
            "memory": r["memory"], "name": r["name"], "offset": r["offset"],
            "size": f"{r['words']:,} {'elements' if r['memory'] == 'BM' else 'words'}",
            "holds": f"until {r['to']}",
        }
        for r in on_chip_regions(program)
    ]  # fmt: skip
    return ddr + chip


def memory_map(program: Program) -> dict:
    """Regions of DDR and of the engine's memories, its sizes, how to read the output."""
    return {
        "ddr": ddr_regions(program),
        "on_chip": on_chip_regions(program),
        "sizing": asdict(program.sizing),
        "output": {
            "classes": program.graph.meta["classes"],
            "frac": program.graph.types()[program.graph.output].frac,
        },
    }


def write_image(folder: Path, program: Program) -> None:
    """program.bin, weights.bin, memory_map.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "program.bin").write_bytes(program.binary())
    (folder / "weights.bin").write_bytes(program.weights)
    (folder / "memory_map.json").write_text(json.dumps(memory_map(program), indent=1) + "\n")
