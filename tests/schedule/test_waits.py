"""Waits of long programs: as strong as before, and near enough for a comparison modulo 2**16."""

from __future__ import annotations

import copy

import pytest

from hwgen.schedule import waits
from hwgen.schedule.hazards import Instruction
from hwgen.schedule.program import Program, schedule
from hwgen.search.choose import choose
from hwgen.targets import get_target
from hwgen.timing.predict import predict
from tests.graphs import random_graph

FAR, AHEAD = 400, 16  # in place of 2**15 and 256


@pytest.fixture(scope="module")
def program() -> Program:
    graph = random_graph(7)
    return schedule(graph, choose(graph, get_target("zynq"), {"strip_tokens": 24}))


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "FAR", FAR)
    monkeypatch.setattr(waits, "AHEAD", AHEAD)


def far(instructions: list[Instruction]) -> list[str]:
    """Waits that reach back too far from where the program dispatches the instruction."""
    given, found = dict.fromkeys(waits.QUEUES, 0), []
    for i in instructions:
        if i.queue not in given:
            continue
        given[i.queue] += 1
        for queue, count in given.items():
            if queue == i.queue == "cmp":
                continue
            if count + AHEAD - i.fields.get(f"wait_{queue}", 0) >= FAR:
                found.append(f"{i.op} {i.index}: {queue}")
    return found


def test_short_programs_are_left_as_they_are(program: Program) -> None:
    again = copy.deepcopy(program.instructions)
    waits.recent_waits(again)
    assert [i.fields for i in again] == [i.fields for i in program.instructions]


@pytest.mark.usefixtures("short")
def test_every_wait_is_near_and_as_strong(program: Program) -> None:
    again = copy.deepcopy(list(program.instructions))
    assert far(again)
    waits.recent_waits(again)
    assert far(again) == []
    for old, new in zip(program.instructions, again, strict=True):
        for queue in waits.QUEUES:
            assert new.fields.get(f"wait_{queue}", 0) >= old.fields.get(f"wait_{queue}", 0)


@pytest.mark.usefixtures("short")
def test_nothing_starts_later(program: Program) -> None:
    """What is added is known to be reached: the frame takes the same cycles."""
    again = copy.deepcopy(program)
    waits.recent_waits(again.instructions)
    assert predict(again).cycles == predict(program).cycles
    then, now = (
        [(t.start, t.issue_end, t.retired) for t in predict(p).compute] for p in (program, again)
    )
    assert then == now


@pytest.mark.usefixtures("short")
def test_a_wait_that_stays_too_old_is_for_a_later_instruction() -> None:
    """Half as far back as the comparison reaches: behind the one meant, and long retired."""
    loads = [Instruction("LDW", "ldw", k, {}, "first") for k in range(FAR)]
    late = Instruction("MACV", "cmp", 0, {"wait_ldw": 1}, "late")
    waits.recent_waits([*loads, late])
    assert late.fields["wait_ldw"] == FAR + AHEAD - FAR // 2
    assert far([*loads, late]) == []
