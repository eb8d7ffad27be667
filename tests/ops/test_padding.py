"""Ops that read beyond the grid, or a coarser one: against PyTorch and plain loops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from hwgen import ops
from hwgen.ir import TensorType
from hwgen.ops.base import Op
from hwgen.ops.post import Post
from tests.ops.operands import bits, check, feature, image_of, ints, make, tokens_of

LOWEST = -(1 << 15)


def image(h: int, w: int, c: int = 3) -> TensorType:
    return TensorType("image", (h, w, c), (h, w), 0, 0, 255)


def padded(cls: type[Op], **parameters: object) -> Op:
    return replace(make(cls, **parameters), sources=("x", "pad"))


@pytest.mark.parametrize("grid", [(1, 1), (1, 4), (2, 3), (3, 1), (5, 7)], ids=str)
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("radius", [1, 2])
def test_zero_padded_means_are_filters(grid: tuple, axis: int, radius: int) -> None:
    x, reach = ints(2, grid[0] * grid[1], 16), range(-radius, radius + 1)
    offsets = tuple((r, 0) if axis == 0 else (0, r) for r in reach)
    m = np.ones((len(offsets), 16), dtype=np.int64)
    kernel = (len(offsets), 1) if axis == 0 else (1, len(offsets))
    padding = tuple(k // 2 for k in kernel)
    want = F.avg_pool2d(image_of(x, grid).double(), kernel, 1, padding, divisor_override=1)
    op = padded(ops.cross_filter.CrossFilter, offsets=offsets, m=m, in_grid=grid)
    assert op.is_cross
    check(op, tokens_of(want), x, np.zeros((2, 1, 16), dtype=np.int64))


@pytest.mark.parametrize("grid", [(1, 1), (2, 2), (4, 1), (3, 5)], ids=str)
@pytest.mark.parametrize(
    "offsets",
    [
        ((0, 0), (0, 1), (0, -1), (2, 0), (-2, 0)),
        ((-1, -1), (1, 1), (0, 0)),
        ((7, -8), (-9, 7), (0, 3), (3, 0)),
        ((1, 0),),
    ],
    ids=str,
)
def test_a_padded_filter_reads_the_pad_outside_the_grid(grid: tuple, offsets: tuple) -> None:
    h, w = grid
    x, pad, m = ints(2, h * w, 16), ints(2, 1, 16), ints(len(offsets), 16)
    want = np.zeros((2, h * w, 16), dtype=np.int64)
    for y in range(h):
        for column in range(w):
            for (dy, dx), factor in zip(offsets, m):
                inside = 0 <= y + dy < h and 0 <= column + dx < w
                value = x[:, (y + dy) * w + column + dx] if inside else pad[:, 0]
                want[:, y * w + column] += value * factor
    op = padded(ops.cross_filter.CrossFilter, offsets=offsets, m=m, in_grid=grid)
    check(op, want, x, pad)
    types = feature(h * w, 16, grid=grid), feature(1, 16, grid=(1, 1))
    assert list(op.violations(*types)) == []
    assert op.result(*types) == ((h * w, 16), grid)
    low, high = op.acc_bounds(*types)
    assert low <= want.min()
    assert want.max() <= high


def test_bounds_of_a_padded_filter_hold_the_pad() -> None:
    x, pad = (replace(feature(4, 16, grid=(2, 2)), lo=lo, hi=hi) for lo, hi in ((0, 5), (-9, 90)))
    op = padded(ops.cross_filter.CrossFilter, offsets=((1, 0),), m=ints(1, 16), in_grid=(2, 2))
    op = replace(op, m=np.full((1, 16), 2))
    assert op.acc_bounds(x, pad) == (-18, 180)


@pytest.mark.parametrize(
    ("padding", "first", "count", "rows"),
    [(True, 0, 2, [0, 1, 2]), (True, 4, 2, [3, 4, 5]), (False, 0, 2, [0, 1, 2, 5])],
)
def test_rows_of_a_filter(padding: bool, first: int, count: int, rows: list[int]) -> None:
    offsets, m = ((-1, 0), (1, 0)), ints(2, 16)
    op = make(ops.cross_filter.CrossFilter, offsets=offsets, m=m, in_grid=(6, 4))
    op = replace(op, sources=("x", "pad")) if padding else op
    assert op.operand_rows("x", first, count) == rows
    if padding:
        assert op.operand_rows("pad", first, count) is None


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "size"),
    [
        (7, 2, 3, (14, 16)), (3, 1, 1, (5, 4)), (3, 2, 0, (9, 8)), (5, 3, 2, (8, 11)),
        (4, 2, 3, (6, 6)), (2, 4, 0, (8, 12)), (1, 1, 0, (3, 3)), (2, 2, 1, (5, 7)),
    ],
)  # fmt: skip
def test_image_conv(kernel: int, stride: int, padding: int, size: tuple[int, int]) -> None:
    """F.conv2d of the image minus the pad, which zero padding then is."""
    x = np.random.default_rng(kernel).integers(0, 256, (2, *size, 3))
    w, pad = ints(16, kernel, kernel, 3, top=127), np.array([0, 124, 255])
    weight = torch.from_numpy(w).permute(0, 3, 1, 2).double()
    around = torch.from_numpy(x - pad).permute(0, 3, 1, 2).double()
    want = F.conv2d(around, weight, None, stride, padding)
    constant = torch.from_numpy((w * pad).sum((1, 2, 3)))
    op = make(ops.image_conv.ImageConv, weight=w, pad=pad, stride=stride, padding=padding,
              in_grid=size)  # fmt: skip
    check(op, tokens_of(want) + constant, x)
    assert op.result_grid == tuple(want.shape[2:])
    assert op.result(image(*size)) == ((want.shape[2] * want.shape[3], 16), op.result_grid)
    assert list(op.violations(image(*size))) == []
    low, high = op.acc_bounds(image(*size))
    assert low <= op.accumulate(x).min()
    assert op.accumulate(x).max() <= high


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "products", "margins"),
    [(7, 2, 3, 2, (10, 6)), (3, 1, 1, 1, (3, 3)), (3, 2, 0, 2, (0, 0)), (3, 2, 1, 2, (4, 0))],
)
def test_beats_of_an_image_conv(
    kernel: int, stride: int, padding: int, products: int, margins: tuple[int, int]
) -> None:
    """The elements that the beats read, as they lie in memory, give the convolution."""
    size = (9, 16)
    x = np.random.default_rng(1).integers(0, 256, (1, *size, 3))
    w, pad = ints(16, kernel, kernel, 3, top=127), np.array([7, 8, 9])
    op = make(ops.image_conv.ImageConv, weight=w, pad=pad, stride=stride, padding=padding,
              in_grid=size)  # fmt: skip
    assert (op.products, op.margins) == (products, margins)
    left, right = margins
    assert op.products == 1 or left % 2 == 0 == stride * 3 % 2
    around = np.pad(np.zeros((size[0] + 2 * padding, size[1], 3), dtype=np.int64) + pad,
                    ((0, 0), (padding + 1, padding + 3), (0, 0)), "edge")  # fmt: skip
    around[padding : padding + size[0], padding + 1 : padding + 1 + size[1]] = x[0]
    flat = around.reshape(len(around), -1)
    start = 3 * (padding + 1) - left  # of the first window, with its lead
    weights, run = op.beat_weights(), op.row_beats * products
    assert weights.shape == (op.word_beats, products, 16)
    got = np.zeros((*op.result_grid, 16), dtype=np.int64)
    for y, column in np.ndindex(*op.result_grid):
        at = start + column * stride * 3
        rows = flat[y * stride : y * stride + kernel, at : at + run]
        assert at + run <= 3 * (padding + 1 + size[1]) + right
        got[y, column] = np.tensordot(rows.reshape(-1, products), weights, 2)
    np.testing.assert_array_equal(got.reshape(1, -1, 16), op.accumulate(x))


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "grid"),
    [(3, 2, 1, (6, 8)), (2, 2, 0, (4, 6)), (3, 1, 1, (3, 5)), (2, 1, 1, (3, 2)), (2, 2, 1, (4, 4)),
     (3, 3, 0, (7, 6)), (1, 2, 0, (5, 4)), (1, 1, 0, (1, 1)), (3, 2, 1, (1, 2))],
)  # fmt: skip
def test_max_pool(kernel: int, stride: int, padding: int, grid: tuple[int, int]) -> None:
    x, m = ints(2, grid[0] * grid[1], 16, top=1 << 15).clip(LOWEST, 32767), ints(16)
    x[:, 0] = LOWEST  # as small as the padding
    want = F.max_pool2d(image_of(x, grid).double(), kernel, stride, padding)
    op = padded(ops.max_pool.MaxPool, kernel=kernel, stride=stride, padding=padding, m=m,
                in_grid=grid)  # fmt: skip
    check(op, tokens_of(want).numpy() * m, x, np.full((2, 1, 16), LOWEST))
    types = feature(x.shape[1], 16, grid=grid), lowest()
    assert op.result(*types) == ((want.shape[2] * want.shape[3], 16), tuple(want.shape[2:]))
    assert list(op.violations(*types)) == []
    low, high = op.acc_bounds(*types)
    assert low <= (tokens_of(want).numpy() * m).min()
    assert (tokens_of(want).numpy() * m).max() <= high


def lowest() -> TensorType:
    return replace(feature(1, 16, grid=(1, 1)), lo=LOWEST, hi=LOWEST)


@pytest.mark.parametrize(
    ("first", "count", "rows"), [(0, 1, [0, 1]), (1, 2, [1, 2, 3, 4, 5]), (3, 1, [5, 6, 7])]
)
def test_rows_of_a_max_pool(first: int, count: int, rows: list[int]) -> None:
    op = padded(ops.max_pool.MaxPool, kernel=3, stride=2, padding=1, m=ints(16), in_grid=(8, 8))
    assert op.operand_rows("x", first, count) == rows
    assert op.operand_rows("pad", first, count) is None


def test_rows_of_an_image_conv_count_those_in_the_padding() -> None:
    op = make(ops.image_conv.ImageConv, weight=ints(16, 7, 7, 3, top=9), pad=np.zeros(3, int),
              stride=2, padding=3, in_grid=(8, 8))  # fmt: skip
    assert op.source_rows(0, 1) == list(range(-3, 4))
    assert op.source_rows(2, 2) == list(range(1, 10))


@pytest.mark.parametrize("factor", [2, 3])
@pytest.mark.parametrize("stage", ["pre", "mid", "out"])
def test_a_coarse_residual_is_upsampled(factor: int, stage: str) -> None:
    grid = (2 * factor, 3 * factor)
    tokens = grid[0] * grid[1]
    a, w, m, coarse = bits(2, tokens, 16), bits(32, 16), ints(32), ints(2, 6, 16)
    op = make(ops.xnor.XnorLinear, weight=w, m=m)
    op = replace(op, feature=feature(tokens, 32, grid=grid), post=Post(act_bits=24, **{stage: "r"}))
    up = F.interpolate(image_of(coarse, (2, 3)).double(), scale_factor=factor, mode="nearest")
    twice = np.tile(tokens_of(up).numpy(), (1, 1, 2))  # the channels repeat
    want = op.accumulate(a) + twice
    np.testing.assert_array_equal(op.execute({"x": a, "r": coarse})["op"], want)


def conv(**changes: object) -> Op:
    fields = {"weight": ints(16, 3, 3, 3, top=127), "pad": np.array([0, 9, 255]), "stride": 2,
              "padding": 1, "in_grid": (8, 8)}  # fmt: skip
    return make(ops.image_conv.ImageConv, **(fields | changes))


def pool(**changes: object) -> Op:
    fields = {"kernel": 3, "stride": 2, "padding": 1, "m": ints(16), "in_grid": (8, 8)}
    return padded(ops.max_pool.MaxPool, **(fields | changes))


def filter_(*offsets: tuple[int, int]) -> Op:
    m = ints(len(offsets), 16)
    return padded(ops.cross_filter.CrossFilter, offsets=offsets, m=m, in_grid=(8, 8))


GRID = feature(64, 16, grid=(8, 8))
ZERO = feature(1, 16, grid=(1, 1))
VIOLATIONS = [
    (conv(in_grid=(8, 9)), (image(8, 8),), "in_grid (8, 9); the source is image on (8, 8)"),
    (conv(), (GRID,), "in_grid (8, 8); the source is feature on (8, 8)"),
    (conv(), (image(8, 8, 4),), "weight of 3 inputs; the source has 4 channels"),
    (conv(pad=np.zeros(4, int)), (image(8, 8),), "weight of 3 inputs; the source has 3 channels"),
    (conv(weight=np.full((16, 3, 3, 3), -128)), (image(8, 8),),
     "weight in [-128, -128]; must fit 8 bits"),
    (conv(padding=3), (image(8, 8),), "padding 3; must be less than the kernel 3"),
    (conv(pad=np.array([0, 9, 256])), (image(8, 8),), "pad [  0   9 256]; must be 0..255"),
    (pool(in_grid=(8, 6)), (GRID, lowest()), "in_grid (8, 6); the source is on (8, 8)"),
    (pool(stride=3), (GRID, lowest()),
     "kernel 3, stride 3, padding 1 on (8, 8); the stride must divide the width, windows have at "
     "most 12 cells and 8 columns, the padding is smaller"),
    (pool(kernel=4), (GRID, lowest()),
     "kernel 4, stride 2, padding 1 on (8, 8); the stride must divide the width, windows have at "
     "most 12 cells and 8 columns, the padding is smaller"),
    (pool(kernel=(1, 9)), (GRID, lowest()),
     "kernel (1, 9), stride 2, padding 1 on (8, 8); the stride must divide the width, windows have "
     "at most 12 cells and 8 columns, the padding is smaller"),
    (pool(), (GRID, ZERO), "pad (1, 16) up to 32767; must be (1, 16), at most -32768"),
    (pool(), (GRID, replace(lowest(), shape=(2, 16))),
     "pad (2, 16) up to -32768; must be (1, 16), at most -32768"),
    (filter_((0, 0)), (GRID, replace(ZERO, frac=3)),
     "pad (1, 16) at frac 3; must be (1, 16) at 0"),
    (filter_((0, 0)), (GRID, feature(1, 32)), "pad (1, 32) at frac 0; must be (1, 16) at 0"),
    (filter_((0, 8)), (GRID, ZERO), "a column offset; must be -8..7"),
    (filter_(*((0, k) for k in range(-6, 7))), (GRID, ZERO), "13 taps; must be at most 12"),
]  # fmt: skip


@pytest.mark.parametrize(("op", "types", "rule"), VIOLATIONS, ids=[v[-1] for v in VIOLATIONS])
def test_what_breaks_a_rule_is_named(op: Op, types: tuple, rule: str) -> None:
    assert next(iter(op.violations(*types))) == rule
