"""The function of PyTorch that an ATen op is, as a network in Python calls it.

Only what is listed here is ever called: it computes its result from its operands. An op that is
missing, or `Unknown` options of one that is not, are refused by name.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Function = Callable[..., Any]
WHOLE = slice(None)
LAST = 1 << 62  # ends of slices from here on are the axis' own
FACTORIES = ("device", "layout", "pin_memory", "memory_format", "non_blocking", "copy", "generator")


class Unknown(Exception):
    """Options of an op that has no function here."""


def slice_of(
    x: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Any:
    """x[:, start:end:step] along an axis; x itself where that is the whole axis."""
    dim, size = dim % x.dim(), x.shape[dim]
    end = None if end is None or end >= min(size, LAST) else end
    key = slice(start or None, end, None if step == 1 else step)
    return x if key == WHOLE else x[(*[WHOLE] * dim, key)]


def select(x: Any, dim: int, index: int) -> Any:
    """x[:, index] along an axis."""
    return x[(*[WHOLE] * (dim % x.dim()), index)]


def index(x: Any, indices: list[Any]) -> Any:
    """x[:, [0, 2]]; None for a whole axis."""
    return x[tuple(WHOLE if k is None else k for k in indices)]


def convolution(
    x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, transposed: bool,
    output_padding: Any, groups: int,
) -> Any:  # fmt: skip
    if transposed or weight.dim() != 4:
        raise Unknown("transposed" if transposed else f"of {weight.dim() - 2} dimensions")
    return F.conv2d(x, weight, bias, stride, padding, dilation, groups)


def batch_norm(
    x: Any, weight: Any, bias: Any, mean: Any, var: Any, training: bool, momentum: float,
    eps: float, *_: Any,
) -> Any:  # fmt: skip
    return F.batch_norm(x, mean, var, weight, bias, training, momentum, eps)


def batch_norm_no_training(
    x: Any, weight: Any, bias: Any, mean: Any, var: Any, momentum: float, eps: float
) -> tuple:
    return batch_norm(x, weight, bias, mean, var, False, momentum, eps), None, None


def layer_norm(
    x: Any, shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5, *_: Any
) -> Any:
    return F.layer_norm(x, tuple(shape), weight, bias, eps)


def native_layer_norm(x: Any, shape: Any, weight: Any, bias: Any, eps: float) -> tuple:
    return layer_norm(x, shape, weight, bias, eps), None, None


def addmm(bias: Any, x: Any, weight: Any, beta: float = 1.0, alpha: float = 1.0) -> Any:
    """beta bias + alpha x weight, with a weight (C, O)."""
    if (beta, alpha) != (1, 1):
        raise Unknown(f"beta={beta} alpha={alpha}")
    if isinstance(weight, Tensor) and isinstance(bias, Tensor):
        return F.linear(x, weight.t(), bias)
    return torch.matmul(x, weight) + bias


def cast(x: Any, *options: Any, dtype: Any = None, **_: Any) -> Any:
    """To a type; to a device, a layout: nothing."""
    given = [o for o in (*options, dtype) if isinstance(o, torch.dtype)]
    return x.to(given[0]) if given and given[0] != x.dtype else x


def bmm(x: Any, y: Any) -> Any:
    """A product of matrices; of parameters that are expanded over the batch it is matmul's."""
    if isinstance(y, Tensor) and bool((y == y[:1]).all()):
        return torch.matmul(x, y[0])
    return torch.bmm(x, y)


def view_as(x: Any, like: Any) -> Any:
    return x if x.shape == like.shape else torch.reshape(x, tuple(like.shape))


def index_put(x: Any, indices: list[Any], value: Any, accumulate: bool = False) -> Any:
    """x with the value where a mask is true."""
    mask = indices[0] if len(indices) == 1 else None
    if mask is None or mask.dtype != torch.bool or accumulate or value.numel() != 1:
        raise Unknown("of what is no mask and one value")
    return torch.where(mask, value, x)


def rsub(x: Any, other: Any, alpha: float = 1) -> Any:
    return other - (x if alpha == 1 else x * alpha)


def dropout(x: Any, p: float, train: bool) -> Any:
    return F.dropout(x, p, train)


def softmax(x: Any, dim: int, *_: Any) -> Any:
    return torch.softmax(x, dim)


def log_softmax(x: Any, dim: int, *_: Any) -> Any:
    return torch.log_softmax(x, dim)


def max_pool_with_indices(x: Any, *options: Any, **more: Any) -> tuple:
    return torch.max_pool2d(x, *options, **more), None


def mean(x: Any, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    return torch.mean(x) if dim is None else torch.mean(x, tuple(dim), keepdim)


def size(x: Any, dim: int) -> int:
    return x.shape[dim]


def expand(x: Any, sizes: Any, implicit: bool = False) -> Any:
    return x if tuple(sizes) == tuple(x.shape) else x.expand(*sizes)


def reshape(x: Any, sizes: Any) -> Any:
    return torch.reshape(x, tuple(sizes))


def permute(x: Any, dims: Any) -> Any:
    return torch.permute(x, tuple(dims))


def transposed(x: Any) -> Any:
    return x if x.dim() < 2 else torch.transpose(x, 0, 1)


def squeeze(x: Any, dim: Any = None) -> Any:
    if dim is None:
        return torch.squeeze(x)
    return torch.squeeze(x, tuple(dim) if isinstance(dim, list) else dim)


def pad(x: Any, widths: Any, *options: Any, **more: Any) -> Any:
    return F.pad(x, tuple(widths), *options, **more)


def constant_pad(x: Any, widths: Any, value: float = 0) -> Any:
    return F.pad(x, tuple(widths), "constant", value)


def split(x: Any, size: Any, dim: int = 0) -> Any:
    return torch.split(x, size, dim)


def same(x: Any, *_: Any, **__: Any) -> Any:
    return x


def nothing(*_: Any, **__: Any) -> None:
    """Assertions about sizes and types: the network is run on its own images."""


def method(name: str) -> Function:
    """What writes its first operand."""

    def call(x: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(x, name)(*args, **kwargs)

    return call


VIEWS: dict[str, Function] = {  # that name a shape: what gives another one
    "aten.view": reshape, "aten.reshape": reshape, "aten._unsafe_view": reshape,
    "aten.unflatten": reshape, "aten.expand": expand,
}  # fmt: skip
_TORCH = """
    abs add amax amin arange argmax argmin atan2 bitwise_and bitwise_not bitwise_or cat ceil
    channel_shuffle chunk clamp clamp_max clamp_min clip concat cos count_nonzero cumsum
    diff div empty_like eq exp exp2 expm1 eye flatten flip floor floor_divide fmod frac full
    full_like ge gt heaviside index_select isfinite isinf isnan le linspace log log10 log1p log2
    logical_and logical_not logical_or logical_xor lt masked_fill matmul max maximum max_pool2d
    median min minimum movedim mul narrow ne neg norm nonzero numel ones ones_like pow prelu prod
    reciprocal relu remainder repeat_interleave roll rot90 round rsqrt scalar_tensor sgn sigmoid
    sign sin sort sqrt square stack std std_mean sub sum tanh tensor_split tile topk transpose tril
    triu true_divide trunc unbind unsqueeze var var_mean where zeros zeros_like
"""
_FUNCTIONAL = """
    adaptive_avg_pool2d adaptive_max_pool2d avg_pool2d conv2d elu gelu glu hardsigmoid hardswish
    hardtanh leaky_relu linear logsigmoid mish relu6 selu silu softplus pixel_shuffle
    pixel_unshuffle scaled_dot_product_attention
"""
_IN_PLACE = """
    add_ sub_ mul_ div_ neg_ relu_ clamp_ sign_ masked_fill_ hardtanh_ leaky_relu_ hardswish_ silu_
    sigmoid_ tanh_ elu_ copy_ fill_ zero_ squeeze_ unsqueeze_ clamp_min_ clamp_max_ abs_ round_
"""
_F_IN_PLACE = ("hardtanh_", "leaky_relu_", "hardswish_", "silu_", "elu_")


def in_place(name: str) -> Function:
    """An activation that writes its operand, as a module with inplace=True calls it."""
    function = getattr(F, name.removesuffix("_"))

    def call(x: Any, *args: Any) -> Any:
        return function(x, *args, inplace=True)

    return call


OPS: dict[str, Function] = {
    **{f"aten.{name}": getattr(torch, name) for name in _TORCH.split()},
    **{f"aten.{name}": getattr(F, name) for name in _FUNCTIONAL.split()},
    **{f"aten.{name}": method(name) for name in _IN_PLACE.split()},
    **{f"aten.{name}": in_place(name) for name in _F_IN_PLACE},
    **{f"aten.{name}": same for name in (
        "alias", "contiguous", "detach", "detach_", "lift_fresh", "lift_fresh_copy")},
    **{f"aten.{name}": nothing for name in ("_assert_tensor_metadata", "_assert_scalar",
                                            "sym_constrain_range", "_assert_async",
                                            "sym_constrain_range_for_size")},
    **{f"_operator.{name}": getattr(operator, name) for name in (
        "add", "sub", "mul", "floordiv", "mod", "neg", "truediv", "eq", "ne", "lt", "le", "gt",
        "ge", "getitem")},
    "aten._adaptive_avg_pool2d": F.adaptive_avg_pool2d,
    "aten._log_softmax": log_softmax,
    "aten._native_batch_norm_legit_no_training": batch_norm_no_training,
    "aten._softmax": softmax,
    "aten._to_copy": cast,
    "aten._unsafe_view": reshape,
    "aten.addmm": addmm,
    "aten.alpha_dropout": dropout,
    "aten.batch_norm": batch_norm,
    "aten.bmm": bmm,
    "aten.clone": lambda x: x.clone(),
    "aten.constant_pad_nd": constant_pad,
    "aten.convolution": convolution,
    "aten.dropout": dropout,
    "aten.expand": expand,
    "aten.expand_as": lambda x, like: x.expand_as(like),
    "aten.feature_dropout": dropout,
    "aten.index": index,
    "aten.index_put": index_put,
    "aten.index_put_": index_put,
    "aten.layer_norm": layer_norm,
    "aten.linalg_vector_norm": torch.linalg.vector_norm,
    "aten.log_softmax": log_softmax,
    "aten.max_pool2d_with_indices": max_pool_with_indices,
    "aten.mean": mean,
    "aten.mm": torch.matmul,
    "aten.native_layer_norm": native_layer_norm,
    "aten.numpy_T": transposed,
    "aten.pad": pad,
    "aten.permute": permute,
    "aten.repeat": lambda x, times: x.repeat(*times),
    "aten.reshape": reshape,
    "aten.rsub": rsub,
    "aten.select": select,
    "aten.slice": slice_of,
    "aten.softmax": softmax,
    "aten.split": split,
    "aten.split_with_sizes": split,
    "aten.squeeze": squeeze,
    "aten.sym_size": size,
    "aten.t": transposed,
    "aten.to": cast,
    "aten.type_as": lambda x, like: x.type_as(like),
    "aten.unflatten": lambda x, dim, sizes: torch.unflatten(x, dim, tuple(sizes)),
    "aten.view": reshape,
    "aten.view_as": view_as,
}  # fmt: skip
REBOUND = {"aten.index_put_"}  # write what may be a constant: all its names are the result's then
# as comparisons and steps of signs are written in Python (hwgen.frontend.signs)
OPS |= {"aten.pow": operator.pow, "aten.bitwise_not": operator.invert,
        "aten.bitwise_and": operator.and_, "aten.bitwise_or": operator.or_}  # fmt: skip
