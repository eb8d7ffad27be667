"""Every registered op three ways: golden execution, its program in RTL, its kernels in HLS C++.

The RTL and the C++ are built once, for one engine; a graph is simulated once for all its ops.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from hwgen.emit.rtl import write_rtl
from hwgen.engine.sizing import Sizing
from hwgen.ir.graph import Graph
from hwgen.ops import REGISTRY
from hwgen.ops.reload import Reload
from hwgen.passes.lower import lower_model
from hwgen.schedule.program import Program, schedule
from hwgen.search.choose import choose
from hwgen.sim.csim import CsimResult, build_csim, run_csim
from hwgen.sim.network import SimResult, build_simulator, simulate_program
from hwgen.targets import get_target
from hwgen.timing.predict import predict
from tests.channel_graphs import channel_graph
from tests.graphs import norm_graph, random_graph
from tests.networks import IMAGE, activation_net
from tests.padded_graphs import STEMS, stem_graph
from tests.strided_graphs import grouped_graph, kernel_graph
from tests.window_graphs import window_graph

GRAPHS = {
    "random": random_graph(4),
    "channels": channel_graph(),
    "windows": window_graph(),
    "windows on an odd grid": window_graph(9, 7),
    "kernels on an even grid": kernel_graph(8, 12),
    "rows of 54 bytes": stem_graph(STEMS[6]),
    "rows of 45 bytes": stem_graph(STEMS[7]),
    "norm": norm_graph(),
    "groups": grouped_graph(),
    "stem": stem_graph(STEMS[0], again=True),
    "activations": lower_model(activation_net(), meta={"image": IMAGE, "name": "activations"}),
}


def graph_of(op: str) -> str:
    """A graph with an op of this class, one whose tensor is written by the lanes or loaded."""
    if op == "Reload":  # which the schedule adds
        return "spilled"
    found = [k for k, g in GRAPHS.items() if any(type(o).__name__ == op for o in g.ops)]
    assert found, f"no graph of this test has a {op}: add one"
    return found[0]


@pytest.fixture(scope="module")
def sizing() -> Sizing:
    each = [
        choose(g, get_target("zynq"), {"array_bits": 2048, "lanes": 16}) for g in GRAPHS.values()
    ]
    memories = ("fm_words", "tm_words", "bm_rows", "wb_words", "ps_words", "nt_words")
    most = {m: max(getattr(s, m) for s in each) for m in memories}
    gu = min(s.gu for s in each)
    return each[0].replace(**most, gu=gu, strip_tokens=0, store_words=0)


class Engines:
    """Both back ends of one engine."""

    def __init__(self, folder: Path, sizing: Sizing) -> None:
        self.rtl, self.build = folder / "rtl", folder / "build"
        write_rtl(self.rtl, sizing)
        build_simulator(schedule(GRAPHS["random"], sizing), self.rtl, self.build)
        self.csim = build_csim(folder / "hls", sizing)
        self.programs = {name: schedule(graph, sizing) for name, graph in GRAPHS.items()}
        in_ddr = sizing.replace(strip_tokens=24, spill_words=1)
        self.programs["spilled"] = schedule(GRAPHS["random"], in_ddr)
        self.sound = cache(self.run)

    def run(self, name: str, wrong: str = "") -> tuple[Program, SimResult, CsimResult]:
        """A graph in both; wrong: a golden tensor of which one number is changed."""

        def corrupt(values: dict[str, np.ndarray]) -> None:
            if wrong:
                values[wrong] = values[wrong].copy()
                values[wrong].reshape(-1)[-1] ^= 1

        program = self.programs[name]
        (image,) = program.graph.inputs.values()
        images = np.random.default_rng(6).integers(0, 256, (1, *image.shape)).astype(np.uint8)
        rtl = simulate_program(program, self.rtl, self.build, images, corrupt=corrupt)
        return program, rtl, run_csim(self.csim, program, images, corrupt=corrupt)


@pytest.fixture(scope="module")
def engines(sizing: Sizing, tmp_path_factory: pytest.TempPathFactory) -> Engines:
    return Engines(tmp_path_factory.mktemp("engines"), sizing)


def written(program: Program, op: str) -> list[str]:
    """Tensors of the ops of a class; of what no lane writes those of its readers."""
    graph: Graph = program.graph
    mine = [o for o in graph.ops if type(o).__name__ == op]
    assert mine, op
    if op in ("Constant", "Reload"):
        loaded = {t for o in mine for t in o.outputs()}
        mine = [o for o in graph.ops if loaded & set(o.inputs)]
    return [t for o in mine for t in o.outputs()]


@pytest.mark.parametrize("op", sorted(REGISTRY))
def test_golden_rtl_and_hls_agree(engines: Engines, op: str) -> None:
    program, rtl, hls = engines.sound(graph_of(op))
    assert rtl.first_mismatch is None
    assert hls.first_difference is None
    # both compared every write of every instruction, so those of this op's tensors
    total = sum(d + b for d, b in program.write_counts())
    assert rtl.writes == hls.writes == total
    compared = {w.tensor for i in program.compute for w in (i.dst, i.bit) if w is not None}
    tensors = written(program, op)
    assert tensors
    assert set(tensors) <= compared
    # and would have seen another value: the last number of a tensor, in both at the same place
    _, rtl, hls = engines.run(graph_of(op), wrong=tensors[0])
    place = rtl.first_mismatch.partition(":")[0]
    assert f"tensor {tensors[0]}, token " in place
    assert hls.first_difference.startswith(f"image 0: {place}: value got ")


def test_layer_norm_of_a_width_that_is_no_power_of_two(engines: Engines) -> None:
    program, rtl, hls = engines.sound("norm")
    assert rtl.first_mismatch is None
    assert hls.first_difference is None
    assert rtl.writes == hls.writes > 0
    assert rtl.cold_cycles == predict(program, warm=False).cycles
    (scale,) = {i.fields["scale"] for i in program.instructions if i.fields.get("kind") == 2}
    assert scale == 2**16 * 256 // 192


def test_features_in_ddr(engines: Engines) -> None:
    """Stored by strips and brought back, with rows around a strip or by rows of windows, in the
    cycles predicted."""
    program, rtl, hls = engines.sound("spilled")
    assert {"s2.context", "s2.mix"} < program.kept.keys()
    assert any(op.last for op in program.graph.ops if isinstance(op, Reload))  # merge tokens
    assert (rtl.first_mismatch, hls.first_difference) == (None, None)
    assert rtl.cycles == predict(program).cycles


def test_every_activation(engines: Engines) -> None:
    """A table for each of them, loaded in turn; to the cycle as predicted."""
    program, rtl, hls = engines.sound("activations")
    tables = [op.post.chords for op in program.graph.ops if op.post.chords is not None]
    names = ["gelu", "silu", "hardswish", "sigmoid", "tanh", "clamp", "relu6", "clamp"]
    assert [t.name for t in tables] == names
    assert len({t.key for t in tables}) == len(tables)
    assert (rtl.first_mismatch, hls.first_difference) == (None, None)
    assert rtl.cycles == predict(program).cycles
    last = next(op for op in program.graph.ops if op.post.chords is tables[-1])
    _, rtl, hls = engines.run("activations", wrong=next(iter(last.outputs())))
    assert last.name in rtl.first_mismatch
    assert last.name in hls.first_difference


@pytest.mark.parametrize(
    "graph",
    [
        "channels",
        "windows",
        "windows on an odd grid",
        "kernels on an even grid",
        "rows of 54 bytes",
        "rows of 45 bytes",
        "groups",
    ],
)
def test_shapes_in_the_cycles_predicted(engines: Engines, graph: str) -> None:
    """Concatenations and slices, filters and sums over windows, kept, signed or both; kernels of
    equal sides or not; images whose rows are no whole words; groups of any number of channels."""
    program, rtl, hls = engines.sound(graph)
    assert (rtl.first_mismatch, hls.first_difference) == (None, None)
    assert rtl.cold_cycles == predict(program, warm=False).cycles
