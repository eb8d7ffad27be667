"""A random integer graph whose attentions have other keys than queries, few and many of them."""

from __future__ import annotations

import numpy as np

from hwgen.ir import Graph, TensorType
from hwgen.ops.attention import NEVER, Attention
from hwgen.ops.dense import PatchConv
from hwgen.ops.layernorm import LayerNorm
from hwgen.ops.vector import AvgPool, TokenMean
from hwgen.ops.window import MergePool, WindowMix
from hwgen.ops.xnor import XnorLinear
from tests.graphs import Maker


def attention_graph(
    seed: int = 0, side: int = 12, c: int = 128, window: int = 3, head: int = 64
) -> Graph:
    """Attentions of a grid to its pooled grid, to itself, from the pooled grid, with one level, and
    of windows to themselves and the merge tokens, in heads of `head` of the c channels.

    The first four follow each other without another op between; the third one reads what the first
    wrote. Queries x keys with side 12: 144 x 36, 144 x 144, 36 x 144, 36 x 36, 9 x 25.
    """
    m = Maker(seed)
    n, heads = side // window, c // head
    grid, small, windows = (side, side), (side // 2, side // 2), (n, n)
    whole, pooled = (side**2, c), (side**2 // 4, c)

    def linear(name: str, x: str, shape: tuple[int, ...], grid=(0, 0), **k) -> str:
        post = m.post(c, "rp", "bits", sh1=3, **k)
        return m.add(
            XnorLinear, name, [f"{x}.bits"], post, shape, grid,
            weight=m.weight(c, c), m=m.ints(-300, 300, c),
        )  # fmt: skip

    def attention(
        name: str, *qkv: str, levels: int = 3, shape=whole, grid=(0, 0), stages=("bits",), **k
    ) -> str:
        kappa = np.sort(m.ints(1000, 60000, heads, 3), 1)
        kappa[:, levels:] = NEVER
        neg = m.ints(0, 2, heads) if levels == 3 else np.zeros(heads, dtype=np.int64)
        post = m.post(c, "rp", *stages, sh1=3, **k)
        return m.add(
            Attention, name, [f"{x}.bits" for x in qkv], post, shape, grid,
            kappa=kappa, neg=neg, m=m.ints(-300, 300, c),
        )  # fmt: skip

    x = m.add(
        PatchConv, "stem", ["image"], m.post(c, "bits", sh1=5), whole, grid,
        weight=m.ints(-127, 128, c, 2, 2, 3), in_grid=(2 * side, 2 * side),
    )  # fmt: skip
    pool = m.add(
        AvgPool, "pool", [x], m.post(c, "bits", sh1=13), pooled, small,
        kernel=2, m=m.ints(-9000, 9000, c), in_grid=grid,
    )  # fmt: skip
    q, k = linear("q", x, whole, grid), linear("k", x, whole, grid)
    few, v = linear("few", pool, pooled, small), linear("v", pool, pooled, small)
    near = attention("near", q, few, v, grid=grid)
    far = attention("far", q, k, q, grid=grid, stages=(), pre=near)
    back = attention("back", few, near, near, shape=pooled, grid=small, stages=())
    one = {"levels": 1, "stages": (), "shape": pooled, "grid": small}
    single = attention("single", few, few, v, pre=back, **one)

    scale = m.ints(0, 6000, c)
    merge = m.add(
        MergePool, "merge", [far], m.post(c, sh1=16), (n * n, c), windows,
        window=window, mode="sum", m=scale, in_grid=grid,
    )  # fmt: skip
    t = m.add(
        LayerNorm, "norm", [far, merge], m.post(c, "aff", "bits", sh1=0, b=None),
        (n * n, window**2 + n * n, c), eps=12345, window=window, in_grid=grid,
    )  # fmt: skip
    inside = (n * n, window**2, c)
    mix = m.add(
        WindowMix, "mix", [t], m.post(c, "bits", sh1=15, pre=merge), inside,
        m=m.ints(0, 20000, c), window=window,
    )  # fmt: skip
    y = attention("windows", mix, t, t, shape=inside)
    y = m.add(
        XnorLinear, "project", [f"{y}.bits"], m.post(c, "rp", sh1=3, out=x), whole, grid,
        weight=m.weight(c, c), m=m.ints(-300, 300, c), unwindow=window,
    )  # fmt: skip

    ends = None
    for name, source in (("mean", single), ("all", y)):
        post = m.post(c, sh1=13, pre=ends)
        scale = m.ints(-3000, 3000, c)
        ends = m.add(TokenMean, name, [source], post, (1, c), (1, 1), m=scale)
    m.add(
        PatchConv, "head", [ends], m.post(32, sh1=12), (1, 32), (1, 1),
        weight=m.ints(-127, 128, 32, 1, 1, c), in_grid=(1, 1),
    )  # fmt: skip
    image = TensorType("image", (2 * side, 2 * side, 3), (2 * side, 2 * side), 0, 0, 255)
    return Graph({"image": image}, tuple(m.ops), "head", {"classes": 10, "name": "attention"})
