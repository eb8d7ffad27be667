"""Causes of predicted cycles: complete, never negative, where they belong."""

from __future__ import annotations

import pytest

from hwgen.ir.graph import Graph
from hwgen.schedule.program import Program, schedule
from hwgen.search.choose import choose
from hwgen.targets import get_target
from hwgen.targets.memory import Rate
from hwgen.timing.bounds import Spent, roofline, work
from hwgen.timing.predict import Prediction, predict
from hwgen.units.compute_unit import busy_end
from tests.attention_graphs import attention_graph
from tests.graphs import conv_graph, random_graph


def programs() -> list[Program]:
    def made(graph: Graph, **sizes: int) -> Program:
        return schedule(graph, choose(graph, get_target("zynq"), sizes))

    small = {"lanes": 16, "array_bits": 1024, "axi_bits": 64}
    return [made(random_graph(1)), made(random_graph(1), strip_tokens=24, **small),
            made(conv_graph(), **small), made(attention_graph())]  # fmt: skip


@pytest.fixture(scope="module")
def predicted() -> list[tuple[Program, Prediction]]:
    return [(p, predict(p)) for p in programs()]


def test_causes_add_up_to_the_cycles_of_every_op(predicted) -> None:
    for _, p in predicted:
        assert sum(cycles for _, _, cycles in p.steps) == p.cycles
        for (name, _, cycles), spent in zip(p.steps, p.spent, strict=True):
            assert spent.total == cycles, name
            assert min(spent.as_dict().values()) >= 0, (name, spent)


def beside_attention(program, times) -> dict[str, int]:
    """Step -> cycles in which it issues beside the last result of the ATT before, which are
    attention's: at most that one."""
    found: dict[str, int] = {}
    end = 0
    for i, t in zip(program.compute, times, strict=True):
        if i.op not in ("ATT", "SET") and t.start < end:
            assert end - t.start == 1
            found[i.step] = 1
        end = max(end, busy_end(i.op, t.issue_end, t.retired))
    return found


def test_busy_cycles_are_those_of_the_instructions(predicted) -> None:
    hidden = 0
    for program, p in predicted:
        asked = work(program)
        bounds = (sum(w.compute for w in asked.values()), sum(w.memory for w in asked.values()))
        assert p.roofline == roofline(program) == round(max(bounds)) <= p.cycles
        units = {name: unit for name, unit, _ in p.steps}
        partial = {i.step for i in program.compute if i.fields.get("psum_last") == 0}
        beside = beside_attention(program, p.compute)
        for (name, _, _), spent in zip(p.steps[:-1], p.spent):
            host = program.beside.get(name, name)
            assert spent.array <= asked[host].array
            assert spent.lanes <= asked[host].lanes
            if name in partial:  # array work may hide beside what happens meanwhile
                hidden += spent.array < int(asked[host].array)
                continue
            if host in program.beside.values():  # asked has the two together
                assert spent.array + spent.lanes > 0
                continue
            if units[name] != "ATT":
                most = max(int(asked[name].array), asked[name].lanes)
                assert max(spent.array, spent.lanes) == most - beside.get(name, 0), name
            assert (spent.attention > 0) == (units[name] == "ATT"), name
    assert hidden > 0


@pytest.mark.parametrize("rate", [Rate(2, 5), Rate(1, 9)], ids=str)
def test_what_dram_keeps_waiting_is_memory(predicted, rate) -> None:
    for program, ports in predicted:
        p = predict(program, rate=rate)
        assert p.cycles > ports.cycles
        for (name, _, cycles), spent in zip(p.steps, p.spent, strict=True):
            assert spent.total == cycles, name
            assert min(spent.as_dict().values()) >= 0, (name, spent)
        longer = sum(s.memory for s in p.spent) - sum(s.memory for s in ports.spent)
        assert 0.9 * (p.cycles - ports.cycles) < longer
        assert ports.roofline <= p.roofline == roofline(program, rate=rate) <= p.cycles


def test_slower_memory_costs_only_waiting() -> None:
    program = programs()[0]
    fast, slow = (predict(program, latency) for latency in (5, 200))
    assert slow.cycles > fast.cycles
    compute = ("array", "lanes", "attention", "edges")

    def cycles(p: Prediction, causes) -> int:
        return sum(getattr(s, cause) for s in p.spent for cause in causes)

    assert cycles(fast, compute) == pytest.approx(cycles(slow, compute), rel=0.01)
    assert cycles(slow, ["startup"]) > cycles(fast, ["startup"])


def test_half_used_columns_are_edges() -> None:
    """Without results in a pass, a half-full array is a loss; with them the lanes are busy."""
    program = schedule(
        random_graph(1), choose(random_graph(1), get_target("zynq"), {"array_bits": 1024})
    )
    before = predict(program)
    hosts = set(program.beside.values())
    for i in program.instructions:
        if i.op == "XLIN" and not i.fields["psum_last"] and i.step not in hosts:
            i.fields["a_elems"] = 1
    after = predict(program)
    assert after.cycles == before.cycles
    losses = [sum(s.edges for s in p.spent) for p in (before, after)]
    assert losses[1] > losses[0]


def test_spent_is_one_number() -> None:
    assert Spent(array=1, memory=2, edges=4).total == 7
