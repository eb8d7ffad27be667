"""BHViT at 224 x 224 in RTL: one photograph through the whole network, every tensor compared.

The weights are random, with normalisation statistics of the photographs, so that every sign and
level is taken. The engine is the one that the search finds for XC7Z020.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_images
from torch import nn

from hwgen import zoo
from hwgen.emit.rtl import write_rtl
from hwgen.frontend import lower_model
from hwgen.passes.lower import IMAGENET_MEAN, IMAGENET_STD
from hwgen.schedule.choose import search
from hwgen.schedule.predict import predict
from hwgen.schedule.program import schedule
from hwgen.sim.network import simulate_program
from hwgen.synth.model import excess
from hwgen.targets import get_target

SIZE = 224


@pytest.fixture(scope="module")
def photographs() -> np.ndarray:
    """scikit-learn's two photographs, their middle squares: uint8 (2, 224, 224, 3)."""
    out = []
    for picture in load_sample_images().images:
        step = min(picture.shape[:2]) / SIZE
        top, left = ((side - SIZE * step) / 2 for side in picture.shape[:2])
        rows, columns = (
            (start + step * (np.arange(SIZE) + 0.5)).astype(int) for start in (top, left)
        )
        out.append(picture[rows[:, None], columns])
    return np.stack(out)


def random_network(name: str, binary: bool, images: np.ndarray) -> nn.Module:
    torch.manual_seed(0)
    network = zoo.create(name, binary_downsampling=binary)
    x = torch.from_numpy(images).permute(0, 3, 1, 2) / 255.0
    mean, std = (torch.tensor(v).view(-1, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 1:
                parameter += 0.1 * torch.randn_like(parameter)
        for module in network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.momentum = 1.0
        network.train()((x - mean) / std)
    return network.eval()


OTHERS = (("bhvit_small", True), ("bhvit_tiny", False), ("bhvit_small", False))
FULL = [pytest.param(*n, marks=pytest.mark.full) for n in OTHERS]


@pytest.mark.parametrize(("name", "binary"), [("bhvit_tiny", True), *FULL])
def test_a_photograph_bit_exact(
    name: str, binary: bool, photographs: np.ndarray, tmp_path: Path
) -> None:
    target = get_target("zynq")
    network = random_network(name, binary, photographs)
    sizing = search(lower_model(network, photographs), target).sizing
    assert excess(sizing, target) is None
    graph = lower_model(network, photographs, act_bits=sizing.act_bits)
    program = schedule(graph, sizing)
    write_rtl(tmp_path / "rtl", sizing)
    image = photographs[:1]
    result = simulate_program(program, tmp_path / "rtl", tmp_path / "build", image, stall_seed=1)
    assert result.first_mismatch is None
    assert result.writes == sum(d + b for d, b in program.write_counts())
    stored = [t for op in program.graph.ops if op.UNIT != "LOADF" for t in op.outputs()]
    assert result.tensors == len(stored)
    golden = graph.run(image, keep=False)[graph.output].reshape(-1)
    assert np.array_equal(result.outputs[0], golden[: graph.meta["classes"]])
    assert predict(program).cycles <= result.cycles  # the bus stalled now and then
