"""A random integer graph of filters, sums and maxima over windows of every stride and padding."""

from __future__ import annotations

from math import prod

from hwgen.engine.sides import both
from hwgen.ir import Graph
from hwgen.ops.channel_filter import ChannelFilter
from hwgen.ops.dense import PatchConv
from hwgen.ops.max_pool import MaxPool
from hwgen.ops.window_sum import WindowSum
from tests.graphs import Maker
from tests.padded_graphs import LOWEST, ending, pad

FILTERS = ((3, 2, 1), (3, 1, 0), (3, 3, 2), (2, 2, 1), (3, 2, 0))  # kernel, stride, padding
SUMS = ((3, 2, 1), (3, 1, 1), (3, 3, 0), (5, 1, 2), (4, 3, 2), (2, 2, 0))
UNEVEN = (  # kernel, stride, padding, padding at the far side beyond it
    ((1, 3), (2, 1), (0, 1), 0), ((3, 2), (2, 1), (1, 0), (0, 1)), ((5, 1), 1, (2, 0), (0, 0)),
    ((2, 3), (3, 1), 1, (0, 1)), (3, (2, 1), (0, 1), (1, 1)), ((2, 3), (1, 2), (0, 1), (0, 1)),
)  # fmt: skip
EVERY = (2, 3)  # strides of a maximum of one cell, of any width


def window_graph(height: int = 8, width: int = 6, c: int = 32, seed: int = 0) -> Graph:
    """All of one value; signs too, of the strided ones kept beside the feature."""
    m, grid, image = Maker(seed), (height, width), (2 * height, 2 * width)
    stem = m.add(
        PatchConv, "stem", ["image"], m.post(c, sh1=5), (height * width, c), grid,
        weight=m.ints(-127, 128, c, 2, 2, 3), in_grid=image,
    )  # fmt: skip

    def put(cls: type, name: str, sources: list[str], window: tuple, **more) -> str:
        k, s, p = window
        sizes = zip(grid, *map(both, (k, s, p, more.get("far", 0))))
        out = tuple((side + 2 * b + f - a) // step + 1 for side, a, step, b, f in sizes)
        stages = ("rp", "bits") if s != 1 else ("aff",)
        return m.add(
            cls, f"{name} k{k}s{s}p{p}", sources, m.post(c, *stages, sh1=13), (out[0] * out[1], c),
            out, kernel=k, stride=s, padding=p, in_grid=grid, **more,
        )  # fmt: skip

    for window in FILTERS:
        if width % window[1] == 0:
            outside = pad(m, f"filter {window}.pad", m.ints(-30000, 30000, 1, c))
            taps = m.ints(-3000, 3000, window[0] ** 2, c)
            put(ChannelFilter, "filter", [stem, outside], window, m=taps)
    for k, s, p in SUMS:
        op = WindowSum("", (), m.post(c), None, None, k, s, p, m.ints(0, 1), grid)
        put(WindowSum, "sum", [stem], (k, s, p), m=m.ints(-3000, 3000, len(op.regions()), c))
    least = m.ints(LOWEST, LOWEST + 1, 1, c)
    for stride in EVERY:
        outside = pad(m, f"every {stride}.pad", least)
        put(MaxPool, "every", [stem, outside], (1, stride, 0), m=m.ints(-9000, 9000, c))
    for *window, far in UNEVEN:
        op = WindowSum("", (), m.post(c), None, None, *window, m.ints(0, 1), grid, far)
        factors = {"m": m.ints(-3000, 3000, len(op.regions()), c), "far": far}
        put(WindowSum, "sum", [stem], window, **factors)
        if width % both(window[1])[1]:
            continue
        outside = pad(m, f"{window}.pad", least)
        for cls, taps in ((MaxPool, ()), (ChannelFilter, (prod(both(window[0])),))):
            put(cls, cls.__name__, [stem, outside], window, m=m.ints(-900, 900, *taps, c), far=far)
    return ending(m, stem, c, image, "windows")
