"""A small node of every kind, with plain PyTorch that computes the same.

Inputs of a reference are (batch, tokens, C) or (batch, windows, T, C), float64, in the
node's order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hwgen.floats import kinds
from hwgen.floats.kinds import Kind, Reads, infer
from hwgen.floats.kinds.base import Node
from hwgen.floats.layout import Layout, on_grid
from hwgen.nn import neighbour_mean, pool_channels, shift_mean, tile_channels, upsample_grid

BATCH = 2
RNG = np.random.default_rng(0)


@dataclass(frozen=True)
class Example:
    """One node: kind, parameters, layouts of its inputs, the layout and value it must have."""

    kind: type[Kind]
    params: dict[str, Any]
    inputs: tuple[Layout, ...]
    layout: Layout
    reference: Callable[..., Tensor]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"x{k}" for k in range(len(self.inputs)))

    def node(self) -> Node:
        layout = infer("y", self.kind, self.params, *self.inputs)
        return Node("y", self.kind, self.names, self.params, layout)

    def values(self) -> list[Tensor]:
        """Random inputs, +-1 where the kind reads signs."""
        drawn = [torch.from_numpy(RNG.normal(size=(BATCH, *i.shape))) for i in self.inputs]
        signs = self.kind.reads in (Reads.SIGNS, Reads.UPRIGHT_SIGNS)
        return [torch.where(x >= 0, 1.0, -1.0).double() if signs else x for x in drawn]


def real(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape)


def sign(*shape: int) -> np.ndarray:
    return np.where(RNG.normal(size=shape) >= 0, 1.0, -1.0)


def tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array)


def image(x: Tensor, height: int, width: int) -> Tensor:
    return x.reshape(len(x), height, width, -1).permute(0, 3, 1, 2)


def tokens(y: Tensor) -> Tensor:
    return y.permute(0, 2, 3, 1).flatten(1, 2)


def kernel(weight: np.ndarray) -> Tensor:
    return tensor(weight).permute(0, 3, 1, 2)


def scaled(y: Tensor, params: dict[str, Any]) -> Tensor:
    return y * tensor(params["scale"]) + tensor(params["bias"])


def affine(kind: type[Kind], after: Callable[[Tensor], Tensor]) -> Example:
    p = {"a": real(3), "b": real(3)}
    grid = on_grid(2, 3, 3)
    return Example(kind, p, (grid,), grid, lambda x: after(x * tensor(p["a"]) + tensor(p["b"])))


def window_tokens(x: Tensor, side: int, window: int) -> Tensor:
    """(B, side*side, C) -> (B, windows, window*window, C), cell by cell."""
    cells = x.reshape(len(x), side, side, -1)
    n = side // window
    return torch.stack(
        [
            cells[:, i * window : (i + 1) * window, j * window : (j + 1) * window].flatten(1, 2)
            for i in range(n)
            for j in range(n)
        ],
        1,
    )


def merge(x: Tensor, pick: Callable[[Tensor], Tensor]) -> Tensor:
    """3x3 cells from 3 i - 1 on a 6x6 grid, clipped."""
    cells = x.reshape(len(x), 6, 6, -1)
    out = [
        pick(cells[:, max(3 * i - 1, 0) : 3 * i + 2, max(3 * j - 1, 0) : 3 * j + 2].flatten(1, 2))
        for i in range(2)
        for j in range(2)
    ]
    return torch.stack(out, 1)


def padded_conv(x: Tensor, p: dict[str, Any]) -> Tensor:
    """The padding holds `pad`: written around the image."""
    grid, n = image(x, 5, 4), p["padding"]
    around = tensor(p["pad"])[None, :, None, None].expand(len(x), -1, 5 + 2 * n, 4 + 2 * n).clone()
    around[:, :, n : n + 5, n : n + 4] = grid
    return tokens(F.conv2d(around, kernel(p["weight"]), tensor(p["bias"]), p["stride"]))


def window_sum(x: Tensor, p: dict[str, Any]) -> Tensor:
    """3x3 cells with a stride of 2 from -1 of a 4x6 grid: the first row and column see two."""
    cells, out = x.reshape(len(x), 4, 6, -1), []
    for y, rows in enumerate((slice(0, 2), slice(1, 4))):
        for column in range(3):
            across = slice(max(0, 2 * column - 1), 2 * column + 2)
            scale = p["scale"][2 * (y > 0) + (column > 0)]
            out.append(cells[:, rows, across].sum((1, 2)) * tensor(scale) + tensor(p["bias"]))
    return torch.stack(out, 1)


def attention(q: Tensor, k: Tensor, v: Tensor, p: dict[str, Any]) -> Tensor:
    out = []
    for head in range(2):
        part = slice(64 * head, 64 * (head + 1))
        a = torch.softmax(q[..., part] @ k[..., part].mT / 8.0, -1)
        level = torch.round(p["top"] * a / p["alpha"][head] + p["zero_point"][head])
        out.append(torch.clamp(level, 0, p["top"]) @ v[..., part])
    return scaled(torch.cat(out, -1), p)


def norm_with_merge_tokens(x: Tensor, extra: Tensor) -> Tensor:
    inside = window_tokens(x, 6, 3)
    every = torch.cat([inside, torch.stack([extra] * 4, 1)], 2)
    centred = every - every.mean(-1, keepdim=True)
    return centred / torch.sqrt((centred**2).mean(-1, keepdim=True) + 1e-3)


def examples() -> dict[str, Example]:
    """By the kind's name, with what it shows behind it."""
    out: dict[str, Example] = {}

    def put(
        kind: type[Kind],
        params: dict,
        inputs: tuple,
        layout: Layout,
        reference: Callable,
        what: str = "",
    ) -> None:
        out[f"{kind.name} {what}".strip()] = Example(kind, params, inputs, layout, reference)

    row = on_grid(2, 3, 3)
    value = real(6, 3)
    put(kinds.Constant, {"value": value, "grid": (2, 3)}, (), row, lambda: tensor(value)[None])
    out["affine"] = affine(kinds.Affine, lambda y: y)
    out["sign"] = affine(kinds.Sign, lambda y: torch.where(y >= 0, 1.0, -1.0).double())
    put(kinds.Add, {}, (row, row, row), row, lambda x, y, z: (x + y) + z)
    windows = Layout((4, 9, 3))
    put(kinds.Add, {}, (windows, Layout((4, 1, 3))), windows, torch.add, "per window")
    p = {"g": real(3), "slope": real(3), "z": real(3)}
    put(
        kinds.RPReLU,
        p,
        (row,),
        row,
        lambda x, p=p: (
            tokens(F.prelu(image(x - tensor(p["g"]), 2, 3), tensor(p["slope"]))) + tensor(p["z"])
        ),
    )
    put(kinds.GELU, {}, (row,), row, lambda x: 0.5 * x * (1 + torch.erf(x / 2**0.5)))
    put(kinds.activations.SiLU, {}, (row,), row, lambda x: x / (1 + torch.exp(-x)))
    put(kinds.activations.Hardswish, {}, (row,), row, lambda x: x * torch.clamp(x + 3, 0, 6) / 6)
    put(kinds.activations.Sigmoid, {}, (row,), row, lambda x: 1 / (1 + torch.exp(-x)))
    put(kinds.activations.Tanh, {}, (row,), row, lambda x: 1 - 2 / (torch.exp(2 * x) + 1))
    for clamp, p in (
        (kinds.activations.Clamp, {"low": -0.5, "high": 0.75}),
        (kinds.activations.ReLU6, {"low": 0.0, "high": 6.0}),
    ):
        put(
            clamp,
            p,
            (row,),
            row,
            lambda x, p=p: torch.where(
                x < p["low"], p["low"], torch.where(x > p["high"], p["high"], x)
            ),
        )

    p = {"picks": ((1, 1), (0, 2), (0, 0), (1, 1)), "scale": real(4), "bias": real(4)}
    put(
        kinds.Gather,
        p,
        (row, row.with_channels(2)),
        row.with_channels(4),
        lambda x, y, p=p: scaled(torch.stack([y[..., 1], x[..., 2], x[..., 0], y[..., 1]], -1), p),
    )
    p = {"sign": sign(5, 3), "scale": real(5), "bias": real(5), "unwindow": 0}
    put(
        kinds.XnorLinear,
        p,
        (row,),
        row.with_channels(5),
        lambda x, p=p: scaled(F.linear(x, tensor(p["sign"])), p),
    )
    q = p | {"unwindow": 3}
    put(
        kinds.XnorLinear,
        q,
        (windows,),
        on_grid(6, 6, 5),
        lambda x, p=q: scaled(from_windows(F.linear(x, tensor(p["sign"]))), p),
        "unwindow",
    )
    for what, (stride, padding, dilation, groups) in {
        "stride": (2, 1, 1, 1),
        "groups": (1, 2, 2, 2),
    }.items():
        p = {
            "sign": sign(6, 3, 3, 4 // groups),
            "scale": real(6),
            "bias": real(6),
            "stride": stride,
            "padding": padding,
            "dilation": dilation,
            "groups": groups,
        }
        grid = on_grid(3, 2, 6) if stride == 2 else on_grid(6, 4, 6)
        put(
            kinds.XnorConv,
            p,
            (on_grid(6, 4, 4),),
            grid,
            lambda x, p=p: scaled(
                tokens(
                    F.conv2d(
                        image(x, 6, 4),
                        kernel(p["sign"]),
                        None,
                        p["stride"],
                        p["padding"],
                        p["dilation"],
                        p["groups"],
                    )
                ),
                p,
            ),
            what,
        )
    p = {
        "weight": real(4, 3, 3, 2),
        "bias": real(4),
        "stride": 2,
        "padding": 1,
        "pad": real(2),
        "quad": False,
        "image": True,
    }
    put(kinds.Conv, p, (on_grid(5, 4, 2),), on_grid(3, 2, 4), lambda x, p=p: padded_conv(x, p))
    p = {
        "weight": real(4, 1, 1, 3),
        "bias": real(4),
        "stride": 1,
        "padding": 0,
        "pad": real(3),
        "quad": True,
        "image": True,
    }
    put(
        kinds.Conv,
        p,
        (row,),
        row.with_channels(4),
        lambda x, p=p: F.linear(x, tensor(p["weight"][:, 0, 0]), tensor(p["bias"])),
        "1x1",
    )
    offsets = ((-1, 0), (0, 0), (1, 0))
    third = np.full((3, 3), 1 / 3)
    p = {"offsets": offsets, "coeff": third, "bias": real(3), "pad": None}
    square = on_grid(4, 4, 3)
    put(
        kinds.CrossFilter,
        p,
        (square,),
        square,
        lambda x, p=p: shift_mean(x, 4, 0, 1) + tensor(p["bias"]),
        "circular",
    )
    q = p | {"pad": np.zeros(3)}
    put(
        kinds.CrossFilter,
        q,
        (square,),
        square,
        lambda x, p=q: neighbour_mean(x, 4, 0, 1) + tensor(p["bias"]),
        "zeros",
    )
    ones = p | {"pad": np.ones(3)}
    put(
        kinds.CrossFilter,
        ones,
        (square,),
        square,
        lambda x, p=ones: neighbour_mean(x - 1, 4, 0, 1) + 1 + tensor(p["bias"]),
        "pad",
    )

    p = {"kernel": 2, "scale": real(3), "bias": real(3)}
    put(
        kinds.AvgPool,
        p,
        (on_grid(4, 6, 3),),
        row,
        lambda x, p=p: scaled(4 * tokens(F.avg_pool2d(image(x, 4, 6), 2)), p),
    )
    p = {"weight": real(3, 3, 3), "bias": real(3), "stride": 2, "padding": 1}
    put(
        kinds.ChannelFilter,
        p,
        (on_grid(4, 6, 3),),
        row,
        lambda x, p=p: torch.stack(
            [
                tokens(
                    F.conv2d(
                        image(x, 4, 6)[:, c : c + 1],
                        tensor(p["weight"][..., c])[None, None],
                        stride=2,
                        padding=1,
                    )
                )[..., 0]
                + p["bias"][c]
                for c in range(3)
            ],
            -1,
        ),
    )
    p = {"kernel": 3, "stride": 2, "padding": 1, "far": 0, "scale": real(4, 3), "bias": real(3)}
    put(kinds.WindowSum, p, (on_grid(4, 6, 3),), row, lambda x, p=p: window_sum(x, p))
    p = {"kernel": 3, "stride": 2, "padding": 1, "far": 0, "scale": real(3), "bias": real(3)}
    put(
        kinds.MaxPool,
        p,
        (on_grid(4, 6, 3),),
        row,
        lambda x, p=p: scaled(tokens(F.max_pool2d(image(x, 4, 6), 3, 2, 1)), p),
    )
    p = p | {"kernel": (1, 3), "stride": (1, 2), "padding": (0, 1), "far": (0, 1)}
    put(
        kinds.MaxPool,
        p,
        (on_grid(4, 8, 3),),
        on_grid(4, 5, 3),
        lambda x, p=p: scaled(
            tokens(F.max_pool2d(F.pad(image(x, 4, 8), (1, 2), value=-9.0), (1, 3), (1, 2))), p
        ),
        "1x3",
    )
    p = {"scale": real(3), "bias": real(3)}
    put(
        kinds.TokenMean,
        p,
        (row,),
        on_grid(1, 1, 3),
        lambda x, p=p: scaled(x.mean(1, keepdim=True) * 6, p),
    )

    big, p = on_grid(6, 6, 3), {"window": 3, "scale": real(3), "bias": real(3)}
    put(
        kinds.MergeMax,
        p,
        (big,),
        on_grid(2, 2, 3),
        lambda x, p=p: scaled(merge(x, lambda c: c.amax(1)), p),
    )
    put(
        kinds.MergeSum,
        p,
        (big,),
        on_grid(2, 2, 3),
        lambda x, p=p: scaled(merge(x, lambda c: c.sum(1)), p),
    )
    full = Layout((4, 13, 3))
    put(kinds.WindowPart, p, (full,), windows, lambda z, p=p: scaled(z[:, :, :9], p))
    p = {"scale": real(3), "bias": real(3)}
    put(
        kinds.MergeMean,
        p,
        (full,),
        on_grid(2, 2, 3),
        lambda z, p=p: scaled(sum(z[:, k, 9:] for k in range(4)), p),
    )
    put(kinds.PerWindow, {}, (on_grid(2, 2, 3),), Layout((4, 1, 3)), lambda x: x.unsqueeze(2))
    put(kinds.Unwindow, {"window": 3}, (windows,), big, from_windows)

    put(kinds.Tile, {"times": 3}, (row,), row.with_channels(9), lambda x: tile_channels(x, 3))
    put(
        kinds.Pool,
        {"factor": 4},
        (row.with_channels(8),),
        row.with_channels(2),
        lambda x: pool_channels(x, 4),
    )
    put(
        kinds.Upsample,
        {"factor": 2},
        (on_grid(3, 3, 2),),
        on_grid(6, 6, 2),
        lambda x: upsample_grid(x, 3, 2),
    )

    put(
        kinds.LayerNorm,
        {"eps": 1e-3, "window": 0, "channels": 0},
        (row,),
        row,
        lambda x: F.layer_norm(x, (3,), eps=1e-3),
    )
    put(
        kinds.LayerNorm,
        {"eps": 1e-3, "window": 3, "channels": 0},
        (big, on_grid(2, 2, 3)),
        full,
        norm_with_merge_tokens,
        "merge tokens",
    )
    p = {
        "alpha": np.array([0.2, 0.4]),
        "zero_point": np.array([0.1, -0.1]),
        "top": 3,
        "scale": real(128),
        "bias": real(128),
    }
    wide = Layout((4, 9, 128))
    put(
        kinds.Attention,
        p,
        (wide, wide, wide),
        wide,
        lambda q, k, v, p=p: attention(q, k, v, p),
        "windows",
    )
    few = on_grid(1, 3, 128)
    q = p | {"top": 1}
    put(
        kinds.Attention,
        q,
        (on_grid(2, 6, 128), few, few),
        on_grid(2, 6, 128),
        lambda q_, k, v, p=q: attention(q_, k, v, p),
        "fewer keys",
    )
    return out


def from_windows(y: Tensor) -> Tensor:
    """(B, 4, 9, C) -> (B, 36, C), cell by cell."""
    out = torch.empty(len(y), 6, 6, y.shape[-1], dtype=y.dtype)
    for row in range(6):
        for column in range(6):
            window, token = row // 3 * 2 + column // 3, row % 3 * 3 + column % 3
            out[:, row, column] = y[:, window, token]
    return out.flatten(1, 2)
