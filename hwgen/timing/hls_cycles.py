"""Estimated cycles of the HLS engine's functions, from the program (templates/hls/hwgen_top.cpp).

The engine executes instruction after instruction, each to its end: a frame is the sum over the
instructions of

    fetch   latency + INSTR_BEATS             one burst of the program port, not prefetched
    LOAD    latency + II (words - 1) + depth  II = PARAM_BEATS, both processes of the dataflow
    LOADF   the same
    STORE   II (words - 1) + depth + latency  the write's answer
    LDW     n + depth
    SET     1
    others  beats of the nest - 1 + depth     II = 1; ATT also loads keys and values (II = 2) and
                                              per query adds up scores, levels and context

where a pipelined loop of N steps takes II (N - 1) + depth cycles and two more to enter and leave.
An II is the one that its pragma asks for, on a memory that delivers it; a depth is that of the
RTL's pipeline for the same work at the same clock; `latency` is the memory's of `timing.predict`.
The engine's two AXI4 masters, data and program, are as wide as a beat, and each has a memory port:
where a beat takes two ports, the interconnect narrows a master to one, a beat in two cycles.
None of it was synthesised: the numbers are estimates, and Vitis HLS may miss an II or need more
stages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from hwgen.engine.isa import CMP_SOURCE, LINE_BITS
from hwgen.engine.sizing import Sizing
from hwgen.schedule.hazards import Instruction
from hwgen.schedule.program import Program
from hwgen.targets.memory import PORTS_ONLY, Rate
from hwgen.timing.predict import LATENCY
from hwgen.units.attention import SCORE_TO_SUM, SUM_TO_LEVELS
from hwgen.units.compute_unit import RETIRE, SOURCE, STENCIL_BEATS, STENCIL_LEAD
from hwgen.units.dma import record_words
from hwgen.units.xnor_front import FIRE_TO_RESULT

LOOP = 2  # cycles into a loop and out of it
COMPUTE_DEPTH = SOURCE + FIRE_TO_RESULT + RETIRE  # one loop serves all ops: the longest way
WORD_DEPTH = 8  # of the loops over words: unpack, CRC, address, write
CHANNELS = 64  # of the values of an attention instruction
CONTEXT_DEPTH = 6  # two popcounts and their sum
COMPUTE_KERNELS = {"xnor": "compute, XNOR", "mac": "compute, MAC", "att": "Attention"}  # by source
KERNELS = {  # instruction -> function of the C++ whose row counts it
    "LOAD": "load_record",
    "LOADF": "load_features",
    "STORE": "store_features",
    "LDW": "load_shadow",
    "SET": "set_register",
} | {op: COMPUTE_KERNELS[source] for op, source in CMP_SOURCE.items()}


@dataclass
class Calls:
    """Calls of a function in a frame, and the cycles of all of them."""

    calls: int = 0
    cycles: int = 0

    def add(self, cycles: int) -> None:
        self.calls += 1
        self.cycles += cycles


def loop_cycles(steps: int, depth: int, interval: int = 1) -> int:
    """Cycles of a pipelined loop; 0 steps only enter and leave."""
    return LOOP + (interval * (steps - 1) + depth if steps else 0)


def nest_beats(op: str, f: Mapping[str, int]) -> int:
    """Steps of the loop in compute() for an instruction (one query's for ATT)."""
    if op == "XLIN":
        return f["n2"] * f["n3"]
    if op == "XCONV":  # a phase begins one column early
        return f["n3"] * (f["n2"] + min(f["xd"], f["n2"]))
    if op == "ATT":
        return f["n2"]
    if f.get("stencil"):
        return STENCIL_BEATS * (f["n3"] + STENCIL_LEAD)
    return f["n0"] * f["n1"] * f["n2"] * f["n3"]


def attention_cycles(f: Mapping[str, int], s: Sizing) -> int:
    """Load keys and values; per query: scores, levels, context, result words."""
    groups = -(-f["tokens"] // s.pk)
    query = (
        loop_cycles(groups, SCORE_TO_SUM + s.pk.bit_length() - 1)
        + loop_cycles(groups, SUM_TO_LEVELS)
        + loop_cycles(CHANNELS, CONTEXT_DEPTH)
        + loop_cycles(nest_beats("ATT", f), COMPUTE_DEPTH)
    )
    return loop_cycles(f["tokens"], WORD_DEPTH, 2) + f["queries"] * query


def port_cycles(beats: int, s: Sizing, rate: Rate) -> int:
    """Cycles of beats on one memory port, with a memory of this rate."""
    return ceil(beats * max(Fraction(s.axi_ports), rate.read_cycles))


def instruction_cycles(
    i: Instruction, s: Sizing, latency: int = LATENCY, rate: Rate = PORTS_ONLY
) -> int:
    """Cycles of one instruction without its fetch."""
    f, word = i.fields, port_cycles(s.lanes * 16 // s.axi_bits, s, rate)
    if i.op == "LOAD":
        return latency + loop_cycles(record_words(f), WORD_DEPTH, word)
    if i.op in ("LOADF", "STORE"):
        return latency + loop_cycles(f["words"], WORD_DEPTH, word)
    if i.op == "LDW":
        return loop_cycles(f["n"], WORD_DEPTH)
    if i.op == "SET":
        return 1
    if i.op == "ATT":
        return attention_cycles(f, s)
    return loop_cycles(nest_beats(i.op, f), COMPUTE_DEPTH)


def function_cycles(
    program: Program, latency: int = LATENCY, rate: Rate = PORTS_ONLY
) -> dict[str, Calls]:
    """Estimated calls and cycles of every function in a frame; `fetch` first."""
    s = program.sizing
    out = {"fetch": Calls()} | {name: Calls() for name in KERNELS.values()}
    for i, lines in zip(program.instructions, program.lines, strict=True):
        beats = lines * LINE_BITS // s.axi_bits
        out["fetch"].add(latency + loop_cycles(port_cycles(beats, s, rate), 1))
        if i.op != "END":
            out[KERNELS[i.op]].add(instruction_cycles(i, s, latency, rate))
    return out
