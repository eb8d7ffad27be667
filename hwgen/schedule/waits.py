"""Waits of programs with many instructions, where a unit compares counts modulo 2**16.

A unit takes a count as reached when (retired - wait) mod 2**16 < 2**15. So a wait for what retired
more than 2**15 instructions ago, or for nothing (0), would hold forever in a long program. Each is
replaced by the largest count that is known to be reached when the instruction may start anyway:
that of the waits of its predecessor in the queue and of the instructions that it waits for.
"""

from __future__ import annotations

from collections.abc import Sequence

from hwgen.errors import FitError
from hwgen.schedule.hazards import Instruction

QUEUES = ("dma", "ldw", "cmp")
FAR = 1 << 15
AHEAD = 256  # instructions dispatched behind one that waits, at most


def recent_waits(instructions: Sequence[Instruction]) -> None:
    """Sets `wait_*` of all instructions, where one counts further than the comparison reaches.

    Raises: FitError for one whose wait stays too old.
    """
    counts = dict.fromkeys(QUEUES, 0)
    for i in instructions:
        counts[i.queue] = i.index + 1
    if max(counts.values()) + AHEAD < FAR:
        return
    known: dict[str, list[dict[str, int]]] = {queue: [] for queue in QUEUES}
    given = dict.fromkeys(QUEUES, 0)
    for i in instructions:
        if i.queue not in QUEUES:
            continue
        before = known[i.queue]
        reached = dict(before[-1]) if before else dict.fromkeys(QUEUES, 0)
        for queue in QUEUES:
            wait = i.fields.get(f"wait_{queue}", 0)
            if wait:
                awaited = known[queue][wait - 1] | {queue: wait}
                reached = {q: max(n, awaited[q]) for q, n in reached.items()}
        before.append(reached)
        given[i.queue] += 1
        for queue in QUEUES:
            if queue == i.queue == "cmp":
                continue  # in order by itself
            i.fields[f"wait_{queue}"] = reached[queue]
            if given[queue] + AHEAD - reached[queue] >= FAR:
                raise FitError(
                    i.step, f"waits for instruction {reached[queue]:,} of {given[queue]:,}",
                    f"must be one of the last {FAR:,}", "--set strip_tokens= or kw= larger",
                )  # fmt: skip
