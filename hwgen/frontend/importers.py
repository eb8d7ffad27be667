"""Float-graph nodes of every supported module, function and tensor method.

A handler gets the importer, the module (or function), the example result and the operands (views
or concrete values) and returns the view of its result.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwgen import nn as hnn
from hwgen.frontend.float_graph import Layout, on_grid
from hwgen.frontend.trace import Importer
from hwgen.frontend.views import IMAGE, TOKENS, WINDOWS, View, atom_sizes, regroup
from hwgen.nn.functional import row_scale_sign

Handler = Callable[..., View]


def _array(value: Tensor) -> np.ndarray:
    return value.detach().double().numpy()


def _ones(channels: int) -> np.ndarray:
    return np.ones(channels)


def _zeros(channels: int) -> np.ndarray:
    return np.zeros(channels)


def _signs(module: Any) -> tuple[np.ndarray, np.ndarray]:
    """(scale (O,), signs (O, ...)) of a binary layer; an exact zero counts as +1."""
    scale, sign = row_scale_sign(module.weight, module.centre)
    return scale.numpy(), np.where(sign.numpy() >= 0, 1.0, -1.0)


def _sign(im: Importer, view: View, suffix: str = "sign") -> str:
    layout = im.layout(view)
    params = {"a": _ones(layout.channels), "b": _zeros(layout.channels)}
    return im.emit("sign", (view.node,), params, layout, suffix)


# ---------------------------------------------------------------------------------- layers


def binary_linear(im: Importer, m: hnn.BinaryLinear, _: Tensor, x: View) -> View:
    layout = im.channel_axis(x, -1, "BinaryLinear").with_channels(m.out_features)
    scale, sign = _signs(m)
    params = {"sign": sign, "scale": scale, "bias": _zeros(len(scale)), "unwindow": 0}
    return View(im.emit("xnor_linear", (_sign(im, x),), params, layout), x.axes)


def binary_conv(im: Importer, m: hnn.BinaryConv2d, _: Tensor, x: View) -> View:
    layout = im.require(x, IMAGE, "BinaryConv2d")
    k, s, d = m.kernel_size, m.stride, m.dilation
    same = k == 3 and s == 1 and m.padding == d
    patch = k == s and m.padding == 0 and d == 1 and m.groups == 1
    if not same and not patch:
        raise im.unsupported(
            f"BinaryConv2d kernel={k} stride={s} padding={m.padding} dilation={d} "
            f"groups={m.groups}",
            "supported: kernel 3, stride 1, padding = dilation; or stride = kernel without groups",
        )
    height, width = layout.grid
    if height % s or width % s:
        raise im.unsupported(
            f"BinaryConv2d stride={s} on a {height}x{width} grid", "the stride must divide it"
        )
    scale, sign = _signs(m)
    bias = _zeros(len(scale)) if m.bias is None else _array(m.bias)
    out = on_grid(height // s, width // s, m.out_channels)
    bits = (_sign(im, x),)
    if k == 1:
        params = {"sign": sign[:, :, 0, 0], "scale": scale, "bias": bias, "unwindow": 0}
        return View(im.emit("xnor_linear", bits, params, out), IMAGE)
    params = {"sign": sign.transpose(0, 2, 3, 1), "scale": scale, "bias": bias,
              "stride": s, "dilation": d, "groups": m.groups}  # fmt: skip
    return View(im.emit("xnor_conv", bits, params, out), IMAGE)


def conv(im: Importer, m: nn.Conv2d, _: Tensor, x: View) -> View:
    layout = im.require(x, IMAGE, "Conv2d")
    k = m.kernel_size[0]
    plain = m.kernel_size == m.stride == (k, k) and m.padding in ((0, 0), "valid")
    if not plain or m.groups != 1 or m.dilation != (1, 1):
        raise im.unsupported(
            f"Conv2d kernel={m.kernel_size} stride={m.stride} padding={m.padding} "
            f"dilation={m.dilation} groups={m.groups}",
            "supported: square kernel = stride, no padding, dilation or groups",
        )
    height, width = layout.grid
    if height % k or width % k:
        raise im.unsupported(f"Conv2d stride={k} on a {height}x{width} grid", "must divide it")
    bias = _zeros(m.out_channels) if m.bias is None else _array(m.bias)
    params = {"weight": _array(m.weight).transpose(0, 2, 3, 1), "bias": bias}
    out = on_grid(height // k, width // k, m.out_channels)
    return View(im.emit("conv", (x.node,), params, out), IMAGE)


def linear(im: Importer, m: nn.Linear, _: Tensor, x: View) -> View:
    layout = im.channel_axis(x, -1, "Linear")
    if layout.grid == (0, 0):
        raise im.unsupported("Linear on windows", "supported: on a grid or a vector")
    bias = _zeros(m.out_features) if m.bias is None else _array(m.bias)
    params = {"weight": _array(m.weight)[:, None, None, :], "bias": bias}
    out = layout.with_channels(m.out_features)
    return View(im.emit("conv", (x.node,), params, out), x.axes)


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
    params = {"eps": float(m.eps), "window": 0}
    norm = View(im.emit("layer_norm", (x.node,), params, layout), x.axes)
    if m.weight is None:
        return norm
    return im.affine(norm, _array(m.weight), 0.0 if m.bias is None else _array(m.bias), "affine")


def layer_scale(im: Importer, m: hnn.LayerScale, _: Tensor, x: View) -> View:
    im.channel_axis(x, m.channel_dim, "LayerScale")
    return im.affine(x, _array(m.alpha), _array(m.move))


def learned_shift(im: Importer, m: hnn.LearnedShift, _: Tensor, x: View) -> View:
    return im.add_parameter(x, m.bias)


def rprelu(im: Importer, m: hnn.RPReLU, _: Tensor, x: View) -> View:
    layout = im.channel_axis(x, m.channel_dim, "RPReLU")
    params = {"g": _array(m.move1), "slope": _array(m.prelu.weight), "z": _array(m.move2)}
    return View(im.emit("rprelu", (x.node,), params, layout), x.axes)


def prelu(im: Importer, m: Any, _: Tensor, x: View, **kwargs: Any) -> View:
    layout = im.layout(x)
    slope = im.vector(m.weight, layout.channels) if isinstance(m, nn.PReLU) else 0.0
    if isinstance(m, nn.PReLU) and m.weight.numel() > 1:
        im.channel_axis(x, 1, "PReLU")
    params = {"g": _zeros(layout.channels), "slope": im.vector(slope, layout.channels),
              "z": _zeros(layout.channels)}  # fmt: skip
    return View(im.emit("rprelu", (x.node,), params, layout, _suffix(m, "relu")), x.axes)


def _suffix(what: Any, name: str) -> str:
    return "" if isinstance(what, nn.Module) else name


def gelu(im: Importer, m: Any, _: Tensor, x: View, approximate: str = "none") -> View:
    if getattr(m, "approximate", approximate) != "none":
        raise im.unsupported("GELU approximate='tanh'", "supported: the erf form")
    return View(im.emit("gelu", (x.node,), {}, im.layout(x), _suffix(m, "gelu")), x.axes)


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
    return View(_avg_pool(im, x, k), IMAGE)


def _avg_pool(im: Importer, x: View, k: int, suffix: str = "") -> str:
    layout = im.layout(x)
    h, w = layout.grid
    out = on_grid(h // k, w // k, layout.channels)
    params = {"kernel": k, "scale": _ones(out.channels) / k**2, "bias": _zeros(out.channels)}
    return im.emit("avg_pool", (x.node,), params, out, suffix)


def adaptive_pool(im: Importer, m: nn.AdaptiveAvgPool2d, _: Tensor, x: View) -> View:
    im.require(x, IMAGE, "AdaptiveAvgPool2d")
    if m.output_size not in (1, (1, 1)):
        raise im.unsupported(f"AdaptiveAvgPool2d to {m.output_size}", "supported: to 1x1")
    return View(_token_mean(im, x), IMAGE)


def token_builder(im: Importer, m: hnn.TokenBuilder, _: Tensor, x: View) -> View:
    """Merge tokens a1 max + (1 - a1) avg (or aligned average), LayerNorm over all tokens."""
    layout = im.require(x, TOKENS, "TokenBuilder")
    w, (height, width), c = m.window, layout.grid, layout.channels
    cells = on_grid(height // w, width // w, c)
    if m.merge == "mix":
        a1 = _array(m.a1).reshape(-1)
        params = {"window": w, "scale": a1, "bias": _zeros(c)}
        largest = im.emit("merge_max", (x.node,), params, cells, "max")
        params = {"window": w, "scale": (1.0 - a1) / w**2, "bias": _zeros(c)}
        average = im.emit("merge_sum", (x.node,), params, cells, "avg")
        merge = im.emit("add", (largest, average), {}, cells, "merge")
    else:
        merge = _avg_pool(im, x, w, "avg")
    windows = cells.shape[0]
    out = Layout((windows, w * w + windows, c))
    params = {"eps": float(m.norm.eps), "window": w}
    norm = View(im.emit("layer_norm", (x.node, merge), params, out, "norm"), WINDOWS)
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
    tokens = layout.shape[-2]
    if tokens > 64:
        raise im.unsupported(f"QDAttention over {tokens} tokens", "a window has at most 64 tokens")
    alpha = _array(m.alpha) if m.learned else np.ones(heads)
    zero = _array(m.zero_point) if m.learned else np.zeros(heads)
    params = {"alpha": alpha, "zero_point": zero, "scale": np.repeat(alpha, 64),
              "bias": _zeros(layout.channels)}  # fmt: skip
    bits = tuple(_sign(im, x, f"{name}_sign") for x, name in zip(qkv, "qkv"))
    return View(im.emit("attention", bits, params, layout), qkv[0].axes)


# ------------------------------------------------------------------------------- functions


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


def _filter(im: Importer, x: View, offsets: Any, coeff: np.ndarray, suffix: str) -> View:
    layout = im.layout(x)
    params = {"offsets": offsets, "coeff": coeff, "bias": _zeros(layout.channels)}
    return View(im.emit("cross_filter", (x.node,), params, layout, suffix), x.axes)


def tile_channels(im: Importer, f: Any, _: Tensor, x: View, times: int) -> View:
    layout = im.channel_axis(x, -1, "tile_channels")
    out = layout.with_channels(times * layout.channels)
    return View(im.emit("tile", (x.node,), {"times": times}, out, "tile"), x.axes)


def pool_channels(im: Importer, f: Any, _: Tensor, x: View, factor: int) -> View:
    layout = im.channel_axis(x, -1, "pool_channels")
    if factor not in (2, 4, 8):
        raise im.unsupported(f"pool_channels factor={factor}", "supported: 2, 4, 8")
    out = layout.with_channels(layout.channels // factor)
    return View(im.emit("pool", (x.node,), {"factor": factor}, out, "pool"), x.axes)


def avg_pool_grid(im: Importer, f: Any, _: Tensor, x: View, grid: int, factor: int) -> View:
    im.require(x, TOKENS, "avg_pool_grid")
    return View(_avg_pool(im, x, factor, "avg_pool"), TOKENS)


def window_merge(
    im: Importer, f: Any, _: Tensor, z: View, parm: Tensor, grid: int, window: int
) -> View:
    """parm * window tokens + (1 - parm) * mean over windows of the merge tokens, on the grid."""
    layout = im.require(z, WINDOWS, "window_merge")
    windows, c = layout.shape[0], layout.channels
    mix, n = im.vector(parm, c), grid // window
    params = {"scale": (1.0 - mix) / windows, "bias": _zeros(c)}
    mean = im.emit("merge_mean", (z.node,), params, on_grid(n, n, c), "merge_mean")
    inside = Layout((windows, window * window, c))
    spread = im.emit("per_window", (mean,), {}, Layout((windows, 1, c)), "spread")
    params = {"window": window, "scale": mix, "bias": _zeros(c)}
    part = im.emit("window_part", (z.node,), params, inside, "window_mix")
    total = im.emit("add", (part, spread), {}, inside, "mix_sum")
    out = on_grid(grid, grid, c)
    return View(im.emit("unwindow", (total,), {"window": window}, out, "unwindow"), TOKENS)


def add(im: Importer, f: Any, _: Tensor, x: Any, y: Any, alpha: float = 1.0) -> View:
    if not isinstance(x, View):
        x, y = y, x
    if not isinstance(y, View):
        return im.add_parameter(x, torch.as_tensor(y) * alpha)
    if x.axes != y.axes or im.layout(x) != im.layout(y):
        raise im.unsupported(
            f"a sum of {im.layout(x).shape} and {im.layout(y).shape}", "needs equal shapes"
        )
    if alpha != 1.0:
        y = im.affine(y, alpha, 0.0, "scale")
    return View(im.emit("add", (x.node, y.node), {}, im.layout(x), "add"), x.axes)


def subtract(im: Importer, f: Any, r: Tensor, x: Any, y: Any) -> View:
    if isinstance(y, View):
        y = im.affine(y, -1.0, 0.0, "negate")
    else:
        y = -torch.as_tensor(y)
    return add(im, f, r, x, y)


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
    from hwgen.frontend.views import canonical

    array = canonical(factor, x.axes, im.layout(x))
    if array is None or array.ndim > 1:
        raise im.unsupported("a factor per position", "supported: a factor per channel")
    return im.affine(x, array, 0.0, "scale")


def mean(im: Importer, f: Any, r: Tensor, x: View, dim: Any = None, keepdim: bool = False) -> View:
    axes = [d % len(x.axes) for d in (dim if isinstance(dim, tuple | list) else (dim,))]
    atoms = sorted(a for d in axes for a in x.axes[d])
    if atoms != ["X", "Y"]:
        raise im.unsupported(f"mean over {'*'.join(atoms)}", "supported: mean over all tokens")
    kept = [() if i in axes else a for i, a in enumerate(x.axes)]
    if not keepdim:
        kept = [a for i, a in enumerate(kept) if i not in axes]
    place = next(i for i, a in enumerate(kept) if a == ("C",))
    kept[place] = ("Y", "X", "C")  # both of size 1 now
    return View(_token_mean(im, x, "mean"), _tidy(kept))


def _tidy(axes: list[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    return tuple(("C",) if a == ("Y", "X", "C") else a for a in axes)


def _token_mean(im: Importer, x: View, suffix: str = "") -> str:
    layout = im.layout(x)
    n, c = layout.shape
    params = {"scale": np.full(c, 1.0 / n), "bias": _zeros(c)}
    return im.emit("token_mean", (x.node,), params, on_grid(1, 1, c), suffix)


# --------------------------------------------------------------------------------- layouts


def reshape(im: Importer, f: Any, result: Tensor, x: View, *args: Any, **kwargs: Any) -> View:
    sizes = atom_sizes(im.layout(x), len(result) if x.axes[0] == ("B",) else _batch(im, x))
    axes = regroup(x.axes, sizes, tuple(result.shape))
    if axes is None:
        raise im.unsupported(
            f"a reshape to {tuple(result.shape)}", "it must not cut channels or grid sides"
        )
    return View(x.node, axes)


def _batch(im: Importer, x: View) -> int:
    from hwgen.frontend.trace import BATCH

    return BATCH


def transpose(im: Importer, f: Any, _: Tensor, x: View, i: int, j: int) -> View:
    axes = list(x.axes)
    axes[i], axes[j] = axes[j], axes[i]
    return View(x.node, tuple(axes))


def permute(im: Importer, f: Any, _: Tensor, x: View, *dims: Any) -> View:
    order = dims[0] if len(dims) == 1 and isinstance(dims[0], tuple | list) else dims
    return View(x.node, tuple(x.axes[d] for d in order))


MODULES: dict[type, Handler] = {
    hnn.BinaryLinear: binary_linear, hnn.BinaryConv2d: binary_conv, hnn.BatchNorm: batch_norm,
    hnn.LayerScale: layer_scale, hnn.LearnedShift: learned_shift, hnn.RPReLU: rprelu,
    hnn.TokenBuilder: token_builder, hnn.QDAttention: attention,
    nn.Conv2d: conv, nn.Linear: linear, nn.BatchNorm1d: batch_norm, nn.BatchNorm2d: batch_norm,
    nn.LayerNorm: layer_norm, nn.GELU: gelu, nn.PReLU: prelu, nn.ReLU: prelu,
    nn.Identity: identity, nn.Dropout: identity, nn.AvgPool2d: avg_pool_layer,
    nn.AdaptiveAvgPool2d: adaptive_pool, nn.Flatten: reshape,
}  # fmt: skip
FUNCTIONS: dict[Any, Handler] = {
    hnn.shift_mean: shift_mean, hnn.shift_mix: shift_mix, hnn.tile_channels: tile_channels,
    hnn.pool_channels: pool_channels, hnn.avg_pool_grid: avg_pool_grid,
    hnn.window_merge: window_merge,
    operator.add: add, operator.iadd: add, torch.add: add, operator.sub: subtract,
    torch.sub: subtract, operator.mul: multiply, torch.mul: multiply, operator.truediv: divide,
    F.gelu: gelu, F.relu: prelu, torch.relu: prelu, torch.mean: mean,
    torch.flatten: reshape, torch.reshape: reshape, torch.transpose: transpose,
    torch.permute: permute,
}  # fmt: skip
METHODS: dict[Any, Handler] = {
    "add": add, "sub": subtract, "mul": multiply, "mean": mean, "flatten": reshape,
    "reshape": reshape, "view": reshape, "unflatten": reshape, "squeeze": reshape,
    "unsqueeze": reshape, "transpose": transpose, "permute": permute, "contiguous": identity,
}  # fmt: skip
