"""Binary linear and convolution layers and the per-channel layers around them."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwgen.engine.sides import Sides, both
from hwgen.nn.functional import binarize_weight, sign_ste


def _along(vector: Tensor, x: Tensor, channel_dim: int) -> Tensor:
    """View a (C,) vector so that it broadcasts along `channel_dim` of x."""
    if channel_dim == -1 or channel_dim == x.dim() - 1:
        return vector
    shape = [1] * x.dim()
    shape[channel_dim] = -1
    return vector.view(shape)


class BinaryLinear(nn.Module):
    """y = sgn(x) @ Wb^T with Wb from `binarize_weight` (BHViT Eq. 1). No bias.

    Shapes: x (..., in_features) -> (..., out_features); weight (out_features, in_features).
    The shift before the sign is added by the caller.
    """

    def __init__(self, in_features: int, out_features: int, centre: bool = True) -> None:
        super().__init__()
        self.in_features, self.out_features, self.centre = in_features, out_features, centre
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5.0))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(sign_ste(x), binarize_weight(self.weight, self.centre))

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}, centre={self.centre}"


class BinaryConv2d(nn.Module):
    """y = conv2d(zero_pad(sgn(x)), Wb) + bias; a tap in the padding contributes 0, not +-1.

    Wb from `binarize_weight`: a row is (in/groups) x k x k taps; the bias is full precision and
    outside the scale.
    Shapes: x (B, in, H, W) -> (B, out, H', W'); weight (out, in/groups, k, k), bias (out,). Kernel,
    stride, padding and dilation are a number, or two: (down, across).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sides,
        stride: Sides = 1,
        padding: Sides = 0,
        dilation: Sides = 1,
        groups: int = 1,
        bias: bool = False,
        centre: bool = True,
        scale_gradient: bool = True,
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.dilation, self.groups, self.centre = dilation, groups, centre
        self.scale_gradient = scale_gradient
        self.weight = nn.Parameter(
            torch.empty(out_channels, in_channels // groups, *both(kernel_size))
        )
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5.0))
        if bias:
            bound = 1.0 / math.sqrt(self.weight[0].numel())
            self.bias = nn.Parameter(torch.empty(out_channels).uniform_(-bound, bound))
        else:
            self.register_parameter("bias", None)

    def forward(self, x: Tensor) -> Tensor:
        weight = binarize_weight(self.weight, self.centre, self.scale_gradient)
        return F.conv2d(
            sign_ste(x), weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )

    def extra_repr(self) -> str:
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}, padding={self.padding}, dilation={self.dilation}, "
            f"groups={self.groups}, bias={self.bias is not None}, centre={self.centre}"
        )


class RPReLU(nn.Module):
    """y = PReLU(x - move1; prelu.weight) + move2, per channel (ReActNet, arXiv:2003.03488).

    Shapes: any with C at `channel_dim` -> same; move1, move2, prelu.weight (C,).
    """

    def __init__(self, channels: int, channel_dim: int = -1) -> None:
        super().__init__()
        self.channels, self.channel_dim = channels, channel_dim
        self.move1 = nn.Parameter(torch.zeros(channels))
        self.move2 = nn.Parameter(torch.zeros(channels))
        self.prelu = nn.PReLU(channels, init=0.25)

    def forward(self, x: Tensor) -> Tensor:
        z = x - _along(self.move1, x, self.channel_dim)
        if self.channel_dim == -1 and x.dim() != 2:
            z = self.prelu(z.flatten(0, -2)).view(x.shape)  # PReLU's channel axis is axis 1
        else:
            z = self.prelu(z)
        return z + _along(self.move2, x, self.channel_dim)

    def extra_repr(self) -> str:
        return f"{self.channels}, channel_dim={self.channel_dim}"


class LayerScale(nn.Module):
    """y = alpha * x + move, per channel. Shapes: any with C at `channel_dim` -> same; both (C,)."""

    def __init__(self, channels: int, init: float = 0.1, channel_dim: int = -1) -> None:
        super().__init__()
        self.channels, self.channel_dim = channels, channel_dim
        self.alpha = nn.Parameter(torch.full((channels,), float(init)))
        self.move = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return _along(self.alpha, x, self.channel_dim) * x + _along(self.move, x, self.channel_dim)

    def extra_repr(self) -> str:
        return f"{self.channels}, channel_dim={self.channel_dim}"


class LearnedShift(nn.Module):
    """y = x + bias, the learned shift before a sign. Shapes: x broadcastable with bias `shape`."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(shape))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias

    def extra_repr(self) -> str:
        return f"{tuple(self.bias.shape)}"


class BatchNorm(nn.Module):
    """y = weight * (x - mean) / sqrt(var + eps) + bias per channel; batch statistics in training.

    Keys and buffers of `nn.BatchNorm1d`. Shapes: any with C at `channel_dim` (-1, or 1 for NCHW).
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(
        self, channels: int, channel_dim: int = -1, eps: float = 1e-5, momentum: float = 0.1
    ) -> None:
        super().__init__()
        self.channels, self.channel_dim, self.eps, self.momentum = (
            channels,
            channel_dim,
            eps,
            momentum,
        )
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.register_buffer("num_batches_tracked", torch.tensor(0, dtype=torch.long))

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(0, -2) if self.channel_dim == -1 and x.dim() > 2 else x
        if self.training:
            self.num_batches_tracked.add_(1)
        y = F.batch_norm(
            flat,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training,
            self.momentum,
            self.eps,
        )
        return y.view(x.shape) if flat is not x else y

    def extra_repr(self) -> str:
        return f"{self.channels}, channel_dim={self.channel_dim}, eps={self.eps}"
