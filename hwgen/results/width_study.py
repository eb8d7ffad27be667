"""BHViT of other widths and hidden layers on one part: what each costs, or why it does not fit.

python -m hwgen.results.width_study [--only d64 d80] [--simulate d80 d176]

Nineteen networks with depths as BHViT-Tiny, 37 classes, 224 x 224 pixels: 64 to 256 channels in the
first stage in steps of 16, with heads of as many, and 64 channels with hidden layers of other
sizes. Writes reports/width_study.json and the table of docs/networks.md: sizes of the engine,
predicted cycles, estimated resources. --simulate: a frame in the RTL, every tensor compared; what
is not simulated now keeps the last result of the same sizes and prediction. Weights are random.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hwgen.atomic import write_text_atomic
from hwgen.emit.rtl import write_rtl
from hwgen.engine.resources import estimate
from hwgen.errors import HwgenError
from hwgen.passes.lower import Prepared, prepare
from hwgen.paths import CHECKOUT, reports_dir
from hwgen.results.markers import fill
from hwgen.schedule.program import Program, schedule
from hwgen.search.choose import search
from hwgen.sim.network import simulate_program
from hwgen.targets import get_target
from hwgen.targets.fit import check_fit
from hwgen.timing.predict import predict
from hwgen.zoo.config import IMAGENET_MEAN, IMAGENET_STD
from hwgen.zoo.untrained import photographs, untrained

TARGET = "zynq"
WIDTHS = range(64, 257, 16)
HIDDEN = ((1, 1), (2, 2), (4, 4), (8, 8), (16, 16), (32, 32))  # expansion of both halves
FILE = "width_study.json"
PAGE, BEGIN, END = "docs/networks.md", "<!-- widths:begin -->", "<!-- widths:end -->"
Row = dict[str, Any]


def configurations() -> dict[str, dict[str, Any]]:
    """Name -> fields of the configuration that differ from BHViT-Tiny's."""
    out: dict[str, dict[str, Any]] = {
        f"d{h}": {"channels": (h, 2 * h, 4 * h, 8 * h), "head_dim": h} for h in WIDTHS
    }
    for a, b in HIDDEN:
        out[f"d64-x{a}"] = {"expansion": (a, a, b, b)}
    return out


def prepared(name: str) -> Prepared:
    """A configuration, calibrated on two photographs."""
    images = photographs(224)
    module = untrained("bhvit_tiny", images, classes=37, **configurations()[name])
    meta = {"name": name, "sha256": "0" * 64, "mean": IMAGENET_MEAN, "std": IMAGENET_STD}
    return prepare(module, images, meta=meta)


def study(name: str) -> tuple[Row, Program | None]:
    """A configuration's engine and costs, or `refused` with the reason; and its program."""
    began, target = time.monotonic(), get_target(TARGET)
    try:
        network = prepared(name)
        choice = search(network.quantize().graph, target)
        sizes = choice.sizing
        check_fit(sizes, target, name, choice.tried)
        program = schedule(network.quantize(sizes.act_bits).graph, sizes)
    except HwgenError as error:
        return {"name": name, "refused": str(error)}, None
    resources = {k: round(n) for k, n in estimate(sizes, target.family).items()}
    row = {
        "name": name, "sizing": asdict(sizes), "cycles": predict(program).cycles,
        "instructions": len(program.instructions), "bytes_in_ddr": program.kept_bytes,
        "estimated": resources, "seconds": round(time.monotonic() - began, 1),
    }  # fmt: skip
    return row, program


def simulate(program: Program) -> Row:
    """A frame in the RTL."""
    with tempfile.TemporaryDirectory(prefix="hwgen_widths_") as folder:
        rtl = Path(folder) / "rtl"
        write_rtl(rtl, program.sizing)
        result = simulate_program(program, rtl, Path(folder) / "build", photographs(224)[:1])
    return {
        "cycles": result.cycles, "tensors": result.tensors, "writes": result.writes,
        "first_mismatch": result.first_mismatch, "seconds": round(result.seconds),
    }  # fmt: skip


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    lines = [
        "| network | engine | cycles, predicted | in the RTL | LUT | BRAM36 | DSP | in DDR |",
        "|---|---|---:|---|---:|---:|---:|---:|",
    ]
    for row in rows:
        if "refused" in row:
            lines.append(f"| {row['name']} | does not fit: {row['refused'].partition(': ')[2]} |"
                         + " |" * 6)  # fmt: skip
            continue
        s, need, seen = row["sizing"], row["estimated"], row.get("simulated")
        ran = "" if seen is None else (
            f"{seen['cycles']:,}, {seen['tensors']} tensors equal"
            if seen["first_mismatch"] is None else f"differs: {seen['first_mismatch']}"
        )  # fmt: skip
        engine = f"{s['lanes']} x {s['kw']}, {s['act_bits']} bits, strips of {s['strip_tokens']}"
        moved = f"{row['bytes_in_ddr'] / 1e6:.1f} MB" if row["bytes_in_ddr"] else "–"
        lines.append(
            f"| {row['name']} | {engine} | {row['cycles']:,} | {ran} | {need['lut']:,} | "
            f"{need['bram36']} | {need['dsp']} | {moved} |"
        )
    return "\n".join(lines) + "\n"


def kept(row: Row, before: dict[str, Row]) -> Row:
    """The row with its last simulation, if that was of the same engine and program."""
    old = before.get(row["name"], {})
    same = all(old.get(k) == row.get(k) for k in ("sizing", "cycles", "instructions"))
    return row | {"simulated": old["simulated"]} if same and "simulated" in old else row


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=configurations(), help="others keep their row")
    parser.add_argument("--simulate", nargs="+", default=[], choices=configurations())
    options = parser.parse_args(arguments)
    path = reports_dir() / FILE
    before = {row["name"]: row for row in json.loads(path.read_text())} if path.exists() else {}
    rows = []
    for name in configurations():
        if options.only and name not in options.only:
            rows += [before[name]] if name in before else []
            continue
        row, program = study(name)
        row = kept(row, before)
        if program is not None and name in options.simulate:
            row["simulated"] = simulate(program)
        rows.append(row)
        print(json.dumps({k: v for k, v in rows[-1].items() if k != "sizing"}), flush=True)
    write_text_atomic(path, json.dumps(rows, indent=1) + "\n")
    page = CHECKOUT / PAGE
    write_text_atomic(page, fill(page.read_text(), table(rows), PAGE, BEGIN, END))


if __name__ == "__main__":
    main()
