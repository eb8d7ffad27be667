"""Float-graph nodes of every supported module.

A handler gets the importer, the module, the example result and the operands (views or concrete
values) and returns the view of its result.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwgen import nn as hnn
from hwgen.engine.numerics import LANE_CHANNELS
from hwgen.floats.kinds import (
    Add,
    Attention,
    Clamp,
    LayerNorm,
    MergeMax,
    MergeSum,
    RPReLU,
    Tabulated,
)
from hwgen.frontend.functions import zeros
from hwgen.frontend.importer import Importer
from hwgen.frontend.pooling import average_pool
from hwgen.frontend.sign_nodes import sign_node
from hwgen.frontend.views import TOKENS, WINDOWS, Axes, View
from hwgen.ops.attention import MAX_HEAD
from hwgen.ops.attention import MAX_TOKENS as MAX_KEYS

LEAKY = 0.01  # default slope of leaky ReLU


def _array(value: Tensor) -> np.ndarray:
    return value.detach().double().numpy()


def batch_norm(im: Importer, m: Any, _: Tensor, x: View) -> View:
    axis, name = getattr(m, "channel_dim", 1), type(m).__name__
    return _batch_norm(im, name, x, axis, m.running_mean, m.running_var, m.weight, m.bias, m.eps)


def batch_norm_function(
    im: Importer, f: Any, _: Tensor, x: View, running_mean: Any, running_var: Any,
    weight: Any = None, bias: Any = None, training: bool = False, momentum: float = 0.1,
    eps: float = 1e-5,
) -> View:  # fmt: skip
    if training:
        raise im.unsupported("batch_norm of the batch's statistics", "needs running statistics")
    return _batch_norm(im, "batch_norm", x, 1, running_mean, running_var, weight, bias, eps)


def _batch_norm(
    im: Importer, what: str, x: View, axis: int, mean: Tensor | None, var: Any,
    weight: Tensor | None, bias: Tensor | None, eps: float,
) -> View:  # fmt: skip
    im.channel_axis(x, axis, what)
    if mean is None:
        raise im.unsupported(f"{what} without running statistics", "train with them")
    scale = 1.0 / np.sqrt(_array(var) + eps)
    if weight is not None:
        scale = scale * _array(weight)
    offset = -_array(mean) * scale
    return im.affine(x, scale, offset if bias is None else offset + _array(bias))


def layer_norm(im: Importer, m: nn.LayerNorm, _: Tensor, x: View) -> View:
    return _layer_norm(im, "LayerNorm", x, m.normalized_shape, m.weight, m.bias, m.eps)


def layer_norm_function(
    im: Importer, f: Any, _: Tensor, x: View, normalized_shape: Any, weight: Any = None,
    bias: Any = None, eps: float = 1e-5,
) -> View:  # fmt: skip
    return _layer_norm(im, "layer_norm", x, normalized_shape, weight, bias, eps)


def _layer_norm(
    im: Importer, what: str, x: View, shape: Any, weight: Tensor | None, bias: Tensor | None,
    eps: float,
) -> View:  # fmt: skip
    layout = im.channel_axis(x, -1, what)
    if tuple(shape) != (layout.channels,):
        raise im.unsupported(f"{what} over {tuple(shape)}", "supported: the channels")
    norm = View(
        im.emit(LayerNorm, (x.node,), {"eps": float(eps), "window": 0, "channels": 0}), x.axes
    )
    if weight is None:
        return norm
    return im.affine(norm, _array(weight), 0.0 if bias is None else _array(bias), "affine")


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
    if m is F.prelu or m is torch.prelu:
        m, args, given = _weighted(*args, **given), (), {}
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


def _weighted(weight: Any) -> nn.PReLU:
    """A module for the parameter of a function."""
    module = nn.PReLU(weight.numel())
    module.weight = nn.Parameter(weight.reshape(-1), requires_grad=False)
    return module


def clamp(im: Importer, f: Any, _: Tensor, x: View, min: Any = None, max: Any = None) -> View:
    """Both limits, or min = 0 (ReLU)."""
    if isinstance(min, int | float) and isinstance(max, int | float):
        params = {"low": float(min), "high": float(max)}
        return View(im.emit(Clamp, (x.node,), params, "clamp"), x.axes)
    if min == 0 and max is None:
        return prelu(im, F.relu, _, x)
    raise im.unsupported(f"clamp min={min} max={max}", "supported: two numbers, or min=0")


def hardsigmoid(im: Importer, m: Any, _: Tensor, x: View, inplace: bool = False) -> View:
    """clamp(x / 6 + 1 / 2, 0, 1)"""
    return clamp(im, m, _, im.affine(x, 1 / 6, 0.5, "scale"), 0.0, 1.0)


def dropout(
    im: Importer, f: Any, _: Tensor, x: View, p: float = 0.5, training: bool = True,
    inplace: bool = False,
) -> View:  # fmt: skip
    if training and p:
        raise im.unsupported(
            f"dropout p={p} in eval mode", "supported: none in eval mode",
            "pass training=self.training",
        )  # fmt: skip
    return x


def cast(im: Importer, f: Any, result: Tensor, x: View, *args: Any, **kwargs: Any) -> View:
    """To another device or type of real numbers."""
    if result.dtype not in (torch.float32, torch.float64):
        raise im.unsupported(
            f"a cast to {str(result.dtype).removeprefix('torch.')}", "needs float32"
        )
    return x


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
    _check_heads(im, "QDAttention", layout.channels, heads)
    if not all(_lies(im, x, WINDOWS, TOKENS) for x in qkv) or len(set(layouts)) > 1:
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
    _check_heads(im, "elastic_attention", layouts[0].channels, heads)
    if not all(_lies(im, x, TOKENS) for x in (q, k, v)) or layouts[1] != layouts[2]:
        raise im.unsupported(
            "elastic_attention on windows or unequal keys", "needs q (B, N, C), k and v (B, M, C)"
        )
    step = float(clip)
    if step <= 0:
        raise im.unsupported(
            f"elastic_attention with the step {step:g}", "the learned step must be positive"
        )
    return _attention(im, "elastic_attention", (q, k, v), np.full(heads, step), np.zeros(heads), 1)


def _lies(im: Importer, x: View, *axes: Axes) -> bool:
    """Whether a view has some of these axes; sides of one cell do not matter."""
    sizes = im.sizes(x)
    cores = [
        tuple(tuple(a for a in axis if a in "BC" or sizes.get(a, 1) > 1) for axis in some)
        for some in axes
    ]
    return im.core(x) in cores


def _check_heads(im: Importer, what: str, channels: int, heads: int) -> None:
    """Raises: UnsupportedOpError where the attention unit cannot run such heads."""
    if heads < 1 or channels % (LANE_CHANNELS * heads) or channels > MAX_HEAD * heads:
        raise im.unsupported(
            f"{what} with {heads} heads of {channels / max(heads, 1):g} channels",
            f"a head has a multiple of {LANE_CHANNELS} channels, up to {MAX_HEAD}",
        )


def _attention(
    im: Importer, what: str, qkv: tuple[View, ...], alpha: np.ndarray, zero: np.ndarray, top: int
) -> View:
    layout, keys = im.layout(qkv[0]), im.layout(qkv[1]).shape[-2]
    if keys > MAX_KEYS:
        raise im.unsupported(f"{what} over {keys} tokens", f"at most {MAX_KEYS} keys")
    params = {
        "alpha": alpha, "zero_point": zero, "top": top,
        "scale": np.repeat(alpha, layout.channels // len(alpha)), "bias": zeros(layout.channels),
    }  # fmt: skip
    bits = tuple(sign_node(im, x, f"{name}_sign") for x, name in zip(qkv, "qkv"))
    return View(im.emit(Attention, bits, params), qkv[0].axes)
