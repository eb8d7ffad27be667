"""Networks in C simulation of the HLS C++: every write equals the golden model, faults are found.

One build of the test bench serves all networks of this file: a network is data.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hwgen.engine import isa
from hwgen.engine.sizing import Sizing
from hwgen.ir.graph import Graph
from hwgen.paths import models_dir
from hwgen.pipeline import load_prepared
from hwgen.schedule.program import Program, schedule
from hwgen.search.choose import choose
from hwgen.sim.csim import build_csim, run_csim
from hwgen.targets import get_target
from hwgen.train.data import digits_split
from tests.attention_graphs import attention_graph
from tests.faults import change, faulty
from tests.graphs import conv_graph, patch_graph, random_graph
from tests.padded_graphs import STEMS, filter_graph, stem_graph
from tests.strided_graphs import strided_graph

DIGITS = 16
GRAPHS = {
    "random 1": random_graph(1), "random 2": random_graph(2), "convolutions": conv_graph(),
    "patches": patch_graph(), "attention": attention_graph(), "stride 2": strided_graph(),
    "filters": filter_graph(8, 12, 2), "narrow filters": filter_graph(5, 2),
    **{f"stem {k}": stem_graph(stem, again=k % 2 == 1) for k, stem in enumerate(STEMS)},
}  # fmt: skip


def noise(graph: Graph, count: int = 1) -> np.ndarray:
    (image,) = graph.inputs.values()
    return np.random.default_rng(5).integers(0, 256, (count, *image.shape)).astype(np.uint8)


@pytest.fixture(scope="module")
def micro() -> Graph:
    return load_prepared(models_dir() / "bhvit_micro_digits.pt").prepared.quantize().graph


@pytest.fixture(scope="module")
def digits() -> np.ndarray:
    return np.asarray(digits_split()[2])[:DIGITS]


@pytest.fixture(scope="module")
def sizing(micro: Graph) -> Sizing:
    """One engine that holds all networks of this file."""
    options = {"array_bits": 2048, "lanes": 16}
    each = [choose(g, get_target("zynq"), options) for g in (micro, *GRAPHS.values())]
    memories = ("fm_words", "tm_words", "bm_rows", "wb_words", "ps_words", "nt_words")
    most = {m: max(getattr(s, m) for s in each) for m in memories}
    return each[0].replace(**most, gu=min(s.gu for s in each), strip_tokens=0)


@pytest.fixture(scope="module")
def exe(sizing: Sizing, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_csim(tmp_path_factory.mktemp("csim") / 'my "odd" proj\'ekt ü', sizing)


def check(exe: Path, program: Program, images: np.ndarray) -> None:
    """All frames are compared in full, and none differs."""
    result = run_csim(exe, program, images)
    assert result.first_difference is None
    assert result.frames == len(images)
    writes = [w for i in program.compute for w in (i.dst, i.bit) if w is not None]
    assert result.writes == len(images) * sum(len(w.address) for w in writes) > 0
    assert result.tensors == len({w.tensor for w in writes})
    stored = [t for op in program.graph.ops if op.UNIT != "LOADF" for t in op.outputs()]
    assert result.tensors == len(stored)
    assert result.steps == sum(op.UNIT != "LOADF" for op in program.graph.ops)


def test_digits_bit_exact_in_every_tensor(exe, micro, sizing, digits) -> None:
    check(exe, schedule(micro, sizing), digits)


@pytest.mark.parametrize("name", GRAPHS)
def test_random_networks_bit_exact(exe, sizing, name: str) -> None:
    check(exe, schedule(GRAPHS[name], sizing), noise(GRAPHS[name], 2))


@pytest.mark.parametrize("strip_tokens", [24, 48])
def test_strips_bit_exact(exe, micro, sizing, digits, strip_tokens: int) -> None:
    cut = sizing.replace(strip_tokens=strip_tokens)
    check(exe, schedule(micro, cut), digits[:1])
    for name in ("random 1", "filters", "stem 0"):
        check(exe, schedule(GRAPHS[name], cut), noise(GRAPHS[name]))


def test_flipped_weight_bit_is_found_and_named(exe, micro, sizing, digits) -> None:
    op = next(op for op in micro.ops if type(op).__name__ == "XnorLinear" and op.post.pool)
    weight = op.weight.copy()
    weight[3, 5] ^= 1
    broken = faulty(schedule(micro, sizing), change(micro, op.name, weight=weight))
    found = run_csim(exe, broken, digits[:4]).first_difference
    assert found is not None
    assert f"step {op.name} (compute instruction " in found
    assert f"tensor {op.name}, token " in found
    assert ": value got " in found


def test_moved_threshold_is_found_and_named(exe, micro, sizing, digits) -> None:
    op = next(op for op in micro.ops if op.post.t is not None)
    values = micro.run(digits[:1])[op.name][0, :, 0]
    threshold = op.post.t.copy()
    threshold[0] = int(np.median(values)) + (threshold[0] == int(np.median(values)))
    broken = faulty(schedule(micro, sizing), change(micro, op.name, t=threshold))
    found = run_csim(exe, broken, digits[:1]).first_difference
    assert found is not None
    assert found.startswith(f"image 0: step {op.name} (compute instruction ")
    assert f"tensor {op.name}.bits, token " in found
    assert "channel 0: value got " in found


def test_wrong_golden_value_is_found_in_its_place(exe, sizing) -> None:
    graph = GRAPHS["random 1"]

    def corrupt(values: dict[str, np.ndarray]) -> None:
        values["s2.mix"] = values["s2.mix"].copy()
        values["s2.mix"][1, 2, 3, 37] += 1

    program = schedule(graph, sizing)
    result = run_csim(exe, program, noise(graph, 2), corrupt=corrupt)
    token = 2 * values_tokens(graph, "s2.mix") + 3
    assert result.frames == 1
    assert "image 1: step s2.mix (compute instruction " in result.first_difference
    assert f"tensor s2.mix, token {token}, channel 37: value got" in result.first_difference


def values_tokens(graph: Graph, name: str) -> int:
    return graph.types()[name].shape[-2]


def test_damaged_records_and_programs_stop_the_engine(exe, sizing) -> None:
    """The RTL's error codes: a record's CRC, an opcode that does not exist, no END."""
    graph = GRAPHS["patches"]
    program, images = schedule(graph, sizing), noise(graph)
    damaged = bytearray(program.weights)
    damaged[len(damaged) // 2] ^= 4
    found = run_csim(exe, program, images, weights=bytes(damaged)).first_difference
    assert found == "image 0: error 3 (CRC of a weight record)"
    binary = bytearray(program.binary())
    last = len(binary) - isa.LINE_BYTES
    assert binary[last] & 15 == isa.OPCODES["END"][0]
    found = run_csim(exe, program, images, binary=bytes(binary[:last])).first_difference
    assert found == "image 0: error 5 (no END)"
    cut = isa.binary([*program.words()[:-1], isa.encode("XLIN", pre_en=1)])[: -isa.LINE_BYTES]
    found = run_csim(exe, program, images, binary=cut).first_difference
    assert found == "image 0: error 5 (no END)"
    binary[last] = 7
    found = run_csim(exe, program, images, binary=bytes(binary)).first_difference
    assert found == "image 0: error 4 (opcode)"


def test_missing_and_wrong_writes_are_found(exe, sizing) -> None:
    graph = GRAPHS["patches"]
    program, images = schedule(graph, sizing), noise(graph)
    words = [isa.binary([word]) for word in program.words()]
    heads = [k for k, i in enumerate(program.instructions) if i.step == "head" and i.dst]
    short = b"".join(words[: heads[-1]] + words[heads[-1] + 1 :])
    found = run_csim(exe, program, images, binary=short).first_difference
    assert "step head (compute instruction " in found
    assert ": writes got " in found
    twice = b"".join(words[: heads[-1] + 1] + words[heads[-1] :])
    found = run_csim(exe, program, images, binary=twice).first_difference
    assert found == "image 0: after the last step: write got 1, expected 0"


@pytest.mark.slow
def test_no_undefined_behaviour_and_no_access_outside(sizing, tmp_path: Path) -> None:
    """One small graph of every op under AddressSanitizer and UndefinedBehaviorSanitizer."""
    exe = build_csim(tmp_path, sizing, sanitize=True)
    for name in ("random 1", "stem 0", "attention"):
        check(exe, schedule(GRAPHS[name], sizing), noise(GRAPHS[name]))
