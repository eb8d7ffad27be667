"""Poolings over cells of the grid, modules and functions."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor, nn

from hwgen.floats.kinds import AvgPool, MaxPool, TokenMean, WindowSum
from hwgen.frontend import groups as in_groups
from hwgen.frontend.importer import Importer
from hwgen.frontend.views import IMAGE, View
from hwgen.ops.vector import TAPS


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
    ceil = ceil_mode and any((g + 2 * b - a) % c for g, a, b, c in zip(layout.grid, k, p, s))
    square = k[0] == k[1] and s[0] == s[1] and p[0] == p[1]
    if not square or ceil:
        raise im.unsupported(
            f"{what} kernel={kernel} stride={stride} padding={padding} ceil_mode={ceil_mode}",
            "supported: square kernel, stride and padding, no ceil_mode",
        )
    side, c = k[0], layout.channels
    if k == s and p == (0, 0) and not divisor and not any(g % side for g in layout.grid):
        return View(average_pool(im, x, side), IMAGE)
    _, cells = WindowSum.regions(layout.grid, side, s[0], p[0])
    count = np.full(len(cells), divisor or side**2) if padded or divisor else cells
    params = {"kernel": side, "stride": s[0], "padding": p[0], "bias": np.zeros(c),
              "scale": np.repeat(1.0 / count[:, None], c, 1)}  # fmt: skip
    return View(im.emit(WindowSum, (x.node,), params), IMAGE)


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
    im.require(x, IMAGE, what)
    stride = stride or kernel
    k, s, p, d = (_pair(v) for v in (kernel, stride, padding, dilation))
    square = all(a == b for a, b in (k, s, p)) and d == (1, 1)
    if not square or ceil_mode or indices:
        raise im.unsupported(
            f"{what} kernel={kernel} stride={stride} padding={padding} dilation={dilation} "
            f"ceil_mode={ceil_mode}",
            "supported: square kernel, stride and padding, no dilation or ceil_mode",
        )
    return View(_max(im, x.node, k[0], s[0], p[0]), IMAGE)


def _max(im: Importer, name: str, k: int, s: int, p: int) -> str:
    """Large windows are maxima of maxima, those whose stride does not divide the width every second
    (and so on) of those of stride 1: the padding is never the maximum, so all are exact."""
    layout = im.nodes[name].layout
    factor = next((f for f in (3, 2) if k == s and not p and k > f and k % f == 0), 0)
    if factor:
        return _max(im, _max(im, name, factor, factor, 0), k // factor, s // factor, 0)
    if s > 1 and k > 1 and layout.grid[1] % s:
        return in_groups.every(im, _max(im, name, k, 1, p), s)
    if k**2 > TAPS:
        first = min(p, 1)
        return _max(im, _max(im, name, 3, 1, first), k - 2, s, p - first)
    params = {"kernel": k, "stride": s, "padding": p, "scale": np.ones(layout.channels),
              "bias": np.zeros(layout.channels)}  # fmt: skip
    return im.emit(MaxPool, (name,), params)


def adaptive_pool(im: Importer, m: nn.AdaptiveAvgPool2d, _: Tensor, x: View) -> View:
    return _adaptive(im, "AdaptiveAvgPool2d", x, m.output_size)


def adaptive_avg_pool2d(im: Importer, f: Any, _: Tensor, x: View, output_size: Any) -> View:
    return _adaptive(im, "adaptive_avg_pool2d", x, output_size)


def _adaptive(im: Importer, what: str, x: View, size: Any) -> View:
    """The mean of everything, or of equal square windows."""
    grid = im.require(x, IMAGE, what).grid
    out = tuple(side if side is not None else g for side, g in zip(_pair(size), grid))
    if out == grid:
        return x
    if out == (1, 1):
        return View(token_mean(im, x), IMAGE)
    kernels = {g / side for g, side in zip(grid, out)}
    k = min(kernels)
    if len(kernels) > 1 or k != int(k):
        height, width = grid
        raise im.unsupported(
            f"{what} of a {height}x{width} grid to {size}",
            "supported: to 1x1, or to a grid of equal square windows",
        )
    return View(average_pool(im, x, int(k)), IMAGE)


def _pair(value: Any) -> tuple[Any, Any]:
    values = tuple(value) if isinstance(value, tuple | list) else (value,)
    return values * 2 if len(values) == 1 else values
