"""Compute queue: parameters, latencies, cycle rules and sources of `compute_unit.v`.

A cycle model of the queue, exact to the cycle (a test compares it with the simulation). For
instruction k of the compute queue, with all times in cycles:

    start >= accepted + DECODE              accepted: transfer from the queue
    start >= take of k - 1, plus 2          take: start; SET: its last issue cycle
    start >= issue end of k - 1, plus 1     issue end = start + issue cycles, partial XNOR + 1
    start >= array end + 1                  XNOR, ATT: the partial XNOR before has issued
    start >= reached + 2                    reached: both retired counts seen at the ports
    start >= shadow_full + 1                swap
    start >= retired of all before, plus 1  drain; SET table unless only SETs follow another one
    start >= last result - 1                MAC op after XNOR or ATT; XNOR after ATT; ATT after XNOR
    start >= last LNSTAT beat + LN_QUIET + 2, norm unit idle + 1     LNAPPLY, SET norm
    fewer than QUEUE instructions wait between their push and the place behind the queue

(an instruction is decided one cycle before its start, by registers).

Issue cycles: MACV, MACS, LNSTAT, LNAPPLY n0 n1 n2 n3; MACV stencil STENCIL_BEATS (n3 +
STENCIL_LEAD), with its last result STENCIL_BEATS / 2 before the end if n2 = 1; SET taps 14, SET
table 9, other SET 1; XNOR and ATT those of their units (to the cycle in which `ready` comes back).
An instruction is pushed when it is taken. At stage 0 of the lanes its last result is at z:

    MAC op   start + issue + SOURCE
    XNOR, ATT with results: the last of them
    SET, partial XNOR (psum_last = 0): that of the instruction before, or, where all its results
    are announced, ANNOUNCED + 1 after the cycle in which it leaves result_nest's queue

and retired_cmp counts it from z + Y_AT + 1, when its last write can be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hwgen.engine.isa import CMP_SOURCE, SET_KINDS
from hwgen.paths import templates_dir
from hwgen.units.decode import write_decoders
from hwgen.units.lanes import ACC_AT, Y_AT

DECODE = 3  # from the transfer out of the queue to the earliest start
SOURCE = 8  # from a nest beat to stage 0 of the lanes
ANNOUNCED = 3  # from the step of result_nest to the result's words at stage 0
READ = 3  # from a request to FM or TM to its word
STORE_AT = READ + 1  # a read of STORE -> its word
SWAP_HEARD = 2  # from a swap to the cycle in which the weight loader is told
READ_WB = 6  # from a nest beat to its read of the weight buffer (MACS without quad)
RETIRE = Y_AT + 1  # from stage 0 to the retired count
QUEUE = 4  # instructions in the queue of result_nest; one more stands behind it
LN_QUIET = SOURCE + ACC_AT + 4  # wait after the last LNSTAT beat, before norm_busy is trusted
SET_TAPS_CYCLES = 14
SET_TABLE_CYCLES = 9
STENCIL_BEATS = 6  # of a column of a MACV stencil
STENCIL_LEAD = 4  # its columns before the first result


@dataclass(frozen=True)
class ComputeUnit:
    """`compute_unit` without its units: decode, waits, nests, stream addresses, feature memories.

    lanes 8, 16, 32 or 64; act_bits 8..16; fm_words, tm_words 2..16384; nt_words >= 2.
    xnor_front, attention, lanes and norm_unit have classes of their own.

    Cost without the memories (Yosys synth_xilinx, LUT RAM included): 16 lanes of 16-bit features
    4,060 LUT, 5,340 FF; 32 lanes of 12 bits 4,870 LUT, 6,030 FF; 64 lanes of 16 bits 8,430 LUT,
    9,240 FF; no DSP.
    """

    lanes: int = 16
    act_bits: int = 16
    fm_words: int = 1024
    tm_words: int = 1024
    nt_words: int = 64

    verilog = (
        "rtl/compute/compute_unit.v",
        "rtl/compute/compute_decode.v",
        "rtl/compute/compute_issue.v",
        "rtl/compute/compute_set.v",
        "rtl/compute/tap_table.v",
        "rtl/compute/chord_loader.v",
        "rtl/compute/mac_front.v",
        "rtl/compute/mac_nest.v",
        "rtl/compute/mac_source.v",
        "rtl/compute/stencil_memory.v",
        "rtl/lib/param_ram.v",
        "rtl/compute/result_stage.v",
        "rtl/compute/result_nest.v",
        "rtl/compute/result_order.v",
        "rtl/lib/phase_count.v",
        "rtl/lib/stream_addr.v",
        "rtl/compute/result_delay.v",
        "rtl/lib/delay_line.v",
        "rtl/lib/register_copy.v",
        "rtl/lib/times_xd.v",
        "rtl/compute/feature_ports.v",
        "rtl/compute/feature_memory.v",
    )
    decoders = (
        "decode_header",
        "decode_cmp_op",
        "decode_nest",
        "decode_slots",
        "decode_streams",
        "decode_modes",
        "decode_mac",
        "decode_xnor",
        "decode_att",
        "decode_set",
        "decode_set_taps",
        "decode_set_att",
        "decode_set_norm",
        "decode_set_table",
    )

    def parameters(self) -> dict[str, int]:
        """Verilog parameters of `compute_unit`; the others are those of its units."""
        return {
            "LANES": self.lanes,
            "ACT_BITS": self.act_bits,
            "FM_WORDS": self.fm_words,
            "TM_WORDS": self.tm_words,
            "NT_WORDS": self.nt_words,
        }

    def write_sources(self, folder: Path) -> list[Path]:
        """Renders the decoders into `folder`; returns all files but the units', top first."""
        plain = [templates_dir() / name for name in self.verilog]
        return plain + write_decoders(folder, self.decoders)


def mac_cycles(fields: Mapping[str, int]) -> int:
    """Issue cycles of MACV, MACS, LNSTAT, LNAPPLY."""
    if fields.get("stencil"):
        return STENCIL_BEATS * (fields["n3"] + STENCIL_LEAD)
    return fields["n0"] * fields["n1"] * fields["n2"] * fields["n3"]


def set_cycles(fields: Mapping[str, int]) -> int:
    """Issue cycles of SET."""
    cycles = {SET_KINDS["taps"]: SET_TAPS_CYCLES, SET_KINDS["table"]: SET_TABLE_CYCLES}
    return cycles.get(fields["kind"], 1)


def busy_end(op: str, issue_end: int, retired: int) -> int:
    """Cycle to which an instruction keeps its unit: its issue end, but ATT issues when the next one
    may read its keys, and works on to its last result."""
    return retired - RETIRE if op == "ATT" else issue_end


@dataclass(frozen=True)
class Times:
    """Cycles of one instruction; ready: the first in which it, its parameters and its weights are
    there (start is later where a hazard holds it); retired: the first that retired_cmp counts it.
    array_end: the array is busy until then (partial XNOR instructions that others run beside).
    """

    ready: int
    start: int
    issue_end: int
    retired: int
    array_end: int


@dataclass
class CycleModel:
    """Start, issue end and retirement of the instructions of the compute queue, in order."""

    _pushed: list[int] = field(default_factory=list)
    _left: list[int] = field(default_factory=list)  # cycle in which each leaves the queue
    _nest: int = -1  # cycle in which the last one left the place behind it
    _take: int = -1  # cycle in which the last instruction left the decoder
    _issue_end: int = 0
    _array_end: int = 0  # last issue cycle of a partial XNOR
    _last_z: int = -1
    _announced: int = -1  # .. of the last one with results
    _delivered: int = -1  # last r_valid of XNOR and ATT so far
    _front: str = ""  # xnor or att: source of the last one with results
    _statistic: int = -LN_QUIET - 1  # last LNSTAT beat
    _tables: bool = False  # nothing but SET since a SET table

    def add(
        self,
        op: str,
        fields: Mapping[str, int],
        accepted: int,
        *,
        reached: int = -1,
        shadow_full: int = 0,
        norm_idle: int = 0,
        issue: int = 0,
        delivered: int = 0,
    ) -> Times:
        """Next instruction. reached: cycle in which the last awaited count is at its port;
        shadow_full: cycle from which the weights are there; norm_idle: first cycle with norm_busy
        low after the last statistic; XNOR, ATT: `issue` cycles from start to `ready`, `delivered`
        cycles from start to the last r_valid (0: no results)."""
        source = CMP_SOURCE.get(op, "set")
        ready = max(accepted + DECODE, reached + 2)
        if source != "set" and fields["swap"]:
            ready = max(ready, shadow_full + 1)
        start = max(ready, self._take + 2, self._issue_end + 1)
        if source != "set":
            if fields["drain"]:
                start = max(start, self._last_z + RETIRE + 1)
            if source != "mac":
                start = max(start, self._array_end + 1)
            if source != self._front:
                start = max(start, self._delivered + 2 - ANNOUNCED)
        norm = op == "LNAPPLY" or (op == "SET" and fields["kind"] == SET_KINDS["norm"])
        if norm:
            start = max(start, self._statistic + LN_QUIET + 2, norm_idle + 1)
        table = op == "SET" and fields["kind"] == SET_KINDS["table"]
        if table and self._pushed and not self._tables:
            start = max(start, self._last_z + RETIRE + 1)
        self._tables = source == "set" and (table or self._tables)
        while self._queued(start - 1) >= QUEUE:
            start += 1

        if source == "mac":
            issue = mac_cycles(fields)
        elif source == "set":
            issue = set_cycles(fields)
        if source == "xnor" and not delivered:
            self._array_end, issue = start + issue, 1
        issue_end = start + issue
        push = issue_end - 1 if source == "set" else start
        left = max(push + 1, self._nest)
        if source == "mac":
            z = issue_end + SOURCE
            if fields.get("stencil") and fields["n2"] == 1:
                z -= STENCIL_BEATS // 2
        elif delivered:
            z = self._delivered = start + delivered
            self._front = source
        if source == "mac" or delivered:
            self._nest = max(left + 1, self._announced + 1)
            self._announced = z - ANNOUNCED
        else:
            self._nest = left + 1
            # with the instruction before, if that has results to come
            z = max(self._announced, 0 if self._nest < self._announced else self._nest + 1)
            z += ANNOUNCED
        if op == "LNSTAT":
            self._statistic = issue_end
        self._pushed.append(push)
        self._left.append(left)
        self._take, self._issue_end, self._last_z = push, issue_end, z
        return Times(ready, start, issue_end, z + RETIRE, self._array_end)

    def _queued(self, cycle: int) -> int:
        """Instructions in the queue of result_nest, as `full` counts them in a cycle."""
        recent = range(max(0, len(self._pushed) - 2 * QUEUE), len(self._pushed))
        return sum(self._pushed[i] < cycle <= self._left[i] for i in recent)
