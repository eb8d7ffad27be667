"""Vivado's text reports, read; what is no such report is one line that says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwgen.errors import HwgenError
from hwgen.report.schema import Resources5
from hwgen.vivado_reports import (
    Used,
    read_timing,
    read_utilization,
    timing_rows,
    utilization_rows,
)
from hwgen.vivado_reports.text import die
from tests.vivado_reports import samples

ALONE = samples.TIMING[: samples.TIMING.index("Timing Summary Report")]


def put(folder: Path, text: str, name: str = "timing.rpt") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_timing(tmp_path: Path) -> None:
    timing = read_timing(put(tmp_path, samples.TIMING))
    assert (timing.wns_ns, timing.tns_ns) == (-0.412, -95.31)
    assert (timing.failing_endpoints, timing.endpoints) == (731, 148211)
    assert (timing.whs_ns, timing.ths_ns) == (0.031, 0.0)
    assert not timing.met
    first, slow = timing.clocks
    assert (first.name, first.period_ns, first.frequency_mhz) == ("clk_fpga_0", 5.0, 200.0)
    assert (slow.name, slow.period_ns, slow.wns_ns) == ("slow", 20.0, None)
    assert timing.clock is first
    assert timing.fmax_mhz == pytest.approx(1000 / 5.412)


def test_head(tmp_path: Path) -> None:
    header = read_timing(put(tmp_path, samples.TIMING)).header
    assert header.tool is not None
    assert header.tool.startswith("Vivado v.2023.2")
    assert (header.design, header.device) == ("system_wrapper", "7z020-clg400")
    assert (header.speed, header.state) == ("-1", "Routed")
    assert header.date == "Mon Mar  3 09:15:00 2025"


def test_worst_setup_paths_first(tmp_path: Path) -> None:
    worst, second = read_timing(put(tmp_path, samples.TIMING)).paths
    assert (worst.slack_ns, second.slack_ns) == (-0.412, -0.1)
    assert (worst.source, worst.destination) == (samples.FETCH, samples.COMPUTE)
    assert (worst.clock, worst.requirement_ns) == ("clk_fpga_0", 5.0)
    assert (worst.delay_ns, worst.logic_ns, worst.route_ns) == (5.21, 1.5, 3.5)
    assert (worst.levels, worst.cells) == (7, "CARRY4=2 LUT3=1 LUT6=4")


def test_without_header_and_details(tmp_path: Path) -> None:
    """-no_header -no_detailed_paths: unknown is None, not a guess."""
    end = samples.TIMING.index("Max Delay Paths")
    timing = read_timing(put(tmp_path, samples.TIMING[len(ALONE) : end]))
    assert timing.wns_ns == -0.412
    assert timing.paths == ()
    assert (timing.header.device, timing.header.tool) == (None, None)


def test_setup_only(tmp_path: Path) -> None:
    """-setup leaves the hold columns out."""
    new = samples.table(samples.COLUMNS[:4], [("0.125", "0.000", "0", "148211")])
    timing = read_timing(put(tmp_path, samples.TIMING.replace(samples.SUMMARY_TABLE, new)))
    assert (timing.wns_ns, timing.whs_ns) == (0.125, None)
    assert timing.met


def test_utilization_of_7_series(tmp_path: Path) -> None:
    found = read_utilization(put(tmp_path, samples.UTILIZATION_7))
    assert (found.lut, found.ff) == (Used(46012, 53200), Used(52001, 106400))
    assert (found.bram36, found.dsp) == (Used(131.5, 140), Used(198, 220))
    assert (found.uram, found.scope) == (None, None)
    assert found.header.state == "Fully Placed"


def test_utilization_of_ultrascale(tmp_path: Path) -> None:
    found = read_utilization(put(tmp_path, samples.UTILIZATION_US))
    assert (found.lut, found.ff) == (Used(88001, 117120), Used(120500, 234240))
    assert (found.bram36, found.uram) == (Used(100, 144), Used(48, 64))
    assert found.dsp == Used(700, 1248)


def test_hierarchical_utilization_is_the_engine(tmp_path: Path) -> None:
    found = read_utilization(put(tmp_path, samples.HIERARCHY))
    assert found.scope == "inst"
    assert (found.lut, found.ff) == (Used(46000, None), Used(52000, None))
    assert (found.bram36, found.dsp) == (Used(130.5, None), Used(198, None))
    other = samples.HIERARCHY.replace("hwgen_engine", "other_engine")
    top = read_utilization(put(tmp_path, other))
    assert (top.scope, top.lut) == (None, Used(48100, None))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (None, "No such file or directory; must be the text that Vivado's report_timing_summary "
               "wrote; give the file of report_timing_summary -file"),
        ("PK\0\1", "is no text; must be the text that Vivado's report_timing_summary wrote; "
                   "give the file of report_timing_summary -file, not .rpx, .pb or .dcp"),
        ("", "no Design Timing Summary; must be the whole report of Vivado's "
             "report_timing_summary; write it again with report_timing_summary -file"),
        (samples.UTILIZATION_7, "written by report_utilization; must be the text that Vivado's "
                                "report_timing_summary wrote; give it to --utilization"),
        (samples.header("report_timing -file x", "7z020"),
         "written by report_timing; must be the text that Vivado's report_timing_summary wrote; "
         "give the file of report_timing_summary -file"),
        (samples.TIMING[: samples.TIMING.index("-0.412")],
         "no row below WNS(ns) in the Design Timing Summary; must be the whole report of Vivado's "
         "report_timing_summary; write it again with report_timing_summary -file"),
        (samples.TIMING[: samples.TIMING.index("{0.000 2.500}")],
         "no clock in the Clock Summary; must be the whole report of Vivado's "
         "report_timing_summary; write it again with report_timing_summary -file"),
        (samples.TIMING[: samples.TIMING.index("  Logic Levels")],
         "no full path below the slack of -0.1 ns; must be the whole report of Vivado's "
         "report_timing_summary; write it again with report_timing_summary -file"),
        (samples.TIMING.replace("-0.412", "NA    "),
         "WNS NA; the design must have a clock; read vendor/engine.xdc, or a file with "
         "create_clock"),
        (samples.TIMING.replace("WNS(ns)", "WHS(ns)"),
         "no WNS(ns); setup must be analysed; write it without -hold or -delay_type min"),
    ],
)  # fmt: skip
def test_no_timing_report(tmp_path: Path, text: str | None, line: str) -> None:
    path = tmp_path / "timing.rpt"
    if text is not None:
        path.write_text(text)
    with pytest.raises(HwgenError) as error:
        read_timing(path)
    assert error.value.line == f"{path}: {line}"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (samples.TIMING, "written by report_timing_summary; must be the text that Vivado's "
                         "report_utilization wrote; give it to --vivado"),
        (samples.UTILIZATION_7[: samples.UTILIZATION_7.index("3. DSP")],
         "no row DSPs; must be the whole report of Vivado's report_utilization; write it again "
         "with report_utilization -file"),
        (samples.HIERARCHY[: samples.HIERARCHY.index("| system_wrapper")],
         "no column Total LUTs; must be the whole report of Vivado's report_utilization; write it "
         "again with report_utilization -file"),
        ("hello\n", "no row Slice LUTs or CLB LUTs; must be the whole report of Vivado's "
                    "report_utilization; write it again with report_utilization -file"),
    ],
)  # fmt: skip
def test_no_utilization_report(tmp_path: Path, text: str, line: str) -> None:
    path = put(tmp_path, text)
    with pytest.raises(HwgenError) as error:
        read_utilization(path)
    assert error.value.line == f"{path}: {line}"


def test_a_folder_is_no_report(tmp_path: Path) -> None:
    with pytest.raises(HwgenError, match="Is a directory; must be the text"):
        read_timing(tmp_path)


@pytest.mark.parametrize(
    ("device", "part"),
    [("7z020-clg400", "xc7z020clg400-1"), ("7z020clg484-3", "xc7z020clg400-1"),
     ("xck26-sfvc784", "xck26-sfvc784-2LV-c"), ("xczu3egsbva484-1", "xczu3eg-sbva484-1-e")],
)  # fmt: skip
def test_the_die_of_a_part(device: str, part: str) -> None:
    assert die(device) == die(part)
    assert die(device) != die("xc7z010clg400-1")


def test_a_report_of_another_part(tmp_path: Path) -> None:
    header = read_timing(put(tmp_path, samples.TIMING)).header
    header.require_part("xc7z020clg400-1")
    with pytest.raises(HwgenError) as error:
        header.require_part("xck26-sfvc784-2LV-c")
    assert error.value.line == (
        f"{header.path}: device 7z020-clg400; must be the report of xck26-sfvc784-2LV-c; "
        "give the report of this target's build"
    )


def test_beside_ours(tmp_path: Path) -> None:
    timing = read_timing(put(tmp_path, samples.TIMING))
    rows = {r.name: r for r in timing_rows(timing, 160.0, "estimated, no placement")}
    assert (rows["Fmax, MHz"].ours, rows["Fmax, MHz"].theirs) == ("160.0", "184.8")
    slack = rows["worst setup slack at that clock, ns"]
    assert (slack.ours, slack.theirs) == ("-1.250", "-0.412")
    assert slack.ours_source == "estimated, no placement"
    assert {r.theirs_source for r in rows.values()} == {
        "Vivado v.2023.2, Routed, your file timing.rpt"
    }
    assert rows["failing endpoints"].theirs == "731 of 148,211"
    assert rows["worst path"].theirs.endswith(f"-> {samples.COMPUTE}: 5.210 ns, 7 levels")
    unknown = {r.name: r for r in timing_rows(timing, None, "estimated, no placement")}
    assert (unknown["Fmax, MHz"].ours, unknown["Fmax, MHz"].ours_source) == ("–", "")


def test_resources_beside_ours(tmp_path: Path) -> None:
    ours = Resources5(lut=51000, ff=50000, bram36=130.5, uram=0, dsp=198)
    found = read_utilization(put(tmp_path, samples.HIERARCHY, "use.rpt"))
    rows = utilization_rows(found, ours, "Yosys 0.70")
    assert [(r.name, r.ours, r.theirs) for r in rows] == [
        ("LUT", "51,000", "46,000"), ("FF", "50,000", "52,000"),
        ("BRAM36", "130.5", "130.5"), ("DSP", "198", "198"),
    ]  # fmt: skip
    assert rows[0].theirs_source == "Vivado v.2023.2, Routed, your file use.rpt, instance inst"
    assert rows[0].ours_source == "Yosys 0.70"
