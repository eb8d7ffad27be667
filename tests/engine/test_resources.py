"""Resource estimate: close to Yosys on the shipped engine; what does not fit is refused."""

from __future__ import annotations

import json

import pytest

from hwgen.engine.resources import RESOURCES, estimate
from hwgen.engine.sizing import Sizing
from hwgen.paths import reports_dir
from hwgen.targets import get_target

MICRO = Sizing(fm_words=2560, tm_words=1024, bm_rows=1024)


POINTS = json.loads((reports_dir() / "resource_model.json").read_text())


@pytest.mark.parametrize("name", RESOURCES)
@pytest.mark.parametrize("point", POINTS, ids=lambda p: "{lanes}x{kw}".format(**p["sizing"]))
def test_within_ten_percent_of_the_recorded_synthesis(point: dict, name: str) -> None:
    assert "synth_xilinx" in point["source"]
    counted = point["counted"][name]
    target = get_target(point["target"])
    model = estimate(Sizing(**point["sizing"]), target.family)
    assert abs(model[name] - counted) <= 0.1 * counted


def test_the_recorded_engines_differ_in_lanes_and_columns() -> None:
    assert len({(p["sizing"]["lanes"], p["sizing"]["kw"]) for p in POINTS}) >= 3


def test_wide_engines_cost_more() -> None:
    small, wide = estimate(MICRO), estimate(MICRO.replace(lanes=64, kw=256, gs=16))
    assert all(wide[k] > small[k] for k in RESOURCES)
