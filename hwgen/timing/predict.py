"""Predicted cycles: every cycle in which an instruction is fetched, queued, started and retired.

The units' own rules are in `hwgen/units`; this file joins them. All of them but one are maxima of
cycles known before. Only the read bus has to be followed in the order of time, as the program's
fetch overtakes the DMA there: the walk goes as far as it can with the beats that it knows, then the
bus serves one more burst, and what that makes known comes later than the burst.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate

from hwgen.engine.isa import LINE_BITS
from hwgen.schedule.hazards import Instruction
from hwgen.schedule.program import Program, program_steps, step_cycles
from hwgen.targets.memory import PORTS_ONLY, Rate
from hwgen.timing.bounds import Spent, roofline, spent
from hwgen.timing.read_bus import ReadBus, Request
from hwgen.timing.write_port import WritePort
from hwgen.units import dma as dma_unit
from hwgen.units import sequencer as seq
from hwgen.units.attention import Attention, Run
from hwgen.units.compute_unit import DECODE, READ_WB, SOURCE, CycleModel, Times
from hwgen.units.dma import Dma
from hwgen.units.lanes import ACC_AT
from hwgen.units.norm import NormUnit
from hwgen.units.xnor_front import column_cycles, issue_cycles, result_cycles

UNITS = ("dma", "ldw", "cmp")  # queues
LATENCY = 40  # cycles from a read address to its first beat
REQUEST = 2  # cycles from a request to its first burst (axi_bursts.v)


@dataclass(frozen=True)
class Prediction:
    """cycles: of a frame. read_beats: on the memory port. steps: (op, unit, cycles) as
    `step_cycles` counts them; spent: the causes of the cycles of each."""

    cycles: int
    read_beats: int
    roofline: int
    steps: list[tuple[str, str, int]]
    spent: list[Spent]
    compute: list[Times]


class _Predictor:
    """The walk. A step of a unit returns True when it made something known."""

    def __init__(self, program: Program, latency: int, warm: bool, rate: Rate) -> None:
        s = program.sizing
        self.program, self.latency, self.warm = program, latency, warm
        self.line_beats = LINE_BITS // s.axi_bits
        self.beats = [n * self.line_beats for n in program.lines]  # of every instruction
        self.lines = list(accumulate(program.lines))  # up to the end of every instruction
        self.bus, self.unit = ReadBus(latency, rate, self.beats), Dma(s.lanes, s.axi_bits)
        self.attention, self.port = Attention(s.lanes, s.kw, s.pk, head=s.head), WritePort()
        self.model = CycleModel()
        self.norm_latency = NormUnit(s.lanes, s.nt_words).write_at
        self.queues = {q: [i for i in program.instructions if i.queue == q] for q in UNITS}
        # cycles by instruction: of the program, then of each queue
        self.fetched = self.bus.fetched  # last beat
        self.requested = 0  # lines asked for
        self.held: list[int] = []  # leaves the fetch FIFO
        self.dispatched: list[int] = []
        self.queued: dict[str, list[int]] = {q: [] for q in UNITS}  # enters its queue
        self.popped: dict[str, list[int]] = {q: [] for q in UNITS}  # leaves it
        # first cycle in which its unit has room for it (compute: two in the decoder)
        self.free = {"dma": [0], "ldw": [0], "cmp": [0, 0]}
        self.retired: dict[str, list[int]] = {
            q: [] for q in UNITS
        }  # first cycle in which the count holds it
        # cycle in which the bus took the last fetch request
        self.asked = seq.START_TO_AR - 3 - seq.ASK
        self.fetch: Request | None = None
        self.started: list[int] = []  # DMA: reads requested
        self.opened: list[int] = []  # DMA: its back takes it
        self.ended: list[int] = []  # .. and can take the next one
        self.read: Request | None = None
        # start, cycles, beats of a STORE: without a read, behind that one
        self.behind: list[tuple[int, int, int]] = []
        self.idle = 0  # DMA: first cycle in which the bus takes a request
        self.full: list[int] = []  # LDW: weights there
        self.swapped: list[int] = []
        self.times: list[Times] = []
        self.norm_idle = 0
        self.macs: list[tuple[int, int]] = []  # first and last cycle in which each reads WB
        self.macs_before = self._macs_before()
        self.att: Run | None = None  # the last ATT, while the next one may follow it closely

    def run(self) -> int:
        """Cycle count of the whole program."""
        steps = (self._fetch, self._dispatch, self._dma, self._ldw, self._cmp)
        while (
            any(step() for step in steps)
            or self._ldw(self.bus.out[-1] if self.bus.out else 0)
            or self.bus.pick()
            or self._ldw(None)
        ):
            pass
        assert len(self.dispatched) == len(self.program.instructions), "the program hangs"
        last = max(r[-1] for r in self.retired.values() if r) - 1
        return seq.run_cycles(last, self.dispatched[-1])

    def _macs_before(self) -> list[int]:
        """Compute instructions up to the last MACS without quad before each LDW; those behind it
        in the program come after the instruction that it serves."""
        out, compute, last = [], 0, 0
        for i in self.program.instructions:
            compute += i.queue == "cmp"
            if i.op == "MACS" and not i.fields.get("quad"):
                last = compute
            elif i.op == "LDW":
                out.append(last)
        return out

    def _fetch(self) -> bool:
        """Request program chunks whose place in the fetch FIFO is free."""
        if self.fetch:
            if self.fetch.left:
                return False
            self.asked = max(self.asked, self.fetch.picked)
            self.fetch = None
            return True
        first = self.requested
        count = min(seq.CHUNK, self.lines[-1] - first)
        # the instruction that leaves the FIFO before the chunk is asked for
        past = first + seq.CHUNK - seq.AHEAD
        frees = bisect_left(self.lines, past) if past > 0 else -1
        if count <= 0 or frees >= len(self.held):
            return False
        self.asked += seq.ASK
        if frees >= 0:
            self.asked = max(self.asked, self.held[frees] + seq.TAKEN_TO_ASK)
        since = self.asked + REQUEST
        self.fetch = Request(since, first * self.line_beats, count * self.line_beats)
        self.bus.program = self.fetch
        self.requested += count
        return True

    def _dispatch(self) -> bool:
        n = len(self.dispatched)
        if n < len(self.fetched) and n == len(self.held):
            before = self.dispatched[-1] + self.beats[n] if n else 0
            self.held.append(max(self.fetched[n] + 2, before))
            return True
        if n == len(self.held):
            return False
        at, queue = self.held[n] + 1, self.program.instructions[n].queue
        if queue in UNITS:
            k = len(self.queued[queue]) - seq.QUEUE_DEPTH
            if k >= len(self.popped[queue]):
                return False
            at = max(at, self.popped[queue][k] + 1 if k >= 0 else 0)
            self.queued[queue].append(at)
        self.dispatched.append(at)
        return True

    def _pop(self, queue: str, free: list[int]) -> bool:
        """The next instruction leaves its queue. free[k]: first cycle in which the unit takes k."""
        k = len(self.popped[queue])
        if k >= min(len(self.queued[queue]), len(free)):
            return False
        self.popped[queue].append(max(self.queued[queue][k] + 1, free[k]))
        return True

    def _next(self, queue: str, done: int) -> Instruction | None:
        """The instruction after `done` of a queue, once it has left it and its waits are known."""
        if done >= len(self.popped[queue]):
            return None
        i = self.queues[queue][done]
        known = all(i.fields.get(f"wait_{q}", 0) <= len(self.retired[q]) for q in UNITS)
        return i if known else None

    def _reached(self, i: Instruction) -> int:
        """First cycle in which all awaited counts are visible."""
        waits = ((q, i.fields.get(f"wait_{q}", 0)) for q in UNITS)
        return max((self.retired[q][w - 1] for q, w in waits if w), default=-1)

    def _dma(self) -> bool:
        k = len(self.started)
        if self._pop("dma", self.free["dma"]):
            return True
        if self.read and not self.read.left:
            self.idle = self.read.picked + 1
            self._end(self.read.taken + dma_unit.READ_TAIL + 1)
            self.read = None
            for waiting in self.behind:
                self._without_read(*waiting)
            self.behind.clear()
            return True
        i = self._next("dma", k)
        if i is None:
            return False
        beats = self.unit.beats(i.op, i.fields, self.warm)
        reads = i.op != "STORE" and beats
        waits_for = k - dma_unit.DESCRIPTORS
        if (reads and self.read) or waits_for >= len(self.opened):
            return False
        start = max(self.popped["dma"][k] + dma_unit.FRONT - 1, self._reached(i) + dma_unit.REACHED)
        if waits_for >= 0:
            start = max(start, self.opened[waits_for] + dma_unit.FREE)
        if reads:
            start = max(start, self.idle)
        self.started.append(start)
        self.free["dma"].append(start + 1)
        if reads:
            place = i.fields["ddr"] * 8 // self.program.sizing.axi_bits
            opened = self._open(start)
            self.read = self.bus.dma = Request(start + REQUEST, place, beats, opened + 1)
            if i.op == "LOADF":
                self.read.free = self.port.free
                self.read.word_beats = self.unit.word_beats // (2 if i.fields["bytes"] else 1)
            return True
        if self.warm and i.fields.get("keep"):
            cycles = self.unit.kept(dma_unit.record_words(i.fields))
        else:
            cycles = self.unit.alone(i.op, beats, self.latency)
        stored = beats if i.op == "STORE" else 0
        if self.read:
            self.behind.append((start, cycles, stored))
        else:
            self._without_read(start, cycles, stored)
        return True

    def _open(self, start: int) -> int:
        """Cycle in which the back of the DMA takes the next instruction, passed on in `start`."""
        self.opened.append(max([start + 1, *self.ended[-1:]]))
        return self.opened[-1]

    def _end(self, cycle: int) -> None:
        """`cycle`: the first in which the back of the DMA can take the next instruction."""
        self.ended.append(cycle)
        self.retired["dma"].append(cycle + dma_unit.RETIRE)

    def _without_read(self, start: int, cycles: int, stored: int) -> None:
        """An instruction that asks nothing of the read bus goes through the back."""
        opened, late = self._open(start), 0
        for cycle in self.unit.stores(opened - 1, stored):
            late = self.bus.bucket.write(cycle) - cycle
        self._end(opened + cycles + late)

    def _ldw(self, known: int | None = 0) -> bool:
        """known: what is not yet timed starts later than that; None: nothing else can go on."""
        k = len(self.full)
        if self._pop("ldw", self.free["ldw"]):
            return True
        i = self._next("ldw", k)
        if i is None or k > len(self.swapped):
            return False
        start = max(self.popped["ldw"][k] + seq.LDW_FRONT - 1, self._reached(i) + seq.LDW_REACHED)
        if k:
            start = max(start, self.swapped[k - 1] + seq.SWAP_TO_LDW)
        done = start + seq.ldw_cycles(i.fields["n"])
        if i.fields["n"]:
            done = self._last_read(start + 1, i.fields["n"]) + seq.LDW_TAIL
        later = max(known or 0, self.times[-1].issue_end if self.times else 0)
        if known is not None and self.macs_before[k] > len(self.times) and done > later:
            return False  # a MACS may take the port of WB
        self.full.append(done + seq.LDW_FULL)
        self.retired["ldw"].append(done + 1)
        self.free["ldw"].append(done)
        return True

    def _last_read(self, first: int, words: int) -> int:
        """Cycle of the last of an LDW's reads of WB, which gives way to MACS without quad."""
        for low, high in self.macs:
            if first + words <= low:
                break
            if first <= high:
                words -= max(0, low - first)
                first = high + 1
        return first + words - 1

    def _cmp(self) -> bool:
        k = len(self.times)
        if self._pop("cmp", self.free["cmp"]):
            return True
        i = self._next("cmp", k)
        if i is None:
            return False
        f = {"drain": 0, "swap": 0} | i.fields
        if f["swap"] and len(self.swapped) >= len(self.full):
            return False
        accepted = self.popped["cmp"][k]
        issue = delivered = 0
        if i.op in ("XLIN", "XCONV"):
            conv = i.op == "XCONV"
            width, column = None, 1
            if conv:
                row_elements = self.program.sizing.row_elements
                width, column = f["width"], column_cycles(f["a_s3"], f["xd"], row_elements)
            shape = (conv, f["n2"], f["n3"], f["xd"], width, column)
            issue = issue_cycles(*shape)
            results = result_cycles(*shape) if f["psum_last"] else [0]
            delivered = results[-1]
        elif i.op == "ATT":
            ends = self.times[-1]
            start = max(
                accepted + DECODE, ends.issue_end + 1, ends.array_end + 1, self._reached(i) + 2
            )
            before = None if f["drain"] else self.att
            size = (f["queries"], f["tokens"])
            units, words = self.attention.shape(f["offset"], f["v_unit"])
            run = self.attention.run(start, *size, before, units, words)
            issue, delivered = run.next - start, run.last - start
        t = self.model.add(
            i.op,
            f,
            accepted,
            reached=self._reached(i),
            shadow_full=self.full[len(self.swapped)] if f["swap"] else 0,
            norm_idle=self.norm_idle,
            issue=issue,
            delivered=delivered,
        )
        if i.op == "ATT":
            if t.start != start:
                assert before is None, f"{i.step}: ATT starts in cycle {t.start}, not {start}"
                run = self.attention.run(t.start, *size, None, units, words)
            self.att = run
            self.port.attention(f, run)
        elif delivered:
            self.port.xnor(f, t.start, results)
        elif i.op in ("MACV", "MACS", "LNAPPLY"):
            self.port.mac(f, t.start)
        if i.op == "MACS" and not f.get("quad"):
            self.macs.append((t.start + 1 + READ_WB, t.issue_end + READ_WB))
        if i.op not in ("ATT", "SET"):
            self.att = None  # it waited for all results, or the next ATT waits
        if f["swap"]:
            self.swapped.append(t.start)
        if i.op == "LNSTAT":
            self.norm_idle = t.issue_end + SOURCE + ACC_AT + self.norm_latency + 1
        self.times.append(t)
        self.free["cmp"].append(t.issue_end - 1 if i.op == "SET" else t.start)
        self.retired["cmp"].append(t.retired)
        return True


def predict(
    program: Program, latency: int = LATENCY, *, warm: bool = True, rate: Rate = PORTS_ONLY
) -> Prediction:
    """Cycles of a frame and of every op, for a memory of `latency` cycles that delivers `rate`.

    warm: a steady frame, whose kept records come from the weight store; else the first one.
    """
    p = _Predictor(program, latency, warm, rate)
    total = p.run()
    per_step = step_cycles(program, [(t.issue_end, t.retired) for t in p.times], total)
    names = [*((n, u) for n, u, _ in program_steps(program)), ("output", "STORE")]
    steps = [(n, u, c) for (n, u), c in zip(names, per_step, strict=True)]
    causes = spent(program, p.times, p.bus.busy, total)
    floor = roofline(program, warm, rate)
    return Prediction(total, len(p.bus.out), floor, steps, causes, p.times)
