"""Waits of programs with many instructions, where a unit compares counts modulo 2**16.

A unit takes a count as reached when (retired - wait) mod 2**16 < 2**15. So a wait for what retired
more than 2**15 instructions ago, or for nothing (0), would hold forever in a long program. Each is
replaced by the largest count that is known to be reached when the instruction may start anyway:
that of the waits of its predecessor in the queue and of the instructions that it waits for. Where
that is too far back as well, it waits for the instruction half as far back, which no queue is deep
enough to have left open.
"""

from __future__ import annotations

from collections.abc import Sequence

from hwgen.schedule.hazards import Instruction

QUEUES = ("dma", "ldw", "cmp")
FAR = 1 << 15
AHEAD = 256  # instructions dispatched behind one that waits, at most


def recent_waits(instructions: Sequence[Instruction]) -> None:
    """Sets `wait_*` of all instructions, where one counts further than the comparison reaches."""
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
        given[i.queue] += 1
        for queue, count in given.items():
            if count + AHEAD - reached[queue] >= FAR:
                reached[queue] = count + AHEAD - FAR // 2
        before.append(reached)
        for queue in QUEUES:
            if not queue == i.queue == "cmp":  # in order by itself
                i.fields[f"wait_{queue}"] = reached[queue]
