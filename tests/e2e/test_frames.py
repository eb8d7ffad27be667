"""Networks at 224 x 224 in RTL: one photograph through each, every tensor compared.

The weights are random, with normalisation statistics of the photographs, so that every sign and
level is taken. The engine is the one that the search finds for XC7Z020, one for all. The same build
then runs a network with one wrong weight, which has to be found and named, and all of them in turn.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from hwgen.emit.rtl import write_rtl
from hwgen.engine.sizing import Sizing
from hwgen.ir.graph import Graph
from hwgen.passes.lower import prepare
from hwgen.schedule.program import schedule
from hwgen.search.choose import search
from hwgen.sim.network import Frame, simulate_in_turn, simulate_program
from hwgen.targets import get_target
from hwgen.targets.fit import excess
from hwgen.timing.predict import predict
from hwgen.zoo.untrained import photographs, untrained


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return photographs(224)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all: engines of equal sizes are built once."""
    return tmp_path_factory.mktemp("frames")


@cache
def lowered(name: str, binary: bool = True) -> tuple[Sizing, Graph]:
    """The engine that the search chooses for a network, and its integer graph."""
    pictures = photographs(224)
    options = {} if binary else {"binary_downsampling": False}
    prepared = prepare(untrained(name, pictures, **options), pictures)
    sizing = search(prepared.quantize().graph, get_target("zynq")).sizing
    return sizing, prepared.quantize(sizing.act_bits).graph


NETWORKS = [("bhvit_tiny", True), ("bhvit_small", True)]
NETWORKS += [(name, False) for name, _ in NETWORKS]  # full-precision downsampling
NETWORKS += [("binaryvit_small", True), ("binaryvit_small", False), ("reactnet18", True)]
LAYER = {
    "bhvit": "vit.encoder.patch_embed1.proj",
    "binaryvit": "vit.encoder.patch_embed1.proj",
    "reactnet18": "layer2.0.binary_conv",
}


@pytest.mark.parametrize(
    ("name", "binary"),
    [pytest.param(*n, marks=pytest.mark.full if k else ()) for k, n in enumerate(NETWORKS)],
)
def test_a_photograph_bit_exact(
    name: str, binary: bool, pictures: np.ndarray, folder: Path
) -> None:
    sizing, graph = lowered(name, binary)
    assert excess(sizing, get_target("zynq")) is None
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

    layer = LAYER[name.partition("_")[0]]
    weight, flip = graph.op(layer).weight, 1 if binary else 64
    weight[5, 1, 1, 7] ^= flip
    broken = replace(schedule(graph, sizing), graph=program.graph)
    weight[5, 1, 1, 7] ^= flip  # what is expected has the right one
    found = simulate_program(broken, *engine, image)
    assert found.first_mismatch is not None
    assert found.first_mismatch.startswith(f"step {layer} (compute instruction ")
    assert f"tensor {layer}, token 0, channel 5:" in found.first_mismatch


def test_networks_in_turn_on_one_engine(pictures: np.ndarray, folder: Path) -> None:
    names = ("bhvit_tiny", "bhvit_small", "binaryvit_small")
    sizings, graphs = zip(*map(lowered, names), strict=True)
    assert len({replace(s, strip_tokens=0) for s in sizings}) == 1
    files = [write_rtl(folder / str(n), s) for n, s in enumerate(sizings)]
    rtl = [{path.name: path.read_bytes() for path in written} for written in files]
    assert rtl[0] == rtl[1] == rtl[2]
    programs = [schedule(graph, sizings[0]) for graph in graphs]
    tiny, small, binaryvit = (Frame(p, pictures[0]) for p in programs)
    cut = [replace(binaryvit, reset_after=700_001), replace(small, reset_after=123_457)]
    frames = [tiny, small, binaryvit, cut[0], tiny, cut[1], replace(binaryvit, image=pictures[1])]
    reports = simulate_in_turn(frames, folder / "0", folder / "build")
    assert [r["difference"] for r in reports] == [None] * len(frames)
    for frame, report in zip(frames, reports, strict=True):
        total = sum(d + b for d, b in frame.program.write_counts())
        assert report["reset"] == (frame.reset_after > 0)
        if frame.reset_after:
            assert report["cycles"] == pytest.approx(frame.reset_after, abs=50)
            assert total / 20 < report["writes_checked"] < total
            continue
        assert report["writes_checked"] == total
        graph = frame.program.graph
        golden = graph.run(frame.image[None], keep=False)[graph.output].reshape(-1)
        assert np.array_equal(report["logits"], golden[: graph.meta["classes"]])
        # the engine's state does not show: a network takes the same cycles behind any other
        assert abs(report["cycles"] - predict(frame.program).cycles) <= 0.01 * report["cycles"]
    cycles = [r["cycles"] for f, r in zip(frames, reports, strict=True) if f.program is programs[0]]
    assert cycles[0] == cycles[1]
