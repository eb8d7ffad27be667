"""Cost of the XNOR array: within its bound, and as recorded."""

from __future__ import annotations

import json

import pytest

from hwgen.paths import CHECKOUT, reports_dir
from hwgen.results import markers
from hwgen.results.popcount import WIDTHS, lane_cost, table

REPORT = json.loads((reports_dir() / "popcount.json").read_text())


@pytest.mark.slow
def test_at_most_1_45_lut_per_mac_at_256_columns() -> None:
    cost = lane_cost(256)
    assert cost["lut_per_mac"] <= 1.45
    assert cost == next(row["hwgen"] for row in REPORT["rows"] if row["kw"] == 256)


def test_recorded_costs_beat_the_plain_description() -> None:
    assert [row["kw"] for row in REPORT["rows"]] == list(WIDTHS)
    for row in REPORT["rows"]:
        assert row["hwgen"]["lut_per_mac"] < 0.65 * row["plain"]["lut_per_mac"]


def test_the_page_is_what_the_report_says() -> None:
    text = (CHECKOUT / "docs" / "popcount.md").read_text()
    assert markers.fill(text, table(REPORT)) == text, "run `python -m hwgen.results.popcount`"
