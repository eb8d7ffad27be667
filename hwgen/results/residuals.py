"""How far the resource estimate is from Yosys, over engines of all shapes.

python -m hwgen.results.residuals

writes reports/resource_model.json: sizes, Yosys counts, estimates and their relative differences.
Minutes per engine the first time, then kept results (hwgen.synth.run).
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

from hwgen.atomic import write_text_atomic
from hwgen.emit.rtl import TOP, write_rtl
from hwgen.engine.resources import RESOURCES, estimate
from hwgen.engine.sizing import Sizing
from hwgen.paths import reports_dir
from hwgen.synth import count_rtl
from hwgen.synth.run import description
from hwgen.targets import get_target

_SMALL = {"fm_words": 2560, "tm_words": 1024, "bm_rows": 2048}
_ON_CHIP = {
    "fm_words": 4096, "tm_words": 1536, "bm_rows": 2048, "wb_words": 512, "ps_words": 256,
    "store_words": 13824, "ultra": 1,
}  # fmt: skip
_WIDE = {"act_bits": 12, "gu": 16, "gs": 16, "bm_rows": 2048}
SWEEP = (  # axi_bits: of a beat, over as many ports as the target has (`engine`)
    ("zynq", Sizing(lanes=16, kw=64, gs=4, **_SMALL)),
    ("zynq", Sizing(lanes=16, kw=128, **_SMALL)),
    ("zynq", Sizing(lanes=16, kw=256, gs=16, axi_bits=64, **_SMALL)),
    ("zynq", Sizing(lanes=32, kw=128, act_bits=14, cm_slots=32, om_slots=32, pk=4, **_SMALL)),
    ("zynq", Sizing(lanes=32, kw=256, fm_words=7168, tm_words=2048, **_WIDE)),
    ("zynq", Sizing(lanes=64, kw=128, fm_words=3584, tm_words=1024, gs=8, act_bits=12, pk=16)),
    ("zynq", Sizing(lanes=64, kw=256, fm_words=3584, tm_words=1024, **_WIDE)),
    ("kv260", Sizing(lanes=64, kw=256, gu=16, gs=16, strip_tokens=448, **_ON_CHIP)),
)


def engine(target_name: str, s: Sizing) -> Sizing:
    """An engine of the sweep, with as many memory ports as its target has."""
    return replace(s, axi_ports=get_target(target_name).axi_ports)


def point(target_name: str, s: Sizing) -> dict:
    """Sizes of an engine, its Yosys counts and what the model says."""
    target = get_target(target_name)
    with tempfile.TemporaryDirectory(prefix="hwgen_sweep_") as folder:
        total, _ = count_rtl(write_rtl(Path(folder), s), TOP, target)
    counted = {name: getattr(total, name) for name in RESOURCES}
    model = estimate(s, target.family)
    return {
        "target": target_name,
        "sizing": asdict(s),
        "source": description(target),
        "counted": counted,
        "estimated": {name: round(model[name], 1) for name in RESOURCES},
        "residual": {name: round(model[name] / counted[name] - 1, 4) for name in RESOURCES},
    }


def main() -> None:
    points = []
    for target, sizing in SWEEP:
        points.append(point(target, engine(target, sizing)))
        p = points[-1]
        print(target, sizing.lanes, sizing.kw, sizing.act_bits, p["counted"], p["residual"])
    write_text_atomic(reports_dir() / "resource_model.json", json.dumps(points, indent=1) + "\n")


if __name__ == "__main__":
    main()
