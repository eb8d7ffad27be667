"""The invariants find planted violations; planted faults change outputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from hwgen.errors import HwgenError
from hwgen.ir import Graph, TensorType
from hwgen.ir.check import check, problems
from hwgen.ops.base import Op
from hwgen.passes.lower import lower_model
from tests.networks import IMAGE, small_attention_net


@cache
def graph() -> Graph:
    return lower_model(small_attention_net(), meta={"image": IMAGE})


def change(name: str, edit: Callable[[Op], Op]) -> Graph:
    g = graph()
    assert any(op.name == name for op in g.ops)
    return replace(g, ops=tuple(edit(op) if op.name == name else op for op in g.ops))


def with_post(**fields: Any) -> Callable[[Op], Op]:
    return lambda op: replace(op, post=replace(op.post, **fields))


def with_feature(**fields: Any) -> Callable[[Op], Op]:
    return lambda op: replace(op, feature=replace(op.feature, **fields))


VIOLATIONS = {
    "range too small": (
        "stem", with_feature(hi=5), r"stem: range \[-?\d+, 5\]; must hold \[-?\d+, \d+\]",
    ),
    "range past the bits": (
        "stem", with_feature(hi=1 << 15), r"must be in order and fit 16 bits",
    ),
    "residual at another frac": (
        "stem", with_feature(frac=3), r"blocks.0.conv: feature at frac \d+; must be frac 3",
    ),
    "unknown residual": (
        "value", with_post(pre="nobody"), r"value: reads nobody; no earlier op makes it",
    ),
    "unknown source": (
        "down", lambda op: replace(op, sources=("head.bits",)), r"down: reads head.bits; no ear",
    ),
    "a feature where bits belong": (
        "down", lambda op: replace(op, sources=("stem",)), r"source stem is feature; must be bits",
    ),
    "a parameter of 17 bits": (
        "stem", with_post(b=np.full(32, 1 << 15)), r"stem: b in .*; must fit 16 bits",
    ),
    "bits without a threshold": ("stem", with_post(t=None), r"need each other"),
    "first shift": (
        "stem", with_post(sh1=6), r"sh1=6; must be one of 3, 5, 7, 9, 11, 13, 15, 17",
    ),
    "second shift": (
        "value",
        with_post(slope=np.ones(64, dtype=np.int64), sh2=0),
        "sh2=0; must be one of 10, 14",
    ),
    "third shift": ("stem", with_post(sh3=12), "sh3=12; must be one of 0"),
    "affine step without its offset": (
        "value", with_post(m3=np.ones(64, dtype=np.int64), sh3=13, b3=None), "m3 without b3; needs",
    ),
    "dilation": (
        "blocks.1.conv", lambda op: replace(op, dilation=8, border=8), r"dilation 8; must be 1..7",
    ),
    "groups": (
        "blocks.1.conv",
        lambda op: replace(op, groups=8, weight=op.weight[..., :4]),
        r"odd m; must be even, as sums of 8 groups are taken twice",
    ),
    "kappa": (
        "attention",
        lambda op: replace(op, kappa=np.full((1, 3), 1 << 24)),
        r"kappa up to 16777216; must fit 24 bits",
    ),
    "8-bit weights": (
        "stem",
        lambda op: replace(op, weight=np.full((32, 2, 2, 3), 128), stride=2),
        r"stem: weight in \[128, 128\]; 12 taps have 8 bits",
    ),
    "accumulator": (
        "head",
        lambda op: replace(op, weight=np.full((16, 1, 1, 64), 32767), sources=("mean",)),
        None,  # 64 x 2**30 fits 40 bits
    ),
}  # fmt: skip


def test_the_lowered_graph_is_legal() -> None:
    assert list(problems(graph())) == []


@pytest.mark.parametrize("case", VIOLATIONS)
def test_planted_violation(case: str) -> None:
    name, edit, message = VIOLATIONS[case]
    broken = change(name, edit)
    if message is None:
        assert not [p for _, p in problems(broken) if "accumulator" in p]
        return
    with pytest.raises(HwgenError, match=message):
        check(broken)


def test_accumulator_past_40_bits() -> None:
    g = graph()
    mean = replace(g.op("mean"), m=np.full(64, 32767))
    wide = TensorType("feature", (4096, 64), (64, 64), 0, -(1 << 15), (1 << 15) - 1)
    _, high = mean.acc_bounds(wide)
    assert high >= 1 << 39
    broken = Graph({"x": wide}, (replace(mean, sources=("x",)),), "mean", {})
    with pytest.raises(HwgenError, match=r"accumulator range .* must fit 40 bits"):
        check(broken)


def test_name_used_twice() -> None:
    g = graph()
    with pytest.raises(HwgenError, match="stem: name used twice"):
        check(replace(g, ops=(g.ops[0], *g.ops)))


def test_output_must_exist() -> None:
    with pytest.raises(HwgenError, match="nowhere: output; must be a feature"):
        check(replace(graph(), output="nowhere"))


def test_order_of_ops() -> None:
    g = graph()
    with pytest.raises(HwgenError, match="no earlier op makes it"):
        check(replace(g, ops=g.ops[::-1]))


def test_planted_faults_change_outputs() -> None:
    images = np.random.default_rng(0).integers(0, 256, (8, *IMAGE), dtype=np.uint8)
    want = graph().run(images)

    def flip(op: Op) -> Op:
        weight = op.weight.copy()
        weight.flat[5] ^= 1
        return replace(op, weight=weight)

    def move(op: Op) -> Op:
        return replace(op, post=replace(op.post, t=op.post.t + 40))

    for name, edit, tensor in (
        ("blocks.0.conv", flip, "blocks.0.conv"),
        ("down", flip, "value"),
        ("stem", move, "stem.bits"),
        ("value", move, "value.bits"),
    ):
        got = change(name, edit).run(images)
        assert not np.array_equal(got[tensor], want[tensor]), name
        assert not np.array_equal(got["head"], want["head"]), name


def test_values_stay_in_their_types() -> None:
    images = np.random.default_rng(1).integers(0, 256, (4, *IMAGE), dtype=np.uint8)
    types = graph().types()
    for name, value in graph().run(images).items():
        assert value.shape[1:] == types[name].shape, name
        assert types[name].lo <= value.min(), name
        assert value.max() <= types[name].hi, name
