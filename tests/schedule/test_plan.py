"""Strips and placement: whatever a step reads is still there, word by word."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from hwgen.ir.graph import Graph
from hwgen.ops.base import Op
from hwgen.passes.separate_streams import separate_streams
from hwgen.paths import models_dir
from hwgen.pipeline import load_prepared
from hwgen.schedule.demand import demand
from hwgen.schedule.layout import BM, FM, TM, Place
from hwgen.schedule.placement import place
from hwgen.schedule.plan import Part, Piece, Plan, plan
from hwgen.schedule.program import schedule
from hwgen.search.choose import choose
from hwgen.targets import get_target
from tests.graphs import random_graph


@pytest.fixture(scope="module")
def micro() -> Graph:
    return load_prepared(models_dir() / "bhvit_micro_digits.pt").prepared.quantize().graph


def tokens_of(tensor: str, rows: list[int] | None, graph: Graph) -> np.ndarray:
    """Tokens of some grid rows (None: all)."""
    t = graph.types()[tensor]
    if rows is None:
        return np.arange(t.tokens)
    width = t.rows[1]
    return np.concatenate([np.arange(r * width, (r + 1) * width) for r in rows])


def words_of(
    p: Place, tokens: np.ndarray, word: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(address, token) of every word, or of one word (modulo the words), of these tokens."""
    words = np.arange(p.words) if word is None else np.array([word % p.words])
    address = p.address(tokens[:, None], words[None, :])
    return address.ravel(), np.repeat(tokens, len(words))


def read_tokens(op: Op, tensor: str, part: Part | None, graph: Graph, order: Plan) -> np.ndarray:
    """Tokens of an operand for a part of the result; an image counts one token per strip."""
    t = graph.types()[tensor]
    if t.kind == "image":
        return np.array([part.strip if part and tensor in order.strips else 0])
    rows = op.operand_rows(tensor, part.first, part.count) if part else None
    if rows is not None and tensor not in op.sources:
        factor = max(1, op.out.rows[0] // t.rows[0])  # of a coarser grid, or windows
        rows = sorted({row // factor for row in rows})
    return tokens_of(tensor, rows, graph)


def stale_reads(graph: Graph, order: Plan, places: dict[str, Place]) -> Iterator[str]:
    """Pieces that read a word which another tensor, or another token, has taken."""
    names = {name: k + 1 for k, name in enumerate(graph.types())}
    tags = {m: np.zeros((1 << 17, 2), dtype=np.int64) for m in (FM, TM, BM)}
    ops = {op.name: op for op in graph.ops}
    for piece, word in steps(order, places):
        op = ops.get(piece.name)
        for tensor in op.inputs if op else ():
            p = places[tensor]
            tokens = read_tokens(op, tensor, piece.part, graph, order)
            # a linear layer's word needs all words of its source
            address, token = words_of(p, tokens, None if p.memory == BM else word)
            found = tags[p.memory][address]
            if (found[:, 0] != names[tensor]).any() or (found[:, 1] != token).any():
                yield f"{piece}: {tensor}"
        for tensor in op.outputs() if op else (piece.name,):
            p, part = places[tensor], piece.part
            if op is None:  # the image
                tokens = np.array([part.strip if part else 0])
            else:
                rows = list(range(part.first, part.first + part.count)) if part else None
                tokens = tokens_of(tensor, rows, graph)
            address, token = words_of(p, tokens, word)
            tags[p.memory][address, 0] = names[tensor]
            tags[p.memory][address, 1] = token


def steps(order: Plan, places: dict[str, Place]) -> Iterator[tuple[Piece, int | None]]:
    """Pieces in order (word None: all); two that run beside each other word by word."""
    guest = None
    for piece in order.pieces:
        if piece.beside:
            guest = piece
        elif guest is None:
            yield piece, None
        else:
            for word in range(places[piece.name].words):
                yield guest, word
                yield piece, word
            guest = None


@pytest.mark.parametrize("strip_tokens", [0, 300, 96, 48, 24])
@pytest.mark.parametrize("network", ["micro", "random"])
def test_nothing_is_overwritten_before_its_last_reader(micro, network, strip_tokens) -> None:
    graph = separate_streams(micro if network == "micro" else random_graph())
    sizing = choose(graph, get_target("zynq"), {"strip_tokens": strip_tokens})
    order = plan(graph, sizing.strip_tokens, sizing.lanes)
    places = place(graph, sizing, order)
    assert list(stale_reads(graph, order, places)) == []
    assert {p.memory for p in places.values()} == {FM, TM, BM}
    assert any(piece.beside for piece in order.pieces)
    split = [piece for piece in order.pieces if piece.part]
    assert bool(split) == bool(order.strips)


def test_every_row_is_made_once(micro) -> None:
    order = plan(micro, 96, 16)
    made: dict[str, list[int]] = {}
    for piece in order.pieces:
        if piece.part:
            rows = range(piece.part.first, piece.part.first + piece.part.count)
            made.setdefault(piece.name, []).extend(rows)
    assert made
    for name, rows in made.items():
        assert sorted(rows) == list(range(len(rows))), name


def test_the_replay_sees_a_wrong_place(micro) -> None:
    graph = separate_streams(micro)
    sizing = choose(graph, get_target("zynq"), {"strip_tokens": 96})
    order = plan(graph, sizing.strip_tokens, sizing.lanes)
    places = place(graph, sizing, order)
    strips = next(p for p in places.values() if p.slots and len(set(p.slots)) == 3)
    moved = places | {strips.tensor: Place(**(vars(strips) | {"slots": (0,) * len(strips.slots)}))}
    assert list(stale_reads(graph, order, moved))


def test_the_replay_sees_words_out_of_order(micro) -> None:
    """In place of the filter's source a result may only lie word on word."""
    graph = separate_streams(micro)
    sizing = choose(graph, get_target("zynq"), {"strip_tokens": 96})
    order = plan(graph, sizing.strip_tokens, sizing.lanes)
    places = place(graph, sizing, order)
    ops = {op.name: op for op in graph.ops}
    pairs = [(a.name, b.name) for a, b in pairwise(order.pieces) if a.beside]
    guest, host = next(p for p in pairs if places[p[0]].words > 1)
    source = places[ops[guest].sources[0]]
    moved = Place(**(vars(places[host]) | {"memory": source.memory, "base": source.base + 1}))
    assert list(stale_reads(graph, order, places | {host: moved}))


def test_strips_need_less_memory(micro) -> None:
    whole, strips = (choose(micro, get_target("zynq"), {"strip_tokens": n}) for n in (0, 48))
    (fm, _, bm), (strips_fm, _, strips_bm) = demand(micro, whole), demand(micro, strips)
    assert strips_fm < fm
    assert strips_bm < bm
    a, b = (len(schedule(micro, s).weights) for s in (whole, strips))
    assert b < 1.2 * a  # a strip's parameters are loaded again, not stored again
