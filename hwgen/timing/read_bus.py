"""Read side of the memory ports, beat by beat: `axi_read.v` with the DMA's FIFO behind it.

The program fetch and the DMA each have one request at a time. A request is cut into bursts that end
at multiples of MAX_BURST beats; a burst is picked every third cycle, the program's first, while
fewer than IN_FLIGHT beats and BURSTS bursts are outstanding. Beats come in order, the first of a
burst `latency` cycles after its address, as memory has them (`hwgen.targets.memory`), and leave the
ports' FIFO a cycle later or, the DMA's, when its own has room. A word of a LOADF is written when
the lanes do not write that memory; the beats behind it wait.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hwgen.targets.memory import Bucket, Rate
from hwgen.units.dma import IN_FLIGHT, MAX_BURST

BURSTS = 8  # outstanding bursts
BURST_ROOM, BEAT_ROOM = 2, 3  # cycles from the last beat of a burst, a beat, to room for a burst
PORT_FIFO = 16  # beats that the ports hold
FIFO = 16  # beats between them and the DMA
WORD = 1  # cycles from the last beat of a word to its write


@dataclass
class Request:
    """Beats asked for. since: first cycle in which a burst of it may be picked; place: beats from a
    multiple of MAX_BURST to its address; opened (DMA): first cycle in which its beats may leave the
    FIFO; free (LOADF): cycle from which on a word can be written -> cycle in which it is, for words
    of word_beats beats. Filled in when it is served: beats left to pick, cycles of the last pick
    and in which the last beat left the DMA's FIFO (or would have, had no word waited)."""

    since: int
    place: int
    left: int
    opened: int = 0
    free: Callable[[int], int] | None = None
    word_beats: int = 1
    picked: int = -1
    taken: int = -1
    part: int = 0  # beats of the word so far
    written: int = -1  # cycle of the last word

    def use(self, leave: int) -> int:
        """Cycle in which a beat that left the FIFO goes into the word: then the next may leave."""
        used = max(leave + 1, self.written)
        self.part = (self.part + 1) % self.word_beats
        if self.part == 0 and self.free is not None:
            self.written = self.free(used + WORD)
        return used


class ReadBus:
    """Serves the requests in the order of the hardware.

    out: cycle in which every beat so far left the ports; busy: cycles in which memory moved a beat
    or had not yet the next one; fetched: when the program's instructions were there, of
    `instruction_beats` beats.
    """

    def __init__(self, latency: int, rate: Rate, instruction_beats: Sequence[int]) -> None:
        self.latency, self.instruction_beats = latency, instruction_beats
        self.bucket = Bucket(rate)
        self.out: list[int] = []
        self.busy: list[int] = []
        self.fetched: list[int] = []
        self.program: Request | None = None
        self.dma: Request | None = None
        self._taken: list[int] = []  # cycles in which the DMA's beats left its FIFO
        self._ends: list[int] = []  # last beat of every burst
        self._picked = -3
        self._rest = 0  # beats of the program's burst that are not served yet
        self._part = 0  # beats of the instruction so far
        self._arrival = 0  # cycle in which memory can have the next beat

    def pick(self) -> bool:
        """Serve the next burst, or the next instruction of the program's; False when nobody asks.
        Call it when all requests and writes are known that follow from the beats so far: later ones
        come after what it serves."""
        if self._rest:
            self._program_beats()
            return True
        waiting = [r for r in (self.program, self.dma) if r]
        if not waiting:
            return False
        cycle = max(self._picked + 3, min(r.since for r in waiting))
        if len(self._ends) >= BURSTS:
            cycle = max(cycle, self._ends[-BURSTS] + BURST_ROOM)
        if len(self.out) >= IN_FLIGHT:
            cycle = max(cycle, self.out[-IN_FLIGHT] + BEAT_ROOM)
        request = waiting[0] if waiting[0].since <= cycle else waiting[-1]
        count = min(request.left, MAX_BURST - request.place % MAX_BURST)
        self._arrival = max(self._arrival, cycle + 1 + self.latency)
        request.left -= count
        request.place += count
        request.picked = self._picked = cycle
        if request is self.dma:
            self._dma_beats(request, count)
            if not request.left:
                self.dma = None
        else:
            self._rest = count
            if not request.left:
                self.program = None
            self._program_beats()
        return True

    def _beat(self) -> int:
        """The next beat's cycle on the ports."""
        beat = self.bucket.read(self._arrival)
        self.busy += range(self._arrival, beat)
        if len(self.out) >= PORT_FIFO:
            beat = max(beat, self.out[-PORT_FIFO] + 1)
        self.busy.append(beat)
        self._arrival = beat + 1
        return beat

    def _program_beats(self) -> None:
        beats = self.instruction_beats[len(self.fetched)]
        count = min(self._rest, beats - self._part)
        for _ in range(count):
            self.out.append(max(self._beat(), self.out[-1] if self.out else 0) + 1)
        self._part += count
        self._rest -= count
        if self._part == beats:
            self.fetched.append(self.out[-1])
            self._part = 0
        if not self._rest:
            self._ends.append(self.out[-1])

    def _dma_beats(self, request: Request, count: int) -> None:
        out, taken = self.out, self._taken
        leave = max(request.opened, taken[-1] + 1 if taken else 0) - 1
        for _ in range(count):
            cycle = max(self._beat(), out[-1] if out else 0) + 1
            if len(taken) >= FIFO:
                cycle = max(cycle, taken[-FIFO] + 1)
            leave = max(leave + 1, cycle + 1)
            out.append(cycle)
            taken.append(leave)
            if request.free is not None:
                leave = request.use(leave) - 1
        request.taken = max(leave, request.written - WORD - 1)
        self._ends.append(out[-1])
