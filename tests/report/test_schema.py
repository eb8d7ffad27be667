"""report.json: its keys are a promise to other programs."""

import json

import pytest
from pydantic import ValidationError

from hwgen.errors import HwgenError
from hwgen.report import load_report, save_report, summary, update_report
from hwgen.report.schema import Report
from tests.report import sample

KEYS = {
    "model": {"name", "sha256", "params", "binary_weights", "binary_macs", "float_macs"},
    "target": {"name", "part", "clock_mhz", "budget"},
    "config": {"array_bits", "lanes", "act_bits", "axi_ports", "axi_bits"},
    "cycles": {
        "predicted", "simulated", "predicted_cold", "simulated_cold", "roofline", "steps",
    },
    "memory": {
        "read_bytes", "read_bytes_cold", "weight_bytes", "kept_bytes", "port_bytes_per_second",
        "dram", "dram_bytes_per_second",
    },
    "fps": {"predicted", "simulated", "clock_mhz", "clock_source"},
    "timing": {
        "source", "nets", "clock_mhz", "fmax_mhz", "critical_ns", "endpoints", "failing",
        "histogram_step_ns", "histogram", "units", "paths",
    },
    "resources": {"source", "lut", "ff", "bram36", "uram", "dsp", "by_unit", "fits"},
    "place": {
        "source", "part", "seed", "goal_mhz", "fmax_mhz", "endpoints", "failing", "used", "paths",
    },
    "hls": {"source", "cycles", "fps", "lut", "ff", "bram36", "dsp", "fits", "functions"},
    "check": {"images", "tensors", "mismatches", "first_mismatch", "seconds"},
    "fidelity": {"top1_agreement", "accuracy_float", "accuracy_int", "logit_cosine", "blocks"},
}  # fmt: skip


def test_keys_are_exactly_the_promised_ones():
    body = json.loads(sample.report().to_json())
    assert body.pop("schema") == "hwgen.report/1"
    assert {name: set(section) for name, section in body.items()} == KEYS
    assert set(body["target"]["budget"]) == {"lut", "ff", "bram36", "uram", "dsp"}
    assert set(body["cycles"]["steps"][0]) == {"name", "unit", "predicted", "simulated", "spent"}


def test_a_report_without_blocks_still_loads():
    body = json.loads(sample.report(simulated=False).to_json())
    del body["fidelity"]["blocks"]
    assert Report.model_validate(body).fidelity.blocks == []


def test_a_report_from_before_the_hls_back_end_still_loads():
    body = json.loads(sample.report().to_json())
    del body["hls"]
    assert Report.model_validate(body) == sample.report()


def test_a_report_from_before_the_boards_still_loads():
    body = json.loads(sample.report().to_json())
    del body["config"]["axi_ports"]
    for name in ("port_bytes_per_second", "dram", "dram_bytes_per_second"):
        del body["memory"][name]
    old = Report.model_validate(body)
    assert not any(line.startswith("memory") for line in summary(old))


def test_json_comes_back_equal():
    for report in (sample.report(), sample.report(hls=True)):
        assert Report.model_validate_json(report.to_json()) == report


def test_unknown_values_are_null():
    body = json.loads(sample.report(simulated=False).to_json())
    assert body["cycles"]["simulated"] is None
    assert body["resources"]["lut"] is None
    assert body["check"]["first_mismatch"] is None


def test_a_misspelt_key_is_refused():
    body = json.loads(sample.report().to_json())
    body["cycles"]["simulatd"] = 3
    with pytest.raises(ValidationError, match="simulatd"):
        Report.model_validate(body)


def test_save_load_update(tmp_path):
    save_report(tmp_path, sample.report(simulated=False), sample.graph(), sample.MEMORY_MAP)
    before = (tmp_path / "report.html").read_text()
    update_report(tmp_path, check={"images": 16, "tensors": 9, "mismatches": 0})
    after = load_report(tmp_path)
    assert after.check.tensors == 9
    assert after.cycles == sample.report(simulated=False).cycles
    page = (tmp_path / "report.html").read_text()
    assert page != before
    assert "QDAttention" in page
    assert "records with CRC-32" in page
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "report.html", "report.json", "report.view.json",
    ]  # fmt: skip


def test_a_folder_without_report_and_a_broken_report(tmp_path):
    with pytest.raises(HwgenError, match=r"no report\.json; must be the output folder"):
        load_report(tmp_path)
    (tmp_path / "report.json").write_text("{}")
    with pytest.raises(HwgenError) as error:
        load_report(tmp_path)
    assert error.value.line == (
        f"{tmp_path}/report.json: model: Field required; must be a hwgen.report/1; compile again"
    )


BANDWIDTH = (
    "memory      2 ports x 64 bits x 200 MHz = 3.20 GB/s; "
    "DDR3, 16 bits x 1050 MT/s x 0.7 = 1.47 GB/s"
)


def test_a_part_without_a_board_says_so():
    report = sample.report()
    memory = report.memory.model_copy(update={"dram": None, "dram_bytes_per_second": None})
    part = report.model_copy(update={"memory": memory})
    assert summary(part)[4] == (
        "memory      2 ports x 64 bits x 200 MHz = 3.20 GB/s; no board, DRAM as fast as that"
    )


def test_frames_and_ports_are_told_for_the_smaller_clock():
    slow, fast = sample.timed(190.0, sample.report(hls=True)), sample.timed(212.0)
    assert summary(slow)[4].startswith("memory      2 ports x 64 bits x 190 MHz = 3.04 GB/s; DDR3")
    assert summary(slow)[6] == (
        "frames/s    2,520 at 190 MHz (estimated, no placement; simulated cycles)"
    )
    assert slow.hls.fps == pytest.approx(190e6 / 301_200)
    assert slow.fps.simulated == pytest.approx(190e6 / 75_411)
    assert summary(fast)[4] == BANDWIDTH
    assert summary(fast)[6] == (
        "frames/s    2,652 at 200 MHz (planned; 212 MHz estimated, no placement; simulated cycles)"
    )


def test_summary_says_where_numbers_come_from():
    assert summary(sample.report()) == [
        "bhvit_sample on zynq (xc7z020clg400-1): 2,048 XNOR bits, 16 lanes",
        "accuracy    96.39 % integer, 96.67 % float, same class 99.72 % (golden model)",
        "blocks      output error at most 0.21 % with float signs, 0.84 % with own; "
        "signs equal at least 99.91 % (16 bits, golden model)",
        "cycles      75,411 per frame (simulated), 75,354 (predicted)",
        BANDWIDTH,
        "weights     0.06 of 0.09 MB stay on chip; first frame 79,354 cycles (predicted)",
        "frames/s    2,652 at 200 MHz (planned, not checked; simulated cycles)",
        "check       0 mismatches in 1,472 tensors, 16 images (RTL against golden model)",
        "resources   LUT 20,930/53,200, FF 17,360/106,400, BRAM36 61.5/140, DSP 48/220, fits "
        "(Yosys 0.70 synth_xilinx, unit by unit)",
    ]
    assert summary(sample.report(simulated=False))[2:] == [
        "cycles      75,354 per frame (predicted)",
        BANDWIDTH,
        "weights     0.06 of 0.09 MB stay on chip; first frame 79,354 cycles (predicted)",
        "frames/s    2,654 at 200 MHz (planned, not checked; predicted cycles)",
    ]


def test_summary_says_that_hls_is_estimated():
    assert summary(sample.report(hls=True))[:-1] == summary(sample.report())
    assert summary(sample.report(hls=True))[-1] == (
        "HLS         301,200 cycles per frame, LUT 61,050/53,200, FF 42,000/106,400, "
        "BRAM36 84.5/140, DSP 96/220, DOES NOT FIT (estimated)"
    )
