"""Read side of the memory port, beat by beat: `axi_read.v` with the DMA's FIFO behind it.

The program fetch and the DMA each have one request at a time. A request is cut into bursts that end
at multiples of MAX_BURST beats; a burst is picked every second cycle, the program's first, while
fewer than IN_FLIGHT beats and BURSTS bursts are outstanding. Beats come in order, the first of a
burst `latency` cycles after its address, as long as the DMA's FIFO has room for its own. A word of
a LOADF is written when the lanes do not write that memory; the beats behind it wait.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hwgen.units.dma import IN_FLIGHT, MAX_BURST

BURSTS = 8  # outstanding bursts
FIFO = 16  # beats between the bus and the DMA
WORD = 1  # cycles from the last beat of a word to its write


@dataclass
class Request:
    """Beats asked for. since: first cycle in which a burst of it may be picked; place: beats from a
    multiple of MAX_BURST to its address; opened (DMA): first cycle in which its beats may leave the
    FIFO; free (LOADF): cycle from which on a word can be written -> cycle in which it is, for words
    of word_beats beats. Filled in when it is served: cycles of the last pick, of the last beat on
    the bus, and in which that beat left the FIFO (or would have, had no word waited)."""

    since: int
    place: int
    left: int
    opened: int = 0
    free: Callable[[int], int] | None = None
    word_beats: int = 1
    picked: int = -1
    last: int = -1
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
    """Serves the requests in the order of the hardware; beats: the cycle of every beat so far."""

    def __init__(self, latency: int) -> None:
        self.latency = latency
        self.beats: list[int] = []
        self.program: Request | None = None
        self.dma: Request | None = None
        self._taken: list[int] = []  # cycles in which the DMA's beats left the FIFO
        self._ends: list[int] = []  # last beat of every burst
        self._picked = -2

    def pick(self) -> bool:
        """Serve the next burst; False when nobody asks. Call it when all requests are known that
        follow from the beats so far: later ones come after the burst it picks."""
        waiting = [r for r in (self.program, self.dma) if r]
        if not waiting:
            return False
        cycle = max(self._picked + 2, min(r.since for r in waiting))
        if len(self._ends) >= BURSTS:
            cycle = max(cycle, self._ends[-BURSTS] + 1)
        if len(self.beats) >= IN_FLIGHT:
            cycle = max(cycle, self.beats[-IN_FLIGHT] + 1)
        request = waiting[0] if waiting[0].since <= cycle else waiting[-1]
        count = min(request.left, MAX_BURST - request.place % MAX_BURST)
        first = cycle + 1 + self.latency
        if request is self.dma:
            self._dma_beats(request, first, count)
        else:
            first = max(first, self._ends[-1] + 1 if self._ends else 0)
            self.beats += range(first, first + count)
        request.left -= count
        request.place += count
        request.picked, request.last = cycle, self.beats[-1]
        self._picked = cycle
        self._ends.append(request.last)
        if not request.left:
            if request is self.dma:
                self.dma = None
            else:
                self.program = None
        return True

    def _dma_beats(self, request: Request, first: int, count: int) -> None:
        beats, taken = self.beats, self._taken
        beat = max(first, beats[-1] + 1 if beats else 0) - 1
        leave = max(request.opened, taken[-1] + 1 if taken else 0) - 1
        for _ in range(count):
            beat += 1
            if len(taken) >= FIFO and taken[-FIFO] >= beat:
                beat = taken[-FIFO] + 1
            leave = max(leave + 1, beat + 1)
            beats.append(beat)
            taken.append(leave)
            if request.free is not None:
                leave = request.use(leave) - 1
        request.taken = max(leave, request.written - WORD - 1)
