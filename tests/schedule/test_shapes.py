"""Programs of moved channels and of windows, whole and in strips."""

from __future__ import annotations

import pytest

from hwgen.ir.check import problems
from hwgen.ir.graph import Graph
from tests.channel_graphs import channel_graph
from tests.schedule.test_padding import CHOICE
from tests.schedule.test_program import check
from tests.window_graphs import window_graph

GRAPHS = [channel_graph(), channel_graph(8), window_graph(), window_graph(9, 7)]


@pytest.mark.parametrize("graph", GRAPHS, ids=["channels", "more", "windows", "odd"])
@pytest.mark.parametrize(("strip_tokens", "lanes"), [(0, 16), (12, 16), (16, 16), (24, 16)])
def test_programs(graph: Graph, strip_tokens: int, lanes: int) -> None:
    assert list(problems(graph)) == []
    check(graph, CHOICE | {"strip_tokens": strip_tokens, "lanes": lanes})
