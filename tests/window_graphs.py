"""A random integer graph of filters, sums and maxima over windows of every stride and padding."""

from __future__ import annotations

from hwgen.ir import Graph
from hwgen.ops.channel_filter import ChannelFilter
from hwgen.ops.dense import PatchConv
from hwgen.ops.max_pool import MaxPool
from hwgen.ops.window_sum import WindowSum
from tests.graphs import Maker
from tests.padded_graphs import LOWEST, ending, pad

FILTERS = ((3, 2, 1), (3, 1, 0), (3, 3, 2), (2, 2, 1), (3, 2, 0))  # kernel, stride, padding
SUMS = ((3, 2, 1), (3, 1, 1), (3, 3, 0), (5, 1, 2), (4, 3, 2), (2, 2, 0))
EVERY = (2, 3)  # strides of a maximum of one cell, of any width


def window_graph(height: int = 8, width: int = 6, c: int = 32, seed: int = 0) -> Graph:
    """All of one value; signs too, of the strided ones kept beside the feature."""
    m, grid, image = Maker(seed), (height, width), (2 * height, 2 * width)
    stem = m.add(
        PatchConv, "stem", ["image"], m.post(c, sh1=5), (height * width, c), grid,
        weight=m.ints(-127, 128, c, 2, 2, 3), in_grid=image,
    )  # fmt: skip

    def side(length: int, k: int, s: int, p: int) -> int:
        return (length + 2 * p - k) // s + 1

    def put(cls: type, name: str, sources: list[str], window: tuple, **more) -> str:
        k, s, p = window
        out = (side(height, k, s, p), side(width, k, s, p))
        stages = ("rp", "bits") if s > 1 else ("aff",)
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
    return ending(m, stem, c, image, "windows")
