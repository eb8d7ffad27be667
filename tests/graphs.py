"""A random integer graph with every op and every post-chain stage: BHViT's shape, random numbers.

Random parameters reach saturation, ties and extreme levels that a trained network avoids.
"""

from __future__ import annotations

import numpy as np

from hwgen.engine.numerics import SH1_SHIFTS
from hwgen.floats.kinds import GELU
from hwgen.ir import Graph, TensorType
from hwgen.ops.attention import Attention
from hwgen.ops.constant import Constant
from hwgen.ops.cross_filter import CrossFilter
from hwgen.ops.dense import PatchConv, weight_bits
from hwgen.ops.layernorm import LayerNorm
from hwgen.ops.post import Post
from hwgen.ops.vector import AvgPool, Pointwise, TokenMean
from hwgen.ops.window import MergeMean, MergePool, WindowMix
from hwgen.ops.xnor import XnorConv, XnorLinear

TAPS = ((0, 0), (1, 0), (-1, 0), (2, 0), (-2, 0), (0, 1), (0, -1), (0, 2), (0, -2))


class Maker:
    """Ops with random parameters, in order."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.ops = []

    def ints(self, lo: int, hi: int, *shape: int) -> np.ndarray:
        return self.rng.integers(lo, hi, shape).astype(np.int64)

    def weight(self, *shape: int) -> np.ndarray:
        return self.rng.integers(0, 2, shape).astype(np.uint8)

    def post(self, c: int, *stages: str, sh1: int = 4, **more) -> Post:
        """A post chain with random constants; stages: rp, aff, bits. sh1 is rounded up."""
        sh1 = min(s for s in SH1_SHIFTS if s >= sh1) if sh1 else 0
        fields = {"sh1": sh1, "b": self.ints(-80, 80, c)}
        if "rp" in stages:
            fields |= {"slope": self.ints(-8000, 8000, c), "sh2": 14, "b3": self.ints(-50, 50, c)}
        if "aff" in stages:
            fields |= {"m3": self.ints(-9000, 9000, c), "sh3": 13, "b3": self.ints(-40, 40, c)}
        if "bits" in stages:
            fields["t"] = self.ints(-60, 60, c)
        return Post(**(fields | more))

    def add(
        self,
        cls,
        name: str,
        sources: list[str],
        post: Post,
        shape: tuple,
        grid=(0, 0),
        feature=True,
        **k,
    ) -> str:
        kind = TensorType("feature", shape, grid, 8, -32768, 32767) if feature else None
        bits = None
        if post.t is not None:
            bits = TensorType("bits", (*shape[:-1], len(post.t)), grid)
        self.ops.append(cls(name, tuple(sources), post, kind, bits, **k))
        return name


def random_graph(
    seed: int = 0, window: int = 3, channels: tuple[int, ...] = (16, 32, 64, 128)
) -> Graph:
    """All ops in BHViT's order on an image of 32 * window pixels."""
    m = Maker(seed)
    side, c = 8 * window, channels[0]
    pixels = 4 * side
    m.add(
        Constant,
        "pos0",
        [],
        Post(),
        (side**2, c),
        (side, side),
        value=m.ints(-300, 300, side**2, c),
    )
    x = m.add(
        PatchConv,
        "stem",
        ["image"],
        m.post(c, "aff", "bits", sh1=10, chords=GELU.chords({}, 12), out="pos0"),
        (side**2, c),
        (side, side),
        weight=m.ints(-3000, 3000, c, 4, 4, 3),
        in_grid=(pixels, pixels),
    )
    for stage, c in enumerate(channels):
        expansion = 8 if stage < 2 else 4
        mixer = _convolutions if stage < 2 else _attention
        x = _mlp(
            m, f"s{stage}.mlp.", mixer(m, f"s{stage}.", x, side, c, window), side, c, expansion
        )
        if stage + 1 < len(channels):
            x = _downsample(m, f"s{stage}.down.", x, side, c, channels[stage + 1])
            side //= 2
    mean = m.add(
        TokenMean, "mean", [x], m.post(c, sh1=13), (1, c), (1, 1), m=m.ints(-3000, 3000, c)
    )
    m.add(
        PatchConv,
        "head",
        [mean],
        m.post(16, sh1=12),
        (1, 16),
        (1, 1),
        weight=m.ints(-3000, 3000, 16, 1, 1, c),
        in_grid=(1, 1),
    )
    image = TensorType("image", (pixels, pixels, 3), (pixels, pixels), 0, 0, 255)
    return Graph({"image": image}, tuple(m.ops), "head", {"classes": 10, "name": "random"})


def conv_graph(side: int = 14, c: int = 32, seed: int = 0) -> Graph:
    """3x3 convolutions of every kind of source on a grid whose rows end inside memory rows.

    Bits of a stem, a pointwise op, a LayerNorm and a linear layer; some are also read by a linear
    layer and by a strided convolution. Dilations 1, 3, 5 and 2.
    """
    m = Maker(seed)
    tokens, grid = (side**2, c), (side, side)
    half, below = (side // 2, side // 2), (side**2 // 4, c)

    def conv(name: str, x: str, *stages: str, dilation: int = 1, groups: int = 1, **post) -> str:
        k = {"dilation": dilation, "groups": groups, "in_grid": grid}
        weight, scale = m.weight(c, 3, 3, c // groups), m.ints(-300, 300, c)
        post = m.post(c, "rp", *stages, **post)
        return m.add(XnorConv, name, [f"{x}.bits"], post, tokens, grid, weight=weight, m=scale, **k)

    def pointwise(name: str, x: str) -> str:
        scale = m.ints(-9000, 9000, c)
        return m.add(Pointwise, name, [x], m.post(c, "bits", sh1=13), tokens, grid, m=scale)

    def linear(name: str, x: str, *stages: str) -> str:
        k = {"weight": m.weight(c, c), "m": m.ints(-300, 300, c)}
        return m.add(XnorLinear, name, [f"{x}.bits"], m.post(c, *stages), tokens, grid, **k)

    x = m.add(
        PatchConv,
        "stem",
        ["image"],
        m.post(c, "bits", sh1=5),
        tokens,
        grid,
        weight=m.ints(-127, 128, c, 2, 2, 3),
        in_grid=(2 * side, 2 * side),
    )
    x = conv("conv1", x, groups=4, out=x)
    x = conv("conv3", pointwise("point", x), "bits", dilation=3)
    x = conv("conv2", x, dilation=2, groups=2)
    x = m.add(LayerNorm, "norm", [x], m.post(c, "aff", "bits", sh1=0, b=None), tokens, grid, eps=99)
    x = conv("conv5", linear("line", x, "bits"), dilation=5, pre=conv("norm1", x))
    x = conv("last", pointwise("again", x), "bits", groups=2)
    conv("also", x, out=x)
    y = linear("side", x, "rp")
    y = m.add(
        XnorConv,
        "down",
        [f"{x}.bits"],
        m.post(c, "rp"),
        below,
        half,
        weight=m.weight(c, 2, 2, c),
        m=m.ints(-300, 300, c),
        stride=2,
        in_grid=grid,
    )
    post = m.post(c, sh1=13)
    mean = m.add(TokenMean, "mean", [y], post, (1, c), (1, 1), m=m.ints(-3000, 3000, c))
    weight = m.ints(-3000, 3000, 16, 1, 1, c)
    head = {"weight": weight, "in_grid": (1, 1)}
    m.add(PatchConv, "head", [mean], m.post(16, sh1=12), (1, 16), (1, 1), **head)
    image = TensorType("image", (2 * side, 2 * side, 3), (2 * side, 2 * side), 0, 0, 255)
    return Graph({"image": image}, tuple(m.ops), "head", {"classes": 10, "name": "conv"})


def norm_graph(c: int = 192, window: int = 3, seed: int = 0) -> Graph:
    """LayerNorm of c channels, no power of two: of the tokens of a grid, then in windows with merge
    tokens."""
    m = Maker(seed)
    side = 2 * window
    tokens, grid = (side**2, c), (side, side)
    x = m.add(
        PatchConv, "stem", ["image"], m.post(c, "bits", sh1=5), tokens, grid,
        weight=m.ints(-127, 128, c, 2, 2, 3), in_grid=(2 * side, 2 * side),
    )  # fmt: skip
    x = m.add(LayerNorm, "norm", [x], m.post(c, "aff", "bits", sh1=0, b=None), tokens, grid, eps=99)
    k = {"weight": m.weight(c, c), "m": m.ints(-300, 300, c)}
    x = m.add(XnorLinear, "line", [f"{x}.bits"], m.post(c, out=x), tokens, grid, **k)
    x = _attention(m, "att.", x, side, c, window)
    x = m.add(TokenMean, "mean", [x], m.post(c, sh1=13), (1, c), (1, 1), m=m.ints(-3000, 3000, c))
    m.add(
        PatchConv, "head", [x], m.post(16, sh1=12), (1, 16), (1, 1),
        weight=m.ints(-127, 128, 16, 1, 1, c), in_grid=(1, 1),
    )  # fmt: skip
    image = TensorType("image", (2 * side, 2 * side, 3), (2 * side, 2 * side), 0, 0, 255)
    return Graph({"image": image}, tuple(m.ops), "head", {"classes": 10, "name": f"norm{c}"})


def patch_graph(seed: int = 0) -> Graph:
    """Patch convolutions of every number of products a beat: 1 (stem), 2, 4, and 2 (head)."""
    m = Maker(seed)

    def layer(name: str, x: str, side: int, c: int, kernel: int, below: int, *stages: str, **post):
        """kernel x kernel of `below` channels, to side x side tokens; weights at both ends."""
        shape = (c, kernel, kernel, below)
        bits = weight_bits(kernel, below)
        top = (1 << (bits - 1)) - 1
        weight = m.ints(-top, top + 1, *shape)
        weight[m.rng.random(shape) < 0.1] = -top
        sh1 = 5 if x == "image" else bits + 1
        grid = (side * kernel, side * kernel)
        return m.add(
            PatchConv, name, [x], m.post(c, *stages, sh1=sh1, **post), (side**2, c), (side, side),
            weight=weight, in_grid=grid,
        )  # fmt: skip

    value = m.ints(-300, 300, 64, 64)
    m.add(Constant, "pos", [], Post(), (64, 64), (8, 8), value=value)
    x = layer("odd", "image", 16, 64, 3, 3, "rp", "bits")
    x = layer("pair", x, 8, 64, 2, 64, "aff", "bits", out="pos")
    wide = {"weight": m.weight(32, 64), "m": m.ints(-300, 300, 32)}
    x = m.add(XnorLinear, "line", [f"{x}.bits"], m.post(32), (64, 32), (8, 8), **wide)
    x = layer("quad", x, 4, 256, 2, 32, "aff")
    mean = m.ints(-3000, 3000, 256)
    x = m.add(TokenMean, "mean", [x], m.post(256, sh1=11), (1, 256), (1, 1), m=mean)
    layer("head", x, 1, 16, 1, 256, "aff")
    image = TensorType("image", (48, 48, 3), (48, 48), 0, 0, 255)
    return Graph({"image": image}, tuple(m.ops), "head", {"classes": 10, "name": "patch"})


def _convolutions(m: Maker, p: str, x: str, side: int, c: int, window: int) -> str:
    r = None
    for n, dilation in ((1, 1), (2, 3), (3, 5)):
        post = m.post(c, "rp", mid=r) if n < 3 else m.post(c, "rp", "aff", mid=r, out=x)
        r = m.add(
            XnorConv,
            f"{p}conv{n}",
            [f"{x}.bits"],
            post,
            (side**2, c),
            (side, side),
            weight=m.weight(c, 3, 3, c // 4),
            m=m.ints(-300, 300, c),
            dilation=dilation,
            groups=4,
            in_grid=(side, side),
        )
    return r


def _attention(m: Maker, p: str, x: str, side: int, c: int, window: int) -> str:
    n, inside = side // window, window**2
    windows, tokens = n * n, window**2 + n * n
    grid, one = (side, side), np.full(c, 8, dtype=np.int64)
    u = m.add(
        Pointwise, f"{p}u", [x], m.post(c, sh1=13), (side**2, c), grid, m=m.ints(-9000, 9000, c)
    )
    top = m.add(
        MergePool,
        f"{p}max",
        [u],
        m.post(c, sh1=14),
        (windows, c),
        (n, n),
        window=window,
        mode="max",
        m=m.ints(-9000, 16000, c),
        in_grid=grid,
    )
    merge = m.add(
        MergePool,
        f"{p}merge",
        [u],
        m.post(c, sh1=16, pre=top),
        (windows, c),
        (n, n),
        window=window,
        mode="sum",
        m=m.ints(0, 6000, c),
        in_grid=grid,
    )
    t = m.add(
        LayerNorm,
        f"{p}norm",
        [u, merge],
        m.post(c, "aff", "bits", sh1=0, b=None),
        (windows, tokens, c),
        eps=12345,
        window=window,
        in_grid=grid,
    )
    bits = [f"{t}.bits"]
    for name in ("kbits", "vbits"):
        post = m.post(c, "bits", sh1=3, b=None)
        bits.append(
            m.add(Pointwise, f"{p}{name}", [t], post, (windows, tokens, c), feature=False, m=one)
            + ".bits"
        )
    total, operands = None, []
    for name, source in zip("qkv", bits, strict=True):
        post = m.post(c, "rp", "bits", sh1=3, pre=t, mid=total, bit_y3=True)
        total = m.add(
            XnorLinear,
            f"{p}{name}",
            [source],
            post,
            (windows, tokens, c),
            weight=m.weight(c, c),
            m=m.ints(-300, 300, c),
        )
        operands.append(f"{total}.bits")
    z = m.add(
        Attention,
        f"{p}context",
        operands,
        m.post(c, "rp", sh1=3, pre=total),
        (windows, tokens, c),
        kappa=np.sort(m.ints(10000, 400000, c // 64, 3), 1),
        neg=m.ints(0, 2, c // 64),
        m=m.ints(-300, 300, c),
    )
    g = m.add(
        MergeMean, f"{p}mean", [z], m.post(c, sh1=15), (windows, c), (n, n), m=m.ints(0, 6000, c)
    )
    y = m.add(
        WindowMix,
        f"{p}mix",
        [z],
        m.post(c, "bits", sh1=15, pre=g),
        (windows, inside, c),
        m=m.ints(0, 20000, c),
        window=window,
    )
    post = m.post(c, "rp", "aff", sh1=3, pre=y, out=x)
    return m.add(
        XnorLinear,
        f"{p}project",
        [f"{y}.bits"],
        post,
        (side**2, c),
        grid,
        weight=m.weight(c, c),
        m=m.ints(-300, 300, c),
        unwindow=window,
    )


def _mlp(m: Maker, p: str, x: str, side: int, c: int, expansion: int) -> str:
    tokens, grid, hidden = side**2, (side, side), c * expansion
    v = m.add(
        Pointwise,
        f"{p}v",
        [x],
        m.post(c, "bits", sh1=13),
        (tokens, c),
        grid,
        m=m.ints(-9000, 9000, c),
    )
    post = m.post(hidden, "rp", "bits", pre=v, pool=expansion.bit_length() - 1)
    h = m.add(
        XnorLinear,
        f"{p}hidden",
        [f"{v}.bits"],
        post,
        (tokens, c),
        grid,
        weight=m.weight(hidden, c),
        m=m.ints(-200, 200, hidden),
    )
    taps = m.ints(-4000, 4000, 9, c) + np.array([16384] + [0] * 8)[:, None]
    f = m.add(
        CrossFilter,
        f"{p}shifts",
        [x],
        m.post(c, sh1=14),
        (tokens, c),
        grid,
        offsets=TAPS,
        m=taps,
        in_grid=grid,
    )
    post = m.post(c, "rp", "aff", "bits", sh1=6, pre=h, out=f)
    return m.add(
        XnorLinear,
        f"{p}out",
        [f"{h}.bits"],
        post,
        (tokens, c),
        grid,
        weight=m.weight(c, hidden),
        m=m.ints(-200, 200, c),
    )


def _downsample(m: Maker, p: str, x: str, side: int, c: int, wide: int) -> str:
    half, tokens, grid = side // 2, side**2 // 4, (side // 2, side // 2)
    pool = m.add(
        AvgPool,
        f"{p}pool",
        [x],
        m.post(c, sh1=15),
        (tokens, c),
        grid,
        kernel=2,
        m=m.ints(-9000, 9000, c),
        in_grid=(side, side),
    )
    m.add(
        Constant,
        f"{p}pos",
        [],
        Post(),
        (tokens, wide),
        (half, half),
        value=m.ints(-300, 300, tokens, wide),
    )
    post = m.post(wide, "rp", "bits", pre=pool, out=f"{p}pos")
    return m.add(
        XnorConv,
        f"{p}conv",
        [f"{x}.bits"],
        post,
        (tokens, wide),
        grid,
        weight=m.weight(wide, 2, 2, c),
        m=m.ints(-300, 300, wide),
        stride=2,
        in_grid=(side, side),
    )
