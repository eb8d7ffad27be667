"""How far the resource estimate is from Yosys, on synthesised output folders.

python -m hwgen.synth.residuals out/reports out/frames/bhvit_tiny_untrained-zynq

writes reports/resource_model.json: sizes, Yosys counts, estimates and their relative differences.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from hwgen.atomic import write_text_atomic
from hwgen.paths import reports_dir
from hwgen.report import load_report
from hwgen.schedule.sizing import Sizing
from hwgen.synth.model import RESOURCES, estimate


def point(folder: Path) -> dict:
    """Sizes of an output folder, its Yosys counts and what the model says."""
    sizes = json.loads((folder / "image" / "memory_map.json").read_text())["sizing"]
    report = load_report(folder)
    counted = {name: getattr(report.resources, name) for name in RESOURCES}
    model = estimate(Sizing(**sizes))
    return {
        "sizing": asdict(Sizing(**sizes)),
        "source": report.resources.source,
        "counted": counted,
        "estimated": {name: round(model[name], 1) for name in RESOURCES},
        "residual": {name: round(model[name] / counted[name] - 1, 4) for name in RESOURCES},
    }


def main(folders: list[str]) -> None:
    points = [point(Path(folder)) for folder in folders]
    write_text_atomic(reports_dir() / "resource_model.json", json.dumps(points, indent=1) + "\n")
    for p in points:
        print(p["sizing"]["lanes"], p["sizing"]["kw"], p["sizing"]["act_bits"], p["residual"])


if __name__ == "__main__":
    main(sys.argv[1:])
