"""Poolings over cells of the grid, modules and functions."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor, nn

from hwgen.engine.sides import sides
from hwgen.floats.kinds import AvgPool, MaxPool, TokenMean, WindowSum
from hwgen.frontend import groups as in_groups
from hwgen.frontend.importer import Importer
from hwgen.frontend.views import IMAGE, View
from hwgen.ops.max_pool import REACH
from hwgen.ops.vector import TAPS

Pair = tuple[int, int]  # down, across


def average_pool(im: Importer, x: View, k: int, suffix: str = "") -> str:
    c = im.layout(x).channels
    params = {"kernel": k, "scale": np.ones(c) / k**2, "bias": np.zeros(c)}
    return im.emit(AvgPool, (x.node,), params, suffix)


def token_mean(im: Importer, x: View, suffix: str = "") -> str:
    n, c = im.layout(x).shape
    params = {"scale": np.full(c, 1.0 / n), "bias": np.zeros(c)}
    return im.emit(TokenMean, (x.node,), params, suffix)


def avg_pool(im: Importer, m: nn.AvgPool2d, _: Tensor, x: View) -> View:
    options = (m.kernel_size, m.stride, m.padding, m.ceil_mode, m.count_include_pad)
    return _average(im, "AvgPool2d", x, *options, m.divisor_override)


def avg_pool2d(
    im: Importer, f: Any, _: Tensor, x: View, kernel_size: Any, stride: Any = None,
    padding: Any = 0, ceil_mode: bool = False, count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> View:  # fmt: skip
    options = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    return _average(im, "avg_pool2d", x, *options)


def _average(
    im: Importer, what: str, x: View, kernel: Any, stride: Any, padding: Any, ceil_mode: bool,
    padded: bool, divisor: int | None,
) -> View:  # fmt: skip
    layout = im.require(x, IMAGE, what)
    stride = stride or kernel
    k, s, p = (_pair(v) for v in (kernel, stride, padding))
    if k == layout.grid and p == (0, 0) and not divisor:
        return View(token_mean(im, x), IMAGE)
    far, c = _far(layout.grid, k, s, p) if ceil_mode else (0, 0), layout.channels
    whole = not any(g % a for g, a in zip(layout.grid, k))
    if k == s and k[0] == k[1] and p == (0, 0) and whole and not divisor:
        return View(average_pool(im, x, k[0]), IMAGE)
    places = [sides(*v) for v in (k, s, p, far)]
    region, cells = WindowSum.regions(layout.grid, *places)
    if divisor:
        cells = np.full(len(cells), divisor)
    elif padded:  # with the padding, but what the last windows reach over that counts for nothing
        first, place = np.unique(region, return_index=True)
        assert len(first) == len(cells), region
        cells = np.prod([
            np.minimum(a, g + 2 * b - i * step)
            for g, a, step, b, i in zip(layout.grid, k, s, p, np.unravel_index(place, region.shape))
        ], 0)  # fmt: skip
    params: dict[str, Any] = dict(zip(("kernel", "stride", "padding", "far"), places))
    params |= {"bias": np.zeros(c), "scale": np.repeat(1.0 / cells[:, None], c, 1)}
    return View(im.emit(WindowSum, (x.node,), params), IMAGE)


def _far(grid: Pair, kernel: Pair, stride: Pair, padding: Pair) -> Pair:
    """Rows and columns of padding behind the grid that `ceil_mode` adds to those that are given,
    for a last window that ends behind the padding; it begins on the grid or before it."""
    more = []
    for g, k, s, p in zip(grid, kernel, stride, padding):
        last = min(-(-(g + 2 * p - k) // s), (g + p - 1) // s) * s
        more.append(max(0, last + k - g - 2 * p))
    down, across = more
    return down, across


def max_pool(im: Importer, m: nn.MaxPool2d, _: Tensor, x: View) -> View:
    options = (m.kernel_size, m.stride, m.padding, m.dilation, m.ceil_mode, m.return_indices)
    return _maximum(im, "MaxPool2d", x, *options)


def max_pool2d(
    im: Importer, f: Any, _: Tensor, x: View, kernel_size: Any, stride: Any = None,
    padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False, return_indices: bool = False,
) -> View:  # fmt: skip
    options = (kernel_size, stride, padding, dilation, ceil_mode, return_indices)
    return _maximum(im, "max_pool2d", x, *options)


def _maximum(
    im: Importer, what: str, x: View, kernel: Any, stride: Any, padding: Any, dilation: Any,
    ceil_mode: bool, indices: bool,
) -> View:  # fmt: skip
    grid = im.require(x, IMAGE, what).grid
    stride = stride or kernel
    k, s, p, d = (_pair(v) for v in (kernel, stride, padding, dilation))
    if d != (1, 1) or indices:
        raise im.unsupported(
            f"{what} kernel={kernel} stride={stride} padding={padding} dilation={dilation} "
            f"return_indices={bool(indices)}",
            "supported: no dilation, values alone",
        )
    return View(_max(im, x.node, k, s, p, _far(grid, k, s, p) if ceil_mode else (0, 0)), IMAGE)


def _max(im: Importer, name: str, k: Pair, s: Pair, p: Pair, far: Pair) -> str:
    """Large windows are maxima of maxima, those whose stride does not divide the width every second
    (and so on) of those of stride 1: the padding is never the maximum, so all are exact."""
    layout = im.nodes[name].layout
    large, none = k[0] * k[1] > TAPS or k[1] > REACH, (0, 0)
    apart = large and k == s and p == far == none
    parts = [_factor(side) if apart else side for side in k]
    if parts != list(k):
        first = _max(im, name, (parts[0], parts[1]), (parts[0], parts[1]), none, none)
        rest = k[0] // parts[0], k[1] // parts[1]
        return _max(im, first, rest, rest, none, none)
    if s[1] > 1 and k[1] > 1 and layout.grid[1] % s[1]:
        return in_groups.every(im, _max(im, name, k, (1, 1), p, far), sides(*s))
    if large:
        return _max_of_maxima(im, name, k, s, p, far)
    places = [sides(*v) for v in (k, s, p, far)]
    params: dict[str, Any] = dict(zip(("kernel", "stride", "padding", "far"), places))
    params |= {"scale": np.ones(layout.channels), "bias": np.zeros(layout.channels)}
    return im.emit(MaxPool, (name,), params)


def _factor(side: int) -> int:
    """A side of windows of which windows of `side` cells are made."""
    return next((f for f in (3, 2) if side > f and side % f == 0), side)


def _max_of_maxima(im: Importer, name: str, k: Pair, s: Pair, p: Pair, far: Pair) -> str:
    """Maxima of windows of stride 1, 3 along the sides that are longer, of which then larger ones
    are made."""
    first, then = [], []
    for g, axis in zip(im.nodes[name].layout.grid, zip(k, s, p, far)):
        (kernel, stride, padding, more), part = axis, min(3, axis[0])
        before = min(padding, part // 2)
        last = (g + 2 * padding + more - kernel) // stride * stride - padding  # window's first cell
        behind = max(0, last + part - before - g)  # the last window is on the grid of these maxima
        first.append((part, 1, before, behind))
        then.append((kernel - part + 1, stride, padding - before, max(0, more - behind)))
    (ka, sa, pa, fa), (kb, sb, pb, fb) = (zip(*axes) for axes in (first, then))
    return _max(im, _max(im, name, ka, sa, pa, fa), kb, sb, pb, fb)


def adaptive_pool(im: Importer, m: nn.AdaptiveAvgPool2d, _: Tensor, x: View) -> View:
    return _adaptive(im, "AdaptiveAvgPool2d", x, m.output_size)


def adaptive_avg_pool2d(im: Importer, f: Any, _: Tensor, x: View, output_size: Any) -> View:
    return _adaptive(im, "adaptive_avg_pool2d", x, output_size)


def _adaptive(im: Importer, what: str, x: View, size: Any) -> View:
    """The mean of everything, or of equal windows."""
    grid = im.require(x, IMAGE, what).grid
    out = tuple(side if side is not None else g for side, g in zip(_pair(size), grid))
    if out == grid:
        return x
    if out == (1, 1):
        return View(token_mean(im, x), IMAGE)
    if any(g % side for g, side in zip(grid, out)):
        height, width = grid
        raise im.unsupported(
            f"{what} of a {height}x{width} grid to {size}",
            "supported: to 1x1, or to a grid of equal windows",
        )
    window = tuple(g // side for g, side in zip(grid, out))
    return _average(im, what, x, window, window, 0, False, True, None)


def _pair(value: Any) -> tuple[Any, Any]:
    values = tuple(value) if isinstance(value, tuple | list) else (value,)
    return values * 2 if len(values) == 1 else values
