"""Frames/s of README name their clock, the memory bandwidth and the LUTs' share."""

import json

import pytest

from hwgen.report.schema import Report
from hwgen.results import claims, compare, readme
from tests.report import sample

OLD = Report.model_validate(sample.of_old(sample.report()))
DRAM = ", DRAM 1.47 GB/s"
CLAIMS = {  # report -> frames/s, memory bandwidth, GOPS
    "old": (OLD, "2,652 (200 MHz planned, not checked)", "ports 3.20 GB/s", "27.2"),
    "new": (
        sample.report(), "2,652 (200 MHz planned, not checked)", f"ports 3.20 GB/s{DRAM}", "27.2",
    ),
    "estimate below": (
        sample.timed(190.75), "2,529 (190.8 MHz estimated)", f"ports 3.05 GB/s{DRAM}", "25.9",
    ),
    "estimate above": (
        sample.timed(212), "2,652 (200 MHz planned; 212 MHz estimated)", f"ports 3.20 GB/s{DRAM}",
        "27.2",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("report", "rate", "memory", "gops"), CLAIMS.values(), ids=CLAIMS)
def test_readme_names_clock_memory_and_share(tmp_path, report, rate, memory, gops):
    (tmp_path / "one.json").write_text(report.to_json())
    row = readme.numbers(tmp_path).splitlines()[2]
    assert f"| {rate} | {memory} | {gops} | 3 % | 20,930 (39 %) |" in row


@pytest.mark.parametrize(("report", "rate", "memory", "gops"), CLAIMS.values(), ids=CLAIMS)
def test_so_do_networks_beside_each_other(report, rate, memory, gops):
    model = report.model.model_copy(update={"name": "bhvit_tiny_untrained"})
    found = compare.lines([report.model_copy(update={"model": model})])
    assert found[-3].endswith("| frames/s (clock) | memory bandwidth | LUT, Yosys |")
    assert found[-1].endswith(f"| zynq | 75,411 | {rate} | {memory} | 20,930 (39 %) |")
    assert len({line.count("|") for line in found[-3:]}) == 1


def test_a_file_of_before_is_read_as_it_is(tmp_path):
    (tmp_path / "old.json").write_text(json.dumps(sample.of_old(sample.report())))
    assert "| 2,652 (200 MHz planned, not checked) | ports 3.20 GB/s |" in readme.numbers(tmp_path)


def test_no_cycles_no_claim():
    cycles = sample.report().cycles.model_copy(update={"simulated": None, "predicted": None})
    assert claims.rate(sample.report().model_copy(update={"cycles": cycles})) == "–"
