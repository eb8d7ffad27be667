"""README's numbers are the ones in reports/."""

import numpy as np
import pytest

from hwgen.errors import HwgenError
from hwgen.evaluation import Evaluation
from hwgen.paths import CHECKOUT
from hwgen.report.schema import Bench, BenchResult, FidelityTable
from hwgen.results import markers, pages, readme
from tests.report import sample


def test_readme_is_what_reports_say():
    text = (CHECKOUT / "README.md").read_text()
    folder = CHECKOUT / "reports"
    assert markers.fill(text, readme.numbers(folder)) == text, (
        "run `.venv/bin/python -m hwgen.results.readme`"
    )


@pytest.mark.parametrize("page", pages.PAGES)
def test_tables_of_the_docs_are_what_reports_say(page):
    text = (CHECKOUT / "docs" / page).read_text()
    assert pages.filled(page, text, CHECKOUT / "reports") == text, (
        "run `.venv/bin/python -m hwgen.results.readme`"
    )


def test_numbers_of_a_report_and_a_bench(tmp_path):
    (tmp_path / "micro.json").write_text(sample.report().to_json())
    bench = Bench(
        cores=2,
        results=[
            BenchResult(name="compile", value=4.321, unit="s", limit="< 10 s"),
            BenchResult(name="simulation", value=43210.5, unit="cycles/s"),
        ],
    )
    (tmp_path / "bench.json").write_text(bench.to_json())
    (tmp_path / "other.json").write_text("[]")
    assert readme.numbers(tmp_path).splitlines() == [
        "| network | target | accuracy, golden model (float) | cycles, simulated (predicted) "
        "| frames/s (clock) | memory bandwidth | binary GOPS sustained | array use "
        "| LUT, Yosys | BRAM36, Yosys | DSP, Yosys "
        "| tensors checked in RTL |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| bhvit_sample | zynq | 96.4 % (96.7 %) | 75,411 (75,354) "
        "| 2,652 (200 MHz planned, not checked) | ports 3.20 GB/s, DRAM 1.47 GB/s | 27.2 | 3 % "
        "| 20,930 (39 %) "
        "| 61.5 (44 %) | 48 (22 %) | 1,472, 0 differ |",
        "",
        "Benchmark (`make bench`, 2 cores):",
        "",
        "| what | value | limit |",
        "| --- | ---: | --- |",
        "| compile | 4.32 s | < 10 s |",
        "| simulation | 43,210 cycles/s |  |",
    ]


def test_accuracy_of_an_evaluation_where_the_report_has_none(tmp_path):
    report = sample.report()
    evaluated = Evaluation("bhvit_sample", "0" * 64, 16, 10)
    logits = np.eye(10)[:4]
    evaluated.add(logits, logits, np.array([0, 1, 2, 9]))
    (tmp_path / "micro-evaluation.json").write_text(evaluated.to_json())
    (tmp_path / "micro.json").write_text(report.to_json())
    assert "| zynq | 96.4 % (96.7 %) |" in readme.numbers(tmp_path)
    report.fidelity.accuracy_int = report.fidelity.accuracy_float = None
    (tmp_path / "micro.json").write_text(report.to_json())
    assert "| zynq | 75.0 % (75.0 %), 4 images |" in readme.numbers(tmp_path)


def test_worst_block_of_each_network(tmp_path):
    table = FidelityTable(networks={"sample": sample.report().fidelity.blocks})
    (tmp_path / "fidelity.json").write_text(table.to_json())
    assert readme.numbers(tmp_path).splitlines()[2:] == [
        "| network | output error, 16 bits | output error, 10 bits | equal signs, 16 bits "
        "| equal attention levels, 16 bits | error, own signs, 16 bits "
        "| signs, own signs, 16 bits | levels, own signs, 16 bits |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| sample | 0.21 % | 1.83 % | 99.91 % | 99.83 % | 0.84 % | 99.62 % | 99.83 % |",
    ]


def test_what_was_placed_and_routed(tmp_path):
    report = sample.report().model_copy(update={"place": sample.PLACE})
    (tmp_path / "micro.json").write_text(report.to_json())
    lines = readme.numbers(tmp_path).splitlines()
    assert lines[4].startswith("Engines that were really placed and routed, by open tools")
    assert lines[6:] == [
        "| network | part | MHz reached (asked for) | frames/s at that clock "
        "| memory bandwidth | sites | slowest path |",
        "| --- | --- | ---: | ---: | ---: | --- | --- |",
        "| bhvit_sample | LFE5UM5G-85F-8BG381C | 71.2 (80) | 945 "
        "| ports 1.14 GB/s, DRAM 1.47 GB/s | LUT4 67,881 (81 %), "
        "FF 40,432 (48 %), DP16KD 83 (40 %), MULT18X18D 106 (68 %) "
        "| `u_fetch.conv_q` to `u_compute.addr_q` |",
    ]


def test_nothing_is_claimed_without_reports(tmp_path):
    assert readme.numbers(tmp_path) == "No reports yet.\n"


def test_predicted_speed_says_so(tmp_path):
    (tmp_path / "small.json").write_text(sample.report(simulated=False).to_json())
    row = readme.numbers(tmp_path).splitlines()[2]
    speed = "2,654 (200 MHz planned, not checked; predicted cycles)"
    memory = "ports 3.20 GB/s, DRAM 1.47 GB/s"
    assert f"| – (75,354) | {speed} | {memory} | 27.2 | 3 % | – (–) |" in row


def test_fill_replaces_only_the_block():
    text = f"a\n{markers.BEGIN}\nold\n{markers.END}\nb\n"
    assert markers.fill(text, "new\n") == f"a\n{markers.BEGIN}\nnew\n{markers.END}\nb\n"
    with pytest.raises(HwgenError, match="no markers"):
        markers.fill("a", "new")
