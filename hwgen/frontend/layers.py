"""Float-graph nodes of every supported module.

A handler gets the importer, the module, the example result and the operands (views or concrete
values) and returns the view of its result.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch.nn.functional as F
from torch import Tensor, nn

from hwgen import nn as hnn
from hwgen.floats.kinds import (
    Add,
    Attention,
    Conv,
    Input,
    LayerNorm,
    MaxPool,
    MergeMax,
    MergeSum,
    RPReLU,
    Sign,
    Tabulated,
    XnorConv,
    XnorLinear,
)
from hwgen.floats.layout import Layout
from hwgen.frontend.functions import average_pool, token_mean, zeros
from hwgen.frontend.importer import Importer
from hwgen.frontend.views import IMAGE, TOKENS, WINDOWS, View
from hwgen.nn.functional import row_scale_sign
from hwgen.ops.attention import MAX_TOKENS as MAX_KEYS

LEAKY = 0.01  # default slope of leaky ReLU


def _array(value: Tensor) -> np.ndarray:
    return value.detach().double().numpy()


def _ones(channels: int) -> np.ndarray:
    return np.ones(channels)


def _signs(module: Any) -> tuple[np.ndarray, np.ndarray]:
    """(scale (O,), signs (O, ...)) of a binary layer; an exact zero counts as +1."""
    scale, sign = row_scale_sign(module.weight, module.centre)
    return scale.numpy(), np.where(sign.numpy() >= 0, 1.0, -1.0)


def _sign(im: Importer, view: View, suffix: str = "sign") -> str:
    layout = im.layout(view)
    params = {"a": _ones(layout.channels), "b": zeros(layout.channels)}
    return im.emit(Sign, (view.node,), params, suffix)


# ---------------------------------------------------------------------------------- layers


def binary_linear(im: Importer, m: hnn.BinaryLinear, _: Tensor, x: View) -> View:
    im.channel_axis(x, -1, "BinaryLinear")
    scale, sign = _signs(m)
    params = {"sign": sign, "scale": scale, "bias": zeros(len(scale)), "unwindow": 0}
    return View(im.emit(XnorLinear, (_sign(im, x),), params), x.axes)


def binary_conv(im: Importer, m: hnn.BinaryConv2d, _: Tensor, x: View) -> View:
    im.require(x, IMAGE, "BinaryConv2d")
    k, s = m.kernel_size, m.stride
    scale, sign = _signs(m)
    bias = zeros(len(scale)) if m.bias is None else _array(m.bias)
    bits = (_sign(im, x),)
    if k == s == m.groups == 1 and not m.padding:
        params = {"sign": sign[:, :, 0, 0], "scale": scale, "bias": bias, "unwindow": 0}
        return View(im.emit(XnorLinear, bits, params), IMAGE)
    params = {"sign": sign.transpose(0, 2, 3, 1), "scale": scale, "bias": bias,
              "stride": s, "padding": m.padding, "dilation": m.dilation,
              "groups": m.groups}  # fmt: skip
    return View(im.emit(XnorConv, bits, params), IMAGE)


def _must_divide(im: Importer, what: str, layout: Layout, k: int, s: int, padding: int) -> None:
    """Windows side by side cover the grid."""
    height, width = layout.grid
    if k == s and not padding and (height % s or width % s):
        raise im.unsupported(f"{what} stride={s} on a {height}x{width} grid", "must divide it")


def conv(im: Importer, m: nn.Conv2d, _: Tensor, x: View) -> View:
    layout = im.require(x, IMAGE, "Conv2d")
    k, s = m.kernel_size[0], m.stride[0]
    padding = m.padding if isinstance(m.padding, tuple) else (0, 0)  # "same" is not square here
    square = m.kernel_size == (k, k) and m.stride == (s, s) and padding == (padding[0], padding[0])
    if not square or m.padding_mode != "zeros" or m.groups != 1 or m.dilation != (1, 1):
        raise im.unsupported(
            f"Conv2d kernel={m.kernel_size} stride={m.stride} padding={m.padding} "
            f"dilation={m.dilation} groups={m.groups}",
            "supported: square kernel, stride and zero padding, no dilation or groups",
        )
    if im.nodes[x.node].kind is Input:
        _must_divide(im, "Conv2d", layout, k, s, padding[0])
    bias = zeros(m.out_channels) if m.bias is None else _array(m.bias)
    params = {"weight": _array(m.weight).transpose(0, 2, 3, 1), "bias": bias, "stride": s,
              "padding": padding[0], "pad": zeros(layout.channels), "quad": False,
              "image": im.nodes[x.node].kind is Input}  # fmt: skip
    return View(im.emit(Conv, (x.node,), params), IMAGE)


def linear(im: Importer, m: nn.Linear, _: Tensor, x: View) -> View:
    layout = im.channel_axis(x, -1, "Linear")
    if layout.grid == (0, 0):
        raise im.unsupported("Linear on windows", "supported: on a grid or a vector")
    bias = zeros(m.out_features) if m.bias is None else _array(m.bias)
    params = {"weight": _array(m.weight)[:, None, None, :], "bias": bias, "stride": 1,
              "padding": 0, "pad": zeros(layout.channels), "quad": False,
              "image": False}  # fmt: skip
    return View(im.emit(Conv, (x.node,), params), x.axes)


def batch_norm(im: Importer, m: Any, _: Tensor, x: View) -> View:
    axis = getattr(m, "channel_dim", 1)
    im.channel_axis(x, axis, type(m).__name__)
    if m.running_mean is None:
        raise im.unsupported(f"{type(m).__name__} without running statistics", "train with them")
    scale = 1.0 / np.sqrt(_array(m.running_var) + m.eps)
    if m.weight is not None:
        scale = scale * _array(m.weight)
    bias = -_array(m.running_mean) * scale
    return im.affine(x, scale, bias if m.bias is None else bias + _array(m.bias))


def layer_norm(im: Importer, m: nn.LayerNorm, _: Tensor, x: View) -> View:
    layout = im.channel_axis(x, -1, "LayerNorm")
    if tuple(m.normalized_shape) != (layout.channels,):
        raise im.unsupported(f"LayerNorm over {m.normalized_shape}", "supported: the channels")
    params = {"eps": float(m.eps), "window": 0, "channels": 0}
    norm = View(im.emit(LayerNorm, (x.node,), params), x.axes)
    if m.weight is None:
        return norm
    return im.affine(norm, _array(m.weight), 0.0 if m.bias is None else _array(m.bias), "affine")


def layer_scale(im: Importer, m: hnn.LayerScale, _: Tensor, x: View) -> View:
    im.channel_axis(x, m.channel_dim, "LayerScale")
    return im.affine(x, _array(m.alpha), _array(m.move))


def learned_shift(im: Importer, m: hnn.LearnedShift, _: Tensor, x: View) -> View:
    return im.add_parameter(x, m.bias)


def rprelu(im: Importer, m: hnn.RPReLU, _: Tensor, x: View) -> View:
    im.channel_axis(x, m.channel_dim, "RPReLU")
    params = {"g": _array(m.move1), "slope": _array(m.prelu.weight), "z": _array(m.move2)}
    return View(im.emit(RPReLU, (x.node,), params), x.axes)


def prelu(im: Importer, m: Any, _: Tensor, x: View, *args: float, **given: Any) -> View:
    """PReLU, leaky ReLU and ReLU: t >= 0 ? t : slope t."""
    layout = im.layout(x)
    slope: Tensor | float = 0.0
    if isinstance(m, nn.PReLU):
        slope = m.weight
    elif m is F.leaky_relu or isinstance(m, nn.LeakyReLU):
        given = dict(zip(("negative_slope",), args)) | given
        option = getattr(m, "negative_slope", None)
        slope = given.get("negative_slope", LEAKY) if option is None else option
    if isinstance(m, nn.PReLU) and m.weight.numel() > 1:
        im.channel_axis(x, 1, "PReLU")
    params = {"g": zeros(layout.channels), "slope": im.vector(slope, layout.channels),
              "z": zeros(layout.channels)}  # fmt: skip
    suffix = "" if isinstance(m, nn.Module) else "relu"
    return View(im.emit(RPReLU, (x.node,), params, suffix), x.axes)


def tabulated(kind: type[Tabulated]) -> Callable[..., View]:
    """The handler of an activation's modules and functions."""

    def handler(
        im: Importer, m: Any, _: Tensor, x: View, *more: Any, inplace: bool = False, **given: Any
    ) -> View:
        options = [option for option, _ in kind.options.values()]
        given |= dict(zip(options, more))
        unknown = [str(v) for v in more[len(options) :]]
        unknown += [f"{k}={v!r}" for k, v in given.items() if k not in (*kind.forms, *options)]
        if unknown:
            known = ", ".join((*kind.forms, *options)) or "none"
            raise im.unsupported(f"{kind.__name__} with {unknown[0]}", f"known options: {known}")
        for option, (wanted, form) in kind.forms.items():
            value = getattr(m, option, given.get(option, wanted))
            if value != wanted:
                raise im.unsupported(f"{kind.__name__} {option}={value!r}", f"supported: {form}")
        params = {
            name: float(getattr(m, option, given.get(option, default)))
            for name, (option, default) in kind.options.items()
        }
        suffix = "" if isinstance(m, nn.Module) else kind.name
        return View(im.emit(kind, (x.node,), params, suffix), x.axes)

    return handler


def identity(im: Importer, m: Any, _: Tensor, x: View, *args: Any, **kwargs: Any) -> View:
    return x


def avg_pool_layer(im: Importer, m: nn.AvgPool2d, _: Tensor, x: View) -> View:
    layout = im.require(x, IMAGE, "AvgPool2d")
    pair = [v if isinstance(v, tuple) else (v, v) for v in (m.kernel_size, m.stride, m.padding)]
    k = pair[0][0]
    if pair[0] != (k, k) or pair[1] != (k, k) or pair[2] != (0, 0) or layout.grid[0] % k:
        raise im.unsupported(
            f"AvgPool2d kernel={m.kernel_size} stride={m.stride} padding={m.padding}",
            "supported: square kernel = stride that divides the grid, no padding",
        )
    return View(average_pool(im, x, k), IMAGE)


def max_pool(im: Importer, m: nn.MaxPool2d, _: Tensor, x: View) -> View:
    layout = im.require(x, IMAGE, "MaxPool2d")
    k, s, p, d = (v if isinstance(v, tuple) else (v, v)
                  for v in (m.kernel_size, m.stride, m.padding, m.dilation))  # fmt: skip
    square = all(a == b for a, b in (k, s, p)) and d == (1, 1)
    if not square or m.ceil_mode or m.return_indices:
        raise im.unsupported(
            f"MaxPool2d kernel={m.kernel_size} stride={m.stride} padding={m.padding} "
            f"dilation={m.dilation} ceil_mode={m.ceil_mode}",
            "supported: square kernel, stride and padding, no dilation or ceil_mode",
        )
    _must_divide(im, "MaxPool2d", layout, k[0], s[0], p[0])
    params = {"kernel": k[0], "stride": s[0], "padding": p[0], "scale": _ones(layout.channels),
              "bias": zeros(layout.channels)}  # fmt: skip
    return View(im.emit(MaxPool, (x.node,), params), IMAGE)


def adaptive_pool(im: Importer, m: nn.AdaptiveAvgPool2d, _: Tensor, x: View) -> View:
    im.require(x, IMAGE, "AdaptiveAvgPool2d")
    if m.output_size not in (1, (1, 1)):
        raise im.unsupported(f"AdaptiveAvgPool2d to {m.output_size}", "supported: to 1x1")
    return View(token_mean(im, x), IMAGE)


def token_builder(im: Importer, m: hnn.TokenBuilder, _: Tensor, x: View) -> View:
    """Merge tokens a1 max + (1 - a1) avg (or aligned average), LayerNorm over all tokens."""
    w, c = m.window, im.require(x, TOKENS, "TokenBuilder").channels
    if m.merge == "mix":
        a1 = _array(m.a1).reshape(-1)
        params = {"window": w, "scale": a1, "bias": zeros(c)}
        largest = im.emit(MergeMax, (x.node,), params, "max")
        params = {"window": w, "scale": (1.0 - a1) / w**2, "bias": zeros(c)}
        average = im.emit(MergeSum, (x.node,), params, "avg")
        merge = im.emit(Add, (largest, average), {}, "merge")
    else:
        merge = average_pool(im, x, w, "avg")
    params = {"eps": float(m.norm.eps), "window": w, "channels": 0}
    norm = View(im.emit(LayerNorm, (x.node, merge), params, "norm"), WINDOWS)
    return im.affine(norm, _array(m.norm.weight), _array(m.norm.bias), "affine")


def attention(im: Importer, m: hnn.QDAttention, _: Tensor, *qkv: View) -> View:
    layouts = [im.channel_axis(x, -1, "QDAttention") for x in qkv]
    layout, heads = layouts[0], m.heads
    if layout.channels != 64 * heads:
        raise im.unsupported(
            f"QDAttention with {heads} heads of {layout.channels / heads:g} channels",
            "a head has 64 channels",
        )
    if any(x.axes not in (WINDOWS, TOKENS) for x in qkv) or len(set(layouts)) > 1:
        raise im.unsupported(
            "QDAttention on unequal tokens", "needs q, k, v (B, T, C) of one shape"
        )
    alpha = _array(m.alpha) if m.learned else np.ones(heads)
    zero = _array(m.zero_point) if m.learned else np.zeros(heads)
    return _attention(im, "QDAttention", qkv, alpha, zero, 3)


def elastic_attention(
    im: Importer, f: Any, _: Tensor, q: View, k: View, v: View, clip: Tensor, heads: int
) -> View:
    layouts = [im.channel_axis(x, -1, "elastic_attention") for x in (q, k, v)]
    if layouts[0].channels != 64 * heads:
        raise im.unsupported(
            f"elastic_attention with {heads} heads of {layouts[0].channels / heads:g} channels",
            "a head has 64 channels",
        )
    if any(x.axes != TOKENS for x in (q, k, v)) or layouts[1] != layouts[2]:
        raise im.unsupported(
            "elastic_attention on windows or unequal keys", "needs q (B, N, C), k and v (B, M, C)"
        )
    step = float(clip)
    if step <= 0:
        raise im.unsupported(
            f"elastic_attention with the step {step:g}", "the learned step must be positive"
        )
    return _attention(im, "elastic_attention", (q, k, v), np.full(heads, step), np.zeros(heads), 1)


def _attention(
    im: Importer, what: str, qkv: tuple[View, ...], alpha: np.ndarray, zero: np.ndarray, top: int
) -> View:
    layout, keys = im.layout(qkv[0]), im.layout(qkv[1]).shape[-2]
    if keys > MAX_KEYS:
        raise im.unsupported(f"{what} over {keys} tokens", f"at most {MAX_KEYS} keys")
    params = {"alpha": alpha, "zero_point": zero, "top": top, "scale": np.repeat(alpha, 64),
              "bias": zeros(layout.channels)}  # fmt: skip
    bits = tuple(_sign(im, x, f"{name}_sign") for x, name in zip(qkv, "qkv"))
    return View(im.emit(Attention, bits, params), qkv[0].axes)
