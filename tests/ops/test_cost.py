"""What an op says that it costs is what its program takes, and what the predictor charges to it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from math import ceil
from typing import ClassVar

import pytest

from hwgen.engine.isa import CMP_SOURCE
from hwgen.engine.sizing import Sizing
from hwgen.ir import Graph
from hwgen.ops import REGISTRY
from hwgen.ops.base import TRAITS, Op, register
from hwgen.ops.vector import Pointwise
from hwgen.schedule.buffers import Block
from hwgen.schedule.builder import Builder
from hwgen.schedule.plan import plan
from hwgen.schedule.program import Program, schedule
from hwgen.search.choose import choose
from hwgen.search.work import reloaded_words
from hwgen.targets import get_target
from hwgen.timing.predict import predict
from hwgen.units.attention import Attention
from hwgen.units.compute_unit import mac_cycles
from tests.attention_graphs import attention_graph
from tests.channel_graphs import channel_graph
from tests.graphs import random_graph
from tests.padded_graphs import STEMS, filter_graph, stem_graph
from tests.strided_graphs import kernel_graph, strided_graph
from tests.window_graphs import window_graph

GRAPHS = {
    "random": random_graph(0),
    "attention": attention_graph(),
    "channels": channel_graph(),
    "windows": window_graph(),
    "windows on an odd grid": window_graph(9, 7),
    "strided": strided_graph(),
    "kernels": kernel_graph(),
    "kernels on an even grid": kernel_graph(8, 12),
    "filter": filter_graph(8, 8, 4),
    "odd filter": filter_graph(9, 6, 3),
} | {f"stem {k}": stem_graph(stem) for k, stem in enumerate(STEMS)}


class Asking(Builder):
    """Counts the words of the records that every step asks for, also where another step's LOAD
    has brought them."""

    last: Asking

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        Asking.last = self
        self.asked: dict[str, dict[Block, int]] = {}  # words by step and block

    def bring(self, *records, **kwargs) -> list[Block]:
        blocks = super().bring(*records, **kwargs)
        mine = self.asked.setdefault(self.step, {})
        mine |= {block: r.words for block, r in zip(blocks, records, strict=True)}
        return blocks


def records_asked(program: Program) -> dict[str, int]:
    """Words of records by step."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hwgen.schedule.program.Builder", Asking)
        schedule(program.graph, program.sizing)
    return {step: sum(blocks.values()) for step, blocks in Asking.last.asked.items()}


@pytest.fixture(scope="module", params=GRAPHS)
def program(request) -> Program:
    """Without strips and without a weight store: each record comes once, from DDR."""
    graph = GRAPHS[request.param]
    sizing = choose(graph, get_target("zynq"), {"store_words": 0, "strip_tokens": 0})
    return schedule(graph, sizing)


def instruction_beats(op: str, f: dict[str, int], s: Sizing) -> int:
    """Issue cycles of an instruction by its nest: vectors, products, or the attention unit's."""
    if op in ("XLIN", "XCONV"):
        return f["n2"] * f["n3"]
    if op == "ATT":
        unit = Attention(s.lanes, s.kw, s.pk)
        if unit.overlaps(f["tokens"]):
            return f["queries"] * unit.period(f["tokens"])
        return unit.cycles(f["queries"], f["tokens"])
    return mac_cycles(f)


def costs(program: Program) -> dict[str, tuple[int, int, int]]:
    """Op -> (beats, words of its records, words of its LOADFs from the weight image)."""
    beats: Counter[str] = Counter()
    records = Counter(records_asked(program))
    constants: Counter[str] = Counter()
    for i in program.instructions:
        if i.op in CMP_SOURCE:
            beats[i.step] += instruction_beats(i.op, i.fields, program.sizing)
        elif i.op == "LOADF" and i.fields["base_sel"] == 0:
            constants[i.step] += i.fields["words"] * (1 if i.fields["bytes"] else 2)  # halves
    names = [op.name for op in program.graph.ops]
    return {n: (beats[n], records[n], ceil(constants[n] / 2)) for n in names}


def declared(graph: Graph, s: Sizing) -> dict[str, tuple[int, int, int]]:
    types = graph.types()
    return {
        op.name: (op.beats(s, types), op.record_words(s), op.constant_words(s)) for op in graph.ops
    }


def test_declared_costs_are_those_of_the_program(program: Program) -> None:
    assert declared(program.graph, program.sizing) == costs(program)


def test_the_predictor_charges_the_declared_beats(program: Program) -> None:
    """Lanes' work exactly; the array's too, where nothing waits for its partial sums."""
    prediction, types = predict(program), program.graph.types()
    seen = 0
    for (name, unit, _), spent in zip(prediction.steps, prediction.spent, strict=False):
        if unit in ("MACV", "MACS", "LNAPPLY"):
            beats = program.graph.op(name).beats(program.sizing, types)
            assert spent.lanes + spent.edges == beats, name
            seen += 1
    assert seen


def test_every_op_is_in_a_graph() -> None:
    found = {type(op).__name__ for graph in GRAPHS.values() for op in graph.ops}
    assert found | {"Reload"} == set(REGISTRY)  # which the schedule adds


def test_features_in_ddr_cost_what_the_program_moves() -> None:
    """Words that come back: those of the schedule's reads of the output region."""
    graph = GRAPHS["random"]
    sizes = {"store_words": 0, "strip_tokens": 24, "spill_words": 1}
    program = schedule(graph, choose(graph, get_target("zynq"), sizes))
    order = plan(program.graph, 24, program.sizing.lanes, spilled=True)
    loads: Counter[str] = Counter()
    for i in program.instructions:
        if i.op == "LOADF" and i.fields["base_sel"] == 2:
            loads[i.step] += i.fields["words"]
    pieces = Counter(piece.name for piece in order.pieces if not piece.store)
    again = [op for op in program.graph.ops if op.LOADED]
    assert again
    for op in again:
        words = reloaded_words(op, order, program.sizing, pieces[op.name])
        assert words == loads[op.name], op.name


def test_a_wrong_cost_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = GRAPHS["random"]
    program = schedule(graph, choose(graph, get_target("zynq"), {"store_words": 0}))
    for method in ("beats", "parameter_words", "constant_words"):
        with monkeypatch.context() as patch:
            right = getattr(Pointwise, method)
            patch.setattr(Pointwise, method, lambda *a, right=right: right(*a) + 1)
            wrong, right_costs = declared(program.graph, program.sizing), costs(program)
        names = {n for n in wrong if wrong[n] != right_costs[n]}
        assert names == {op.name for op in graph.ops if isinstance(op, Pointwise)}


def whole_op() -> dict:
    """The members of a class that `register` takes."""
    members = {name: getattr(Pointwise, name) for name in Op.__abstractmethods__}
    return members | {trait: getattr(Pointwise, trait) for trait in TRAITS}


@pytest.mark.parametrize("missing", sorted({*Op.__abstractmethods__, *TRAITS}))
def test_an_op_that_forgets_something_is_refused(missing: str) -> None:
    members = whole_op()
    del members[missing]
    forgetful = dataclass(frozen=True, eq=False)(type("Forgetful", (Op,), members))
    with pytest.raises(TypeError, match=f"^Forgetful: {missing} must be given"):
        register(forgetful)
    assert "Forgetful" not in REGISTRY


def test_a_whole_op_is_taken() -> None:
    @dataclass(frozen=True, eq=False)
    class Whole(Pointwise):
        UNIT: ClassVar[str] = "MACV"

    try:
        assert register(Whole) is Whole
        op = random_graph(0).op("s0.mlp.v")
        assert replace(op, name="other").name == "other"
    finally:
        REGISTRY.pop("Whole", None)
