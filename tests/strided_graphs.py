"""A random integer graph of binary 3x3 convolutions with stride 1 and 2, like a binary ResNet's."""

from __future__ import annotations

from hwgen.engine.sides import Sides, both
from hwgen.ir import Graph, TensorType
from hwgen.ops.cross_filter import CrossFilter
from hwgen.ops.dense import PatchConv, weight_bits
from hwgen.ops.vector import AvgPool, TokenMean
from hwgen.ops.xnor import XnorConv, XnorLinear
from tests.graphs import TAPS, Maker

# kernel, stride, padding, dilation, groups
KERNELS = (
    (1, 2, 0, 1, 1), (5, 1, 2, 1, 1), (5, 2, 1, 1, 1), (3, 1, 0, 1, 1), (3, 2, 1, 1, 1),
    (3, 2, 1, 1, 2), (3, 1, 1, 2, 1), (2, 1, 1, 1, 1), (4, 2, 1, 1, 2), (3, 3, 0, 1, 1),
    (7, 2, 3, 1, 1), (3, 1, 1, 1, 2), (2, 2, 0, 1, 1),
    ((1, 3), 1, (0, 1), 1, 1), ((7, 1), 1, (3, 0), 1, 1), (3, (2, 1), 1, 1, 1),
    (3, 1, (1, 2), (1, 2), 2), ((2, 3), (1, 2), (0, 1), (3, 1), 1), (3, 1, (1, 0), 1, 1),
    ((1, 2), (1, 2), 0, 1, 1),
)  # fmt: skip
DENSE = (
    (3, 1, 1),
    (1, 2, 0),
    (3, 2, 1),
    (5, 2, 2),
    (3, 1, 0),
    (2, 2, 1),
    (2, 2, 0),
    ((1, 3), 1, (0, 1)),
    ((7, 1), (2, 1), (3, 0)),
    ((2, 3), (1, 2), (1, 0)),
)  # k, s, border
# groups of 3x3 windows, dilation, output channels
GROUPED = ((4, 1, 80), (4, 3, 80), (80, 1, 80), (5, 1, 80), (10, 2, 160), (8, 1, 48), (2, 5, 80))
CHANNELS = (32, 64, 128, 256, 64)
GROUPS = (1, 2, 1, 1)


def strided_graph(
    side: int = 16,
    channels: tuple[int, ...] = CHANNELS,
    groups: tuple[int, ...] = GROUPS,
    seed: int = 0,
) -> Graph:
    """A stem, then per further channel count: same (stride 1), pool (of its result), down (stride
    2, halves the side, `groups` of it). The first and every second `down` read the bits that `same`
    reads too, the others those of `same`. Ends on a grid of side / 2**len(groups)."""
    m = Maker(seed)
    pixels, c, grid = 2 * side, channels[0], (side, side)

    def conv(name: str, x: str, o: int, *stages: str, stride: int = 1, groups: int = 1, **post):
        below = (side // stride, side // stride)
        return m.add(
            XnorConv, name, [f"{x}.bits"], m.post(o, "rp", *stages, sh1=5, **post),
            (below[0] * below[1], o), below, weight=m.weight(o, 3, 3, c // groups),
            m=m.ints(-300, 300, o), stride=stride, groups=groups, in_grid=(side, side),
        )  # fmt: skip

    x = m.add(
        PatchConv, "stem", ["image"], m.post(c, "bits", sh1=5), (side**2, c), grid,
        weight=m.ints(-127, 128, c, 2, 2, 3), in_grid=(pixels, pixels),
    )  # fmt: skip
    for k, (o, g) in enumerate(zip(channels[1:], groups, strict=True)):
        y = conv(f"same{k}", x, c, "bits", out=x)
        post = m.post(c, sh1=15)
        half = (side // 2, side // 2)
        pool = m.add(
            AvgPool, f"pool{k}", [y], post, (half[0] * half[1], c), half, kernel=2,
            m=m.ints(-9000, 9000, c), in_grid=(side, side),
        )  # fmt: skip
        pre = {} if o % c else {"pre": pool}
        x = conv(f"down{k}", y if k % 2 else x, o, "bits", stride=2, groups=g, **pre)
        side, c = side // 2, o
    mean = m.ints(-3000, 3000, c)
    x = m.add(TokenMean, "mean", [x], m.post(c, sh1=13), (1, c), (1, 1), m=mean)
    top = (1 << (weight_bits(1, c) - 1)) - 1
    head = {"weight": m.ints(-top, top + 1, 64, 1, 1, c), "in_grid": (1, 1)}
    m.add(PatchConv, "head", [x], m.post(64, sh1=12), (1, 64), (1, 1), **head)
    image = TensorType("image", (pixels, pixels, 3), (pixels, pixels), 0, 0, 255)
    return Graph({"image": image}, tuple(m.ops), "head", {"classes": 10, "name": "strided"})


def _classified(m: Maker, x: str, c: int, pixels: tuple[int, int], name: str) -> Graph:
    """The graph of what was made, with the mean of value x, of c channels, and a classifier."""
    mean = m.ints(-3000, 3000, c)
    y = m.add(TokenMean, "mean", [x], m.post(c, sh1=13), (1, c), (1, 1), m=mean)
    head = {"weight": m.ints(-127, 128, 16, 1, 1, c), "in_grid": (1, 1)}
    m.add(PatchConv, "head", [y], m.post(16, sh1=12), (1, 16), (1, 1), **head)
    image = TensorType("image", (*pixels, 3), pixels, 0, 0, 255)
    return Graph({"image": image}, tuple(m.ops), "head", {"classes": 10, "name": name})


def kernel_graph(height: int = 9, width: int = 7, c: int = 32, seed: int = 0) -> Graph:
    """Binary and other convolutions of every kind of kernel, all of one value on an odd grid."""
    m = Maker(seed)
    stem = m.add(
        PatchConv, "stem", ["image"], m.post(c, "bits", sh1=5), (height * width, c),
        (height, width), weight=m.ints(-127, 128, c, 2, 2, 3), in_grid=(2 * height, 2 * width),
    )  # fmt: skip

    def out(*window: Sides) -> tuple[int, int]:
        places = zip((height, width), *map(both, window))
        h, w = ((side + 2 * p - d * (k - 1) - 1) // s + 1 for side, k, s, p, d in places)
        return h, w

    for k, s, p, d, g in KERNELS:
        grid = out(k, s, p, d)
        m.add(
            XnorConv, f"k{k}s{s}p{p}d{d}g{g}", [f"{stem}.bits"], m.post(c, "rp", "bits", sh1=5),
            (grid[0] * grid[1], c), grid, weight=m.weight(c, *both(k), c // g),
            m=m.ints(-300, 300, c), stride=s, dilation=d, groups=g, border=p,
            in_grid=(height, width),
        )  # fmt: skip
    for k, s, p in DENSE:
        grid = out(k, s, p, 1)
        top = (1 << (weight_bits(k, c) - 1)) - 1
        m.add(
            PatchConv, f"dense k{k}s{s}p{p}", [stem], m.post(c, "rp", "bits", sh1=13),
            (grid[0] * grid[1], c), grid, weight=m.ints(-top, top + 1, c, *both(k), c),
            in_grid=(height, width), stride=s, border=p,
        )  # fmt: skip
    return _classified(m, stem, c, (2 * height, 2 * width), "kernels")


def grouped_graph(side: int = 10, c: int = 80, seed: int = 0) -> Graph:
    """Binary 3x3 convolutions in groups of 20, 1, 16, 8, 10 and 40 channels, all of one value."""
    m = Maker(seed)
    grid, stem = (side, side), {"weight": m.ints(-127, 128, c, 2, 2, 3)}
    x = m.add(
        PatchConv, "stem", ["image"], m.post(c, "bits", sh1=5), (side**2, c), grid,
        in_grid=(2 * side, 2 * side), **stem,
    )  # fmt: skip
    for g, d, o in GROUPED:
        m.add(
            XnorConv, f"g{g}d{d}", [f"{x}.bits"], m.post(o, "rp", "bits", sh1=5), (side**2, o),
            grid, weight=m.weight(o, 3, 3, c // g), m=2 * m.ints(-150, 150, o), dilation=d,
            groups=g, in_grid=grid,
        )  # fmt: skip
    return _classified(m, x, c, (2 * side, 2 * side), "grouped")


def wide_graph(side: int = 8, c: int = 240, seed: int = 0) -> Graph:
    """A filter of many words beside a layer that sums over many tiles of weights."""
    m = Maker(seed)
    grid, tokens = (side, side), (side**2, c)
    x = m.add(
        PatchConv, "stem", ["image"], m.post(c, "bits", sh1=5), tokens, grid,
        in_grid=(2 * side, 2 * side), weight=m.ints(-127, 128, c, 2, 2, 3),
    )  # fmt: skip
    hidden = m.add(
        XnorLinear, "hidden", [f"{x}.bits"], m.post(16 * c, "bits", sh1=5), (side**2, 16 * c), grid,
        feature=False, weight=m.weight(16 * c, c), m=m.ints(-300, 300, 16 * c),
    )  # fmt: skip
    shifts = m.add(
        CrossFilter, "shifts", [x], m.post(c, sh1=14), tokens, grid, offsets=TAPS,
        m=m.ints(-3000, 3000, len(TAPS), c), in_grid=grid,
    )  # fmt: skip
    y = m.add(
        XnorLinear, "out", [f"{hidden}.bits"], m.post(c, "rp", sh1=5, out=shifts), tokens, grid,
        weight=m.weight(c, 16 * c), m=m.ints(-300, 300, c),
    )  # fmt: skip
    return _classified(m, y, c, (2 * side, 2 * side), "wide")
