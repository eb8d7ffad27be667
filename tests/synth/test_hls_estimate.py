"""Estimates of the HLS engine: cycles against the C++'s own counters, memories against Yosys."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from hwgen.emit.hls import sources
from hwgen.engine.isa import INSTR_BITS, OPCODES
from hwgen.engine.sizing import Sizing
from hwgen.paths import reports_dir, templates_dir
from hwgen.schedule.hazards import Instruction
from hwgen.schedule.program import schedule
from hwgen.synth import hls_model
from hwgen.synth.hls import hls_section
from hwgen.synth.hls_model import Cost, functions, logic, memory, multiplier, mux, total
from hwgen.targets import get_target
from hwgen.timing import hls_cycles
from hwgen.timing.hls_cycles import (
    COMPUTE_DEPTH,
    KERNELS,
    LOOP,
    WORD_DEPTH,
    instruction_cycles,
    nest_beats,
)
from hwgen.tools.headers import ap_types
from tests.graphs import conv_graph, patch_graph, random_graph

S = Sizing()


def cycles(op: str, **fields: int) -> int:
    return instruction_cycles(Instruction(op, "", 0, fields), S, latency=40)


def test_cycles_of_single_instructions() -> None:
    nest = {"n0": 3, "n1": 2, "n2": 5, "n3": 7, "xd": 1}
    assert cycles("MACV", **nest) == LOOP + 210 - 1 + COMPUTE_DEPTH
    assert cycles("MACV", **nest | {"stencil": 1, "n2": 2}) == LOOP + 6 * 11 - 1 + COMPUTE_DEPTH
    assert cycles("XLIN", **nest) == LOOP + 35 - 1 + COMPUTE_DEPTH
    assert cycles("XCONV", **nest) == LOOP + 7 * 6 - 1 + COMPUTE_DEPTH
    assert cycles("XCONV", **nest | {"xd": 3}) == LOOP + 7 * 8 - 1 + COMPUTE_DEPTH
    assert cycles("XCONV", **nest | {"xd": 6}) == LOOP + 7 * 10 - 1 + COMPUTE_DEPTH
    assert cycles("SET", kind=1) == 1
    assert cycles("LDW", wb=0, n=8) == LOOP + 8 - 1 + WORD_DEPTH
    record = {"n_wb": 5, "n_cm": 4, "n_om": 3, "qm_words": 8}  # 20 words of two beats
    assert cycles("LOAD", **record) == 40 + LOOP + 2 * 19 + WORD_DEPTH
    assert cycles("LOAD", n_wb=0, n_cm=0, n_om=0, qm_words=0) == 40 + LOOP
    assert cycles("LOADF", words=10, bytes=0) == 40 + LOOP + 2 * 9 + WORD_DEPTH
    attention = cycles("ATT", n2=4, n3=3, queries=3, tokens=20)
    per_query = (attention - (LOOP + 2 * 19 + WORD_DEPTH)) / 3
    scores, levels = 3 - 1 + 7 + 3, 3 - 1 + 15  # 20 keys, 8 a beat
    assert per_query == 4 * LOOP + scores + levels + 64 - 1 + 6 + 4 - 1 + COMPUTE_DEPTH


def test_a_frame_is_the_sum_of_its_instructions() -> None:
    program = schedule(random_graph(), S)
    found = hls_section(program, get_target("zynq"))
    instructions = program.instructions
    assert found.cycles == sum(f.cycles or 0 for f in found.functions)
    calls = {f.name: f.calls for f in found.functions}
    assert calls["fetch"] == len(instructions)
    assert sum(n or 0 for n in calls.values()) == 2 * len(instructions) - 1  # END does nothing
    fetched = next(f for f in found.functions if f.name == "fetch").cycles
    rest = sum(instruction_cycles(i, S) for i in instructions if i.op != "END")
    assert found.cycles == fetched + rest
    assert found.fps == pytest.approx(200e6 / found.cycles)
    for key in ("lut", "ff", "bram36", "dsp"):
        assert getattr(found, key) == sum(getattr(f, key) for f in found.functions)
        assert getattr(found, key) == pytest.approx(getattr(total(functions(S)), key), abs=8)


BEATS = """
#include <cstdio>

#include "nest.hpp"

using namespace hwgen;

int main() {
    unsigned char bytes[INSTR_BITS / 8];
    while (std::fread(bytes, sizeof bytes, 1, stdin) == 1) {
        Instruction word = 0;
        for (int k = 0; k < INSTR_BITS / 8; ++k) word.range(8 * k + 7, 8 * k) = bytes[k];
        const unsigned op = opcode(word);
        if (op < OP_XLIN || op == OP_SET) continue;
        Compute c;
        c.decode(word);
        const bool att = op == OP_ATT, conv = op == OP_XCONV;
        Nest nest;
        nest.start(c, conv, op == OP_MACV && c.stencil, att || conv || op == OP_XLIN);
        const unsigned queries = att ? c.n3.to_uint() : 1;
        std::printf("%u %u\\n", (att ? nest.row_beats : nest.beats).to_uint(), queries);
    }
}
"""


def test_beats_are_those_that_the_c_plus_plus_counts(tmp_path: Path) -> None:
    for name, text in sources(S).items():
        (tmp_path / name).write_text(text)
    (tmp_path / "beats.cpp").write_text(BEATS)
    build = ["g++", "-std=c++14", "-w", "-isystem", str(ap_types()), "-o", "beats", "beats.cpp"]
    subprocess.run(build, cwd=tmp_path, check=True)
    kinds = set()
    for graph in (random_graph(), conv_graph(), patch_graph()):
        program = schedule(graph, S)
        words = b"".join(w.to_bytes(INSTR_BITS // 8, "little") for w in program.words())
        done = subprocess.run([tmp_path / "beats"], input=words, capture_output=True, check=True)
        found = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
        compute = [i for i in program.compute if i.op != "SET"]
        assert found == [
            (nest_beats(i.op, i.fields), i.fields["queries"] if i.op == "ATT" else 1)
            for i in compute
        ]
        kinds |= {(i.op, i.fields.get("stencil", 0), i.fields["xd"] > 1) for i in compute}
    assert {("XCONV", 0, True), ("MACV", 1, False), ("ATT", 0, False)} <= kinds


def test_every_instruction_has_a_function_of_the_c_plus_plus() -> None:
    assert set(KERNELS) == set(OPCODES) - {"END"}
    text = "".join(sources(S).values())
    for name in {*KERNELS.values(), *(f.name for f in functions(S))} - {"ports and registers"}:
        word = name.split(",")[0]
        assert re.search(rf"(inline \w[\w<>: ]* {word}\(|struct {word}\b)", text), word


def test_the_model_follows_the_pragmas() -> None:
    top = (templates_dir() / "hls" / "hwgen_top.cpp").read_text()
    assert len(set(re.findall(r"mode=m_axi .*bundle=(\w+)", top))) == hls_model.PORTS
    dma = (templates_dir() / "hls" / "dma.hpp").read_text()
    assert dma.count("pipeline II=PARAM_BEATS") == 3
    compute = (templates_dir() / "hls" / "compute.hpp").read_text()
    assert re.findall(r"pipeline II=(\w+)", compute) == ["1"]
    attention = (templates_dir() / "hls" / "attention.hpp").read_text()
    assert re.findall(r"pipeline II=(\w+)", attention) == ["2", "1", "1", "1"]


def test_costs_of_primitives() -> None:
    assert logic(10) == Cost(lut=10, ff=10)
    assert (mux(4, 8).lut, mux(5, 8).lut, mux(2, 8).lut, mux(1, 8).lut) == (8, 16, 8, 0)
    assert [multiplier(a, b).dsp for a, b in ((25, 18), (26, 18), (25, 19), (42, 42))] == [
        1,
        2,
        2,
        6,
    ]
    assert (memory(6, 32), memory(6, 64)) == (Cost(lut=4), Cost(lut=8))
    assert (memory(36, 512), memory(36, 1024)) == (Cost(bram36=0.5), Cost(bram36=1))
    assert memory(72, 512, readers=3) == Cost(bram36=3)
    assert Cost(1, 2, 3, 4).times(2) + Cost(1, 1, 1, 1) == Cost(3, 5, 7, 9)


def test_memories_are_those_that_yosys_counts_in_the_rtl() -> None:
    report = json.loads((reports_dir() / "bhvit_small_untrained-zynq.json").read_text())
    units = report["resources"]["by_unit"]
    cost = {f.name: f.cost for f in functions(Sizing(**get_target("zynq").engine))}
    assert cost["load_shadow"].bram36 == units["weight_buffer"]["bram36"]
    assert cost["PartialSums"].bram36 == units["partial_sums"]["bram36"]
    features = units["feature_memory_fm"]["bram36"] + units["feature_memory_tm"]["bram36"]
    assert cost["FeatureMemories"].bram36 == pytest.approx(features, rel=0.1)  # one, not eight
    copies = hls_model.READ_ROWS  # where the RTL has banks
    assert cost["BitMemory"].bram36 == copies * units["bit_memory"]["bram36"]


def test_a_larger_engine_costs_more_and_a_longer_latency_too() -> None:
    small, large = (total(functions(Sizing(lanes=n, kw=256))) for n in (16, 32))
    assert all(getattr(large, k) > getattr(small, k) for k in ("lut", "ff", "bram36", "dsp"))
    program = schedule(random_graph(), S)
    slow, fast = (
        sum(c.cycles for c in hls_cycles.function_cycles(program, n).values()) for n in (80, 40)
    )
    waits = sum(1 + (i.op in ("LOAD", "LOADF", "STORE")) for i in program.instructions)
    assert slow - fast == 40 * waits
