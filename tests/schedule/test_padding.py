"""Padded filters, stems and coarse residuals: order of the strips, places, programs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hwgen.engine.isa import SET_KINDS
from hwgen.engine.sizing import Sizing
from hwgen.errors import FitError
from hwgen.ir.check import problems
from hwgen.ir.graph import Graph
from hwgen.ops.types import ImageRows, TensorType
from hwgen.passes.separate_streams import separate_streams
from hwgen.schedule.layout import Place, image_words
from hwgen.schedule.placement import place
from hwgen.schedule.plan import Plan, plan
from hwgen.schedule.program import Program, schedule
from hwgen.schedule.steps.image import margin_words
from hwgen.search.choose import choose
from hwgen.targets import get_target
from tests.padded_graphs import STEMS, Stem, filter_graph, stem_graph
from tests.schedule.test_plan import stale_reads
from tests.schedule.test_program import check

FILTERS = [(6, 1, 0), (5, 2, 0), (7, 3, 0), (8, 4, 2), (6, 5, 0), (9, 6, 3), (8, 8, 4)]
CHOICE = {"kw": 128, "gs": 8, "gu": 4, "store_words": 0}


def parts(order: Plan, name: str) -> list[tuple[int, int]]:
    """Rows first, count of an op's pieces."""
    return [(p.part.first, p.part.count) for p in order.pieces if p.name == name]


def names(order: Plan, *ops: str) -> list[str]:
    return [p.name for p in order.pieces if p.name in ops]


@pytest.mark.parametrize("shape", FILTERS, ids=str)
def test_programs_of_padded_filters(shape: tuple[int, int, int]) -> None:
    """Widths 1 to 8, whole and in strips, with and without residuals of a coarser grid."""
    graph = filter_graph(*shape)
    assert list(problems(graph)) == []
    for strip_tokens, lanes in ((0, 32), (8, 16)):
        program = check(graph, CHOICE | {"strip_tokens": strip_tokens, "lanes": lanes})
        assert program.beside == {"cross": "beside"}


@pytest.mark.parametrize("stem", STEMS, ids=lambda s: f"{s.conv} {s.pool}")
@pytest.mark.parametrize("again", [False, True], ids=["once", "again"])
def test_programs_of_stems(stem: Stem, again: bool) -> None:
    graph = stem_graph(stem, again=again)
    assert list(problems(graph)) == []
    for strip_tokens, lanes in ((0, 32), (24, 16)):
        check(graph, CHOICE | {"strip_tokens": strip_tokens, "lanes": lanes})


def sized(graph: Graph, strip_tokens: int) -> tuple[Graph, Plan, dict[str, Place]]:
    graph = separate_streams(graph)
    sizing = choose(graph, get_target("zynq"), {"strip_tokens": strip_tokens, "store_words": 0})
    order = plan(graph, sizing.strip_tokens, sizing.lanes)
    return graph, order, place(graph, sizing, order)


@pytest.mark.parametrize("strip_tokens", [0, 8, 32])
@pytest.mark.parametrize(
    "graph", [filter_graph(8, 8, 4), filter_graph(9, 6, 3), *map(stem_graph, STEMS)],
    ids=lambda g: str(g.inputs["image"].grid),
)  # fmt: skip
def test_nothing_is_overwritten_before_its_last_reader(graph: Graph, strip_tokens: int) -> None:
    graph, order, places = sized(graph, strip_tokens)
    assert list(stale_reads(graph, order, places)) == []


@pytest.mark.parametrize("strip_tokens", [0, 8])
def test_pad_words_lie_in_the_memory_of_the_source(strip_tokens: int) -> None:
    """The stream that reads the source reads the pad."""
    for graph in (filter_graph(8, 8, 4), stem_graph(STEMS[0])):
        graph, _, places = sized(graph, strip_tokens)
        padded = [op for op in graph.ops if any(s.endswith(".pad") for s in op.sources)]
        assert padded
        for op in padded:
            source, word = (places[name] for name in op.sources)
            assert word.memory == source.memory, op.name
            for residual in op.inputs[2:]:
                assert places[residual].memory != source.memory, op.name


def test_a_padded_filter_runs_one_strip_ahead() -> None:
    """In order, without the last strip first: no row wraps."""
    order = plan(separate_streams(filter_graph(8, 8)), 16, 16)
    pieces = [(p.name, p.part.strip) for p in order.pieces if p.name in ("cross", "beside")]
    assert pieces == [("cross", 0), ("cross", 1), ("beside", 0), ("cross", 2), ("beside", 1),
                      ("cross", 3), ("beside", 2), ("beside", 3)]  # fmt: skip
    assert order.strips["cross"].slots == (0, 1, 0, 1)


def test_a_circular_filter_runs_its_last_strip_first() -> None:
    graph = filter_graph(8, 8)
    ops = [replace(op, sources=op.sources[:1]) if op.name == "cross" else op for op in graph.ops]
    order = plan(separate_streams(replace(graph, ops=tuple(ops))), 16, 16)
    assert [first // 2 for first, _ in parts(order, "cross")] == [3, 0, 1, 2]


def test_stem_and_max_pool_share_their_strips() -> None:
    order = plan(stem_graph(STEMS[0]), 32, 16)
    assert parts(order, "stem") == [(2 * k, 2) for k in range(6)]
    assert parts(order, "pool") == parts(order, "line") == [(k, 1) for k in range(6)]
    assert names(order, "image", "stem", "pool") == ["image", "stem", "pool"] * 6
    # windows begin in the strip before: two slots, but nothing else of the stem stays
    assert order.strips["stem"].slots == order.strips["image"].slots == (0, 1) * 3
    assert order.strips["stem"].rows == 2
    assert order.strips["pool"].rows == 1
    rows = order.image
    assert (rows.first, rows.rows, rows.step) == (-3, 9, 4)
    assert (rows.left, rows.margin) == (10, 1)  # 3 pixels and an element; 16 elements a word


def test_a_stem_that_others_read_stays_whole() -> None:
    order = plan(stem_graph(STEMS[0], again=True), 32, 16)
    assert "stem" not in order.strips
    assert "image" in order.strips


def test_a_pooling_of_overlapping_rows_of_one_grid_has_its_own_band() -> None:
    order = plan(stem_graph(STEMS[2]), 24, 16)  # 3x3 with stride 1 needs rows below its own
    assert names(order, "stem", "pool")[:2] == ["stem", "stem"]


def test_ops_move_to_the_only_band_that_reads_them() -> None:
    """The pooling and the layer behind it, to the op that reads them after all of the stem was
    read; the stem, whose other reader is elsewhere, stays."""
    order = plan(stem_graph(STEMS[0], again=True), 32, 16)
    assert names(order, "stem", "also") == ["stem"] * 6 + ["also"] * 6
    assert names(order, "mean of all", "pool", "line", "whole") == [
        "mean of all", *["pool", "line", "whole"] * 2,
    ]  # fmt: skip
    assert {"pool", "line"} <= order.strips.keys()


def test_constants_go_with_their_reader() -> None:
    """Else the pad of an op that moves stays as the end of a band, which then is not split."""
    order = plan(separate_streams(filter_graph(8, 8)), 16, 16)
    assert parts(order, "wide") == parts(order, "beside") == [(2 * k, 2) for k in range(4)]
    found = [p.name for p in order.pieces]
    for name in ("cross", "alone", "far"):
        assert found.index(f"{name}.pad") < found.index(name)
        assert found.count(f"{name}.pad") == 1


def taps(program: Program, step: str) -> list[dict[str, int]]:
    return [
        i.fields for i in program.instructions
        if i.op == "SET" and i.fields["kind"] == SET_KINDS["taps"] and i.step == step
    ]  # fmt: skip


def test_taps_name_the_pad_and_the_rows_outside() -> None:
    graph = filter_graph(6, 4)
    s = choose(graph, get_target("zynq"), CHOICE | {"lanes": 16})
    program = schedule(graph, s)
    pad = program.places["far.pad"]
    tables = taps(program, "far")
    assert {t["pad"] for t in tables} == {pad.address(0, 0), pad.address(0, 1)}
    assert all(t["padded"] == 1 and t["width"] == 4 for t in tables)
    rows = (0, -1, 1, 0, 0, 5, -3)  # of FAR
    outside = {sum(1 << k for k, dy in enumerate(rows) if not 0 <= y + dy < 6) for y in range(6)}
    assert {t["out"] for t in tables} == outside
    assert {t["dx4"] for t in tables} == {-8}  # columns are not wrapped


def test_image_rows_in_memory_have_margins_of_padding() -> None:
    """Every word of a strip comes from the image or from the weight image, each once."""
    stem = STEMS[0]
    graph = stem_graph(stem)
    s = choose(graph, get_target("zynq"), CHOICE | {"lanes": 16, "strip_tokens": 32})
    program = schedule(graph, s)
    p, pad = program.places["image"], graph.op("stem").pad
    loads = [i.fields for i in program.instructions if i.op == "LOADF" and i.step == "input"]
    per_strip = 2 * 9 + 1  # rows, and margins around them
    assert len(loads) == 6 * per_strip
    first = loads[:per_strip]
    written = np.concatenate([np.arange(f["addr"], f["addr"] + f["words"]) for f in first])
    assert sorted(written) == list(range(p.base, p.base + p.unit_size))
    words = np.frombuffer(program.weights, dtype="<i2").reshape(-1, 16)
    margin = words[next(f["ddr"] for f in first if f["words"] == 1) // 32]
    left, right = graph.op("stem").margins
    assert left + right == len(margin)
    np.testing.assert_array_equal(margin[:right], np.resize(pad, right))
    np.testing.assert_array_equal(margin[right:], np.resize(pad[::-1], left)[::-1])
    above = [f for f in first if f["words"] == 6 and f["base_sel"] == 0]
    assert len(above) == 3
    np.testing.assert_array_equal(words[above[0]["ddr"] // 32 :][:6].ravel(), np.resize(pad, 96))


@pytest.mark.parametrize(("lanes", "rest"), [(16, 0), (32, 16)])
def test_rows_of_the_image_are_whole_words(lanes: int, rest: int) -> None:
    """Rows of 48 bytes: half a word of 32 behind each, of the pixel that stands for 0."""
    graph = stem_graph(Stem((8, 16), (3, 2, 1), (2, 2, 0)))
    program = schedule(graph, choose(graph, get_target("zynq"), CHOICE | {"lanes": lanes}))
    image = np.random.default_rng(0).integers(0, 256, (8, 16, 3)).astype(np.uint8)
    data = np.frombuffer(program.input_bytes(image), dtype=np.uint8)
    assert len(data) == program.image_bytes == 8 * (48 + rest)
    rows = data.reshape(8, 48 + rest)
    np.testing.assert_array_equal(rows[:, :48], image.reshape(8, 48))
    pad = graph.op("stem").pad
    np.testing.assert_array_equal(rows[:, 48:], np.tile(np.resize(pad, rest), (8, 1)))
    assert program.row_padding == tuple(np.resize(pad, rest))


def test_margins_go_on_behind_a_rows_last_word() -> None:
    """A row of 45 elements has 19 more in its word, all that the windows take to its right."""
    image = ImageRows(4, 4, -1, 1, 3, (7, 8, 9), 2)
    assert image.filled(45, 32) == tuple([7, 8, 9] * 6 + [7])
    margin = margin_words(image, 32, 19)[0]
    assert margin[:4].tolist() == [8, 9, 7, 8]
    assert margin[-4:].tolist() == [9, 7, 8, 9]
    assert image_words(TensorType("image", (4, 15, 3), (4, 15)), image, 32) == 13


def test_partial_sums_hold_a_row_of_a_layer_with_a_coarse_residual() -> None:
    graph = filter_graph(4, 260, 4)
    sizing = Sizing(lanes=16, kw=128, fm_words=1 << 14, tm_words=1 << 14, bm_rows=1 << 13)
    with pytest.raises(FitError, match=r"^four: 260 results a row; ps_words=256 hold fewer; --set"):
        schedule(graph, sizing)
    assert choose(graph, get_target("zynq"), CHOICE | {"lanes": 16}).ps_words == 260
