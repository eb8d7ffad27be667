"""Estimated resources of the HLS engine, function by function (templates/hls).

A count of what the C++ asks for, not a synthesis:

    adder, comparator     a LUT per bit
    k-to-1 multiplexer    ceil((k - 1) / 3) LUTs per bit; a shift by one of k amounts is one
    popcount of 64 bits   the adders of `popcount64`
    multiplier            DSPs of 25 x 18 bits (the smaller operand's pieces times the larger's)
    table                 ceil(words / 64) LUTs per bit and reader
    memory                up to 32 words: LUT RAM, 4 LUTs per 6 bits and reader; up to 64: per 3
                          bits; deeper: block RAM, simple dual port, one copy per reader of a beat
    flip-flops            the registers that the pragmas make of arrays, and one per LUT of logic

Optimisation across functions, control and routing are not in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from hwgen.engine.isa import INSTR_BITS, PAYLOAD
from hwgen.engine.resources import block_rams
from hwgen.engine.sizing import Sizing

POPCOUNT64 = 64 + 64 + 64 + 55 + 39 + 7  # adder bits of each step whose sums are used
MAX_TOKENS, CHANNELS = 256, 64  # of attention
LUT_RAM_WORDS = 64
ADDRESS = 16  # bits of a walk
PORTS = 2  # m_axi bundles
BURSTS = 16 * 16  # beats that a port holds: 16 outstanding bursts of 16 (defaults, UG1399)
PORT_LUT, REGISTER_LUT = 600, 400  # of a port's and of the register file's control
READ_ROWS = 3  # of the bit memory in a beat of XCONV


@dataclass(frozen=True)
class Cost:
    """LUT, FF, BRAM36 and DSP; costs add up, `times` copies them."""

    lut: float = 0
    ff: float = 0
    bram36: float = 0
    dsp: float = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.lut + other.lut,
            self.ff + other.ff,
            self.bram36 + other.bram36,
            self.dsp + other.dsp,
        )

    def times(self, n: int) -> Cost:
        return Cost(n * self.lut, n * self.ff, n * self.bram36, n * self.dsp)


def logic(bits: float) -> Cost:
    """Adders and comparators of so many bits together, each with its register."""
    return Cost(lut=bits, ff=bits)


def mux(ways: int, bits: int) -> Cost:
    """ways-to-1 multiplexers."""
    return logic(ceil((ways - 1) / 3) * bits)


def multiplier(a: int, b: int) -> Cost:
    """Signed product of a and b bits."""
    wide, narrow = max(a, b), min(a, b)
    return Cost(dsp=ceil((wide - 1) / 24) * ceil((narrow - 1) / 17))


def table(words: int, bits: int) -> Cost:
    """One reader of a ROM."""
    return Cost(lut=bits * ceil(words / 64), ff=bits)


def memory(bits: int, words: int, readers: int = 1) -> Cost:
    """A memory with one writer."""
    if words <= LUT_RAM_WORDS:  # UG474: RAM32M, RAM64M
        return Cost(lut=ceil(bits / (6 if words <= LUT_RAM_WORDS // 2 else 3)) * 4 * readers)
    return Cost(bram36=block_rams(bits, words) * readers)


def registers(bits: int) -> Cost:
    return Cost(ff=bits)


@dataclass(frozen=True)
class Function:
    """A function or struct of the C++; rtl: the units of the RTL that do its work (synth.units)."""

    name: str
    rtl: tuple[str, ...]
    cost: Cost


def functions(s: Sizing) -> list[Function]:
    """Estimated cost of every function for an engine of sizes `s`."""
    row_words = s.kw // 64
    lanes, act = s.lanes, s.act_bits
    word = 16 * lanes
    crc = logic(32 * s.axi_bits // 4)  # each state bit: an XOR of half of beat and state
    walks = logic(7 * (2 + 3) * ADDRESS) + mux(4, 7 * ADDRESS)
    nest = logic(12 + 8 + 4 * 14 + 3 * 32) + multiplier(20, 13) + multiplier(12, 8)
    slots = multiplier(12, 8) + multiplier(8, 6) + multiplier(12, 8) + logic(4 * 8)
    operands = (mux(6, 18) + mux(5, 17) + mux(3, 3 * 16) + mux(2, 3 * 16)).times(lanes)
    broadcast = mux(lanes, 4 * act)  # an element and its neighbours to all lanes
    lane = (
        multiplier(18, 17) + multiplier(16, 16).times(3)
        + multiplier(18, 17)  # peak of a maximum
        + logic(3 * 34 + 40 + 18)
    )  # fmt: skip
    post = (
        mux(8, 38) + logic(38 + 39 + 2 * 18)  # shift_unit
        + multiplier(19, 16) + logic(2 * 36) + mux(2, 36)  # rprelu
        + multiplier(19, 16) + memory(32, 64) + logic(36 + 2 * 19)  # follow_chord
        + mux(3, 36) + logic(2 * 18)  # y3
        + multiplier(19, 16) + logic(37 + 2 * 18) + mux(4, 37)  # affine
        + logic(19 + 19 + 3 * act + 18)  # residuals, y6, bit
    )  # fmt: skip
    pool = logic(7 * lanes // 8 * (act + 3)) + mux(4, lanes * act) + mux(4, lanes * (act + 3))
    fetch_row = mux(s.row_elements, s.kw)
    tokens = (mux(s.row_elements, 2 * lanes) + mux(2 * lanes, s.gs).times(4)).times(3)
    window = tokens + registers(9 * 4 * s.gs) + logic(3 * 3 * ADDRESS)
    popcounts = logic(POPCOUNT64).times(lanes * row_words) + logic(9 * (row_words - 1) * lanes)
    score = logic(POPCOUNT64).times(s.pk) + table(65, 24).times(s.pk) + logic(32 * s.pk)
    levels = (table(65, 24) + logic(3 * 56)).times(s.pk) + multiplier(32, 24).times(3)
    planes = MAX_TOKENS // 64
    context = (
        logic(POPCOUNT64).times(2 * planes)
        + logic(POPCOUNT64).times(2 * planes)
        + mux(CHANNELS, MAX_TOKENS)
        + registers(CHANNELS * (MAX_TOKENS + 16) + 2 * MAX_TOKENS)
    )
    keys = memory(64, MAX_TOKENS // s.pk).times(s.pk) + memory(7, MAX_TOKENS // s.pk).times(s.pk)
    norm = (
        logic(42 * lanes)  # sum of all lanes
        + multiplier(42, 42) + multiplier(17, 17) + multiplier(16, 34) + multiplier(17, 18)
        + mux(11, 64) + mux(27, 52) + table(192, 16) + logic(5 * 64 + 36 + 54) + mux(8, 42)
    )  # fmt: skip
    set_bits = sum(spec.width for table in PAYLOAD.values() for spec in table)
    port = Cost(PORT_LUT, PORT_LUT, 2 * block_rams(s.axi_bits, BURSTS))
    qm = 6
    return [
        Function("fetch", ("sequencer",), registers(2 * INSTR_BITS) + logic(32)),
        Function(
            "load_record", ("dma",),
            crc + logic(3 * 17 + 4 * ADDRESS) + registers(2 * word) + memory(s.axi_bits, 32),
        ),
        Function(
            "load_features", (),
            crc + logic(2 * ADDRESS) + registers(2 * word) + memory(s.axi_bits, 32),
        ),
        Function("store_features", (), logic(2 * ADDRESS) + mux(word // s.axi_bits, s.axi_bits)),
        Function("load_shadow", ("ldw", "weight_buffer"), logic(16) + memory(word, s.wb_words)),
        Function("set_register", (), registers(set_bits)),
        Function(
            "compute, XNOR",
            ("xnor_front", "xnor_array", "popcount_xnor_array", "activation_fetch"),
            fetch_row + window + popcounts + registers(2 * lanes * s.kw),
        ),
        Function(
            "PartialSums", ("partial_sums",), memory(word, s.ps_words) + logic(16 * lanes)
        ),
        Function(
            "compute, MAC",
            ("compute_unit", "lane", "lanes", "param_ram_stencil"),
            walks + nest + slots + operands + broadcast + (lane + post).times(lanes) + pool
            + memory(lanes * act, 48, 3),
        ),
        Function(
            "Attention", ("attention", "popcount_attention"), score + levels + context + keys
        ),
        Function("norm_entry", ("norm_unit",), norm + memory(41, s.nt_words)),
        Function(
            "FeatureMemories",
            ("feature_memory_fm", "feature_memory_tm"),
            memory(lanes * act, s.fm_words) + memory(lanes * act, s.tm_words)
            + mux(2, 4 * lanes * act),
        ),
        Function(
            "BitMemory", ("bit_memory",),
            memory(lanes, s.bm_rows, READ_ROWS).times(s.row_elements),
        ),
        Function(
            "Parameters",
            ("param_ram_cm", "param_ram_cm_bank", "param_ram_om", "param_ram_qm",
             "param_ram_c3_low", "param_ram_c3_high"),
            memory(word, s.cm_slots) + memory(word, s.quad_slots).times(3)
            + memory(word, s.om_slots) + memory(word, s.qm_slots).times(qm),
        ),
        Function(
            "ports and registers", ("axi_read", "axi_write", "axil_regs", "hwgen_core"),
            port.times(PORTS) + Cost(REGISTER_LUT, REGISTER_LUT),
        ),
    ]  # fmt: skip


def total(found: list[Function]) -> Cost:
    """The whole engine."""
    return sum((f.cost for f in found), Cost())
