"""What bounds every op: each predicted cycle of a frame is charged to one cause.

The compute queue issues its instructions one after another. A frame is therefore, instruction by
instruction, a gap in which nothing issues (and no ATT works), then the issue itself. In a gap

    until program, parameters and weights are there    memory   beats move, or memory lacks the next
                                                       startup  none is due: latency, store, WB
    while the array still works on partial sums        as issue cycles, below
    from then until the start                          hazards  drain, another unit's results

and the issue cycles of an op are

    array, lanes   the larger of what its instructions ask of the array (columns used / columns) and
                   of the lanes (a product or a result word per cycle)
    edges          the rest: columns without weights, window columns outside the image
    attention      ATT from its start, or the last result of the ATT before, to its own last result
    startup        those of SET

Array work on partial sums is not charged in cycles that have another cause.
After the last issue the output step has the beats of STORE (memory) and the wait for it (startup).
The causes of an op add up to its cycles as `step_cycles` counts them.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import asdict, astuple, dataclass

from hwgen.engine.isa import CMP_SOURCE, LINE_BITS
from hwgen.engine.sizing import Sizing
from hwgen.schedule.hazards import Instruction
from hwgen.schedule.program import Program
from hwgen.targets.memory import PORTS_ONLY, Rate
from hwgen.units.compute_unit import Times, busy_end, mac_cycles
from hwgen.units.dma import Dma


@dataclass
class Spent:
    """Cycles of one op by cause: four units that were busy, three kinds of loss."""

    array: int = 0
    lanes: int = 0
    attention: int = 0
    memory: int = 0
    startup: int = 0
    hazards: int = 0
    edges: int = 0

    def as_dict(self) -> dict[str, int]:
        """Cause -> cycles."""
        return asdict(self)

    @property
    def total(self) -> int:
        """Cycles of the op."""
        return sum(astuple(self))


@dataclass
class Work:
    """Cycles that an op asks of each unit, were none ever idle."""

    array: float = 0
    lanes: int = 0
    memory: float = 0

    @property
    def compute(self) -> float:
        """Cycles of array and lanes, which work beside each other."""
        return max(self.array, self.lanes)


def columns(i: Instruction, s: Sizing) -> int:
    """Array columns of each lane that an XLIN or XCONV uses, of `s.kw`."""
    return i.fields["a_elems"] * s.lanes if i.op == "XLIN" else 9 * i.fields["g_len"] * s.gu


def work(program: Program, warm: bool = True, rate: Rate = PORTS_ONLY) -> dict[str, Work]:
    """Work of every op, with that of the op beside it.

    memory: beats of its instructions, parameters, weights and tensors; in a warm frame none for
    what the weight store holds. A beat takes as long as memory of `rate` needs for it.
    """
    s = program.sizing
    dma, beat = Dma(s.lanes, s.axi_bits), float(rate.read_cycles)
    ops: dict[str, Work] = {}
    for i, lines in zip(program.instructions, program.lines, strict=True):
        op, f = ops.setdefault(program.beside.get(i.step, i.step), Work()), i.fields
        op.memory += lines * LINE_BITS // s.axi_bits * beat
        if i.queue == "dma":
            op.memory += dma.beats(i.op, f, warm) * beat
        elif i.op in ("XLIN", "XCONV"):
            op.array += f["n2"] * f["n3"] * columns(i, s) / s.kw
            op.lanes += f["n2"] * f["n3"] * f["psum_last"]
        elif i.op in CMP_SOURCE:
            op.lanes += mac_cycles(f)
    return ops


def roofline(program: Program, warm: bool = True, rate: Rate = PORTS_ONLY) -> int:
    """Cycles if nothing waited: the larger of what all ops compute, one after another, and of what
    memory delivers meanwhile."""
    ops = work(program, warm, rate).values()
    return round(max(sum(op.compute for op in ops), sum(op.memory for op in ops)))


def spent(program: Program, times: list[Times], busy: list[int], total: int) -> list[Spent]:
    """Causes of every op's cycles, in the order of `step_cycles`: ops, then the output.

    times: of the compute instructions; busy: the cycles in which memory moved a beat to the ports
    or had not yet the next one, in order.
    """
    s = program.sizing
    ops: dict[str, Spent] = {}
    used: dict[str, int] = {}  # columns x results: cycles of a full array, times kw
    before = array_end = 0
    for i, t in zip(program.compute, times, strict=True):
        op, start = ops.setdefault(i.step, Spent()), max(t.start, before)  # an ATT may work still
        end = max(before, busy_end(i.op, t.issue_end, t.retired))
        issue, ready = end - start, min(max(t.ready, before), start)
        moved = bisect_left(busy, ready) - bisect_left(busy, before)
        op.memory += moved
        op.startup += ready - before - moved
        partial = 0
        if i.op in ("XLIN", "XCONV"):
            partial = max(0, min(array_end, start) - max(ready, before))
        op.edges += partial  # split below
        op.hazards += start - ready - partial
        if i.op == "ATT":
            op.attention += issue
        elif i.op == "SET":
            op.startup += issue
        else:
            op.edges += issue  # split below
            if i.op in ("XLIN", "XCONV"):
                results = i.fields["n2"] * i.fields["n3"]
                used[i.step] = used.get(i.step, 0) + results * columns(i, s)
                op.lanes += results * i.fields["psum_last"]
            else:
                op.lanes += mac_cycles(i.fields)
        before, array_end = end, t.array_end
    for name, op in ops.items():
        array = used.get(name, 0) // s.kw
        if array >= op.lanes:
            op.array, op.lanes = min(array, op.edges), 0
        op.edges -= op.array + op.lanes
    dma = Dma(s.lanes, s.axi_bits)
    stored = sum(dma.beats(i.op, i.fields) for i in program.instructions if i.op == "STORE")
    return [*ops.values(), Spent(memory=stored, startup=total - before - stored)]
