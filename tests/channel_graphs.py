"""A random integer graph that moves channels: concatenations and slices, kept and signed."""

from __future__ import annotations

from hwgen.ir import Graph, TensorType
from hwgen.ops.dense import PatchConv
from hwgen.ops.gather import Gather
from hwgen.ops.vector import TokenMean
from hwgen.ops.xnor import XnorConv, XnorLinear
from tests.graphs import Maker


def channel_graph(side: int = 6, c: int = 32, seed: int = 0) -> Graph:
    """Of a stem a and a binary layer b: (a, b, a) with signs for a 3x3 convolution, whose bits have
    padded rows; the middle of it plus a residual; signs alone of halves; a slice as it is."""
    m, n, grid = Maker(seed), side**2, (side, side)
    a = m.add(
        PatchConv, "a", ["image"], m.post(c, "bits", sh1=5), (n, c), grid,
        weight=m.ints(-127, 128, c, 2, 2, 3), in_grid=(2 * side, 2 * side),
    )  # fmt: skip
    b = m.add(
        XnorLinear, "b", [f"{a}.bits"], m.post(c, "rp", sh1=5), (n, c), grid,
        weight=m.weight(c, c), m=m.ints(-300, 300, c),
    )  # fmt: skip
    factor = m.ints(-9000, 9000, 8 * c)

    def gather(name: str, sources: list[str], pieces: tuple, *stages: str, keep=True, **post):
        channels = sum(count for *_, count in pieces)
        return m.add(
            Gather, name, sources, m.post(channels, *stages, sh1=13, **post), (n, channels), grid,
            feature=keep, pieces=pieces, m=factor[:channels],
        )  # fmt: skip

    both = gather("both", [a, b], ((0, 0, c), (1, 0, c), (0, 0, c)), "rp", "bits")
    conv = m.add(
        XnorConv, "conv", [f"{both}.bits"], m.post(c, "rp", sh1=5), (n, c), grid,
        weight=m.weight(c, 3, 3, 3 * c), m=m.ints(-300, 300, c), in_grid=grid,
    )  # fmt: skip
    middle = gather("middle", [both], ((0, c // 2, c),), "aff", out=conv)
    halves = gather("halves", [middle, conv], ((1, c // 2, c // 2), (0, 0, c // 2)), "bits",
                    keep=False)  # fmt: skip
    last = m.add(
        XnorLinear, "last", [f"{halves}.bits"], m.post(c, sh1=5, mid=middle), (n, c), grid,
        weight=m.weight(c, c), m=m.ints(-300, 300, c),
    )  # fmt: skip
    part = gather("part", [last], ((0, c // 2, c // 2), (0, 0, c)))
    mean = m.add(TokenMean, "mean", [part], m.post(48, sh1=13), (1, 48), (1, 1),
                 m=m.ints(-3000, 3000, 48))  # fmt: skip
    head = {"weight": m.ints(-127, 128, 16, 1, 1, 48), "in_grid": (1, 1)}
    m.add(PatchConv, "head", [mean], m.post(16, sh1=12), (1, 16), (1, 1), **head)
    image = TensorType("image", (2 * side, 2 * side, 3), (2 * side, 2 * side), 0, 0, 255)
    return Graph({"image": image}, tuple(m.ops), "head", {"classes": 10, "name": "channels"})
