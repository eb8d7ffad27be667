"""Copies where two streams of one instruction would need the same memory port."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwgen.ir.check import problems
from hwgen.passes.separate_streams import separate_streams
from hwgen.schedule.program import schedule
from hwgen.search.choose import choose
from hwgen.targets import get_target
from tests.graphs import random_graph


def test_a_graph_that_fits_is_left_alone() -> None:
    graph = random_graph()
    assert separate_streams(graph) is graph


def test_a_tensor_read_twice_gets_a_copy_and_the_same_values() -> None:
    graph = random_graph()
    name = "s1.conv3"
    twice = tuple(
        replace(op, post=replace(op.post, mid=op.post.out)) if op.name == name else op
        for op in graph.ops
    )
    graph = replace(graph, ops=twice)
    apart = separate_streams(graph)
    assert not list(problems(apart))
    added = [op.name for op in apart.ops if op.name not in {o.name for o in graph.ops}]
    assert added == [f"{name}.out.copy"]
    image = np.random.default_rng(1).integers(0, 256, (1, 96, 96, 3)).astype(np.uint8)
    assert np.array_equal(graph.run(image)[graph.output], apart.run(image)[graph.output])
    program = schedule(graph, choose(graph, get_target("zynq")))
    assert [op.name for op in program.graph.ops] == [op.name for op in apart.ops]
