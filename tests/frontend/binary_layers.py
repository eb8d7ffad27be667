"""Binary layers as published code bases and users write them; none is known to hwgen by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SignSTE(torch.autograd.Function):
    """torch.sign with a clipped gradient (BinaryNet, IR-Net)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.sign(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return grad * (x.abs() <= 1)


class MaskedSign(torch.autograd.Function):
    """Written into a copy by masks: sign(0) = +1."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        out = x.clone()
        out[x >= 0] = 1.0
        out[x < 0] = -1.0
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad


class ScaledSign(torch.autograd.Function):
    """A context set up apart, and a factor: sign(0) = -1."""

    @staticmethod
    def forward(x: Tensor, factor: float) -> Tensor:
        return factor * ((x > 0).to(x.dtype) * 2 - 1)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(inputs[0])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        return grad, None


class GradientScale(torch.autograd.Function):
    """The identity, forward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        return grad, None


class Affine(torch.autograd.Function):
    """No sign and no identity: traced through."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return 2 * x + 1

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return 2 * grad


sign_alias = SignSTE.apply


def approximate_sign(x: Tensor) -> Tensor:
    """Bi-Real Net and ReActNet as released: sign forward, a polynomial's gradient."""
    out_forward = torch.sign(x)
    mask1, mask2, mask3 = x < -1, x < 0, x < 1
    out1 = (-1) * mask1.type(torch.float32) + (x * x + 2 * x) * (1 - mask1.type(torch.float32))
    out2 = out1 * mask2.type(torch.float32) + (-x * x + 2 * x) * (1 - mask2.type(torch.float32))
    out3 = out2 * mask3.type(torch.float32) + 1 * (1 - mask3.type(torch.float32))
    return out_forward.detach() - out3.detach() + out3


def plus_one_at_zero(x: Tensor) -> Tensor:
    """Larq's sign: sign(sign(x) + 0.1)."""
    return torch.sign(torch.sign(x) + 0.1)


SIGNS: dict[str, Callable[[Tensor], Tensor]] = {
    "torch.sign": torch.sign,
    "x.sign()": lambda x: x.sign(),
    "autograd.Function": SignSTE.apply,
    "alias of apply": sign_alias,
    "Function with masks": MaskedSign.apply,
    "Function with a factor": lambda x: ScaledSign.apply(x, 0.5),
    "torch.where": lambda x: torch.where(x >= 0, 1.0, -1.0),
    "torch.where of tensors": lambda x: torch.where(x < 0, -torch.ones_like(x), torch.ones_like(x)),
    "comparison": lambda x: (x >= 0).float() * 2 - 1,
    "comparison, 1 - 2": lambda x: 1 - 2 * (x < 0).type_as(x),
    "detach trick": approximate_sign,
    "x + (sign(x) - x).detach()": lambda x: x + (torch.sign(x) - x).detach(),
    "clamped detach trick": lambda x: (
        torch.sign(x).detach() - F.hardtanh(x).detach() + F.hardtanh(x)
    ),
    "sign of a sign": plus_one_at_zero,
    "hardtanh first": lambda x: torch.sign(F.hardtanh(x)),
    "negated": lambda x: -torch.sign(x),
    "times a number": lambda x: torch.sign(x) * 0.7,
    "identity Function before": lambda x: torch.sign(GradientScale.apply(x, 0.1)),
    "Function traced through": lambda x: torch.sign(Affine.apply(x)),
}


class HardBinaryConv(nn.Module):
    """ReActNet as released: the weights a column, scaled, by a detach trick."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, padding: int = 1) -> None:
        super().__init__()
        self.shape, self.padding = (outputs, inputs, kernel, kernel), padding
        count = inputs * outputs * kernel * kernel
        self.weights = nn.Parameter(torch.rand((count, 1)) * 0.02 - 0.01)

    def forward(self, x: Tensor) -> Tensor:
        real = self.weights.view(self.shape)
        scaling_factor = torch.mean(
            torch.mean(torch.mean(abs(real), dim=3, keepdim=True), dim=2, keepdim=True),
            dim=1, keepdim=True,
        ).detach()  # fmt: skip
        binary_no_grad = scaling_factor * torch.sign(real)
        cliped = torch.clamp(real, -1.0, 1.0)
        binary = binary_no_grad.detach() - cliped.detach() + cliped
        return F.conv2d(approximate_sign(x), binary, stride=1, padding=self.padding)


class SubclassConv(nn.Conv2d):
    """nn.Conv2d with signs of input and centred weights, and a bias."""

    def forward(self, x: Tensor) -> Tensor:
        centred = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        scale = self.weight.abs().mean((1, 2, 3), keepdim=True)
        weight = SignSTE.apply(centred) * scale
        return F.conv2d(
            SignSTE.apply(x), weight, self.bias, self.stride, self.padding, self.dilation,
            self.groups,
        )  # fmt: skip


class IRConv(nn.Conv2d):
    """IR-Net: balanced weights, scales that are powers of two."""

    def forward(self, x: Tensor) -> Tensor:
        w = self.weight
        rows = w.view(w.size(0), -1)
        bw = w - rows.mean(-1).view(-1, 1, 1, 1)
        bw = bw / bw.view(bw.size(0), -1).std(-1).view(-1, 1, 1, 1)
        power = torch.round(
            torch.log(bw.abs().view(len(bw), -1).mean(-1)) / torch.log(torch.tensor(2.0))
        )
        scale = torch.pow(torch.tensor([2.0] * len(bw)), power).view(-1, 1, 1, 1)
        return self._conv_forward(SignSTE.apply(x), SignSTE.apply(bw) * scale, self.bias)


class BinarizeConv2d(nn.Conv2d):
    """BinaryNet as released: input.data and weight.data are overwritten."""

    def forward(self, x: Tensor) -> Tensor:
        if x.size(1) != 3:
            x.data = x.data.sign()
        if not hasattr(self.weight, "org"):
            self.weight.org = self.weight.data.clone()
        self.weight.data = self.weight.org.sign()
        out = F.conv2d(x, self.weight, None, self.stride, self.padding, self.dilation, self.groups)
        if self.bias is not None:
            self.bias.org = self.bias.data.clone()
            out += self.bias.view(1, -1, 1, 1).expand_as(out)
        return out


class QuantConv2d(nn.Conv2d):
    """Larq and Brevitas: quantizers as attributes, a learned scale per channel or for all."""

    def __init__(self, *args: Any, per_channel: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.input_quantizer: Callable[[Tensor], Tensor] = plus_one_at_zero
        self.act_scale = nn.Parameter(torch.tensor(0.5))
        shape = (self.out_channels, 1, 1, 1) if per_channel else ()
        self.weight_scale = nn.Parameter(torch.rand(shape) + 0.1)

    def forward(self, x: Tensor) -> Tensor:
        weight = torch.where(self.weight >= 0, 1.0, -1.0) * self.weight_scale
        quantized = self.act_scale * self.input_quantizer(x)
        return self._conv_forward(quantized, weight, self.bias)


class SubclassLinear(nn.Linear):
    """nn.Linear on signs."""

    def forward(self, x: Tensor) -> Tensor:
        scale = self.weight.abs().mean(1, keepdim=True)
        return F.linear(torch.sign(x), torch.sign(self.weight) * scale, self.bias)


class MatmulLinear(nn.Module):
    """x @ W on signs, one scale for all."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(inputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return MaskedSign.apply(x) @ (self.weight.sign() * self.weight.abs().mean())


class Float(nn.Module):
    """A layer of torch whose stored weights are binary, behind a sign."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        with torch.no_grad():
            layer.weight.copy_(layer.weight.sign() * 0.125)  # type: ignore[union-attr,operator]

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(torch.sign(x))
