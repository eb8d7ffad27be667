"""Random networks of parts that move, group and pool: float graph, integer graph, program, RTL."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from hwgen.analysis.fidelity import fidelity
from hwgen.emit.rtl import write_rtl
from hwgen.passes.lower import prepare
from hwgen.schedule.program import schedule
from hwgen.search.choose import choose
from hwgen.sim.csim import build_csim, run_csim
from hwgen.sim.network import build_simulator, simulate_program
from hwgen.targets import get_target
from hwgen.timing.predict import predict
from tests.frontend.nets import META, Net, agrees
from tests.frontend.parts import ReActNetBlock
from tests.frontend.random_networks import random_net
from tests.networks import randomise
from tests.schedule.test_program import check as check_program

RTL = (1, 6, 12)  # seeds


def images(count: int) -> np.ndarray:
    small = np.random.default_rng(3).integers(0, 256, (count, 8, 8, 3)).astype(np.uint8)
    return small.repeat(4, 1).repeat(4, 2)


@pytest.mark.parametrize("seed", range(24))
def test_random_networks(seed: int) -> None:
    module = random_net(seed)
    agrees(module)
    lowered = prepare(module, images(16), meta=META).quantize()
    result = fidelity(module, lowered.graph, images(32)[16:])
    assert result["logit_cosine"] > 0.98, (result, module.names)
    check_program(lowered.graph, {})


def reactnet() -> nn.Module:
    """Blocks as released, to 64 channels on 4x4, then of as many."""
    net = Net(nn.Sequential(ReActNetBlock(32, 64, 2), ReActNetBlock(64, 64, 1)), channels=64)
    return randomise(net)


NETS = {f"random {seed}": partial(random_net, seed) for seed in RTL} | {"reactnet": reactnet}


@pytest.mark.slow
@pytest.mark.parametrize("net", NETS)
def test_networks_in_hardware(net: str, tmp_path: Path) -> None:
    """Every tensor in RTL and in C++, and the cycles as predicted."""
    torch.manual_seed(0)
    graph = prepare(NETS[net](), images(16), meta=META).quantize().graph
    program = schedule(graph, choose(graph, get_target("zynq"), {}))
    write_rtl(tmp_path / "rtl", program.sizing)
    build_simulator(program, tmp_path / "rtl", tmp_path / "build")
    rtl = simulate_program(program, tmp_path / "rtl", tmp_path / "build", images(1))
    assert rtl.first_mismatch is None
    assert rtl.writes == sum(d + b for d, b in program.write_counts()) > 0
    assert rtl.cold_cycles == predict(program, warm=False).cycles
    hls = run_csim(build_csim(tmp_path / "hls", program.sizing), program, images(1))
    assert (hls.first_difference, hls.writes) == (None, rtl.writes)
