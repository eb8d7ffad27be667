"""Float-graph nodes of every supported function and tensor method; see `layers` for handlers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hwgen.floats.kinds import (
    Add,
    CrossFilter,
    MergeMean,
    PerWindow,
    Pool,
    Tile,
    Unwindow,
    Upsample,
    WindowPart,
)
from hwgen.frontend.channels import cut, joined, numbers, take
from hwgen.frontend.groups import every
from hwgen.frontend.importer import Importer
from hwgen.frontend.pooling import average_pool, token_mean
from hwgen.frontend.views import TOKENS, WINDOWS, View, canonical, regroup

INDEXED = "supported: of sides of one cell, ranges and lists of channels, [::n, ::n] of a grid"
MOST_POOLED = 8  # channels that the lanes average in a word


def zeros(channels: int) -> np.ndarray:
    return np.zeros(channels)


def shift_mean(im: Importer, f: Any, _: Tensor, x: View, grid: int, axis: int, radius: int) -> View:
    layout = im.require(x, TOKENS, "shift_mean")
    reach = range(-radius, radius + 1)
    offsets = tuple((r, 0) if axis == 0 else (0, r) for r in reach)
    coeff = np.full((len(offsets), layout.channels), 1.0 / len(offsets))
    return _filter(im, x, offsets, coeff, "shift_mean")


def shift_mix(im: Importer, f: Any, _: Tensor, x: View, grid: int, radius: int) -> View:
    layout = im.require(x, TOKENS, "shift_mix")
    offsets = ((-radius, 0), (radius, 0), (0, -radius), (0, radius))
    coeff = np.repeat(np.eye(4), layout.channels // 4, axis=1)
    return _filter(im, x, offsets, coeff, "shift_mix")


def neighbour_mean(
    im: Importer, f: Any, _: Tensor, x: View, grid: int, axis: int, radius: int
) -> View:
    layout = im.require(x, TOKENS, "neighbour_mean")
    reach = range(-radius, radius + 1)
    offsets = tuple((r, 0) if axis == 0 else (0, r) for r in reach)
    coeff = np.full((len(offsets), layout.channels), 1.0 / len(offsets))
    return _filter(im, x, offsets, coeff, "neighbour_mean", zeros(layout.channels))


def upsample_grid(im: Importer, f: Any, _: Tensor, x: View, grid: int, factor: int) -> View:
    """Nearest neighbour; the identity where the factor is 1."""
    im.require(x, TOKENS, "upsample_grid")
    if factor == 1:
        return x
    return View(im.emit(Upsample, (x.node,), {"factor": factor}, "upsample"), x.axes)


def _filter(
    im: Importer, x: View, offsets: Any, coeff: np.ndarray, suffix: str,
    pad: np.ndarray | None = None,
) -> View:  # fmt: skip
    bias = zeros(im.layout(x).channels)
    params = {"offsets": offsets, "coeff": coeff, "bias": bias, "pad": pad}
    return View(im.emit(CrossFilter, (x.node,), params, suffix), x.axes)


def tile_channels(im: Importer, f: Any, _: Tensor, x: View, times: int) -> View:
    im.channel_axis(x, -1, "tile_channels")
    return View(im.emit(Tile, (x.node,), {"times": times}, "tile"), x.axes)


def pool_channels(im: Importer, f: Any, _: Tensor, x: View, factor: int) -> View:
    im.channel_axis(x, -1, "pool_channels")
    if factor < 1 or factor & (factor - 1):
        raise im.unsupported(f"pool_channels factor={factor}", "supported: powers of two")
    node = x.node
    while factor > 1:  # a mean of means
        part = min(factor, MOST_POOLED)
        node = im.emit(
            Pool, (node,), {"factor": part}, f"pool{factor}" if factor > part else "pool"
        )
        factor //= part
    return View(node, x.axes)


def avg_pool_grid(im: Importer, f: Any, _: Tensor, x: View, grid: int, factor: int) -> View:
    im.require(x, TOKENS, "avg_pool_grid")
    return View(average_pool(im, x, factor, "avg_pool"), TOKENS)


def window_merge(
    im: Importer, f: Any, _: Tensor, z: View, parm: Tensor, grid: int, window: int
) -> View:
    """parm * window tokens + (1 - parm) * mean over windows of the merge tokens, on the grid."""
    layout = im.require(z, WINDOWS, "window_merge")
    windows, c = layout.shape[0], layout.channels
    mix = im.vector(parm, c)
    params = {"scale": (1.0 - mix) / windows, "bias": zeros(c)}
    mean = im.emit(MergeMean, (z.node,), params, "merge_mean")
    spread = im.emit(PerWindow, (mean,), {}, "spread")
    mixing = {"window": window, "scale": mix, "bias": zeros(c)}
    part = im.emit(WindowPart, (z.node,), mixing, "window_mix")
    total = im.emit(Add, (part, spread), {}, "mix_sum")
    return View(im.emit(Unwindow, (total,), {"window": window}, "unwindow"), TOKENS)


def add(im: Importer, f: Any, _: Tensor, x: Any, y: Any, alpha: float = 1.0) -> View:
    if not isinstance(x, View):
        x, y = y, x
    if not isinstance(y, View):
        return im.add_parameter(x, torch.as_tensor(y) * alpha)
    if im.core(x) != im.core(y) or im.layout(x) != im.layout(y):
        raise im.unsupported(
            f"a sum of {im.layout(x).shape} and {im.layout(y).shape}", "needs equal shapes"
        )
    if alpha != 1.0:
        y = im.affine(y, alpha, 0.0, "scale")
    return View(im.emit(Add, (x.node, y.node), {}, "add"), x.axes)


def subtract(im: Importer, f: Any, r: Tensor, x: Any, y: Any) -> View:
    if isinstance(y, View):
        y = negate(im, f, r, y)
    else:
        y = -torch.as_tensor(y)
    return add(im, f, r, x, y)


def negate(im: Importer, f: Any, _: Tensor, x: View) -> View:
    return replace(x, sign=-x.sign) if x.sign else im.affine(x, -1.0, 0.0, "negate")


def multiply(im: Importer, f: Any, _: Tensor, x: Any, y: Any) -> View:
    if not isinstance(x, View):
        x, y = y, x
    if isinstance(y, View):
        raise im.unsupported("a product of two tensors", "a factor must be a parameter")
    return _scale(im, x, torch.as_tensor(y))


def divide(im: Importer, f: Any, _: Tensor, x: Any, y: Any) -> View:
    if not isinstance(x, View) or isinstance(y, View):
        raise im.unsupported("a division by a tensor", "the divisor must be a parameter")
    return _scale(im, x, 1.0 / torch.as_tensor(y, dtype=torch.float64))


def _scale(im: Importer, x: View, factor: Tensor) -> View:
    if x.sign and factor.numel() == 1 and float(factor) != 0.0:
        return replace(x, sign=x.sign * float(factor))
    array = canonical(factor, x.axes, im.layout(x))
    if array is None or array.ndim > 1:
        raise im.unsupported("a factor per position", "supported: a factor per channel")
    return im.affine(x, array, 0.0, "scale")


def mean(im: Importer, f: Any, r: Tensor, x: View, dim: Any = None, keepdim: bool = False) -> View:
    if dim is None:
        dim = tuple(range(len(x.axes)))
    axes = [d % len(x.axes) for d in (dim if isinstance(dim, tuple | list) else (dim,))]
    atoms = sorted(a for d in axes for a in x.axes[d])
    if atoms != ["X", "Y"] and im.layout(x).grid != (1, 1):
        raise im.unsupported(f"mean over {'*'.join(atoms)}", "supported: mean over all tokens")
    kept = [() if i in axes else a for i, a in enumerate(x.axes)]
    if not keepdim:
        kept = [a for i, a in enumerate(kept) if i not in axes]
    place = next(i for i, a in enumerate(kept) if a == ("C",))
    kept[place] = ("Y", "X", "C")  # both of size 1 now
    return View(token_mean(im, x, "mean"), _tidy(kept))


def _tidy(axes: list[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    return tuple(("C",) if a == ("Y", "X", "C") else a for a in axes)


# --------------------------------------------------------------------------------- layouts


def reshape(im: Importer, f: Any, result: Tensor, x: View, *args: Any, **kwargs: Any) -> View:
    shape = tuple(result.shape)
    axes = regroup(x.axes, im.sizes(x), shape)
    view = x.on(axes) if axes is not None else cut(im, x, shape)
    if view is None:
        raise im.unsupported(f"a reshape to {shape}", "it must not cut channels or grid sides")
    return joined(im, view)


def transpose(im: Importer, f: Any, _: Tensor, x: View, i: int, j: int) -> View:
    axes = list(x.axes)
    axes[i], axes[j] = axes[j], axes[i]
    return x.on(tuple(axes))


def permute(im: Importer, f: Any, _: Tensor, x: View, *dims: Any) -> View:
    order = dims[0] if len(dims) == 1 and isinstance(dims[0], tuple | list) else dims
    return x.on(tuple(x.axes[d] for d in order))


def index(im: Importer, f: Any, _: Tensor, x: View, key: Any) -> View:
    """x[:, :, 0, 0] of axes with one cell; x[:, None]; x[:, 8:16] of channels."""
    if isinstance(x, tuple):  # of what gives several tensors
        return x[key]
    keys = list(key) if isinstance(key, tuple) else [key]
    shown = "[" + ", ".join(map(_shown, keys)) + "]"
    if ... in keys:
        place = keys.index(...)
        count = len(x.axes) - sum(k is not None for k in keys) + 1
        keys[place : place + 1] = [slice(None)] * count
    given, axes = list(im.core(x)), list(x.axes)
    out: list[tuple[str, ...]] = []
    steps: list[int] = []  # along the sides of the grid
    for k in keys:
        if k is None:
            out.append(())
            continue
        core, axis = given.pop(0), axes.pop(0)
        if isinstance(k, slice) and k == slice(None):
            out.append(axis)
        elif core in (("Y",), ("X",)) and isinstance(k, slice) and not k.start and k.stop is None:
            steps.append(k.step or 1)
            out.append(axis)
        elif len(core) == 1 and core[0][0] == "C":
            x, gone = _channels(im, x, core, k, shown)
            out += [] if gone else [axis]
        elif core != () or k not in (0, -1):
            raise im.unsupported(f"indexing {shown}", INDEXED)
    if steps and (len(set(steps)) > 1 or len(steps) < 2 or x.sign):
        raise im.unsupported(f"indexing {shown}", INDEXED)
    if steps and steps[0] > 1:
        x = View(every(im, x.node, steps[0]), x.axes)
    return joined(im, x.on((*out, *axes)))


def _channels(im: Importer, x: View, core: tuple[str, ...], key: Any, shown: str) -> tuple:
    """The view of the channels of an index, and whether their axis goes: that of a factor."""
    one = type(key) is int and core != ("C",)
    size = im.sizes(x)[core[0]]
    found = numbers([key] if one else key, size)
    if not found:
        raise im.unsupported(f"indexing {shown}", INDEXED)
    return take(im, x, [*im.core(x)].index(core), found, f"indexing {shown}"), one


def _shown(key: Any) -> str:
    if not isinstance(key, slice):
        return "..." if key is ... else "a tensor" if isinstance(key, Tensor | View) else str(key)
    parts = ["" if p is None else str(p) for p in (key.start, key.stop, key.step)]
    return ":".join(parts if parts[2] else parts[:2])
