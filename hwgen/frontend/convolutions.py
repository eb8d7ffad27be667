"""Convolutions and linear layers, float or binary.

A layer is binary by what it computes: its input is a sign (`View.sign`), and its weights have one
magnitude per output channel. Layers of `hwgen.nn` take the sign themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor, nn

from hwgen import nn as hnn
from hwgen.engine.sides import both, sides
from hwgen.floats.kinds import Add, Conv, Input, XnorConv, XnorLinear
from hwgen.floats.kinds.base import Kind
from hwgen.frontend import groups as in_groups
from hwgen.frontend.channels import gather, take
from hwgen.frontend.groups import Window
from hwgen.frontend.importer import Importer
from hwgen.frontend.sign_nodes import sign_node
from hwgen.frontend.views import BATCH, IMAGE, View, atom_sizes
from hwgen.nn.functional import row_scale_sign

Array = np.ndarray
UNEVEN = 0.01, 1e-5  # largest spread of a channel's magnitudes: of the magnitude; and of that or
ROUNDING = 2.0**-21  # what a detach trick in float32 leaves of weights up to 1
WEIGHTS = "weights must be +s or -s, one s per output channel"


def array(value: Tensor) -> Array:
    return value.detach().double().numpy()


def magnitudes(weight: Array) -> tuple[Array, Array] | None:
    """(scale (O,), signs (O, ...)) of weights with one magnitude per output channel, else None."""
    rows = np.abs(weight.reshape(len(weight), -1))
    scale = rows.mean(1)
    spread = np.abs(rows - scale[:, None]).max(1)
    share, least = UNEVEN
    if (spread > np.minimum(share * scale, np.maximum(least * scale, ROUNDING))).any():
        return None
    return scale, np.where(weight >= 0, 1.0, -1.0)


# ------------------------------------------------------------------------------ the two layers


def convolve(
    im: Importer, what: str, x: View, weight: Tensor, bias: Tensor | None, window: Window
) -> View:
    """A convolution (O, C / groups, k, k) of a value or of its sign."""
    k, stride, padding, dilation, groups = window
    layout, image = im.require(x, IMAGE, what), im.nodes[x.node].kind is Input
    bias_ = np.zeros(len(weight)) if bias is None else array(bias)
    if x.sign:
        scale, sign = _binary(im, what, x, weight)
        return xnor_convolve(im, x.node, scale, sign, bias_, window)
    values = array(weight)
    if groups > 1 and not image:
        filtered = in_groups.depthwise(im, x, values, bias_, window)
        if filtered is not None:
            return filtered
        if in_groups.sliced(layout.channels // groups, len(values) // groups):
            rows = np.split(np.arange(len(values)), groups)
            one = (k, stride, padding, dilation, 1)
            return _by_slices(im, x, groups, lambda g, part: convolve(
                im, what, part, weight[rows[g]], bias if bias is None else bias[rows[g]], one
            ))  # fmt: skip
    values = in_groups.spread(in_groups.dense(values, groups), dilation)
    step, kernel = both(stride), values.shape[2:]
    if image and kernel == step and any(side % s for side, s in zip(layout.grid, step)):
        # pixels are left over: an op of windows that overlap leaves them out
        values = np.pad(values, ((0, 0), (0, 0), (1, 1), (1, 1)))
        padding = sides(*(p + 1 for p in both(padding)))
    params = {"weight": values.transpose(0, 2, 3, 1), "bias": bias_, "stride": stride,
              "padding": padding, "pad": np.zeros(layout.channels), "quad": False,
              "image": image}  # fmt: skip
    return View(im.emit(Conv, (x.node,), params), IMAGE)


def _by_slices(im: Importer, x: View, groups: int, layer: Callable[[int, View], View]) -> View:
    """Layers of the slices of a value's channels, one behind the other."""
    each = im.layout(x).channels // groups
    parts = [
        layer(g, take(im, x, 1, range(g * each, (g + 1) * each), "groups")) for g in range(groups)
    ]
    picks = [(g, c) for g, part in enumerate(parts) for c in range(im.layout(part).channels)]
    return gather(im, parts, picks, "groups", "groups")


def xnor_convolve(
    im: Importer, bits: str, scale: Array, sign: Array, bias: Array, window: Window
) -> View:
    """scale (bits * sign) + bias with signs (O, C / groups, k, k)."""
    k, stride, padding, dilation, groups = window
    inputs, outputs = im.nodes[bits].layout.channels, len(sign)
    if not in_groups.own_groups(window, inputs, outputs):
        if in_groups.sliced(inputs // groups, outputs // groups):
            rows, one = np.split(np.arange(outputs), groups), (k, stride, padding, dilation, 1)
            return _by_slices(im, View(bits, IMAGE, 1.0), groups, lambda g, part: xnor_convolve(
                im, part.node, scale[rows[g]], sign[rows[g]], bias[rows[g]], one
            ))  # fmt: skip
        left = in_groups.fewer(window, inputs, outputs)
        pair, some = in_groups.paired(sign, groups, left), (k, stride, padding, dilation, left)
        both = tuple(
            xnor_convolve(im, bits, scale / 2, signs, b, some).node
            for signs, b in zip(pair, (bias, 0 * bias))
        )
        return View(im.emit(Add, both, {}, "groups"), IMAGE)
    if k == stride == groups == 1 and not padding:
        params = {"sign": sign[:, :, 0, 0], "scale": scale, "bias": bias, "unwindow": 0}
        return View(im.emit(XnorLinear, (bits,), params), IMAGE)
    params = {"sign": sign.transpose(0, 2, 3, 1), "scale": scale, "bias": bias, "stride": stride,
              "padding": padding, "dilation": dilation, "groups": groups}  # fmt: skip
    return View(im.emit(XnorConv, (bits,), params), IMAGE)


def dense(im: Importer, what: str, x: View, weight: Tensor, bias: Tensor | None) -> View:
    """A linear layer (O, C) on the last axis: the channels, or all of a grid flattened."""
    scale = sign = None
    values, bias_ = array(weight), np.zeros(len(weight)) if bias is None else array(bias)
    if x.sign:
        scale, sign = _binary(im, what, x, weight)
        values = sign
    if _flattened(im, x):
        return _whole_grid(im, what, x, values, scale, bias_)
    layout = im.channel_axis(x, -1, what)
    kind: type[Kind] = Conv
    params: dict[str, Any] = {"sign": sign, "scale": scale, "bias": bias_, "unwindow": 0}
    if x.sign:
        kind = XnorLinear
    else:
        if layout.grid == (0, 0):
            raise im.unsupported(f"{what} on windows", "supported: on a grid or a vector")
        params = {"weight": values[:, None, None, :], "bias": bias_, "stride": 1, "padding": 0,
                  "pad": np.zeros(layout.channels), "quad": False, "image": False}  # fmt: skip
    return View(im.emit(kind, (x.node,), params), x.axes)


def _flattened(im: Importer, x: View) -> bool:
    """Whether the last axis of a view is a whole grid of more than one cell, with its channels."""
    axes = im.core(x)
    atoms = [a for axis in axes for a in axis]
    return axes[0] == ("B",) and axes[-1] == tuple(atoms[1:]) and set(atoms) > {"B", "C"}


def _whole_grid(
    im: Importer, what: str, x: View, weight: Array, scale: Array | None, bias: Array
) -> View:
    """A linear layer of a flattened grid: a convolution whose kernel is the grid."""
    layout = im.layout(x)
    height, width = layout.grid
    if not height:
        raise im.unsupported(
            f"{what} of a flattened grid of windows", "supported: tokens on a grid",
            "take a mean over the tokens",
        )  # fmt: skip
    sizes = atom_sizes(layout, BATCH)
    atoms = x.axes[-1]
    kernel = weight.reshape(len(weight), *(sizes[a] for a in atoms))
    missing = [a for a in "YX" if a not in atoms]  # of one cell
    kernel = kernel.reshape(*kernel.shape, *[1] * len(missing))
    order = [0, *(1 + [*atoms, *missing].index(a) for a in "CYX")]
    kernel = kernel.transpose(order)
    if scale is not None:
        side = sides(height, width)
        view = xnor_convolve(im, x.node, scale, kernel, bias, (side, side, 0, 1, 1))
    else:
        params = {"weight": kernel.transpose(0, 2, 3, 1), "bias": bias,
                  "stride": sides(height, width),
                  "padding": 0, "pad": np.zeros(layout.channels), "quad": False,
                  "image": False}  # fmt: skip
        view = View(im.emit(Conv, (x.node,), params), IMAGE)
    return view.on((*x.axes[:-1], ("C",)))


def _binary(im: Importer, what: str, x: View, weight: Tensor) -> tuple[Array, Array]:
    """(scale, signs) of a layer that reads signs."""
    found = magnitudes(array(weight))
    if found is None:
        raise im.unsupported(f"{what} of a sign with real weights", WEIGHTS, "binarize them")
    scale, sign = found
    return scale * x.sign, sign


def _described(what: str, window: Any) -> str:
    names = ("kernel", "stride", "padding", "dilation")
    pairs = [f"{n}={v if isinstance(v, tuple | str) else (v, v)}" for n, v in zip(names, window)]
    return " ".join([what, *pairs, f"groups={window[4]}"])


def _window(
    im: Importer, what: str, weight: Tensor, stride: Any, padding: Any, dilation: Any, groups: int
) -> Window:
    """Kernel, stride, ... as numbers."""
    given = (tuple(weight.shape[2:]), stride, padding, dilation, groups)
    if padding == "valid":
        padding = 0
    pairs = [v if isinstance(v, tuple | list) else (v, v) for v in (stride, padding, dilation)]
    pairs = [tuple(v) * 2 if len(v) == 1 else tuple(v) for v in pairs]
    pairs = [tuple(weight.shape[2:]), *pairs]
    if padding == "same":
        reach = [d * (k - 1) for k, d in zip(pairs[0], pairs[3])]
        pairs[2] = tuple(r / 2 for r in reach)
    if any(n != int(n) for v in pairs for n in v):
        raise im.unsupported(
            _described(what, given), "supported: as much padding before as behind",
            "give padding as numbers",
        )  # fmt: skip
    k, s, p, d = (sides(*map(int, v)) for v in pairs)
    return k, s, p, d, groups


# ------------------------------------------------------------------- handlers: modules, functions


def binary_linear(im: Importer, m: hnn.BinaryLinear, _: Tensor, x: View) -> View:
    scale, sign = _signs(m)
    if _flattened(im, x):
        bits = View(sign_node(im, x), x.axes, 1.0)
        return _whole_grid(im, "BinaryLinear", bits, sign, scale, np.zeros(len(scale)))
    im.channel_axis(x, -1, "BinaryLinear")
    params = {"sign": sign, "scale": scale, "bias": np.zeros(len(scale)), "unwindow": 0}
    return View(im.emit(XnorLinear, (sign_node(im, x),), params), x.axes)


def binary_conv(im: Importer, m: hnn.BinaryConv2d, _: Tensor, x: View) -> View:
    im.require(x, IMAGE, "BinaryConv2d")
    scale, sign = _signs(m)
    bias = np.zeros(len(scale)) if m.bias is None else array(m.bias)
    window = _window(im, "BinaryConv2d", m.weight, m.stride, m.padding, m.dilation, m.groups)
    return xnor_convolve(im, sign_node(im, x), scale, sign, bias, window)


def _signs(module: Any) -> tuple[Array, Array]:
    """(scale (O,), signs (O, ...)) of a binary layer; an exact zero counts as +1."""
    scale, sign = row_scale_sign(module.weight, module.centre)
    return scale.numpy(), np.where(sign.numpy() >= 0, 1.0, -1.0)


def conv(im: Importer, m: nn.Conv2d, _: Tensor, x: View) -> View:
    window = (m.weight, m.stride, m.padding, m.dilation, m.groups)
    if m.padding_mode != "zeros":
        raise im.unsupported(f"Conv2d with {m.padding_mode} padding", "supported: zero padding")
    return convolve(im, "Conv2d", x, m.weight, m.bias, _window(im, "Conv2d", *window))


def conv2d(
    im: Importer, f: Any, _: Tensor, x: Any, weight: Any, bias: Any = None, stride: Any = 1,
    padding: Any = 0, dilation: Any = 1, groups: int = 1,
) -> View:  # fmt: skip
    weight, bias = _parameters(im, "conv2d", weight, bias)
    window = _window(im, "conv2d", weight, stride, padding, dilation, groups)
    return convolve(im, "conv2d", x, weight, bias, window)


def linear(im: Importer, m: nn.Linear, _: Tensor, x: View) -> View:
    return dense(im, "Linear", x, m.weight, m.bias)


def linear_function(im: Importer, f: Any, _: Tensor, x: Any, weight: Any, bias: Any = None) -> View:
    return dense(im, "linear", x, *_parameters(im, "linear", weight, bias))


def matmul(im: Importer, f: Any, _: Tensor, x: Any, y: Any) -> View:
    """x W with a matrix (C, O) of parameters."""
    if not isinstance(x, View) or isinstance(y, View) or y.dim() != 2:
        raise im.unsupported("a product of matrices", "the second must be (C, O) of parameters")
    return dense(im, "matmul", x, y.T, None)


def _parameters(im: Importer, what: str, *values: Any) -> tuple[Any, ...]:
    if any(isinstance(v, View) for v in values):
        raise im.unsupported(f"{what} with weights that depend on the image", "needs parameters")
    return values
