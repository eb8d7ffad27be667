"""Every op against plain loops or torch on random integers."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from hwgen import ops
from hwgen.engine.chords import Chords
from hwgen.engine.numerics import (
    attention_levels,
    exp_table,
    norm_stats,
    rshift_round,
    rsqrt_fixed,
)
from hwgen.engine.sides import both
from hwgen.floats.kinds import WindowSum
from hwgen.ir import TensorType
from hwgen.ops.post import Post
from tests.ops.operands import RNG, bits, check, feature, image_of, ints, make, pm, tokens_of
from tests.strided_graphs import DENSE, KERNELS
from tests.window_graphs import FILTERS, SUMS, UNEVEN


def test_xnor_linear() -> None:
    a, w, m = bits(2, 5, 48), bits(32, 48), ints(32)
    check(make(ops.xnor.XnorLinear, weight=w, m=m), pm(a) @ pm(w).T * torch.from_numpy(m), a)


def test_xnor_linear_returns_windows_to_the_grid() -> None:
    a, w, m = bits(1, 4, 9, 16), bits(16, 16), ints(16)
    got = make(ops.xnor.XnorLinear, weight=w, m=m, unwindow=3).accumulate(a)
    plain = (pm(a) @ pm(w).T).numpy() * m
    for window in range(4):
        for token in range(9):
            y = window // 2 * 3 + token // 3
            x = window % 2 * 3 + token % 3
            np.testing.assert_array_equal(got[0, y * 6 + x], plain[0, window, token])


@pytest.mark.parametrize(
    ("kernel", "stride", "dilation", "groups"),
    [
        (3, 1, 1, 1),
        (3, 1, 3, 4),
        (3, 1, 5, 2),
        (2, 2, 1, 1),
        (4, 4, 1, 1),
        (3, 2, 1, 1),
        (3, 2, 1, 2),
    ],
)
def test_xnor_conv(kernel: int, stride: int, dilation: int, groups: int) -> None:
    grid, a, m = (8, 12), bits(2, 96, 16), ints(32)
    w = bits(32, kernel, kernel, 16 // groups)
    op = make(ops.xnor.XnorConv, weight=w, m=m, stride=stride, dilation=dilation, groups=groups,
              in_grid=grid)  # fmt: skip
    want = F.conv2d(
        image_of(pm(a).numpy(), grid).double(), pm(w).permute(0, 3, 1, 2).double(), None, stride,
        dilation if stride < kernel else 0, dilation, groups,
    )  # fmt: skip
    check(op, tokens_of(want) * torch.from_numpy(m), a)


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
def test_xnor_conv_of_any_kernel_on_an_odd_grid(kernel: tuple[int, ...]) -> None:
    (k, stride, border, dilation, groups), grid = kernel, (9, 7)
    a, m, w = bits(2, 63, 16), ints(32), bits(32, *both(k), 16 // groups)
    op = make(ops.xnor.XnorConv, weight=w, m=m, stride=stride, dilation=dilation, groups=groups,
              in_grid=grid, border=border)  # fmt: skip
    want = F.conv2d(
        image_of(pm(a).numpy(), grid).double(), pm(w).permute(0, 3, 1, 2).double(), None, stride,
        border, dilation, groups,
    )  # fmt: skip
    assert op.out_grid() == tuple(want.shape[2:])
    check(op, tokens_of(want) * torch.from_numpy(m), a)


@pytest.mark.parametrize("kernel", DENSE, ids=str)
def test_patch_conv_of_any_stride_and_border(kernel: tuple[int, ...]) -> None:
    (k, stride, border), grid = kernel, (9, 7)
    x, w = ints(2, 63, 16), ints(32, *both(k), 16, top=127)
    op = make(ops.dense.PatchConv, weight=w, in_grid=grid, stride=stride, border=border)
    weight = torch.from_numpy(w).permute(0, 3, 1, 2).double()
    want = F.conv2d(image_of(x, grid).double(), weight, None, stride, border)
    assert op.out_grid() == tuple(want.shape[2:])
    check(op, tokens_of(want), x)


def test_patch_conv() -> None:
    grid, x, w = (6, 4), ints(2, 24, 5), ints(16, 2, 2, 5, top=127)
    want = F.conv2d(
        image_of(x, grid).double(), torch.from_numpy(w).permute(0, 3, 1, 2).double(), stride=2
    )
    check(make(ops.dense.PatchConv, weight=w, in_grid=grid), tokens_of(want), x)


def test_pointwise_pool_and_mean() -> None:
    grid, x, m = (4, 6), ints(2, 24, 16), ints(16)
    check(make(ops.vector.Pointwise, m=m), x * m, x)
    check(make(ops.vector.TokenMean, m=m), x.sum(1, keepdims=True) * m, x)
    want = F.avg_pool2d(image_of(x, grid).double(), 2, divisor_override=1)
    check(make(ops.vector.AvgPool, kernel=2, m=m, in_grid=grid), tokens_of(want).numpy() * m, x)


def test_gather() -> None:
    x, y, m = ints(2, 24, 32), ints(2, 24, 16), ints(64)
    pieces = ((1, 0, 16), (0, 16, 16), (0, 0, 32))
    op = replace(make(ops.gather.Gather, pieces=pieces, m=m), sources=("x", "y"))
    want = np.concatenate([y, x[..., 16:], x], -1) * m
    np.testing.assert_array_equal(op.accumulate(x, y), want)
    assert op.result(feature(24, 32), feature(24, 16)) == ((24, 64), (0, 0))
    wrong = replace(op, pieces=((1, 16, 16),))
    assert list(wrong.violations(feature(24, 32), feature(24, 16))) == [
        "channels 16 .. 31 of source 1; must be there"
    ]
    unlike = list(op.violations(feature(24, 32), replace(feature(24, 16), frac=3)))
    assert unlike == ["(24, 16) at frac 3 beside (24, 32) at 0"]


@pytest.mark.parametrize("window", FILTERS, ids=str)
def test_channel_filter(window: tuple[int, int, int]) -> None:
    (k, stride, border), grid = window, (8, 6)
    x, pad, m = ints(2, 48, 16), ints(1, 1, 16), ints(k * k, 16)
    op = make(ops.channel_filter.ChannelFilter, kernel=k, stride=stride, padding=border, m=m,
              in_grid=grid)  # fmt: skip
    around = F.pad(image_of(x - pad, grid).double(), (border,) * 4) + image_of(pad, (1, 1))
    weight = torch.from_numpy(m.T.reshape(16, 1, k, k)).double()
    check(op, tokens_of(F.conv2d(around, weight, stride=stride, groups=16)), x, pad)


@pytest.mark.parametrize("window", SUMS, ids=str)
def test_window_sum(window: tuple[int, int, int]) -> None:
    """Factors for every number of cells: an average that does not count the padding."""
    (k, stride, border), grid = window, (9, 7)
    x, plain = ints(2, 63, 16), {"kernel": k, "stride": stride, "padding": border, "in_grid": grid}
    op = make(ops.window_sum.WindowSum, m=ints(1, 16), **plain)
    cells = np.array([len(y.taps) * len(x.taps) for y, x in op.regions()])
    scale = ints(16)
    op = make(ops.window_sum.WindowSum, m=3600 // cells[:, None] * scale, **plain)
    assert (3600 % cells == 0).all()
    mean = F.avg_pool2d(image_of(x, grid).double(), k, stride, border, count_include_pad=False)
    check(op, torch.round(tokens_of(mean) * 3600).numpy() * scale, x)
    region, counted = WindowSum.regions(grid, k, stride, border)
    assert counted.tolist() == cells.tolist()
    assert region.shape == op.out_grid()


@pytest.mark.parametrize("window", UNEVEN, ids=str)
def test_windows_of_unequal_sides(window: tuple) -> None:
    """The padding at the far side as zeros, or smallest numbers, of an image."""
    (k, stride, border, far), grid = window, (8, 6)
    (top, left), (down, across) = both(border), both(far)
    x, m, cells = ints(2, 48, 16), ints(16), prod(both(k))
    plain = {"kernel": k, "stride": stride, "padding": border, "in_grid": grid, "far": far}
    image, sides = image_of(x, grid).double(), (left, left + across, top, top + down)
    least, taps = np.full((1, 1, 16), -(2**15)), ints(cells, 16)
    low = F.pad(image, sides, value=-(2.0**15))
    want = tokens_of(F.max_pool2d(low, k, stride))
    check(make(ops.max_pool.MaxPool, m=m, **plain), want * torch.from_numpy(m), x, least)
    weight = torch.from_numpy(taps.T.reshape(16, 1, *both(k))).double()
    filtered = tokens_of(F.conv2d(low, weight, stride=stride, groups=16))
    check(make(ops.channel_filter.ChannelFilter, m=taps, **plain), filtered, x, least)
    sums = F.avg_pool2d(F.pad(image, sides), k, stride, divisor_override=1)
    op = make(ops.window_sum.WindowSum, m=ints(1, 16), **plain)
    factors = ints(len(op.regions()), 16)
    region, _ = WindowSum.regions(grid, k, stride, border, far)
    assert region.shape == op.out_grid() == tuple(sums.shape[2:])
    check(replace(op, m=factors), tokens_of(sums).numpy() * factors[region.reshape(-1)], x)


def test_cross_filter_wraps_around() -> None:
    grid, x = (5, 7), ints(1, 35, 16)
    offsets = ((0, 0), (-1, 0), (2, 0), (0, -2), (0, 1))
    m = ints(len(offsets), 16)
    want = np.zeros((1, 35, 16), dtype=np.int64)
    for y in range(5):
        for column in range(7):
            for (dy, dx), factor in zip(offsets, m):
                source = (y + dy) % 5 * 7 + (column + dx) % 7
                want[0, y * 7 + column] += x[0, source] * factor
    check(make(ops.cross_filter.CrossFilter, offsets=offsets, m=m, in_grid=grid), want, x)


@pytest.mark.parametrize("mode", ["max", "sum"])
def test_merge_pool(mode: str) -> None:
    grid, x, m = (6, 6), ints(1, 36, 16), ints(16)
    image = image_of(x, grid).double()
    pooled = (
        F.max_pool2d(image, 3, 3, 1)
        if mode == "max"
        else F.avg_pool2d(image, 3, 3, 1, divisor_override=1)
    )
    op = make(ops.window.MergePool, window=3, mode=mode, m=m, in_grid=grid)
    check(op, tokens_of(pooled).numpy() * m, x)


def test_window_ops() -> None:
    z, m = ints(2, 4, 13, 16), ints(16)
    want = np.stack([sum(z[:, w, 9 + i] for w in range(4)) for i in range(4)], 1) * m
    check(make(ops.window.MergeMean, m=m), want, z)
    g = ints(2, 4, 16)
    op = make(ops.window.WindowMix, m=np.ones(16, dtype=np.int64), window=3)
    op = replace(op, sources=("z",), post=Post(pre="g", act_bits=24), feature=feature(4, 9, 16))
    got = op.execute({"z": z, "g": g})["op"]
    np.testing.assert_array_equal(got, z[:, :, :9] + g[:, :, None])


def test_layer_norm_gathers_and_normalises() -> None:
    x, merge = ints(1, 36, 16), ints(1, 4, 16)
    op = make(ops.layernorm.LayerNorm, eps=10, window=3, in_grid=(6, 6))
    got = op.accumulate(x, merge)
    assert got.shape == (1, 4, 13, 16)
    for window in range(4):
        rows = [
            x[0, (window // 2 * 3 + t // 3) * 6 + window % 2 * 3 + t % 3] for t in range(9)
        ] + list(merge[0])
        for token, row in enumerate(rows):
            mean = row.mean()
            want = (row - mean) / np.sqrt(row.var() + 10 / 16**2) * 2**12
            np.testing.assert_allclose(got[0, window, token], want, atol=4)


@pytest.mark.parametrize("neg", [0, 1])
def test_attention(neg: int) -> None:
    q, k, v = (bits(1, 2, 7, 128) for _ in range(3))
    kappa, m = np.array([[3000, 90000, 200000], [0, 50000, 700000]]), ints(128)
    op = make(ops.attention.Attention, kappa=kappa, neg=np.array([neg, 0]), m=m)
    want = np.zeros(q.shape, dtype=np.int64)
    for window in range(2):
        for head in range(2):
            part = slice(64 * head, 64 * head + 64)
            for query in range(7):
                e = [
                    int(exp_table()[int((q[0, window, query, part] == row[part]).sum())])
                    for row in k[0, window]
                ]
                for key in range(7):
                    bounds = [sum(e) * int(b) for b in kappa[head]]
                    lower = neg and head == 0
                    level = sum(
                        (e[key] << 20) <= b if lower else (e[key] << 20) >= b for b in bounds
                    )
                    want[0, window, query, part] += level * (
                        2 * v[0, window, key, part].astype(int) - 1
                    )
    check(op, want * m, q, k, v)


def plain_levels(op, q, k) -> np.ndarray:
    """Levels (windows, heads, N, M) of q (windows, N, C), k (windows, M, C) in Python integers."""
    (w, n), heads = q.shape[:2], q.shape[-1] // 64
    out = np.zeros((w, heads, n, k.shape[1]), dtype=np.int64)
    for window, head, query in np.ndindex(w, heads, n):
        part = slice(64 * head, 64 * head + 64)
        p = (q[window, query, part] == k[window, :, part]).sum(-1)
        e = [int(exp_table()[x]) for x in p]
        bounds = [sum(e) * int(b) for b in op.kappa[head]]
        out[window, head, query] = [sum((x << 20) >= b for b in bounds) for x in e]
    return out


@pytest.mark.parametrize(
    ("q", "k"),
    [((2, 1, 64), (2, 1, 64)), ((2, 3, 128), (2, 256, 128)), ((1, 49, 64), (1, 13, 64)),
     ((33, 64), (129, 64)), ((1, 128), (64, 128))],
    ids=str,
)  # fmt: skip
def test_attention_to_other_numbers_of_keys(q: tuple, k: tuple) -> None:
    """Windows and one whole grid; q's shape and grid stay; two images differ."""
    qb, kb, vb = bits(2, *q), bits(2, *k), bits(2, *k)
    heads, m = q[-1] // 64, ints(q[-1])
    kappa = np.tile([[1000, 1 << 19, ops.attention.NEVER]], (heads, 1))
    op = make(ops.attention.Attention, kappa=kappa, neg=np.zeros(heads, np.int64), m=m)
    types = [TensorType("bits", s, (0, 0)) for s in (q, k, k)]
    types[0] = TensorType("bits", q, (q[0], 1) if len(q) == 2 else (0, 0))
    assert list(op.violations(*types)) == []
    assert op.result(*types) == (q, types[0].grid)
    shape = (2, *((1, *q) if len(q) == 2 else q))
    want = np.zeros(shape, dtype=np.int64)
    for image in range(2):
        qi = qb[image].reshape(shape[1:])
        ki, vi = (x[image].reshape(qi.shape[0], -1, q[-1]) for x in (kb, vb))
        levels = plain_levels(op, qi, ki)
        np.testing.assert_array_equal(op.levels(qb, kb)[image], levels)
        for head in range(heads):
            part = slice(64 * head, 64 * head + 64)
            want[image, ..., part] = levels[:, head] @ (2 * vi[..., part].astype(int) - 1)
    check(op, want.reshape(qb.shape) * m, qb, kb, vb)
    low, high = op.acc_bounds(*types)
    assert low <= want.min() * abs(m).max()
    assert high == 3 * k[-2] * abs(m).max()


def test_no_score_reaches_never() -> None:
    """A single key has the largest share of its row sum, 1; more keys have less."""
    for p in range(65):
        assert attention_levels(np.array([[p]]), [ops.attention.NEVER] * 3, False).tolist() == [[0]]
        assert attention_levels(np.array([[p]]), [1 << 20] * 3, False).tolist() == [[3]]
    rows = np.random.default_rng(3).integers(0, 65, (200, 256))
    assert not attention_levels(rows, [ops.attention.NEVER] * 3, False).any()


@pytest.mark.parametrize(
    ("q", "k", "v", "rule"),
    [
        ((4095, 64), (256, 64), (256, 64), None),
        ((4096, 64), (49, 64), (49, 64), "4096 queries; a window has at most 4095"),
        ((49, 64), (257, 64), (257, 64), "257 keys; a window has at most 256"),
        (
            (2, 9, 64), (2, 4, 64), (2, 5, 64),
            "q, k, v of (2, 9, 64), (2, 4, 64), (2, 5, 64); k and v must be equal, "
            "q of as many windows and channels",
        ),
        (
            (2, 9, 64), (3, 4, 64), (3, 4, 64),
            "q, k, v of (2, 9, 64), (3, 4, 64), (3, 4, 64); k and v must be equal, "
            "q of as many windows and channels",
        ),
    ],
)  # fmt: skip
def test_attention_names_what_it_cannot_do(q, k, v, rule) -> None:
    kappa, neg = np.zeros((1, 3), np.int64), np.zeros(1, np.int64)
    op = make(ops.attention.Attention, kappa=kappa, neg=neg, m=ints(64))
    found = list(op.violations(*(TensorType("bits", shape, (0, 0)) for shape in (q, k, v))))
    assert found == ([] if rule is None else [rule])


def plain_post(p: Post, acc: int, c: int, pre: int, mid: int, out: int) -> tuple[int, int]:
    """The post chain in Python integers, straight from its equations."""

    def shift(x: int, s: int) -> int:
        return (x + (1 << s >> 1)) >> s

    def sat(x: int, width: int) -> int:
        return max(-(1 << (width - 1)), min((1 << (width - 1)) - 1, x))

    y = sat(shift(acc, p.sh1) + int(p.b[c]), 18) + pre
    if p.slope is not None:
        y = y if y >= 0 else shift(y * int(p.slope[c]), p.sh2)
    elif p.chords is not None:
        y = plain_chords(p.chords, y)
    y3 = sat(y, 18)
    y = y3 + mid
    if p.m3 is not None:
        y = sat(shift(y * int(p.m3[c]), p.sh3) + int(p.b3[c]), 18)
    elif p.b3 is not None:
        y = sat(y + int(p.b3[c]), 18)
    y6 = sat(y + out, p.act_bits)
    return y6, int((y3 if p.bit_y3 else y6) >= int(p.t[c]))


def plain_chords(chords: Chords, t: int) -> int:
    """Chord k covers 512 values from 512 k - 2**14 on."""
    k = min(max(t // 512 + 32, 0), 63)
    if t < -(1 << 14):
        return int(chords.intercept[0]) if chords.flat else 0
    if t >= 1 << 14:
        return int(chords.intercept[63]) if chords.flat else t
    return (t * int(chords.slope[k]) + (1 << 13) >> 14) + int(chords.intercept[k])


@pytest.mark.parametrize("seed", range(6))
def test_post_chain(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, c = 40, 16

    def vector(top: int = 32767) -> np.ndarray:
        return rng.integers(-top, top + 1, c)

    p = Post(sh1=int(rng.integers(0, 20)), b=vector(), t=vector(2000), act_bits=12 + 2 * (seed % 3))
    if seed % 3 == 0:
        p = replace(p, slope=vector(), sh2=int(rng.integers(0, 16)), b3=vector(500))
    elif seed % 3 == 1:
        table = rng.integers(-(1 << 15), 1 << 15, (2, 64))
        p = replace(p, chords=Chords("any", 12, seed == 4, *table))
    if seed % 2:
        p = replace(p, m3=vector(), sh3=int(rng.integers(0, 20)), b3=vector(), bit_y3=seed > 3)
    acc = rng.integers(-(1 << 36), 1 << 36, (n, c)) >> rng.integers(0, 30, (n, 1))
    pre, mid, out = (rng.integers(-2000, 2000, (n, c)) for _ in range(3))
    feature_, bit = p.run(acc, pre, mid, out)
    want = [
        [
            plain_post(p, int(acc[i, j]), j, *(int(r[i, j]) for r in (pre, mid, out)))
            for j in range(c)
        ]
        for i in range(n)
    ]
    np.testing.assert_array_equal(feature_, np.array(want)[..., 0])
    np.testing.assert_array_equal(bit, np.array(want)[..., 1])
    lo, hi = p.bounds(
        int(acc.min()), int(acc.max()), *[replace(feature(n, c), lo=-2000, hi=1999)] * 3
    )
    assert lo <= feature_.min()
    assert feature_.max() <= hi


def test_post_pools_adjacent_channels_and_repeats_residuals() -> None:
    acc, pre = ints(3, 32), ints(3, 16)
    got, _ = Post(pool=2).run(acc, pre)
    full = acc + np.concatenate([pre, pre], 1)
    np.testing.assert_array_equal(got, rshift_round(full.reshape(3, 8, 4).sum(-1), 2))


def test_a_reload_gives_the_values_of_its_source() -> None:
    t = TensorType("feature", (12, 16), (4, 3), 2, -50, 50)
    op = ops.reload.Reload("again", ("x",), Post(), t, None)
    x = ints(2, 12, 16)
    assert op.execute({"x": x})["again"] is x
    assert (op.result(t), op.acc_bounds(t)) == (((12, 16), (4, 3)), (-50, 50))
    assert op.source_rows(1, 2) == [1, 2]


def test_norm_stats_of_arrays_is_the_scalar_form() -> None:
    x = RNG.integers(-32768, 32768, (50, 64)) >> RNG.integers(0, 16, (50, 1))
    _, r, shift = norm_stats(x, 64, 7)
    for row, got_r, got_shift in zip(x, r, shift):
        v = int((row * row).sum()) * 64 - int(row.sum()) ** 2 + 7
        want, h = rsqrt_fixed(v)
        full = max(3, h + 3 - 6)
        assert got_shift == min(17, full - (full + 1) % 2)
        assert got_r == (2 * want + (1 << (full - got_shift))) // (2 << (full - got_shift))


def test_every_op_of_the_registry_is_tested_here() -> None:
    text = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    for name in ops.REGISTRY:
        assert name == "Constant" or f".{name}" in text, name
