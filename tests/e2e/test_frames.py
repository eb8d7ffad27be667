"""BHViT at 224 x 224 in RTL: one photograph through the whole network, every tensor compared.

The weights are random, with normalisation statistics of the photographs, so that every sign and
level is taken. The engine is the one that the search finds for XC7Z020.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hwgen.emit.rtl import write_rtl
from hwgen.frontend import lower_model
from hwgen.schedule.choose import search
from hwgen.schedule.predict import predict
from hwgen.schedule.program import schedule
from hwgen.sim.network import simulate_program
from hwgen.synth.model import excess
from hwgen.targets import get_target
from hwgen.zoo.untrained import photographs, untrained


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return photographs(224)


SMALL = pytest.param("bhvit_small", marks=pytest.mark.full)


@pytest.mark.parametrize("name", ["bhvit_tiny", SMALL])
def test_a_photograph_bit_exact(name: str, pictures: np.ndarray, tmp_path: Path) -> None:
    target = get_target("zynq")
    network = untrained(name, pictures)
    sizing = search(lower_model(network, pictures), target).sizing
    assert excess(sizing, target) is None
    graph = lower_model(network, pictures, act_bits=sizing.act_bits)
    program = schedule(graph, sizing)
    write_rtl(tmp_path / "rtl", sizing)
    image = pictures[:1]
    result = simulate_program(program, tmp_path / "rtl", tmp_path / "build", image, stall_seed=1)
    assert result.first_mismatch is None
    assert result.writes == sum(d + b for d, b in program.write_counts())
    stored = [t for op in program.graph.ops if op.UNIT != "LOADF" for t in op.outputs()]
    assert result.tensors == len(stored)
    golden = graph.run(image, keep=False)[graph.output].reshape(-1)
    assert np.array_equal(result.outputs[0], golden[: graph.meta["classes"]])
    assert predict(program).cycles <= result.cycles  # the bus stalled now and then
