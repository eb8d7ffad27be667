"""Poolings over cells of the grid, modules and functions."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor, nn

from hwgen.floats.kinds import AvgPool, MaxPool, TokenMean
from hwgen.frontend.importer import Importer
from hwgen.frontend.views import IMAGE, View


def average_pool(im: Importer, x: View, k: int, suffix: str = "") -> str:
    c = im.layout(x).channels
    params = {"kernel": k, "scale": np.ones(c) / k**2, "bias": np.zeros(c)}
    return im.emit(AvgPool, (x.node,), params, suffix)


def token_mean(im: Importer, x: View, suffix: str = "") -> str:
    n, c = im.layout(x).shape
    params = {"scale": np.full(c, 1.0 / n), "bias": np.zeros(c)}
    return im.emit(TokenMean, (x.node,), params, suffix)


def avg_pool(im: Importer, m: nn.AvgPool2d, _: Tensor, x: View) -> View:
    options = (m.kernel_size, m.stride, m.padding, m.ceil_mode, m.divisor_override)
    return _average(im, "AvgPool2d", x, *options)


def avg_pool2d(
    im: Importer, f: Any, _: Tensor, x: View, kernel_size: Any, stride: Any = None,
    padding: Any = 0, ceil_mode: bool = False, count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> View:  # fmt: skip
    options = (kernel_size, stride, padding, ceil_mode, divisor_override)
    return _average(im, "avg_pool2d", x, *options)


def _average(
    im: Importer, what: str, x: View, kernel: Any, stride: Any, padding: Any, ceil_mode: bool,
    divisor: int | None,
) -> View:  # fmt: skip
    layout = im.require(x, IMAGE, what)
    stride = stride or kernel
    k, s, p = (_pair(v) for v in (kernel, stride, padding))
    if k == layout.grid and p == (0, 0) and not divisor:
        return View(token_mean(im, x), IMAGE)
    divides = layout.grid[0] % k[0] == layout.grid[1] % k[1] == 0
    if k[0] != k[1] or s != k or p != (0, 0) or not divides or divisor:
        raise im.unsupported(
            f"{what} kernel={kernel} stride={stride} padding={padding}",
            "supported: square kernel = stride that divides the grid, no padding",
        )
    return View(average_pool(im, x, k[0]), IMAGE)


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
    layout = im.require(x, IMAGE, what)
    stride = stride or kernel
    k, s, p, d = (_pair(v) for v in (kernel, stride, padding, dilation))
    square = all(a == b for a, b in (k, s, p)) and d == (1, 1)
    if not square or ceil_mode or indices:
        raise im.unsupported(
            f"{what} kernel={kernel} stride={stride} padding={padding} dilation={dilation} "
            f"ceil_mode={ceil_mode}",
            "supported: square kernel, stride and padding, no dilation or ceil_mode",
        )
    height, width = layout.grid
    if k == s and p == (0, 0) and (height % s[0] or width % s[0]):
        raise im.unsupported(f"{what} stride={s[0]} on a {height}x{width} grid", "must divide it")
    params = {"kernel": k[0], "stride": s[0], "padding": p[0], "scale": np.ones(layout.channels),
              "bias": np.zeros(layout.channels)}  # fmt: skip
    return View(im.emit(MaxPool, (x.node,), params), IMAGE)


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
