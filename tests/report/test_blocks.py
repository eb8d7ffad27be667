"""The table of blocks: what it measures, and that it shows a planted fault."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from hwgen.floats.evaluate import Evaluator
from hwgen.ops.base import Op
from hwgen.passes.lower import Lowered, Prepared, prepare
from hwgen.report.blocks import (
    IMAGES,
    FloatValues,
    block_name,
    block_table,
    compare_blocks,
    float_values,
    relative_rms,
)
from hwgen.report.schema import BlockFidelity
from tests.networks import IMAGE, small_attention_net

PICTURES = np.random.default_rng(1).integers(0, 256, (IMAGES + 1, *IMAGE), dtype=np.uint8)


@cache
def network() -> tuple[Prepared, FloatValues]:
    prepared = prepare(small_attention_net(), PICTURES)
    return prepared, float_values(prepared, PICTURES)


def rows(lowered: Lowered) -> dict[str, BlockFidelity]:
    return {row.block: row for row in compare_blocks(lowered, network()[1])}


def with_op(lowered: Lowered, changed: Op) -> Lowered:
    ops = tuple(changed if op.name == changed.name else op for op in lowered.graph.ops)
    return replace(lowered, graph=replace(lowered.graph, ops=ops))


def test_names_are_paths_up_to_the_first_number():
    assert block_name("vit.encoder.layerA.0.GC.cov1") == "vit.encoder.layerA.0"
    assert block_name("vit.encoder.patch_embed1.proj") == "vit.encoder.patch_embed1"
    assert block_name("classifier") == "classifier"


def test_every_block_at_every_width_on_some_images():
    prepared, _ = network()
    table = block_table(prepared, PICTURES, (16, 10))
    wide, narrow = ([r for r in table if r.act_bits == bits] for bits in (16, 10))
    assert [r.block for r in wide] == [r.block for r in narrow]
    assert {block_name(op.name) for op in prepared.quantize().graph.ops} >= {r.block for r in wide}
    assert len(wide) > 1
    for fine, coarse in zip(wide, narrow):
        if fine.given.error is not None:  # None: only bits leave the block
            assert fine.given.error < min(0.01, coarse.given.error)
        for share in (fine.given.signs, fine.given.levels):
            assert share is None or 0.995 < share <= 1
    assert any(r.given.levels is not None for r in wide)
    assert sum(r.given.error is not None for r in wide) > 1


def test_exact_inputs_are_the_float_values():
    prepared, reference = network()
    lowered = prepared.quantize()
    exact = reference.exact(lowered)
    logits = (
        exact[lowered.graph.output] * 2.0 ** -lowered.graph.op(lowered.graph.output).feature.frac
    )
    want = Evaluator(prepared.float_graph).logits(PICTURES)
    np.testing.assert_allclose(logits.reshape(want.shape), want, atol=1e-3)
    assert set(exact) == set(lowered.graph.types())


def test_a_wrong_multiplier_shows_in_its_block_only():
    lowered = network()[0].quantize()
    op = next(op for op in lowered.graph.ops if op.feature is not None and op.bits is None
              and getattr(op, "m", None) is not None)  # fmt: skip
    before, after = rows(lowered), rows(with_op(lowered, replace(op, m=op.m // 2)))
    hit = block_name(op.name)
    assert after[hit].given.error > 10 * before[hit].given.error
    assert [name for name in before if before[name] != after[name]] == [hit]


def test_a_wrong_threshold_shows_in_the_signs():
    lowered = network()[0].quantize()
    op = next(op for op in lowered.graph.ops if op.bits is not None)
    step = 1 << (op.post.act_bits - 4)
    moved = replace(op, post=replace(op.post, t=op.post.t + step))
    before, after = rows(lowered), rows(with_op(lowered, moved))
    hit = block_name(op.name)
    assert after[hit].given.signs < before[hit].given.signs - 0.01
    assert [name for name in before if before[name] != after[name]] == [hit]


def test_relative_rms():
    assert relative_rms(np.array([1.0, 3.0]), np.array([1.0, 2.0])) == pytest.approx(0.2**0.5)
