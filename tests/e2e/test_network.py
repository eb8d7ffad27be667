"""Whole networks in RTL: every write of every step equals the golden model, faults are found.

One Verilator build serves all networks of this file: a network is data.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest

from hwgen.analysis.fidelity import fidelity
from hwgen.emit.rtl import write_rtl
from hwgen.engine import isa
from hwgen.engine.sizing import Sizing
from hwgen.frontend.checkpoint import load_checkpoint
from hwgen.ir.graph import Graph
from hwgen.ops.attention import NEVER
from hwgen.ops.dense import PatchConv
from hwgen.passes.lower import lower_model
from hwgen.paths import models_dir
from hwgen.pipeline import load_prepared
from hwgen.schedule.program import Program, schedule
from hwgen.search.choose import choose
from hwgen.sim.network import SimResult, build_simulator, simulate_program
from hwgen.targets import get_target
from hwgen.targets.memory import Rate
from hwgen.timing.predict import predict
from hwgen.train.data import digits_split
from hwgen.units.dma import record_words
from hwgen.zoo.untrained import untrained
from tests.attention_graphs import attention_graph
from tests.faults import change, faulty
from tests.graphs import conv_graph, norm_graph, patch_graph, random_graph
from tests.networks import IMAGE, small_attention_net, stem_net
from tests.padded_graphs import STEMS, filter_graph, stem_graph
from tests.strided_graphs import kernel_graph, strided_graph

MODEL = models_dir() / "bhvit_micro_digits.pt"
DIGITS = 16
FILTERS = [filter_graph(h, w, k) for h, w, k in
           ((6, 1, 0), (5, 2, 0), (7, 3, 0), (8, 4, 2), (6, 5, 0), (8, 8, 4))]  # fmt: skip
STEM_GRAPHS = [stem_graph(stem, again=stem is STEMS[0]) for stem in STEMS]
STORE_WORDS = 400  # of the engine here: some records of each network stay on chip, others do not
RATES = (Rate(1, 9), Rate(2, 5), Rate(147, 320), Rate(4, 5), Rate(42, 25))  # beats in cycles


@pytest.fixture(scope="module")
def micro() -> Graph:
    return load_prepared(MODEL).prepared.quantize().graph


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    _, _, images, labels = digits_split()
    return np.asarray(images), np.asarray(labels)


@pytest.fixture(scope="module")
def user() -> Graph:
    """A network that hwgen has never heard of: binary convolutions and one attention."""
    images = np.random.default_rng(2).integers(0, 256, (16, *IMAGE)).astype(np.uint8)
    meta = {"name": "user", "sha256": "0" * 64, "mean": [0.5] * 3, "std": [0.5] * 3}
    return lower_model(small_attention_net().eval(), images, meta=meta)


@pytest.fixture(scope="module")
def stem_user() -> Graph:
    """A ResNet's stem and max-pool, binary blocks."""
    return lower_model(stem_net(), meta={"image": IMAGE, "name": "stem"})


@pytest.fixture(scope="module")
def binaryvit() -> Graph:
    images = np.random.default_rng(3).integers(0, 256, (8, 48, 48, 3)).astype(np.uint8)
    return lower_model(untrained("binaryvit_micro", images), images)


@pytest.fixture(scope="module")
def sizing(micro: Graph, user: Graph, stem_user: Graph, binaryvit: Graph) -> Sizing:
    """One engine that holds all networks and graphs of this file."""
    array = {"array_bits": 2048, "lanes": 16}
    graphs = (micro, random_graph(), user, conv_graph(), patch_graph(), attention_graph())
    graphs += (strided_graph(), stem_user, binaryvit, *FILTERS, *STEM_GRAPHS)
    graphs += (norm_graph(), kernel_graph())
    each = [choose(g, get_target("zynq"), array) for g in graphs]
    each += [choose(g, get_target("zynq"), array | {"strip_tokens": 48}) for g in graphs[:2]]
    memories = ("fm_words", "tm_words", "bm_rows", "wb_words", "ps_words", "nt_words")
    most = {m: max(getattr(s, m) for s in each) for m in memories}
    return each[0].replace(
        **most, gu=min(s.gu for s in each), strip_tokens=0, store_words=STORE_WORDS
    )


@pytest.fixture(scope="module")
def engine(
    sizing: Sizing, micro: Graph, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("engine")
    write_rtl(folder / "rtl", sizing)
    build_simulator(schedule(micro, sizing), folder / "rtl", folder / "build")
    return folder / "rtl", folder / "build"


def simulate(
    engine: tuple[Path, Path], program: Program, images: np.ndarray, **options
) -> SimResult:
    return simulate_program(program, *engine, images, **options)


def test_digits_bit_exact_in_every_tensor(engine, micro, sizing, digits) -> None:
    images, labels = digits
    program = schedule(micro, sizing)
    result = simulate(engine, program, images[:DIGITS])
    assert result.first_mismatch is None
    assert result.frames == DIGITS
    stored = [t for op in micro.ops if op.UNIT != "LOADF" for t in op.outputs()]
    assert result.tensors == DIGITS * len(stored)
    per_frame = sum(d + b for d, b in program.write_counts())
    assert result.writes == DIGITS * per_frame > 0
    golden = micro.run(images[:DIGITS], keep=False)[micro.output].reshape(DIGITS, -1)
    assert np.array_equal(result.outputs, golden[:, : micro.meta["classes"]])
    assert (result.outputs.argmax(1) == labels[:DIGITS]).mean() > 0.9


def test_predicted_cycles_are_the_simulated_ones(engine, micro, sizing, digits) -> None:
    for graph, images in (
        (micro, digits[0][:1]),
        (random_graph(3), noise(random_graph(3))),
        (conv_graph(), noise(conv_graph())),
        (patch_graph(), noise(patch_graph())),
        (attention_graph(), noise(attention_graph())),
        (strided_graph(), noise(strided_graph())),
        (norm_graph(), noise(norm_graph())),
        (kernel_graph(), noise(kernel_graph())),
    ):
        program = schedule(graph, sizing)
        result = simulate(engine, program, np.repeat(images, 3, axis=0))
        assert result.first_mismatch is None
        cold, warm = (predict(program, warm=warm) for warm in (False, True))
        assert (cold.cycles, warm.cycles) == (result.cold_cycles, result.cycles)
        assert result.beats_read == (cold.read_beats, warm.read_beats, warm.read_beats)
        assert cold.read_beats > warm.read_beats


@pytest.mark.parametrize("rate", RATES, ids=lambda r: f"{r.beats} in {r.cycles}")
def test_predicted_cycles_on_the_memory_of_a_board(engine, micro, sizing, digits, rate) -> None:
    """Steady and first frame, at rates from a ninth of the ports' to more than theirs."""
    graphs = [(g, noise(g)) for g in (random_graph(3), conv_graph(), strided_graph())]
    for graph, images in ((micro, digits[0][:1]), *graphs):
        program = schedule(graph, sizing)
        result = simulate(engine, program, np.repeat(images, 3, axis=0), rate=rate)
        assert result.first_mismatch is None
        cold, warm = (predict(program, warm=warm, rate=rate) for warm in (False, True))
        assert (cold.cycles, warm.cycles) == (result.cold_cycles, result.cycles)
        assert warm.cycles >= warm.read_beats * rate.read_cycles
        if rate.beats < rate.cycles:
            assert warm.cycles > predict(program).cycles


def test_some_records_stay_on_chip_and_others_do_not(micro, user, sizing) -> None:
    for graph in (micro, random_graph(3), user):
        program = schedule(graph, sizing)
        loads = [i for i in program.instructions if i.op == "LOAD" and record_words(i.fields)]
        kept = [i for i in loads if i.fields["keep"]]
        assert 0 < len(kept) < len(loads)
        assert 0.8 * STORE_WORDS < program.store_words <= STORE_WORDS


def test_wrong_place_in_the_store_is_found(engine, micro, sizing, digits) -> None:
    """The first frame is right, the second one takes one record from where another one is."""
    program = schedule(micro, sizing)
    kept = [i for i in program.instructions if i.fields.get("keep")]
    tiles = [i for i in kept if i.fields["n_wb"]]
    tiles[0].fields["store"] = tiles[-1].fields["store"]
    assert tiles[0].fields["ddr"] != tiles[-1].fields["ddr"]
    found = simulate(engine, program, digits[0][:2]).first_mismatch
    assert found is not None
    assert found.startswith(f"step {tiles[0].step} (")
    assert "(image 1," in found


@pytest.mark.parametrize("strip_tokens", [24, 48, 96])
def test_strips_bit_exact(engine, micro, sizing, digits, strip_tokens) -> None:
    for graph, images in ((micro, digits[0][:1]), (random_graph(5), noise(random_graph(5)))):
        program = schedule(graph, sizing.replace(strip_tokens=strip_tokens))
        result = simulate(engine, program, np.repeat(images, 2, axis=0))
        assert result.first_mismatch is None
        assert predict(program).cycles == result.cycles


def test_user_defined_network_bit_exact(engine, user, sizing) -> None:
    program = schedule(user, sizing)
    result = simulate(engine, program, noise(user, 3))
    assert result.first_mismatch is None
    assert result.frames == 3
    kinds = {type(op).__name__ for op in user.ops}
    assert {"XnorConv", "XnorLinear", "Attention"} <= kinds


def noise(graph: Graph, count: int = 1) -> np.ndarray:
    (image,) = graph.inputs.values()
    return np.random.default_rng(5).integers(0, 256, (count, *image.shape)).astype(np.uint8)


@pytest.mark.parametrize("seed", [1, 2])
def test_random_network_with_bus_stalls(engine, sizing, seed: int) -> None:
    graph = random_graph(seed)
    result = simulate(engine, schedule(graph, sizing), noise(graph, 2), stall_seed=seed)
    assert result.first_mismatch is None
    assert result.frames == 2


def test_convolutions_on_padded_rows_bit_exact(engine, sizing) -> None:
    graph = conv_graph()
    result = simulate(engine, schedule(graph, sizing), noise(graph, 2), stall_seed=3)
    assert result.first_mismatch is None
    assert result.frames == 2


@pytest.mark.parametrize("strip_tokens", [0, 24])
def test_convolutions_of_stride_2_bit_exact(engine, sizing, strip_tokens: int) -> None:
    graph = strided_graph()
    program = schedule(graph, sizing.replace(strip_tokens=strip_tokens))
    result = simulate(engine, program, noise(graph, 2), stall_seed=5)
    assert result.first_mismatch is None
    assert result.frames == 2


@pytest.mark.parametrize("tap", [(0, 1), (1, 0), (2, 2)], ids=str)
def test_wrong_tap_of_stride_2_is_found_and_named(engine, sizing, tap: tuple) -> None:
    graph = strided_graph()
    weight = graph.op("down0").weight.copy()
    weight[3, *tap] ^= 1
    broken = faulty(schedule(graph, sizing), change(graph, "down0", weight=weight))
    found = simulate(engine, broken, noise(graph)).first_mismatch
    assert found is not None
    assert found.startswith("step down0 (compute instruction ")
    assert "channel 3:" in found


def test_left_column_without_its_own_offset_is_found(engine, sizing) -> None:
    """The results next to the left border take the offset of those inside."""
    program = schedule(strided_graph(), sizing)
    inner = {}
    for i in program.compute:
        if i.step == "down0" and i.fields["psum_last"] and i.fields["n3"] > 1:
            inner.setdefault(i.fields["n2"] > 1, i)
    inner[False].fields["om_base"] = inner[True].fields["om_base"]
    found = simulate(engine, program, noise(program.graph)).first_mismatch
    assert found is not None
    assert found.startswith("step down0 (compute instruction ")


def test_one_two_and_four_products_a_beat_bit_exact(engine, sizing) -> None:
    graph = patch_graph()
    result = simulate(engine, schedule(graph, sizing), noise(graph, 2), stall_seed=4)
    assert result.first_mismatch is None
    assert result.frames == 2
    assert {op.products for op in graph.ops if isinstance(op, PatchConv)} == {1, 2, 4}


def in_rtl(engine, graph: Graph, sizing: Sizing, strip_tokens: int) -> Program:
    """Bit-exact with a bus that stalls, and without at the predicted cycles."""
    program = schedule(graph, sizing.replace(strip_tokens=strip_tokens))
    result = simulate(engine, program, noise(graph, 2), stall_seed=strip_tokens + 1)
    assert result.first_mismatch is None
    result = simulate(engine, program, noise(graph, 2))
    assert result.first_mismatch is None
    predicted = predict(program)
    off = [
        (name, cycles, got)
        for (name, _, cycles), got in zip(predicted.steps, result.step_cycles, strict=True)
        if cycles != got
    ]
    assert not off, f"(step, predicted, simulated) {off}"
    assert predict(program, warm=False).cycles == result.cold_cycles
    return program


@pytest.mark.parametrize("strip_tokens", [0, 8])
@pytest.mark.parametrize("graph", FILTERS, ids=lambda g: "x".join(map(str, g.types()["stem"].grid)))
def test_padded_filters_and_coarse_residuals_bit_exact(engine, sizing, graph, strip_tokens) -> None:
    program = in_rtl(engine, graph, sizing, strip_tokens)
    assert program.beside == {"cross": "beside"}


@pytest.mark.parametrize("strip_tokens", [0, 24])
@pytest.mark.parametrize("graph", STEM_GRAPHS, ids=[f"{s.conv} {s.pool}" for s in STEMS])
def test_stems_and_max_pools_bit_exact(engine, sizing, graph, strip_tokens) -> None:
    in_rtl(engine, graph, sizing, strip_tokens)


@pytest.mark.parametrize("strip_tokens", [0, 16])
def test_resnet_stem_and_binaryvit_bit_exact(
    engine, sizing, stem_user, binaryvit, strip_tokens: int
) -> None:
    in_rtl(engine, stem_user, sizing, strip_tokens)
    in_rtl(engine, binaryvit, sizing, strip_tokens)


def test_a_wrong_pad_is_found_and_named(engine, sizing) -> None:
    """Of a filter and of a max-pool; a pad of the stem."""
    for graph, name, step in ((FILTERS[3], "cross.pad", "cross"), (STEM_GRAPHS[1], "stem", "stem")):
        op = graph.op(name)
        field = "value" if name != step else "pad"
        pad = getattr(op, field).copy()
        pad.reshape(-1)[-1] ^= 64
        broken = faulty(schedule(graph, sizing), change(graph, name, **{field: pad}))
        found = simulate(engine, broken, noise(graph)).first_mismatch
        assert found is not None
        assert found.startswith(f"step {step} (compute instruction "), found


def test_a_wrong_golden_value_of_stem_and_max_pool_is_found(engine, sizing) -> None:
    graph = STEM_GRAPHS[0]
    for target, token in (("stem", -1), ("pool", 0)):

        def corrupt(values: dict[str, np.ndarray], target=target, token=token) -> None:
            values[target] = values[target].copy()
            values[target][0, token, 17] += 1

        program = schedule(graph, sizing.replace(strip_tokens=24))
        found = simulate(engine, program, noise(graph), corrupt=corrupt).first_mismatch
        assert found is not None
        assert (
            f"tensor {target}, token {token % graph.types()[target].tokens}, channel 17:" in found
        )


@pytest.mark.parametrize("seed", [1, 2])
def test_more_keys_fewer_keys_and_one_level_bit_exact(engine, sizing, seed: int) -> None:
    graph = attention_graph(seed)
    program = schedule(graph, sizing)
    result = simulate(engine, program, noise(graph, 2), stall_seed=seed)
    assert result.first_mismatch is None
    assert result.frames == 2
    shapes = [(i.fields["queries"], i.fields["tokens"]) for i in program.compute if i.op == "ATT"]
    assert set(shapes) == {(144, 36), (144, 144), (36, 144), (36, 36), (9, 25)}


def test_a_level_where_there_is_none_is_found(engine, sizing) -> None:
    graph = attention_graph()
    kappa = graph.op("single").kappa.copy()
    assert (kappa[:, 1:] == NEVER).all()
    kappa[1, 2] = kappa[1, 0]
    broken = faulty(schedule(graph, sizing), change(graph, "single", kappa=kappa))
    found = simulate(engine, broken, noise(graph)).first_mismatch
    assert found is not None
    assert found.startswith("step single (compute instruction ")


@pytest.mark.parametrize("index", [(3, 0, 1, 6), (3, 0, 1, 7)], ids=["low byte", "high byte"])
def test_wrong_8_bit_weight_is_found_and_named(engine, sizing, index: tuple) -> None:
    graph = patch_graph()
    weight = graph.op("pair").weight.copy()
    weight[index] ^= 1
    broken = faulty(schedule(graph, sizing), change(graph, "pair", weight=weight))
    found = simulate(engine, broken, noise(graph)).first_mismatch
    assert found is not None
    assert found.startswith("step pair (compute instruction ")
    assert "channel 3:" in found


def test_flipped_weight_bit_is_found_and_named(engine, micro, sizing, digits) -> None:
    name = next(op.name for op in micro.ops if type(op).__name__ == "XnorLinear" and op.post.pool)
    op = micro.op(name)
    weight = op.weight.copy()
    weight[3, 5] ^= 1
    broken = faulty(schedule(micro, sizing), change(micro, name, weight=weight))
    found = simulate(engine, broken, digits[0][:4]).first_mismatch
    assert found is not None
    assert found.startswith(f"step {name} (compute instruction ")
    assert "got" in found
    assert "expected" in found


def test_moved_threshold_is_found_and_named(engine, micro, sizing, digits) -> None:
    op = next(op for op in micro.ops if op.post.t is not None)
    threshold = op.post.t.copy()
    values = micro.run(digits[0][:1])[op.name][0, :, 0]
    threshold[0] = int(np.median(values)) + (1 if threshold[0] == int(np.median(values)) else 0)
    broken = faulty(schedule(micro, sizing), change(micro, op.name, t=threshold))
    found = simulate(engine, broken, digits[0][:1]).first_mismatch
    assert found is not None
    assert f"tensor {op.name}.bits" in found
    assert "channel 0:" in found


def test_swapped_tap_is_found_and_named(engine, micro, sizing, digits) -> None:
    op = next(op for op in micro.ops if type(op).__name__ == "CrossFilter")
    order = list(range(len(op.offsets)))
    order[1], order[3] = order[3], order[1]
    assert not np.array_equal(op.m[1], op.m[3])
    broken = faulty(schedule(micro, sizing), change(micro, op.name, m=op.m[order]))
    found = simulate(engine, broken, digits[0][:1]).first_mismatch
    assert found is not None
    assert found.startswith(f"step {op.name} (")


def test_wrong_golden_value_is_found(engine, micro, sizing, digits) -> None:
    """The comparison itself: one changed expected integer, far down the network."""
    target = micro.ops[-3].name

    def corrupt(values: dict[str, np.ndarray]) -> None:
        values[target] = values[target].copy()
        values[target].reshape(-1)[0] += 1

    found = simulate(engine, schedule(micro, sizing), digits[0][:1], corrupt=corrupt).first_mismatch
    assert found is not None
    assert f"tensor {target}, token 0, channel 0:" in found


def records(program: Program) -> list[tuple[int, int, int]]:
    """(offset, bytes, CRC) of all that an engine reads from the weight image."""
    word, found = program.sizing.word_bytes, []
    for i in program.instructions:
        f = i.fields
        if i.op == "LOAD":
            words = 2 * record_words(f)
        elif i.op == "LOADF" and f["base_sel"] == 0:
            words = f["words"] * (1 if f["bytes"] else 2)
        else:
            continue
        found.append((f["ddr"], words * word // 2, f["crc"]))
    return found


def test_damaged_weight_image_stops_the_engine(engine, micro, sizing, digits) -> None:
    """A bit of any record, constants included, or an image cut short: error 3, no wrong write."""
    program, rng = schedule(micro, sizing), np.random.default_rng(4)
    assert any(i.op == "LOADF" and i.fields["base_sel"] == 0 for i in program.instructions)
    found = records(program)
    images = [program.weights[: len(program.weights) // 2].ljust(len(program.weights), b"\0")]
    for offset, size, _ in [*found[:4], *found[4::25], found[-1]]:
        damaged = bytearray(program.weights)
        damaged[offset + int(rng.integers(size))] ^= 1 << int(rng.integers(8))
        images.append(bytes(damaged))
    for image in images:
        result = simulate(engine, program, digits[0][:1], weights=image)
        assert result.mismatches == 1
        assert "error 3 (CRC of a weight record)" in result.first_mismatch


def test_record_checksums_are_those_of_the_image(micro, sizing) -> None:
    program = schedule(micro, sizing)
    covered = np.zeros(len(program.weights), dtype=bool)
    for offset, size, crc in records(program):
        assert zlib.crc32(program.weights[offset : offset + size]) == crc
        covered[offset : offset + size] = True
    assert covered.all()
    assert len(program.binary()) == isa.LINE_BYTES * sum(program.lines)


def test_fidelity_on_the_whole_held_out_split(micro, digits) -> None:
    network, _ = load_checkpoint(MODEL)
    images, labels = digits
    measured = fidelity(network, micro, images, labels)
    assert len(images) == 360
    assert measured["top1_agreement"] >= 0.99
    assert abs(measured["accuracy_int"] - measured["accuracy_float"]) <= 0.005
    assert measured["accuracy_int"] >= 0.95
