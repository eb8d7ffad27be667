"""The width study: its configurations, and the table that the page shows."""

from __future__ import annotations

import json

from hwgen.paths import CHECKOUT, reports_dir
from hwgen.results import width_study as study
from hwgen.results.markers import fill
from hwgen.zoo.config import BHViTConfig


def test_nineteen_networks() -> None:
    each = study.configurations()
    assert len(each) == 19
    for name, fields in each.items():
        config = BHViTConfig(depths=(2, 2, 6, 2), classes=37, **fields)
        assert config.channels[0] == int(name[1:].partition("-")[0])


def test_the_page_shows_the_record() -> None:
    rows = json.loads((reports_dir() / study.FILE).read_text())
    text = (CHECKOUT / study.PAGE).read_text()
    assert text == fill(text, study.table(rows), study.PAGE, study.BEGIN, study.END)
    ran = {row["name"]: row["simulated"] for row in rows if "simulated" in row}
    assert {"d80", "d176"} <= ran.keys()
    for row in rows:
        if row["name"] in ran:
            assert ran[row["name"]]["first_mismatch"] is None
            assert ran[row["name"]]["cycles"] == row["cycles"]


def test_a_simulation_of_another_engine_is_not_kept() -> None:
    old = {"name": "d64", "sizing": {"lanes": 32}, "cycles": 9, "instructions": 3, "simulated": {}}
    new = {k: old[k] for k in ("name", "sizing", "cycles", "instructions")}
    assert "simulated" in study.kept(new, {"d64": old})
    assert "simulated" not in study.kept(new | {"cycles": 10}, {"d64": old})
    assert "simulated" not in study.kept(new | {"sizing": {"lanes": 16}}, {"d64": old})
    assert "simulated" not in study.kept(new, {})
