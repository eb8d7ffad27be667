"""attention.v against NumPy, bit for bit and cycle for cycle; lint; planted faults."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import asdict

import pytest
from cocotb_tools.runner import get_results, get_runner

from hwgen.engine.numerics import exp_table
from hwgen.tools.lint import lint_verilog
from hwgen.tools.verilator import verilator_env
from hwgen.units.attention import Attention, exp_rom

UNITS = [Attention(16, 128, 8), Attention(64, 128, 4, row_at=4), Attention(16, 128, 8, head=80)]
OTHERS = [
    Attention(64, 256, 16),
    Attention(32, 64, 8, 64),
    Attention(16, 128, 32, row_at=1),
    Attention(16, 128, 64, row_at=3),
    Attention(8, 64, 4),
    Attention(8, 64, 32),
    Attention(16, 256, 16, head=16),
    Attention(8, 64, 4, head=48),
    Attention(32, 128, 8, head=96),
    Attention(64, 128, 16, head=128),
    Attention(16, 256, 64, head=240),
    Attention(32, 256, 8, head=256),
]


def name_of(unit: Attention) -> str:
    return f"H{unit.head}_L{unit.lanes}_KW{unit.kw}_PK{unit.pk}_T{unit.max_tokens}_R{unit.row_at}"


def build(unit: Attention, folder, monkeypatch, edit=None):
    """Builds under Verilator; `edit` = (file, old, new) plants an RTL fault."""
    for name, value in verilator_env().items():
        monkeypatch.setenv(name, value)
    sources = unit.write_sources(folder)
    if edit is not None:
        file, old, new = edit
        index = next(i for i, s in enumerate(sources) if s.name == file)
        text = sources[index].read_text()
        assert text.count(old) == 1, (file, old)
        sources[index] = folder / file
        sources[index].write_text(text.replace(old, new))
    runner = get_runner("verilator")
    runner.build(
        sources=sources,
        hdl_toplevel="attention",
        parameters=unit.parameters(),
        build_args=["--default-language", "1364-2005", "-Wno-fatal", "-CFLAGS", "-O0"],
        build_dir=folder / "build",
        always=True,
        log_file=folder / "build.log",
    )
    return runner


def simulate(runner, unit: Attention, folder, runs=24, seed=1, fault="", only=None):
    """(tests, failed) of cocotb_attention."""
    results = folder / "results.xml"
    with suppress(SystemExit):  # the runner exits where a test fails
        runner.test(
            hdl_toplevel="attention",
            test_module="tests.units.cocotb_attention",
            test_filter=only,
            build_dir=folder / "build",
            test_dir=folder,
            results_xml=str(results),
            log_file=folder / "test.log",
            extra_env={
                "ATTENTION_UNIT": json.dumps(asdict(unit)),
                "ATTENTION_SEED": str(seed),
                "ATTENTION_RUNS": str(runs),
                "ATTENTION_FAULT": fault,
            },
        )
    return get_results(results)


@pytest.mark.slow
@pytest.mark.parametrize("unit", UNITS, ids=name_of)
def test_every_word_and_cycle(unit, tmp_path, monkeypatch):
    runner = build(unit, tmp_path, monkeypatch)
    assert simulate(runner, unit, tmp_path) == (3, 0), (tmp_path / "test.log").read_text()[-3000:]
    # the same build must see a flipped key bit and a changed constant
    for fault in ("bit", "kappa"):
        assert simulate(runner, unit, tmp_path, runs=6, fault=fault, only="one_by_one") == (1, 1)


@pytest.mark.full
@pytest.mark.parametrize("unit", OTHERS, ids=name_of)
def test_other_sizes(unit, tmp_path, monkeypatch):
    runner = build(unit, tmp_path, monkeypatch)
    for seed in range(4):
        tests = simulate(runner, unit, tmp_path, runs=20, seed=seed)
        assert tests == (3, 0), (tmp_path / "test.log").read_text()[-3000:]


@pytest.mark.full
def test_padding_keys_that_count_are_seen(tmp_path, monkeypatch):
    edit = ("attention_context.v", "~last_t[1] | tail_mask[j]", "~last_t[1] | 1'b1")
    runner = build(UNITS[0], tmp_path, monkeypatch, edit)
    assert simulate(runner, UNITS[0], tmp_path, runs=4, only="one_by_one") == (1, 1)


HEAD_FAULTS = {
    "channels of other heads in keys": (
        "attention.v", "att_row[i] | ~key_mask_q[i/8]", "att_row[i]",
    ),
    "channels of other heads in queries": (
        "attention.v", "att_row[i] & query_mask_q[i/8]", "att_row[i]",
    ),
    "words of another unit": (
        "attention.v", "(v_unit == 3'd0) ? offset : 3'd0", "(v_unit == 3'd1) ? offset : 3'd0",
    ),
    "the first unit twice": ("attention.v", "query : units[k_unit_q]", "query : units[0]"),
    "no score is cut": ("attention_score.v", "HEAD > 126 && sum_q > TOP", "1'b0"),
    "another step from key to key": (
        "attention_reads.v", "t_stride - {9'd0, units_1} * UNIT_STEP[11:0]", "t_stride",
    ),
}  # fmt: skip


@pytest.mark.full
@pytest.mark.parametrize("fault", HEAD_FAULTS)
def test_faults_of_other_heads_are_seen(fault, tmp_path, monkeypatch):
    unit = Attention(16, 128, 8, head=176)
    runner = build(unit, tmp_path, monkeypatch, HEAD_FAULTS[fault])
    assert simulate(runner, unit, tmp_path, only="one_by_one") == (1, 1)


@pytest.mark.full
def test_keys_read_before_the_other_half_is_free_are_seen(tmp_path, monkeypatch):
    edit = ("attention_reads.v", "load_q & ~ask_q & ~blocked_q", "load_q & ~ask_q")
    runner = build(UNITS[0], tmp_path, monkeypatch, edit)
    assert simulate(runner, UNITS[0], tmp_path, only="chained") == (1, 1)


@pytest.mark.parametrize("unit", [*UNITS, *OTHERS], ids=name_of)
def test_no_front_end_warns(unit, tmp_path):
    sources = unit.write_sources(tmp_path)
    assert lint_verilog(sources, "attention", parameters=unit.parameters()) == []


@pytest.mark.parametrize("head", [16, 64, 80, 256])
def test_exp_rom_is_the_table_of_numerics(head):
    entries = re.findall(r"7'd(\d+): e = 24'd(\d+);", exp_rom(head))
    assert [(int(p), int(e)) for p, e in entries] == list(enumerate(exp_table(head).tolist()))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"LANES": 4}, "LANES_must_be_8_16_32_or_64"),
        ({"KW": 32}, "KW_must_be_at_least_64"),
        ({"PK": 2}, "PK_must_be_a_power_of_two_from_4_on"),
        ({"PK": 8, "MAX_TOKENS": 16}, "MAX_TOKENS_must_be_a_power_of_two_from_4_PK_to_256"),
        ({"LANES": 8, "PK": 64}, "MAX_TOKENS_must_be_at_least_8_PK_where_LANES_is_8"),
        ({"HEAD": 24}, "HEAD_must_be_a_multiple_of_16_and_LANES_up_to_256"),
        ({"HEAD": 80, "LANES": 32}, "HEAD_must_be_a_multiple_of_16_and_LANES_up_to_256"),
        ({"ROW_AT": 0}, "ROW_AT_must_be_at_least_1"),
        ({"MAX_TOKENS": 512}, "MAX_TOKENS_must_be_a_power_of_two_from_4_PK_to_256"),
    ],
)
def test_guards_name_the_rule(parameters, message, tmp_path):
    found = lint_verilog(
        Attention().write_sources(tmp_path),
        "attention",
        parameters=parameters,
        skip=("pyverilog", "iverilog"),
    )  # fmt: skip
    assert any(message in line for line in found)
