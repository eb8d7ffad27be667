"""Programs: an independent executor of the instruction set gives the golden tensors."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest

from hwgen.emit.image import ddr_regions
from hwgen.engine import isa
from hwgen.engine.sizing import Sizing
from hwgen.errors import FitError
from hwgen.ir.graph import Graph
from hwgen.ops.constant import Constant
from hwgen.ops.types import ImageRows
from hwgen.passes.separate_streams import separate_streams
from hwgen.paths import models_dir
from hwgen.pipeline import load_prepared
from hwgen.schedule.buffers import Buffer
from hwgen.schedule.builder import Builder
from hwgen.schedule.layout import BM, Place, row_pitch
from hwgen.schedule.plan import plan_bands
from hwgen.schedule.program import Program, schedule
from hwgen.schedule.spill import spill
from hwgen.schedule.steps import STEPS
from hwgen.schedule.steps.xnor_conv import xnor_conv
from hwgen.search.choose import choose
from hwgen.targets import get_target
from hwgen.units.attention import Attention
from hwgen.units.dma import record_words
from hwgen.units.xnor_front import column_cycles
from tests.attention_graphs import attention_graph
from tests.graphs import conv_graph, norm_graph, patch_graph, random_graph
from tests.padded_graphs import filter_graph
from tests.strided_graphs import grouped_graph, kernel_graph, strided_graph, wide_graph
from tests.units.isa_reference import Fault, Machine

SEED = 7


def picture(graph: Graph, seed: int = SEED) -> np.ndarray:
    (image,) = graph.inputs.values()
    return np.random.default_rng(seed).integers(0, 256, (1, *image.shape)).astype(np.uint8)


def execute(program: Program, image: np.ndarray) -> Machine:
    """Run the encoded program on the executor's memories."""
    sizes = {k: v for k, v in asdict(program.sizing).items() if k in Machine.__dataclass_fields__}
    machine = Machine(**sizes, host_weights=program.weights, host_input=program.input_bytes(image))
    machine.run_words(isa.words(program.binary()))
    return machine


def first_difference(program: Program, machine: Machine, values: dict[str, np.ndarray]) -> str:
    """'' when every write of every compute instruction equals the golden tensor."""
    trace = iter(machine.trace)
    for i in program.compute:
        for writes, stream in ((i.dst, "dst"), (i.bit, "bit")):
            if writes is None:
                continue
            made = next(trace)
            tensor = values[writes.tensor][0]
            words = tensor.reshape(
                -1, tensor.shape[-1] // program.sizing.lanes, program.sizing.lanes
            )
            want = words[writes.token, writes.word]
            if made.stream != stream or not np.array_equal(made.addr, writes.address):
                return f"{i.step}: {stream} addresses of {writes.tensor}"
            got, mask = made.value, np.broadcast_to(made.mask, made.value.shape).astype(bool)
            if not np.array_equal(got[mask], want[mask]):
                return f"{i.step}: {writes.tensor}"
    assert next(trace, None) is None, "the executor wrote more than the schedule says"
    return ""


@pytest.mark.parametrize(
    "sizes",
    [{}, {"kw": 64, "gs": 4, "gu": 4}, {"kw": 256, "axi_bits": 64, "ps_words": 64}],
    ids=str,
)
def test_program_gives_the_golden_tensors(sizes: dict) -> None:
    check(random_graph(SEED), sizes)


@pytest.mark.parametrize("grid", [(9, 7), (8, 8), (5, 12)])
@pytest.mark.parametrize("sizes", [{}, {"kw": 64, "gs": 4, "gu": 4}, {"kw": 256}], ids=str)
def test_binary_convolutions_of_every_kernel_give_the_golden_tensors(
    grid: tuple[int, int], sizes: dict
) -> None:
    check(kernel_graph(*grid), sizes)


@pytest.mark.parametrize(
    "sizes",
    [
        {"lanes": 16},
        {"lanes": 16, "kw": 64, "gs": 4, "gu": 4},
        {"lanes": 8, "kw": 256},
        {"kw": 64, "gs": 4, "gu": 1},
        {"kw": 256, "gu": 16},
    ],
    ids=str,
)
def test_groups_that_lanes_cannot_read_at_once_give_the_golden_tensors(sizes: dict) -> None:
    check(grouped_graph(), sizes)


@pytest.mark.parametrize("seed", [SEED, 4, 1])
@pytest.mark.parametrize(
    "sizes",
    [{"strip_tokens": 24}, {"strip_tokens": 48, "kw": 256}, {"strip_tokens": 8}],
    ids=str,
)
@pytest.mark.parametrize("words", [1, 200])
def test_features_in_ddr_give_the_golden_tensors(seed: int, sizes: dict, words: int) -> None:
    program = check(random_graph(seed), sizes | {"spill_words": words})
    assert program.kept
    stored = [i for i in program.instructions if i.op == "STORE"]
    assert len(stored) > len(program.kept) + 1  # strip by strip, and the result
    assert sum(i.fields["words"] for i in stored[:-1]) * 32 == program.kept_bytes
    again = schedule(program.graph, program.sizing)  # of the folder that compile wrote
    assert again.binary() == program.binary()
    assert again.weights == program.weights


def spilled() -> Program:
    graph, sizes = random_graph(SEED), {"strip_tokens": 24, "spill_words": 1}
    return schedule(graph, choose(graph, get_target("zynq"), sizes))


def test_the_memory_map_has_the_features_where_the_program_does() -> None:
    for ports in (1, 2):
        graph, sizes = random_graph(SEED), {"strip_tokens": 24, "spill_words": 1}
        program = schedule(graph, choose(graph, get_target("zynq"), sizes | {"axi_ports": ports}))
        regions = {region["name"]: region for region in ddr_regions(program)}
        output, features = regions["output"], regions["features"]
        assert features["offset"] - output["offset"] == min(program.kept.values())
        assert features["bytes"] == program.kept_bytes
        stores = [i.fields for i in program.instructions if i.op == "STORE"]
        ends = [f["ddr"] + f["words"] * program.sizing.word_bytes for f in stores]
        assert max(ends) == program.output_bytes
        assert program.output_bytes == features["offset"] + features["bytes"] - output["offset"]
        assert list(regions)[-1] == "features"  # the driver's buffer ends with it
    graph = random_graph(SEED)
    plain = schedule(graph, choose(graph, get_target("zynq"), {"strip_tokens": 24}))
    assert [region["name"] for region in ddr_regions(plain)][-1] == "output"


def test_reloads_leave_the_bands_as_they_are() -> None:
    """`spill` chooses by the bands of the graph without them."""
    for seed in range(3):
        for tokens in (24, 48):
            graph = separate_streams(random_graph(seed))
            s = Sizing(strip_tokens=tokens, spill_words=1)
            before = plan_bands(graph, tokens, s.lanes)
            changed = spill(graph, s)
            after = plan_bands(changed, tokens, s.lanes)
            assert len(changed.ops) > len(graph.ops)
            assert before.rows == after.rows
            assert {name: after.home[name] for name in before.home} == before.home


def test_a_reload_of_other_rows_is_found(monkeypatch) -> None:
    program, right = spilled(), Builder.reload_rows
    image = picture(program.graph)
    values = program.graph.run(image)
    assert first_difference(program, execute(program, image[0]), values) == ""

    def wrong(b: Builder, tensor: str, place: Place, token: int, row: int, words: int) -> None:
        right(b, tensor, place, token, max(0, row - place.stride), words)  # a token off

    monkeypatch.setattr(Builder, "reload_rows", wrong)
    broken = schedule(random_graph(SEED), program.sizing)
    assert first_difference(broken, execute(broken, image[0]), values) != ""


def test_a_flipped_weight_of_a_group_read_in_pairs_is_found() -> None:
    graph = grouped_graph()
    program = schedule(graph, choose(graph, get_target("zynq"), {"lanes": 16}))
    image = picture(graph)
    values = graph.run(image)
    weight, m = graph.op("g4d1").weight, np.abs(graph.op("g4d1").m)
    for some in (slice(16, 20), slice(20, 32)):  # an output word that two groups share
        channel = some.start + int(m[some].argmax())  # where a weight counts most
        weight[channel, 1, 1, 3] ^= 1
        broken = schedule(graph, program.sizing)
        weight[channel, 1, 1, 3] ^= 1
        assert first_difference(broken, execute(broken, image[0]), values) == "g4d1: g4d1"


def test_a_store_runs_alone() -> None:
    """What comes behind a STORE waits for it, and it for all before it."""
    program = spilled()
    compute = dma = 0
    stored = {"cmp": 0, "dma": 0}
    for i in program.instructions:
        waits = i.fields.get("wait_dma", 0)
        if i.queue in stored and stored[i.queue] and i.op != "SET":
            assert waits >= stored[i.queue], f"{i.step}: {i.op} does not wait for the STORE"
            stored[i.queue] = 0
        compute, dma = compute + (i.queue == "cmp"), dma + (i.queue == "dma")
        if i.op == "STORE":
            assert i.fields["wait_cmp"] == compute
            stored = {"cmp": dma, "dma": dma}


def test_a_filter_of_many_words_leaves_its_layer_the_parameters(monkeypatch) -> None:
    """However far it runs ahead of the layer, its parameters never replace the layer's."""
    program = check(wide_graph(), {"kw": 64, "cm_slots": 32})
    assert program.beside == {"shifts": "out"}
    choose = Buffer.choose
    monkeypatch.setattr(
        Buffer, "choose", lambda b, n, step, _, limit: choose(b, n, step, [], limit)
    )
    with pytest.raises(AssertionError, match="no longer there"):
        schedule(program.graph, program.sizing)


def test_sums_in_pairs_need_even_multipliers() -> None:
    graph = grouped_graph()
    op = graph.op("g4d1")
    odd = replace(op, m=op.m + 1)
    (problem,) = odd.violations(graph.types()["stem.bits"])
    assert problem == "odd m; must be even, as sums of 4 groups are taken twice"
    assert not list(op.violations(graph.types()["stem.bits"]))


@pytest.mark.parametrize(
    ("c", "sizes", "words"),
    [(192, {}, {4, 8}), (320, {}, {4, 16}), (448, {"qm_slots": 16}, {4, 8, 16})],
)
def test_layer_norm_of_any_width_gives_the_golden_tensors(
    c: int, sizes: dict, words: set[int]
) -> None:
    """12, 20 and 28 words, in groups of powers of two; with fewer QM slots than words each group
    brings its own constants."""
    program = check(norm_graph(c), sizes)
    groups = {i.fields["q_mask"] + 1 for i in program.instructions if i.op == "LNAPPLY"}
    assert groups == words


@pytest.mark.parametrize(
    "sizes", [{}, {"nt_words": 32, "ps_words": 64}, {"nt_words": 8, "kw": 256}], ids=str
)
def test_padded_image_rows_give_the_golden_tensors(sizes: dict) -> None:
    program = check(conv_graph(), sizes)
    padded = {p.tensor for p in program.places.values() if p.padded}
    readers = ("stem", "point", "norm", "line", "again", "last")
    assert padded >= {f"{name}.bits" for name in readers}
    for i in program.instructions:
        if i.op == "XCONV":
            cycles = column_cycles(i.fields["a_s3"], i.fields["xd"], program.sizing.row_elements)
            assert cycles == 1, i.step


WIDE = {"kw": 256, "gs": 16, "gu": 16, "axi_bits": 64, "wb_words": 512}


@pytest.mark.parametrize(
    ("channels", "groups", "sizes"),
    [
        ((32, 64, 128, 256, 64), (1, 2, 1, 1), {}),
        ((32, 64, 128, 256, 64), (1, 2, 1, 1), {"lanes": 16, "kw": 64, "gs": 4, "gu": 4}),
        ((64, 128, 256, 512), (1, 1, 1), {"lanes": 32, **WIDE}),
        ((64, 128, 256, 512), (1, 1, 1), {"lanes": 32, **WIDE, "strip_tokens": 48}),
        ((96, 192, 384), (3, 1), {"lanes": 32, **WIDE, "gu": 8, "ps_words": 16}),
    ],
    ids=str,
)
def test_convolutions_of_stride_2_give_the_golden_tensors(channels, groups, sizes) -> None:
    program = check(strided_graph(channels=channels, groups=groups), sizes)
    assert {i.op for i in program.compute if i.step.startswith("down")} == {"XLIN"}


def test_weights_of_an_output_word_come_once_for_all_its_runs() -> None:
    graph = strided_graph(channels=(64, 128), groups=(1,))
    program = schedule(graph, choose(graph, get_target("zynq"), {"lanes": 32, **WIDE}))
    mine = [i for i in program.instructions if i.step == "down0"]
    loads = [i.fields for i in mine if i.op == "LOAD"]
    assert sum(f["n_wb"] for f in loads) == 4 * 9 * 64 // 16  # 4 output words, 16 columns a word
    assert sum(map(record_words, loads)) == graph.op("down0").record_words(program.sizing)
    assert graph.op("down0").chunks(program.sizing) == 6
    # a tap alone and two together per kernel row: 6 chunks inside, 3 left, 4 top, 2 in the corner
    assert sum(i.op == "XLIN" for i in mine) == 4 * (6 + 3 + 4 + 2)
    assert sum(i.op == "LDW" for i in mine) == 4 * (6 + 3 + 4 + 2)


def test_groups_of_stride_2_are_whole_words() -> None:
    graph = strided_graph(channels=(32, 64), groups=(2,))
    assert choose(graph, get_target("zynq")).lanes == 16
    with pytest.raises(FitError) as error:
        schedule(graph, choose(graph, get_target("zynq"), {"lanes": 32}))
    assert str(error.value) == (
        "down0: groups of 16 inputs and 32 outputs with stride 2; must be multiples of lanes=32; "
        "--set lanes=16"
    )


def test_row_pitch_is_odd_in_units_of_the_dilation() -> None:
    s = Sizing(lanes=32, kw=256, gs=16)  # 8 elements a row
    assert row_pitch(56, 2, 1, s) == 15 * 8  # 14 rows: padded
    assert row_pitch(24, 1, 1, s) == 24  # 3 rows
    assert row_pitch(14, 2, 2, s) == 28  # 7 half rows: dilation 2 needs no more
    assert row_pitch(56, 4, 2, s) == 57 * 4
    assert row_pitch(56, 8, 2, s) == 56 * 8  # a token a row: even dilations take three cycles
    assert row_pitch(7, 16, 1, s) == 15 * 8  # two rows a token


def test_slices_of_an_output_word_lie_in_two_elements() -> None:
    op = conv_graph().op("conv1")
    weight = np.zeros((16, 3, 3, 16), dtype=np.uint8)
    op = replace(op, weight=weight, groups=4, m=np.ones(16, dtype=np.int64))
    place = Place("stem.bits", BM, 0, 4, 4, 14 * 14 * 4, 14, 14 * 4)
    builder = Builder(Sizing(), {"stem.bits": place}, {}, ImageRows(28, 28))
    with pytest.raises(FitError) as error:
        xnor_conv(builder, op, None)
    assert str(error.value) == (
        "conv1: 4 groups of 4 outputs; lanes=16, gs=8 and gu=4 cannot read them at once; "
        "--set none of these, or groups of powers of two"
    )


def check(graph: Graph, sizes: dict) -> Program:
    """Every write and the logits are the golden ones."""
    program = schedule(graph, choose(graph, get_target("zynq"), sizes))
    image = picture(graph)
    values = program.graph.run(image)  # with copies where one op would read a tensor twice
    machine = execute(program, image[0])
    assert first_difference(program, machine, values) == ""
    logits = program.output_values(bytes(machine.host_output))
    assert np.array_equal(logits, values[graph.output].reshape(-1)[: graph.meta["classes"]])
    return program


def test_a_warm_frame_needs_the_kept_records_no_more() -> None:
    """Every record is kept or read: the second frame runs with the kept ones gone from memory."""
    graph = random_graph(SEED)
    sizing = choose(graph, get_target("zynq"), {"store_words": 1200})
    program = schedule(graph, sizing)
    loads = [i for i in program.instructions if i.op == "LOAD" and record_words(i.fields)]
    kept = {i.fields["ddr"]: record_words(i.fields) for i in loads if i.fields["keep"]}
    read = {i.fields["ddr"] for i in loads if not i.fields["keep"]}
    assert kept
    assert read
    assert not read & set(kept)
    assert sum(kept.values()) == program.store_words <= 1200
    weights = bytearray(program.weights)
    for ddr, words in kept.items():
        weights[ddr : ddr + words * sizing.word_bytes] = bytes(words * sizing.word_bytes)
    images = np.concatenate([picture(graph), picture(graph, SEED + 1)])
    values = graph.run(images)
    machine = execute(program, images[0])
    assert first_difference(program, machine, {k: v[:1] for k, v in values.items()}) == ""
    machine.host_weights, machine.host_input = bytes(weights), program.input_bytes(images[1])
    machine.trace.clear()
    machine.norm.clear()
    machine.applied = machine.shared = 0  # start resets the units
    machine.run_words(isa.words(program.binary()))
    assert first_difference(program, machine, {k: v[1:] for k, v in values.items()}) == ""
    with pytest.raises(Fault, match="CRC of the record"):
        machine.warm = False
        machine.run_words(isa.words(program.binary()))


def test_the_last_steps_stay_on_chip() -> None:
    graph = random_graph(SEED)
    sizing = choose(graph, get_target("zynq"), {"store_words": 0})
    loads = [
        [i for i in schedule(graph, sizing.replace(store_words=n)).instructions if i.op == "LOAD"]
        for n in (0, 300, 65536)
    ]
    kept = [[i.fields["keep"] for i in some if record_words(i.fields)] for some in loads]
    assert not any(kept[0])
    assert kept[1][-1] == 1
    assert kept[1][0] == 0
    assert all(kept[2])


def test_wrong_weight_bit_is_found() -> None:
    graph = random_graph(SEED)
    program = schedule(graph, choose(graph, get_target("zynq")))
    image = picture(graph)
    values = graph.run(image)
    op = next(op for op in graph.ops if op.name == "s2.q")
    op.weight[5, 9] ^= 1
    broken = schedule(graph, program.sizing)
    difference = first_difference(broken, execute(broken, image[0]), values)
    assert difference == "s2.q: s2.q"


def test_every_op_has_a_program() -> None:
    from hwgen.ops import REGISTRY

    assert set(STEPS) == set(REGISTRY)


def test_same_input_same_bytes() -> None:
    graph = random_graph(SEED)
    sizing = choose(graph, get_target("zynq"))
    a, b = schedule(graph, sizing), schedule(Graph.from_json(graph.to_json()), sizing)
    assert a.binary() == b.binary()
    assert a.weights == b.weights


def test_waits_point_backwards() -> None:
    """Every wait count is reached by instructions earlier in program order: no deadlock."""
    graph = random_graph(SEED)
    program = schedule(graph, choose(graph, get_target("zynq")))
    seen = {"dma": 0, "ldw": 0, "cmp": 0, "seq": 0}
    for i in program.instructions:
        for queue in ("dma", "ldw", "cmp"):
            assert i.fields.get(f"wait_{queue}", 0) <= seen[queue], f"{i.step} {i.op} {i.index}"
        seen[i.queue] += 1


@pytest.mark.parametrize("sizes", [{}, {"wb_words": 256, "kw": 64, "gs": 4, "gu": 4}], ids=str)
def test_products_a_beat(sizes: dict) -> None:
    """27 taps in odd rows, 256 of 8 bits, 128 of 16 bits in the four banks of 32 slots, 256."""
    program = check(patch_graph(), sizes)
    seen = {}
    for i in program.instructions:
        f = i.fields
        if i.op == "MACS":
            op = program.graph.op(i.step)
            seen[i.step] = op.taps // (f["n0"] * f["n1"])
            assert seen[i.step] == op.products
            assert bool(f.get("quad")) == (op.products == 4)
        elif i.op == "LOAD":
            assert not f["cm_quad"] or f["cm"] + f["n_cm"] // 4 <= 32
            words = {"odd": 27, "pair": 128, "head": 128}
            assert f["n_wb"] == words.get(i.step, f["n_wb"])
    assert seen == {"odd": 1, "pair": 2, "quad": 4, "head": 2}


def test_sixteen_slots_do_not_hold_the_weights_of_the_banks() -> None:
    graph = random_graph(SEED)  # 128 taps of 16 bits: the rule is the op's, not the engine's
    with pytest.raises(FitError, match=r"^head: needs 32 cm_slots; 16 exist; --set cm_slots=32"):
        schedule(graph, choose(graph, get_target("zynq"), {"cm_slots": 16}))


def test_flipped_bit_of_an_8_bit_weight_is_found() -> None:
    graph = patch_graph()
    program = schedule(graph, choose(graph, get_target("zynq")))
    image = picture(graph)
    values = graph.run(image)
    for name in ("odd", "pair", "head"):
        index = (3, 0, 0, 1)
        weight = graph.op(name).weight
        kept = weight[index]
        weight[index] ^= 64
        broken = schedule(graph, program.sizing)
        weight[index] = kept
        difference = first_difference(broken, execute(broken, image[0]), values)
        assert difference == f"{name}: {name}"


def test_a_program_too_long_for_the_counter(monkeypatch) -> None:
    graph = random_graph()
    sizing = choose(graph, get_target("zynq"))
    monkeypatch.setattr("hwgen.schedule.program.MAX_LINES", 100)
    with pytest.raises(
        FitError, match=r"^program: .* lines of instructions; the sequencer counts up to"
    ):
        schedule(graph, sizing)


def test_loads_wait_only_for_the_words_that_they_replace() -> None:
    """Strips of the image alternate between two slots: one is filled while the other is read."""
    graph = random_graph(SEED)
    program = check(graph, {"strip_tokens": 48})
    assert program.places["image"].slots is not None
    ends = {}  # slot's address -> compute instructions that had read it
    loads = reads = 0
    for i in program.instructions:
        if i.op == "LOADF" and i.fields["base_sel"] == 1:
            assert i.fields["wait_cmp"] == ends.get(i.fields["addr"], 0)
            loads, address = loads + 1, i.fields["addr"]
        elif i.step == "stem" and i.queue == "cmp" and i.op != "SET":
            ends[address] = i.index + 1
            reads += 1
    assert loads == reads > 2
    assert len(ends) == 2


@pytest.mark.parametrize("sizes", [{}, {"kw": 256, "axi_bits": 64}], ids=str)
def test_attention_to_other_keys_gives_the_golden_tensors(sizes: dict) -> None:
    check(attention_graph(), sizes)


def test_attention_waits_for_attentions_whose_bits_it_reads() -> None:
    """`back` reads the bits of `near`, which may be in flight when `far` has issued."""
    graph = attention_graph()
    program = schedule(graph, choose(graph, get_target("zynq"), {"lanes": 32}))
    first = {}
    for i in program.compute:
        if i.op == "ATT":
            first.setdefault(i.step, i.fields)
    assert [first[name]["drain"] for name in ("far", "back", "single")] == [0, 1, 0]
    assert [first[name]["tokens"] for name in ("far", "back", "single")] == [144, 144, 36]


def test_heads_of_attention_are_chained_with_few_lanes_too() -> None:
    """With 16 lanes a query has four words; its period leaves a cycle for a SET between heads."""
    graph = load_prepared(models_dir() / "bhvit_micro_digits.pt").prepared.quantize().graph
    program = schedule(graph, choose(graph, get_target("zynq"), {"lanes": 16}))
    heads = [i for i in program.instructions if i.op == "ATT"]
    assert len(heads) > 2
    chained = [not i.fields["drain"] for i in heads]
    assert any(chained)
    unit = Attention(16, program.sizing.kw, program.sizing.pk)
    assert all(unit.period(i.fields["tokens"]) > unit.words for i in heads)


@pytest.mark.parametrize(("low", "high", "narrow"), [(-128, 127, 1), (-128, 128, 0), (-129, 5, 0)])
def test_constants_that_are_signed_bytes_come_as_bytes(low, high, narrow) -> None:
    graph = filter_graph(8, 8)
    name = next(op.name for op in graph.ops if isinstance(op, Constant))
    value = np.resize([low, high, -1, 0, 77], graph.op(name).value.shape)
    feature = replace(graph.op(name).feature, lo=low, hi=high)
    ops = [replace(op, value=value, feature=feature) if op.name == name else op for op in graph.ops]
    program = check(replace(graph, ops=tuple(ops)), {})
    (load,) = (i.fields for i in program.instructions if i.step == name)
    assert (load["bytes"], load["sign"]) == (narrow, narrow)
