"""What DDR delivers: a token bucket, the same integers in prediction and simulation.

A memory of `beats` per `cycles` gains `beats` tokens a cycle, up to DEPTH x `cycles`; a beat of all
memory ports together costs `cycles` of them. A read beat waits for its tokens. Write beats are
posted: they are taken at once, and what they cost is owed by the reads behind them; memory writes
them at its rate, one after the other, and answers when the last one is written. Within a cycle the
gain comes first, then the read, then the write. (The two ports of an engine run in step, and each
has its half: a bucket per port, as sim/harness/ddr.h has it, is the same.)
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from fractions import Fraction

DEPTH = 4  # beats that a memory which was idle gives at the ports' rate


@dataclass(frozen=True)
class Rate:
    """Beats per cycle that memory delivers, reads and writes together: beats / cycles. The ports
    move at most one of each in a cycle."""

    beats: int = 2
    cycles: int = 1

    def __post_init__(self) -> None:
        assert self.beats > 0 < self.cycles, f"{self.beats} beats in {self.cycles} cycles"

    @staticmethod
    def of(beats_per_cycle: Fraction) -> Rate:
        """The rate of a memory; more than the ports move makes no difference."""
        least = min(beats_per_cycle, Fraction(2))
        return Rate(least.numerator, least.denominator)

    @property
    def read_cycles(self) -> Fraction:
        """Cycles of a beat if there are reads only, at least 1."""
        return max(Fraction(1), Fraction(self.cycles, self.beats))


PORTS_ONLY = Rate()  # memory that is never slower than the ports


class Bucket:
    """Tokens over the cycles; reads are asked for in the order of time."""

    def __init__(self, rate: Rate) -> None:
        self.rate, self.most = rate, DEPTH * rate.cycles
        self._cycle, self._level = 0, self.most
        self._writes: deque[int] = deque()
        self._written = 0  # when memory can write the next beat, in 1 / rate.beats of a cycle

    def write(self, cycle: int) -> int:
        """A write beat; after those before, and known before any read behind it. Returns the cycle
        in which memory writes it."""
        assert cycle >= self._cycle, f"a write in {cycle}, behind a read in {self._cycle}"
        self._writes.append(cycle)
        at = max(self._written, cycle * self.rate.beats)
        self._written = at + self.rate.cycles
        return -(-at // self.rate.beats)

    def read(self, cycle: int) -> int:
        """First cycle from `cycle` on in which a read beat has its tokens; it takes them."""
        if self.rate == PORTS_ONLY:
            return cycle
        while True:
            while self._writes and self._writes[0] < cycle:
                self._pass(self._writes.popleft())
                self._level -= self.rate.cycles
            lack = self.rate.cycles - min(self.most, self._level + self._gain(cycle))
            if lack <= 0:
                self._pass(cycle)
                self._level -= self.rate.cycles
                return cycle
            cycle += -(-lack // self.rate.beats)

    def _gain(self, cycle: int) -> int:
        return (cycle - self._cycle) * self.rate.beats

    def _pass(self, cycle: int) -> None:
        self._level = min(self.most, self._level + self._gain(cycle))
        self._cycle = cycle
