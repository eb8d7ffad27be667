"""Attention heads of other widths than 64: golden model, RTL, HLS and predicted cycles agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hwgen.emit.rtl import write_rtl
from hwgen.errors import FitError
from hwgen.schedule.program import schedule
from hwgen.search.choose import choose
from hwgen.sim.csim import build_csim, run_csim
from hwgen.sim.network import build_simulator, simulate_program
from hwgen.targets import get_target
from hwgen.timing.predict import predict
from tests.attention_graphs import attention_graph

# channels, head, lanes: a head in one or two units of 64 channels; heads that share a unit; in one
# to five units, with scores that are clamped
SIZES = [(160, 80, 16), (96, 48, 8), (128, 32, 32), (256, 128, 64), (192, 96, 32), (352, 176, 16)]
SIZES += [(32, 16, 16), (480, 240, 16), (256, 256, 32)]


def engine(channels: int, head: int, lanes: int):
    graph = attention_graph(5, side=6, c=channels, head=head)
    sizes = {"lanes": lanes, "kw": max(128, lanes)}
    return graph, choose(graph, get_target("zynq"), sizes)


def noise(graph) -> np.ndarray:
    (image,) = graph.inputs.values()
    return np.random.default_rng(4).integers(0, 256, (1, *image.shape)).astype(np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("channels", "head", "lanes"),
    [SIZES[0], *(pytest.param(*size, marks=pytest.mark.full) for size in SIZES[1:])],
)
def test_golden_rtl_hls_and_prediction_agree(channels, head, lanes, tmp_path: Path) -> None:
    graph, sizing = engine(channels, head, lanes)
    assert sizing.head == head
    program, images = schedule(graph, sizing), noise(graph)
    write_rtl(tmp_path / "rtl", sizing)
    build_simulator(program, tmp_path / "rtl", tmp_path / "build")
    rtl = simulate_program(program, tmp_path / "rtl", tmp_path / "build", images)
    assert rtl.first_mismatch is None
    assert predict(program, warm=False).cycles == rtl.cold_cycles
    hls = run_csim(build_csim(tmp_path / "hls", sizing), program, images)
    assert hls.first_difference is None


def test_an_engine_for_other_heads_is_refused_by_name() -> None:
    graph, sizing = engine(160, 80, 16)
    with pytest.raises(FitError, match="heads of 80 channels; the engine's have 64; --set head=80"):
        schedule(graph, sizing.replace(head=64))
