"""BHViT at 224 x 224 in RTL: one photograph through the whole network, every tensor compared.

The weights are random, with normalisation statistics of the photographs, so that every sign and
level is taken. The engine is the one that the search finds for XC7Z020. The same build then runs
the network with one wrong weight, which has to be found and named.
"""

from __future__ import annotations

from dataclasses import replace
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


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all: engines of equal sizes are built once."""
    return tmp_path_factory.mktemp("frames")


NETWORKS = [("bhvit_tiny", True), ("bhvit_small", True)]
NETWORKS += [(name, False) for name, _ in NETWORKS]  # full-precision downsampling
DOWN = "vit.encoder.patch_embed1.proj"


@pytest.mark.parametrize(
    ("name", "binary"),
    [pytest.param(*n, marks=pytest.mark.full if k else ()) for k, n in enumerate(NETWORKS)],
)
def test_a_photograph_bit_exact(
    name: str, binary: bool, pictures: np.ndarray, folder: Path
) -> None:
    target = get_target("zynq")
    network = untrained(name, pictures, binary_downsampling=binary)
    sizing = search(lower_model(network, pictures), target).sizing
    assert excess(sizing, target) is None
    graph = lower_model(network, pictures, act_bits=sizing.act_bits)
    program = schedule(graph, sizing)
    write_rtl(folder / "rtl", sizing)
    image, engine = pictures[:1], (folder / "rtl", folder / "build")
    result = simulate_program(program, *engine, image, stall_seed=1)
    assert result.first_mismatch is None
    assert result.writes == sum(d + b for d, b in program.write_counts())
    stored = [t for op in program.graph.ops if op.UNIT != "LOADF" for t in op.outputs()]
    assert result.tensors == len(stored)
    golden = graph.run(image, keep=False)[graph.output].reshape(-1)
    assert np.array_equal(result.outputs[0], golden[: graph.meta["classes"]])
    assert predict(program).cycles <= result.cycles  # the bus stalled now and then

    weight, flip = graph.op(DOWN).weight, 1 if binary else 64
    weight[5, 1, 0, 7] ^= flip
    broken = replace(schedule(graph, sizing), graph=program.graph)
    weight[5, 1, 0, 7] ^= flip  # what is expected has the right one
    found = simulate_program(broken, *engine, image)
    assert found.first_mismatch is not None
    assert found.first_mismatch.startswith(f"step {DOWN} (compute instruction ")
    assert f"tensor {DOWN}, token 0, channel 5:" in found.first_mismatch
