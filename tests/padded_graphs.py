"""Random integer graphs that read beyond their grids: padded filters, stems with max-pools."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.engine.sides import Sides, both
from hwgen.ir import Graph, TensorType
from hwgen.ops.constant import Constant
from hwgen.ops.cross_filter import CrossFilter
from hwgen.ops.dense import PatchConv
from hwgen.ops.image_conv import ImageConv
from hwgen.ops.max_pool import MaxPool
from hwgen.ops.post import Post
from hwgen.ops.vector import AvgPool, Pointwise, TokenMean
from hwgen.ops.xnor import XnorLinear
from tests.graphs import TAPS, Maker

LOWEST = -(1 << 15)
# beyond the cross: diagonals, far columns, and a row that is never inside a low grid
FAR = ((0, 0), (-1, -1), (1, 1), (0, 7), (0, -8), (5, 0), (-3, 2))


def pad(m: Maker, name: str, value: np.ndarray) -> str:
    """A word of constants (1, C) that is read outside the grid."""
    kind = TensorType("feature", value.shape, (1, 1), 8, int(value.min()), int(value.max()))
    m.ops.append(Constant(name, (), Post(), kind, None, value))
    return name


def ending(m: Maker, x: str, c: int, image: tuple[int, int], name: str) -> Graph:
    """Mean and classifier."""
    scale = m.ints(-3000, 3000, c)
    mean = m.add(TokenMean, "mean", [x], m.post(c, sh1=13), (1, c), (1, 1), m=scale)
    m.add(
        PatchConv, "head", [mean], m.post(32, sh1=12), (1, 32), (1, 1),
        weight=m.ints(-127, 128, 32, 1, 1, c), in_grid=(1, 1),
    )  # fmt: skip
    kind = TensorType("image", (*image, 3), image, 0, 0, 255)
    return Graph({"image": kind}, tuple(m.ops), "head", {"classes": 10, "name": name})


def filter_graph(height: int, width: int, coarse: int = 0, c: int = 32, seed: int = 0) -> Graph:
    """Padded filters on a height x width grid: a cross beside the linear layer that adds it, a
    cross alone, other offsets, all of other pads.

    coarse > 0: a binary layer on the grid pooled by it, whose result linear layers of one and of
    four weight tiles add to every cell (as pre and as out).
    """
    m = Maker(seed)
    k = 4 if coarse else 2  # products a beat: 4, and 2 with weights from WB, as LDW's are
    grid, tokens, image = (height, width), height * width, (k * height, k * width)

    def padded(name: str, x: str, offsets: tuple, **post) -> str:
        word = pad(m, f"{name}.pad", m.ints(-30000, 30000, 1, c))
        k = {"offsets": offsets, "m": m.ints(-9000, 9000, len(offsets), c), "in_grid": grid}
        stages = post.pop("stages", ())
        post = m.post(c, *stages, sh1=15, **post)
        return m.add(CrossFilter, name, [x, word], post, (tokens, c), grid, **k)

    def linear(name: str, x: str, below: int, shape: tuple, on: tuple, *stages: str, **post) -> str:
        channels = shape[-1]
        k = {"weight": m.weight(channels, below), "m": m.ints(-300, 300, channels)}
        k["feature"] = channels == c  # of the wide ones only bits are read
        post = m.post(channels, "rp", *stages, **post)
        return m.add(XnorLinear, name, [f"{x}.bits"], post, shape, on, **k)

    x = m.add(
        PatchConv, "stem", ["image"], m.post(c, "bits", sh1=2 * k + 3), (tokens, c), grid,
        weight=m.ints(-3000, 3000, c, k, k, 3) if k == 4 else m.ints(-127, 128, c, k, k, 3),
        in_grid=image,
    )  # fmt: skip
    wide = linear("wide", x, c, (tokens, 16 * c), grid, "bits")
    cross = padded("cross", x, TAPS)
    x = linear("beside", wide, 16 * c, (tokens, c), grid, "bits", out=cross)
    x = padded("alone", x, tuple(o for o in TAPS if o != (0, 0)), stages=("aff",), out=x)
    x = padded("far", x, FAR, stages=("bits",))
    if coarse:
        small = (height // coarse, width // coarse)
        shape = (small[0] * small[1], c)
        pooled = m.add(
            AvgPool, "pool", [x], m.post(c, "bits", sh1=13), shape, small,
            kernel=coarse, m=m.ints(-4000, 4000, c), in_grid=grid,
        )  # fmt: skip
        low = linear("low", pooled, c, shape, small, pre=pooled)
        x = linear("one", x, c, (tokens, c), grid, "aff", "bits", pre=low, out=x)
        wide = linear("again", x, c, (tokens, 16 * c), grid, "bits", pre=low)
        x = linear("four", wide, 16 * c, (tokens, c), grid, pre=x, out=low)
    return ending(m, x, c, image, "filter")


@dataclass(frozen=True)
class Stem:
    """A convolution (kernel, stride, padding) of a height x width image, then a max-pool."""

    image: tuple[int, int]
    conv: tuple[Sides, Sides, Sides]
    pool: tuple[Sides, Sides, Sides]

    @staticmethod
    def grid(grid: tuple[int, int], *window: Sides) -> tuple[int, int]:
        """That of the results of a kernel, stride and padding."""
        places = zip(grid, *map(both, window))
        height, width = ((side + 2 * p - k) // s + 1 for side, k, s, p in places)
        return height, width


# row elements are multiples of 32 lanes, but of the last four; products a beat: 2, 1, 1, 2, 2, 2,
# 1, 2, 1, 2
STEMS = (
    Stem((24, 32), (7, 2, 3), (3, 2, 1)),
    Stem((10, 32), (3, 1, 1), (2, 2, 0)),
    Stem((16, 32), (5, 3, 2), (3, 1, 1)),
    Stem((21, 32), (3, 2, 0), (3, 3, 0)),  # no margin, but windows overlap
    Stem((16, 32), (4, 2, 1), (2, 2, 1)),  # more columns than strides in the row
    Stem((17, 32), (2, 4, 0), (2, 1, 1)),  # windows that leave pixels out
    Stem((8, 18), (3, 1, 1), (2, 2, 0)),  # rows of 54 elements: the last word holds padding
    Stem((11, 15), (4, 2, 0), (1, 2, 0)),  # rows of 45, no margin
    Stem((16, 14), ((3, 5), (2, 1), (1, 2)), ((2, 1), (2, 1), 0)),
    Stem((9, 16), ((1, 7), (1, 2), (0, 3)), ((1, 3), 1, (0, 1))),
)


def stem_graph(stem: Stem, c: int = 32, seed: int = 0, again: bool = False) -> Graph:
    """The stem, a layer on the pooled grid that reads its bits; again: one more reads the stem's
    feature, which then is there as a whole."""
    m = Maker(seed)
    grid = Stem.grid(stem.image, *stem.conv)
    below = Stem.grid(grid, *stem.pool)
    tokens, small = (grid[0] * grid[1], c), (below[0] * below[1], c)
    kernel, stride, padding = stem.conv
    x = m.add(
        ImageConv, "stem", ["image"], m.post(c, "aff", sh1=7), tokens, grid,
        weight=m.ints(-127, 128, c, *both(kernel), 3), pad=m.ints(0, 256, 3),
        stride=stride, padding=padding, in_grid=stem.image,
    )  # fmt: skip
    word = pad(m, "pool.pad", np.full((1, c), LOWEST))
    kernel, stride, padding = stem.pool
    y = m.add(
        MaxPool, "pool", [x, word], m.post(c, "bits", sh1=13), small, below,
        kernel=kernel, stride=stride, padding=padding, m=m.ints(-9000, 9000, c), in_grid=grid,
    )  # fmt: skip
    k = {"weight": m.weight(c, c), "m": m.ints(-300, 300, c)}
    y = m.add(XnorLinear, "line", [f"{y}.bits"], m.post(c, "rp", pre=y), small, below, **k)
    if again:
        bits = m.post(c, "bits", sh1=13)
        scale = m.ints(-9000, 9000, c)
        x = m.add(Pointwise, "point", [x], bits, tokens, grid, feature=False, m=scale)
        k = {"weight": m.weight(c, c), "m": m.ints(-300, 300, c)}
        x = m.add(XnorLinear, "also", [f"{x}.bits"], m.post(c), tokens, grid, **k)
        ends = m.post(c, sh1=13)
        scale = m.ints(-3000, 3000, c)
        x = m.add(TokenMean, "mean of all", [x], ends, (1, c), (1, 1), m=scale)
        y = m.add(Pointwise, "whole", [y], m.post(c, sh1=13), small, below, m=scale)
    graph = ending(m, y, c, stem.image, "stem")
    if not again:
        return graph
    mean = graph.op("mean")
    fields = {**vars(mean.post), "pre": "mean of all"}
    ops = [type(o)(**(vars(o) | {"post": Post(**fields)})) if o is mean else o for o in graph.ops]
    return Graph(graph.inputs, tuple(ops), graph.output, graph.meta)
