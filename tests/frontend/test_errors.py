"""One line for every network that cannot be compiled: where, what, the rule."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from hwgen.errors import FitError, HwgenError, UnsupportedOpError
from hwgen.nn import (
    BatchNorm,
    BinaryConv2d,
    BinaryLinear,
    QDAttention,
    RPReLU,
    elastic_attention,
)
from hwgen.ops.max_pool import MaxPool
from hwgen.passes.lower import lower_model
from tests.networks import IMAGE, small_attention_net


def lower(module: nn.Module, **options: object) -> object:
    return lower_model(module, meta={"image": IMAGE}, **options)  # type: ignore[arg-type]


class Around(nn.Module):
    """Stem, a layer under test on the 8x8 grid, mean, classifier."""

    def __init__(self, layer: nn.Module, channels: int = 32, out: int = 32) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 4, 4)
        self.layer = layer
        self.head = nn.Linear(out, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layer(self.stem(x)).mean((2, 3)))


class Sine(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sin(x)


class Product(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * x


class Branch(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if x.sum() > 0 else -x


class Tokens(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.inner(x.flatten(2).transpose(1, 2))
        return y.transpose(1, 2).unflatten(2, (8, 8))


class Attend(nn.Module):
    def __init__(self, heads: int, negative: bool = False) -> None:
        super().__init__()
        self.attention, self.negative = QDAttention(heads), negative
        self.act, self.norm = RPReLU(32 * heads), BatchNorm(32 * heads)
        if negative:
            self.norm.weight.data.fill_(-1.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.attention(x, x, x)


class Elastic(nn.Module):
    def __init__(self, step: float, heads: int = 1) -> None:
        super().__init__()
        self.clip, self.heads = nn.Parameter(torch.tensor(step)), heads

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return elastic_attention(x, x, x, self.clip, self.heads)


class TwoWidths(nn.Module):
    """Attention layers of three widths, one as often as the others together, before an ELU."""

    def __init__(self, act: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(Attend(heads) for heads in (2, 4, 4, 1)))
        self.act = act

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = x + layer.attention(x, x, x)
        return self.act(x)


class TwoStems(nn.Module):
    """A padded convolution of the image beside another."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.other = nn.Conv2d(3, 32, 4, 4), nn.Conv2d(3, 32, 6, 4, 1)
        self.head = nn.Linear(32, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head((self.stem(x) + self.other(x)).mean((2, 3)))


UNSUPPORTED = {
    "function": (Around(Sine()), r"^layer: sin; supported: .*shift_mean.*$"),
    "module": (
        Around(nn.Softplus()),
        r"^layer: Softplus; supported: .*BinaryConv2d.*TokenBuilder, Unflatten$",
    ),
    "pooling": (
        Around(nn.MaxPool2d(3, 1, 1, dilation=2)),
        r"^layer: MaxPool2d kernel=3 stride=1 padding=1 dilation=2 return_indices=False; "
        r"supported: no dilation, values alone$",
    ),
    "product": (Around(Product()), r"^layer: a product of two tensors; a factor must be a param"),
    "control flow": (
        Around(Branch()),
        r"^layer: bool\(\) of a traced value; control flow must not depend on it; supported: what "
        r"is computed from shapes or parameters alone$",
    ),
    "convolution of padding": (
        Around(nn.Conv2d(32, 32, 1, padding=1)),
        r"^layer: conv kernel=1 stride=1 padding=1 grid=\(8, 8\); supported: every result sees the "
        r"image$",
    ),
    "convolution of padding across": (
        Around(nn.Conv2d(32, 32, (3, 1), (1, 2), (1, 1))),
        r"^layer: conv kernel=\(3, 1\) stride=\(1, 2\) padding=1 grid=\(8, 8\); supported: every "
        r"result sees the image$",
    ),
    "binary convolution of padding": (
        Around(BinaryConv2d(32, 32, 1, padding=1)),
        r"^layer: xnor_conv kernel=1 padding=1 dilation=1 grid=\(8, 8\); supported: every result "
        r"sees the image$",
    ),
    "axis": (
        Around(BinaryLinear(8, 8)),
        r"^layer: BinaryLinear along axis -1 of \(B, C, Y, X\); needs the channels there$",
    ),
    "elastic step of 0": (
        Around(Tokens(Elastic(0.0)), 64, 64),
        r"^layer.inner: elastic_attention with the step 0; the learned step must be positive$",
    ),
    "negative elastic step": (
        Around(Tokens(Elastic(-0.25)), 64, 64),
        r"^layer.inner: elastic_attention with the step -0.25; the learned step must be positive$",
    ),
    "elastic heads": (
        Around(Tokens(Elastic(0.5, 8)), 64, 64),
        r"^layer.inner: elastic_attention with 8 heads of 8 channels; a head has a multiple of 16 ",
    ),
    "two stems": (
        TwoStems(),
        r"^other: another convolution of the image; supported: one, or several of stride = kernel "
        r"without padding$",
    ),
    "head": (Around(Tokens(Attend(4))), r"^layer.inner.attention: .* 8 channels; a head has a mul"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNSUPPORTED)
def test_unsupported(case: str) -> None:
    module, message = UNSUPPORTED[case]
    with pytest.raises(UnsupportedOpError, match=message) as caught:
        lower(module)
    assert "\n" not in str(caught.value)


def test_heads_of_several_widths() -> None:
    """Told by layer with all other reasons, before anything is calibrated."""
    with pytest.raises(UnsupportedOpError) as caught:
        lower(Around(Tokens(TwoWidths(nn.Identity())), 64, 64))
    first = "layer.inner.layers.1.attention"
    rule = "supported: heads of one width in a network; give it heads of 16"
    lines = (
        "Around: 2 reasons why it cannot be compiled",
        "layer.inner.layers.0.attention: attention heads of 32 channels, those of "
        f"{first} have 16; {rule}",
        "layer.inner.layers.3.attention: attention heads of 64 channels, those of "
        f"{first} have 16; {rule}",
    )
    assert caught.value.lines == lines
    with pytest.raises(UnsupportedOpError) as caught:
        lower(Around(Tokens(TwoWidths(nn.ELU())), 64, 64))
    assert caught.value.lines[1:3] == lines[1:]
    assert caught.value.lines[3].startswith("layer.inner.act: ELU; supported: ")


def test_nan() -> None:
    module = small_attention_net()
    module.bn.weight.data[3] = float("nan")
    with pytest.raises(HwgenError, match=r"^bn: a holds NaN or infinity; must be finite; retrain$"):
        lower(module)


def test_nan_step() -> None:
    module = Around(Tokens(Elastic(float("nan"))), 64, 64)
    with pytest.raises(HwgenError, match=r"^layer.inner: .*NaN or infinity; must be finite"):
        lower(module)


def test_max_pool_whose_stride_does_not_divide_the_width() -> None:
    """A maximum of stride 1, of which every third is taken."""
    pools = [op for op in lower(Around(nn.MaxPool2d(3, 3, 1))).ops if isinstance(op, MaxPool)]
    assert [(op.kernel, op.stride, op.padding) for op in pools] == [(3, 1, 1), (1, 3, 0)]


def test_calibration_images() -> None:
    module = small_attention_net()
    with pytest.raises(HwgenError, match=r"calibration images: float64 .* must be uint8"):
        lower_model(module, np.zeros((1, 32, 32, 3)))
    with pytest.raises(HwgenError, match=r"no calibration images; needs an image size"):
        lower_model(module)


def test_act_bits() -> None:
    with pytest.raises(HwgenError, match=r"act_bits: 20; must be 8..16; use 16"):
        lower(small_attention_net(), act_bits=20)


def test_gelu_needs_range() -> None:
    class Stem(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.act, self.head = nn.Conv2d(3, 16, 4, 4), nn.GELU(), nn.Linear(16, 4)
            self.conv.weight.data *= 60

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.act(self.conv(x)).mean((2, 3)))

    torch.manual_seed(0)
    with pytest.raises(
        FitError, match=r"more bits at 12 fraction bits; .*use act_bits=16, .*before GELU$"
    ):
        lower(Stem())


def test_attention_operand_of_negative_slope_is_computed_not_inverted() -> None:
    """A norm with a negative weight after the activation stays in the post chain."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.linear = nn.Conv2d(3, 64, 4, 4), BinaryLinear(64, 64)
            self.act, self.norm, self.attention = RPReLU(64), BatchNorm(64), QDAttention(1)
            self.norm.weight.data[::2] = -1.0
            self.act.move1.data.fill_(0.1)  # a dot product of signs is often exactly 0
            self.head = nn.Linear(64, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            t = self.stem(x).flatten(2).transpose(1, 2)
            q = self.norm(self.act(self.linear(t)))
            return self.head(self.attention(q, q, q).mean(1))

    graph = lower_model(Net(), meta={"image": IMAGE})
    assert graph.op("linear").post.m3.min() < 0
    assert graph.op("linear").bits is not None
