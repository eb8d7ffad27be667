"""Networks at 224 x 224 in C simulation: a photograph through each, every tensor compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hwgen.schedule.program import schedule
from hwgen.sim.csim import build_csim, run_csim
from hwgen.zoo.untrained import photographs
from tests.e2e.test_frames import LAYER, lowered

LIMIT_S = 120  # of one frame


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for both: engines of equal sizes are built once."""
    return tmp_path_factory.mktemp("csim")


@pytest.mark.full
@pytest.mark.parametrize("name", ["bhvit_tiny", "binaryvit_small"])
def test_a_photograph_bit_exact(name: str, folder: Path) -> None:
    sizing, graph = lowered(name)
    exe, program = build_csim(folder, sizing), schedule(graph, sizing)
    images = photographs(224)[:1]
    result = run_csim(exe, program, images)
    assert result.first_difference is None
    assert result.writes == sum(d + b for d, b in program.write_counts())
    stored = [t for op in program.graph.ops if op.UNIT != "LOADF" for t in op.outputs()]
    assert result.tensors == len(stored)
    assert result.seconds < LIMIT_S

    layer = LAYER[name.partition("_")[0]]

    def corrupt(values: dict[str, np.ndarray]) -> None:
        values[layer] = values[layer].copy()
        values[layer][0, 3, 5] += 1

    found = run_csim(exe, program, images, corrupt=corrupt).first_difference
    assert found.startswith(f"image 0: step {layer} (compute instruction ")
    assert f"tensor {layer}, token 3, channel 5: value got" in found
