"""Straight-through functions of binarized transformers.

Every function is exact in the forward direction (no `(b - c) + c` trick), so float32 and float64
models take the same decisions; the surrogate gradients live in `torch.autograd.Function`s.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx


class _SignSTE(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.sign(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return grad * x.abs().mul_(-2.0).add_(2.0).clamp_(min=0.0)


def sign_ste(x: Tensor) -> Tensor:
    """Activation sign with the piecewise-polynomial gradient.

    Forward: torch.sign(x), sgn(0) = 0. Backward (BHViT Eq. 2 with a = 1, b = 0):
    2 + 2x on [-1, 0), 2 - 2x on [0, 1), else 0.
    Shapes: any -> same.
    """
    return _SignSTE.apply(x)


def row_scale_sign(weight: Tensor, centre: bool = True) -> tuple[Tensor, Tensor]:
    """The two parts of a binarized weight: scale (out,) and signs (same shape as `weight`).

    scale_o = mean_i |W[o, i]| of the uncentred weights; sign = sgn(W[o, i] - mean_i W[o, :]),
    without the mean if `centre` is false. Row sums are formed in float64, so that the signs of a
    checkpoint do not depend on the order of summation.
    Shapes: weight (out, ...) -> scale (out,), sign (out, ...), both float64.
    """
    rows = weight.detach().flatten(1).double()
    scale = rows.abs().mean(1)
    sign = torch.sign(rows - rows.mean(1, keepdim=True) if centre else rows)
    return scale, sign.view(weight.shape)


class _BinarizeCentred(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, weight: Tensor) -> Tensor:
        rows = weight.flatten(1).double()
        centred = rows - rows.mean(1, keepdim=True)
        ctx.save_for_backward(centred.abs() <= 1.0)
        binary = rows.abs().mean(1, keepdim=True) * torch.sign(centred)
        return binary.to(weight.dtype).view(weight.shape)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (inside,) = ctx.saved_tensors
        g = grad.flatten(1) * inside
        return (g - g.mean(1, keepdim=True)).view(grad.shape)


class _BinarizePlain(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, weight: Tensor, scale_gradient: bool) -> Tensor:
        rows = weight.flatten(1).double()
        scale = rows.abs().mean(1, keepdim=True)
        inside = (rows.abs() <= 1.0).to(weight.dtype)
        ctx.save_for_backward(inside * scale.to(weight.dtype) if scale_gradient else inside)
        return (scale * torch.sign(rows)).to(weight.dtype).view(weight.shape)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (factor,) = ctx.saved_tensors
        return (grad.flatten(1) * factor).view(grad.shape), None


def binarize_weight(weight: Tensor, centre: bool = True, scale_gradient: bool = True) -> Tensor:
    """Binarized weight Wb[o, i] = scale_o * sgn(W[o, i] - mean_o), scale_o = mean_i |W[o, i]|.

    `centre=True` is the released BHViT: the gradient passes where |W - mean| <= 1, then through
    the mean subtraction; the scale is a constant. `centre=False` is the paper's Eq. 4: no mean, and
    the gradient inside |W| <= 1 is multiplied by the scale; without `scale_gradient` it is not
    (the convolutions of the released ReActNet and BinaryViT, whose scale is a constant).
    Shapes: (out, ...) -> same; all axes but the first are one row.
    """
    if centre:
        return _BinarizeCentred.apply(weight)
    return _BinarizePlain.apply(weight, scale_gradient)


class _RoundSTE(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> Tensor:
        return torch.round(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad


def round_clamp_ste(x: Tensor, low: float, high: float) -> Tensor:
    """clamp(round(x), low, high), half to even; gradient 1 where low <= round(x) <= high, else 0.

    The attention quantizer of BHViT (Eq. 3 one bit, Eq. 10 levels 0..3). Shapes: any -> same.
    """
    return torch.clamp(_RoundSTE.apply(x), low, high)


class _ScaleGrad(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad * ctx.factor, None


def scale_grad(x: Tensor, factor: float) -> Tensor:
    """Identity whose gradient is multiplied by `factor` (LSQ, arXiv:1902.08153)."""
    return _ScaleGrad.apply(x, factor)


class _ElasticBinarize(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, clip: Tensor) -> Tensor:
        ctx.save_for_backward(x, clip)
        bits = torch.round(x / clip).clamp_(0.0, 1.0)
        return torch.where(clip > 0, clip * bits, 0.0)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        x, clip = ctx.saved_tensors
        ratio = torch.where(clip > 0, x / clip, 2.0)  # 2: above
        above = ratio > 1.0
        inside = (ratio >= 0.0) & ~above
        slope = torch.where(inside, torch.round(ratio) - ratio, above.to(grad.dtype))
        return grad * inside, (slope * grad).sum().view_as(clip)


def elastic_binarize(x: Tensor, clip: Tensor) -> Tensor:
    """clip * clamp(round(x / clip), 0, 1), half to even: 0 or clip (BiT, arXiv:2205.13016).

    Gradient of x: passes where 0 <= x / clip <= 1. Gradient of clip: summed over all elements,
    round(x / clip) - x / clip inside, 1 above, 0 below. A clip of 0 or less gives 0 everywhere, no
    gradient for x, and for clip the gradient of a clip just above 0 (all elements above), so that
    training can raise it again.
    Shapes: x any, clip one value of shape [] -> shape of x.
    """
    return _ElasticBinarize.apply(x, clip)
