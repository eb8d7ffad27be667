"""Predicted cycles: the instructions pass through models of the units, in program order.

Every wait of an instruction is on one that stands before it in the program, so one pass in program
order gives all times. The units' own rules are in `hwgen/units`; this file joins them: the bus is
shared by program fetch and DMA and serves requests in the order in which they are made.
"""

from __future__ import annotations

from dataclasses import dataclass

from hwgen.schedule.builder import Instruction
from hwgen.schedule.program import Program
from hwgen.sim.network import program_steps, step_cycles
from hwgen.units import dma as dma_unit
from hwgen.units import sequencer as seq
from hwgen.units.attention import Attention
from hwgen.units.compute_ctl import DECODE, CycleModel, Times, mac_cycles
from hwgen.units.dma import Dma, record_words
from hwgen.units.lanes import ACC_AT
from hwgen.units.norm import NormUnit
from hwgen.units.xnor_front import column_cycles, issue_cycles, result_cycles

ATT_LOAD = 5  # cycles of an attention's issue besides its reads of keys and values
ATT_FREE = 6  # its buffers come free so long before its last result
LATENCY = 40  # cycles from a read address to its first beat


@dataclass(frozen=True)
class Prediction:
    """cycles: of a frame. steps: (op, unit, cycles) as `step_cycles` counts them."""

    cycles: int
    roofline: int
    steps: list[tuple[str, str, int]]
    compute: list[Times]


class _Bus:
    """Read data beats in the order of the requests."""

    def __init__(self, latency: int) -> None:
        self.latency, self.last = latency, -1

    def read(self, request: int, beats: int) -> int:
        """Cycle of the last beat of a read whose address is on the bus in cycle `request`."""
        self.last = max(request + self.latency, self.last + 1) + beats - 1
        return self.last


class _Predictor:
    def __init__(self, program: Program, latency: int, warm: bool) -> None:
        s = program.sizing
        self.program, self.latency, self.warm = program, latency, warm
        self.bus, self.dma = _Bus(latency), Dma(s.lanes, s.axi_bits)
        self.attention = Attention(s.lanes, s.kw, s.pk)
        self.cmp = CycleModel()
        self.norm_latency = NormUnit(s.lanes, s.nt_words).write_at
        self.interval = 512 // s.axi_bits
        self.dispatched: list[int] = []
        self.left = {"dma": [], "ldw": [], "cmp": [], "seq": []}  # cycle in which k left its queue
        self.retired = {"dma": [], "ldw": [], "cmp": []}  # cycle in which the count is visible
        self.times: list[Times] = []
        self.fetched: list[int] = []
        self.full = self.swapped = 0
        self.norm_idle = 0
        self.dma_front = self.dma_back = -10
        self.att_last, self.att_chain = -1, False

    def run(self) -> int:
        """Cycle count of the whole program."""
        instructions = self.program.instructions
        self._fetch(len(instructions))
        for n, i in enumerate(instructions):
            self._dispatch(n, i)
            getattr(self, f"_{i.queue}")(i)
            self._fetch(len(instructions))
        return max(r[-1] for r in self.retired.values() if r) - 1 + seq.END_CYCLES

    def _fetch(self, count: int) -> None:
        """Request program chunks whose place in the fetch buffer is free."""
        while len(self.fetched) < count:
            first = len(self.fetched)
            n = min(seq.CHUNK, count - first)
            frees = first + seq.CHUNK - seq.AHEAD - 1  # its dispatch makes room for the chunk
            if frees >= len(self.dispatched):
                return
            request = seq.START_TO_AR if first == 0 else self.request + 1
            if frees >= 0:
                request = max(request, self.dispatched[frees] + 3)
            self.request = request
            last = self.bus.read(request, n * self.interval)
            self.fetched += [last - (n - 1 - k) * self.interval for k in range(n)]

    def _dispatch(self, n: int, i: Instruction) -> None:
        at = self.fetched[n] + seq.FETCH_TAIL - 1
        if self.dispatched:
            at = max(at, self.dispatched[-1] + self.interval)
        left = self.left[i.queue]
        if len(left) >= seq.QUEUE_DEPTH:
            at = max(at, left[i.index - seq.QUEUE_DEPTH] + 1)
        self.dispatched.append(at)

    def _reached(self, i: Instruction) -> int:
        """First cycle in which all awaited counts are visible."""
        waits = ((q, i.fields.get(f"wait_{q}", 0)) for q in ("dma", "ldw", "cmp"))
        return max((self.retired[q][w - 1] for q, w in waits if w), default=-1)

    def _dma(self, i: Instruction) -> None:
        start = max(self.dispatched[-1] + dma_unit.FRONT, self.dma_front + 2, self._reached(i) + 1)
        beats = self.dma.beats(i.op, i.fields)
        if self.warm and i.fields.get("keep"):
            done = max(start, self.dma_back) + self.dma.kept(record_words(i.fields))
        elif i.op == "STORE":
            done = max(start, self.dma_back) + self.dma.alone("STORE", beats, self.latency)
        else:
            last = self.bus.read(start + dma_unit.START_TO_AR, beats)
            done = max(last + 1 + dma_unit.READ_TAIL - 1, self.dma_back + self.dma.behind(beats))
        self.left["dma"].append(start)
        self.dma_front, self.dma_back = start, done
        self.retired["dma"].append(done + 1)

    def _ldw(self, i: Instruction) -> None:
        before = self.retired["ldw"][-1] if self.retired["ldw"] else -1
        start = max(
            self.dispatched[-1] + seq.LDW_FRONT,
            before + 1,
            self._reached(i) + 1,
            self.swapped + seq.SWAP_TO_LDW,
        )
        done = start + seq.ldw_cycles(i.fields["n"])
        self.full = done + seq.LDW_FULL
        self.left["ldw"].append(start)
        self.retired["ldw"].append(done + 1)

    def _cmp(self, i: Instruction) -> None:
        f = {"drain": 0, "swap": 0} | i.fields
        k = len(self.times)
        accepted = self.dispatched[-1] + 1
        if k >= 2:
            accepted = max(accepted, self.times[k - 2].start)
        issue = delivered = 0
        if i.op in ("XLIN", "XCONV"):
            conv = i.op == "XCONV"
            shape = [conv, f["n2"], f["n3"], f["xd"]]
            if conv:
                row_elements = self.program.sizing.row_elements
                shape += [f["width"], column_cycles(f["a_s3"], f["xd"], row_elements)]
            issue = issue_cycles(*shape)
            if f["psum_last"]:
                delivered = result_cycles(*shape)[-1]
        elif i.op == "ATT":
            # loading the next keys and values overlaps the queries of the instruction before
            loaded, alone = 2 * f["tokens"] + ATT_LOAD, self.attention.cycles(f["tokens"])
            start = max(accepted + DECODE, self.times[-1].issue_end, self._reached(i) + 1)
            chained = self.att_chain and not f["drain"]
            issue = max(loaded, self.att_last - ATT_FREE - start) if chained else loaded
            delivered = alone
            if chained:
                after = self.att_last + self.attention.chained_cycles(f["tokens"])
                delivered = max(alone, after - start)
        t = self.cmp.add(
            i.op,
            f,
            accepted,
            reached=self._reached(i),
            shadow_full=self.full,
            norm_idle=self.norm_idle,
            issue=issue,
            delivered=delivered,
        )
        if i.op == "ATT":
            self.att_last = t.start + delivered
        self.att_chain = i.op == "ATT" or (self.att_chain and i.op == "SET")
        if f["swap"]:
            self.swapped = t.start
        if i.op == "LNSTAT":
            self.norm_idle = t.issue_end + 5 + ACC_AT + self.norm_latency + 1
        self.left["cmp"].append(accepted)
        self.times.append(t)
        self.retired["cmp"].append(t.retired)

    def _seq(self, i: Instruction) -> None:
        self.left["seq"].append(self.dispatched[-1])


def predict(program: Program, latency: int = LATENCY, *, warm: bool = True) -> Prediction:
    """Cycles of a frame and of every op, for a memory of `latency` cycles that never stalls.

    warm: a steady frame, whose kept records come from the weight store; else the first one.
    """
    p = _Predictor(program, latency, warm)
    total = p.run()
    ends = [t.issue_end for t in p.times]
    per_step = step_cycles(program, ends, total)
    names = [*((n, u) for n, u, _ in program_steps(program)), ("output", "STORE")]
    steps = [(n, u, c) for (n, u), c in zip(names, per_step, strict=True)]
    return Prediction(total, roofline(program, warm), steps, p.times)


def roofline(program: Program, warm: bool = True) -> int:
    """Cycles if array, lanes and memory port each were never idle, per op the slowest of the three.

    Array: binary multiply-accumulates / array bits; lanes: one beat (product or result word) per
    cycle; memory: beats of the weight image (warm: of what the weight store does not hold), the
    program, the image and the logits.
    """
    s, total = program.sizing, 0
    dma = Dma(s.lanes, s.axi_bits)
    per_op: dict[str, list[float]] = {}
    for i in program.instructions:
        work = per_op.setdefault(i.step, [0.0, 0.0, 0.0])
        f = i.fields
        work[2] += 512 / s.axi_bits
        if i.queue == "dma" and not (warm and f.get("keep")):
            work[2] += dma.beats(i.op, f)
        elif i.op == "XLIN":
            work[0] += f["n2"] * f["n3"] * f["a_elems"] / s.row_elements
            work[1] += f["n2"] * f["n3"] * f["psum_last"]
        elif i.op == "XCONV":
            work[0] += f["n2"] * f["n3"] * 9 * f["g_len"] * s.gu / s.kw
            work[1] += f["n2"] * f["n3"] * f["psum_last"]
        elif i.op != "SET" and i.queue == "cmp":
            work[1] += mac_cycles(f)
    for work in per_op.values():
        total += max(work)
    return round(total)
