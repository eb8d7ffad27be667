"""Predicted cycles are the simulated ones, step by step, on engines and memories of other sizes."""

from __future__ import annotations

import numpy as np
import pytest

from hwgen.emit.rtl import write_rtl
from hwgen.ir.graph import Graph
from hwgen.passes.lower import lower_model
from hwgen.schedule.program import Program, schedule
from hwgen.search.choose import choose
from hwgen.sim.network import simulate_program
from hwgen.targets import get_target
from hwgen.targets.memory import PORTS_ONLY, Rate
from hwgen.timing.predict import predict
from tests.attention_graphs import attention_graph
from tests.graphs import random_graph
from tests.networks import IMAGE, small_attention_net
from tests.padded_graphs import STEMS, filter_graph, stem_graph
from tests.strided_graphs import strided_graph

MEMORIES = (  # latency, rate
    (12, PORTS_ONLY),
    (40, PORTS_ONLY),
    (130, PORTS_ONLY),
    (40, Rate(147, 320)),
    (12, Rate(2, 5)),
    (130, Rate(17, 16)),
    (60, Rate(1, 9)),
)
ENGINES = (  # lanes, kw, axi_ports, axi_bits
    (16, 64, 1, 64), (16, 256, 2, 128), (32, 128, 2, 64), (16, 128, 1, 32), (8, 64, 1, 64),
)  # fmt: skip
STORE_WORDS = 400  # some records stay on chip after the first frame


def noise(graph: Graph) -> np.ndarray:
    (image,) = graph.inputs.values()
    return np.random.default_rng(9).integers(0, 256, (2, *image.shape)).astype(np.uint8)


@pytest.fixture(scope="module")
def user() -> Graph:
    images = np.random.default_rng(2).integers(0, 256, (16, *IMAGE)).astype(np.uint8)
    meta = {"name": "user", "sha256": "0" * 64, "mean": [0.5] * 3, "std": [0.5] * 3}
    return lower_model(small_attention_net().eval(), images, meta=meta)


def fitted(graphs: list[Graph], strips: int, **sizes: int) -> list[Program]:
    """Programs of the graphs on one engine of these sizes; the first and last also in strips, and
    the first with features in DDR."""
    ends = (graphs[0], graphs[-1])
    each = [choose(g, get_target("zynq"), sizes) for g in graphs]
    each += [choose(g, get_target("zynq"), sizes | {"strip_tokens": strips}) for g in ends]
    memories = ("fm_words", "tm_words", "bm_rows", "wb_words", "ps_words", "nt_words")
    most = {m: max(getattr(s, m) for s in each) for m in memories}
    engine = each[0].replace(
        **most, gu=min(s.gu for s in each), strip_tokens=0, store_words=STORE_WORDS
    )
    programs = [schedule(g, engine) for g in graphs]
    programs += [schedule(g, engine.replace(strip_tokens=strips)) for g in ends]
    return [*programs, schedule(graphs[0], engine.replace(strip_tokens=strips, spill_words=1))]


@pytest.mark.slow
@pytest.mark.parametrize("engine", range(len(ENGINES)))
def test_every_step_on_other_engines(engine, user, tmp_path) -> None:
    lanes, kw, axi_ports, axi_bits = ENGINES[engine]
    graphs = [user, attention_graph(), strided_graph()]
    graphs += [filter_graph(8, 8, 4), stem_graph(STEMS[0])]
    if lanes <= 16:  # it has tensors of 16 channels
        graphs.insert(0, random_graph(3))
    ports = {"axi_ports": axi_ports, "axi_bits": axi_bits}
    programs = fitted(graphs, 24, lanes=lanes, array_bits=lanes * kw, **ports)
    assert lanes > 16 or programs[-1].kept  # features in DDR
    assert programs[0].sizing.parameters().items() >= {
        "LANES": lanes, "KW": kw, "AXI_PORTS": axi_ports, "AXI_BITS": axi_bits,
    }.items()  # fmt: skip
    write_rtl(tmp_path / "rtl", programs[0].sizing)
    for n, program in enumerate(programs):  # over all engines every program has every memory
        for latency, rate in (MEMORIES * 2)[(n + 3 * engine) % 7 :][:3]:
            result = simulate_program(
                program, tmp_path / "rtl", tmp_path / "build", noise(program.graph),
                latency=latency, rate=rate,
            )  # fmt: skip
            assert result.first_mismatch is None
            cold = predict(program, latency, warm=False, rate=rate).cycles
            assert cold == result.cold_cycles, (latency, rate)
            steps = predict(program, latency, rate=rate).steps
            bad = [
                (name, predicted, simulated)
                for (name, _, predicted), simulated in zip(steps, result.step_cycles, strict=True)
                if predicted != simulated
            ]
            assert not bad, f"{latency} {rate}: (step, predicted, simulated) {bad}"
