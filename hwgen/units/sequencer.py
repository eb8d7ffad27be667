"""Sequencer, weight loader and control: cycles of `sequencer.v`, `ldw.v` and `core_state.v`.

Cycle 0 is the first cycle in which the engine is busy (the CYCLES register counts from there).
The tests assert these numbers against the RTL, on a bus that never stalls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hwgen.engine.isa import LINE_BITS
from hwgen.paths import templates_dir
from hwgen.units.decode import write_decoders

START_TO_AR = 8  # busy -> first program address on the bus
FETCH_TAIL = 5  # first beat of an instruction + its beats - 1 -> dispatch, see `dispatches`
AHEAD = 32  # lines the fetch runs ahead
CHUNK = 16  # lines of a request
QUEUE_DEPTH = 8  # of each of the three queues
END_CYCLES = 5  # last retire strobe -> end of the run: cycles = retire + END_CYCLES
ASK = 2  # the bus took a request -> the next one asks for it, at the earliest
TAKEN_TO_ASK = 4  # an instruction left the FIFO -> a request for its place

LDW_FRONT = 3  # dispatch -> start of an LDW that waits for nothing
LDW_REACHED = 1  # its last awaited count -> start
LDW_TAIL = 4  # start -> retire is n + LDW_TAIL
LDW_FULL = 1  # retire -> shadow_full
SWAP_TO_LDW = 3  # swap -> earliest start of the next LDW


@dataclass(frozen=True)
class Sequencer:
    """`sequencer`: program fetch and dispatch, an instruction in its beats + 1 cycles."""

    axi_bits: int = 128

    verilog = ("rtl/frame/sequencer.v", "rtl/lib/fifo_lut.v")
    decoders = ("decode_lines", "decode_queue")

    def parameters(self) -> dict[str, int]:
        """Verilog parameters of `sequencer`."""
        return {"AXI_BITS": self.axi_bits}

    def write_sources(self, folder: Path) -> list[Path]:
        """Renders the unit's decoders into `folder`; returns all Verilog files, top first."""
        plain = [templates_dir() / name for name in self.verilog]
        return plain + write_decoders(folder, self.decoders)

    @property
    def line_beats(self) -> int:
        """Beats of a line."""
        return LINE_BITS // self.axi_bits

    def dispatches(self, lines: Sequence[int], latency: int) -> list[int]:
        """Dispatch cycles of the first instructions (up to AHEAD lines), of so many lines each,
        while no queue is full."""
        at, out = START_TO_AR + latency + FETCH_TAIL - 3, []
        for n in lines:
            at += n * self.line_beats + 1
            out.append(at)
        return out


def run_cycles(last_retire: int, end_dispatch: int) -> int:
    """CYCLES of a run: last retire strobe of any unit, cycle in which END is at the head."""
    return max(last_retire + END_CYCLES, end_dispatch + END_CYCLES - 1)


def ldw_cycles(n: int) -> int:
    """Cycles from start to retire of an LDW of n words that is never refused the read port."""
    return n + LDW_TAIL if n else 1


@dataclass(frozen=True)
class Ldw:
    """`ldw` and `weight_buffer`: WB words into the shadow weights of the array."""

    lanes: int = 16
    wb_words: int = 512

    verilog = ("rtl/frame/ldw.v", "rtl/frame/weight_buffer.v")
    decoders = ("decode_header", "decode_ldw")

    def parameters(self) -> dict[str, int]:
        """Verilog parameters of `ldw`."""
        return {"LANES": self.lanes}

    def write_sources(self, folder: Path) -> list[Path]:
        """Renders the unit's decoders into `folder`; returns all Verilog files, top first."""
        plain = [templates_dir() / name for name in self.verilog]
        return plain + write_decoders(folder, self.decoders)
