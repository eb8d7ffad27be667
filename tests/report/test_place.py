"""Section `place` in terminal and page: with its source, and nothing where nothing was run."""

from __future__ import annotations

import pytest

from hwgen.report import render_report, summary, update_report
from tests.report import sample


@pytest.fixture
def report():
    return sample.report().model_copy(update={"place": sample.PLACE})


def test_the_line_of_the_terminal(report) -> None:
    assert summary(report)[-1] == (
        "placed      71.2 MHz, asked for 80; 945 frames/s at that clock; LUT4 67,881/83,640, "
        "FF 40,432/83,640, DP16KD 83/208, MULT18X18D 106/156 "
        "(placed and routed (nextpnr 0.11.1), seed 3)"
    )
    assert not any(line.startswith("placed") for line in summary(sample.report()))


def test_the_page(report) -> None:
    page = render_report(report, sample.graph(), sample.MEMORY_MAP)
    part = page[page.index("<h2>Place and route") : page.index("<h2>Checks")]
    for words in (
        "placed and routed (nextpnr 0.11.1)",
        '<th>clock reached</th><td class="n">71.2 MHz</td>',
        '<td class="n">123 of 50,000</td>',
        '<td class="n">67,881 of 83,640, 81.2 %</td>',
        "frames/s at that clock, simulated cycles",
        '<td class="n">14.04</td><td class="n">5.00</td><td class="n">9.04</td>',
        'title="u_fetch.ready -&gt; u_compute.wait_ok">u_fetch.conv_q (activation_fetch.v:31)</td>',
        "<td>u_compute.addr_q</td>",
    ):
        assert words in part, words
    assert "Place and route" not in render_report(sample.report())


def test_it_is_kept_with_the_report(tmp_path) -> None:
    from hwgen.report import load_report, save_report

    save_report(tmp_path, sample.report())
    update_report(tmp_path, place=sample.PLACE)
    assert load_report(tmp_path).place == sample.PLACE
