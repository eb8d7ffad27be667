"""Binary layers that users write themselves become those of `hwgen.nn`, by what they compute."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwgen.errors import UnsupportedOpError
from hwgen.floats.graph import FloatGraph
from hwgen.frontend import signs
from hwgen.frontend.trace import trace
from hwgen.nn import BinaryConv2d
from hwgen.nn.functional import binarize_weight, sign_ste
from tests.frontend import binary_layers as b
from tests.frontend.nets import Net, agrees, compiles, first_reason, seeded
from tests.frontend.test_coverage import Tokens, residual
from tests.networks import IMAGE


def kinds(graph: FloatGraph) -> list[str]:
    return [n.kind.name for n in graph.nodes.values()]


def binary_weight(self: Any) -> Tensor:
    w = self.float_weight
    return torch.sign(w) * w.abs().mean((1, 2, 3), keepdim=True)


def convolved(sign: Callable[[Tensor], Tensor]) -> Callable[[Any, Tensor], Tensor]:
    def forward(self: Any, x: Tensor) -> Tensor:
        return x + self.bn(F.conv2d(sign(x), binary_weight(self), padding=1))

    return forward


@pytest.mark.parametrize("case", b.SIGNS)
def test_signs(case: str) -> None:
    graph = agrees(seeded(lambda: Net(convolved(b.SIGNS[case]))))
    names = kinds(graph)
    assert names.count("sign") == names.count("xnor_conv") == 1
    assert set(names) <= {"input", "conv", "affine", "sign", "xnor_conv", "add", "token_mean"}


@pytest.mark.parametrize("case", ["detach trick", "Function with masks", "Function with a factor"])
def test_signs_compile(case: str) -> None:
    compiles(seeded(lambda: Net(convolved(b.SIGNS[case]))))


LAYERS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "ReActNet": (lambda: b.HardBinaryConv(32, 32), "xnor_conv"),
    "ReActNet 1x1": (lambda: b.HardBinaryConv(32, 32, 1, 0), "xnor_linear"),
    "subclass of Conv2d": (lambda: b.SubclassConv(32, 32, 3, padding=1), "xnor_conv"),
    "in two groups": (lambda: b.SubclassConv(32, 32, 3, padding=1, groups=2), "xnor_conv"),
    "dilated": (lambda: b.SubclassConv(32, 32, 3, padding=2, dilation=2), "xnor_conv"),
    "padding same": (lambda: b.SubclassConv(32, 32, 3, padding="same"), "xnor_conv"),
    "IR-Net": (lambda: b.IRConv(32, 32, 3, padding=1, bias=False), "xnor_conv"),
    "BinaryNet": (lambda: b.BinarizeConv2d(32, 32, 3, padding=1), "xnor_conv"),
    "Larq": (lambda: b.QuantConv2d(32, 32, 3, padding=1), "xnor_conv"),
    "Brevitas": (lambda: b.QuantConv2d(32, 32, 3, padding=1, per_channel=False), "xnor_conv"),
    "subclass of Linear": (lambda: Tokens(b.SubclassLinear(32, 32)), "xnor_linear"),
    "matmul": (lambda: Tokens(b.MatmulLinear(32, 32)), "xnor_linear"),
    "Conv2d of stored signs": (lambda: b.Float(nn.Conv2d(32, 32, 3, padding=1)), "xnor_conv"),
    "Linear of stored signs": (lambda: Tokens(b.Float(nn.Linear(32, 32))), "xnor_linear"),
    "subclass of hwgen.nn": (lambda: Own(32, 32, 3, padding=1), "xnor_conv"),
}


class Own(BinaryConv2d):
    """A user's change of a layer of hwgen.nn."""

    def forward(self, x: Tensor) -> Tensor:
        weight = binarize_weight(self.weight, centre=False)
        return F.conv2d(sign_ste(x), weight, padding=self.padding) * 0.5


@pytest.mark.parametrize("case", LAYERS)
def test_layers(case: str) -> None:
    make, kind = LAYERS[case]

    def net() -> nn.Module:
        return Net(nn.Sequential(make(), nn.BatchNorm2d(32)))

    names = kinds(agrees(seeded(net)))
    assert names.count("sign") == names.count(kind) == 1
    assert names.count("conv") == 2  # stem and classifier
    compiles(seeded(net))


def test_the_same_graph_as_hwgen_nn() -> None:
    """The layer written by hand and hnn.BinaryConv2d: node by node, parameter by parameter."""

    def by_hand(self: Any, x: Tensor) -> Tensor:
        w = self.conv.weight
        centred = w - w.mean((1, 2, 3), keepdim=True)
        weight = w.abs().mean((1, 2, 3), keepdim=True) * torch.sign(centred)
        return self.bn(F.conv2d(torch.sign(x), weight, None, 1, 1))

    graphs = [
        trace(seeded(lambda f=f: Net(f)), IMAGE)
        for f in (by_hand, lambda self, x: self.bn(self.conv(x)))
    ]
    first, second = (list(g.nodes.values()) for g in graphs)
    assert [n.kind for n in first] == [n.kind for n in second]
    for mine, theirs in zip(first, second, strict=True):
        for key, value in mine.params.items():
            if isinstance(value, np.ndarray):
                np.testing.assert_allclose(value, theirs[key], rtol=1e-12, atol=1e-12)
            else:
                assert value == theirs[key], (mine.name, key)


def test_real_weights_stay_a_float_layer() -> None:
    """Of a value; and binary weights of a value that is no sign."""

    def forward(self: Any, x: Tensor) -> Tensor:
        y = F.conv2d(x, self.float_weight[..., :1, :1])
        return F.conv2d(y, binary_weight(self)[..., :1, :1])

    names = kinds(agrees(seeded(lambda: Net(forward))))
    assert names.count("conv") == 4
    assert "sign" not in names


ZEROS = (
    r"^{} of \d+ values that are exactly 0; the sign of 0 is \+1 in hardware and something else in "
    r"the network; add a shift or a norm before the sign$"
)
REAL = (
    r"^body: {} of a sign with real weights; weights must be \+s or -s, one s per output channel; "
    r"binarize them$"
)
OF_A_SIGN = (
    r"^body: {} of a sign; a sign is read by convolutions and linear layers with weights of one "
    r"magnitude per output channel$"
)
REFUSED: dict[str, tuple[Callable[[Any, Tensor], Tensor], str]] = {
    "real weights": (
        lambda s, x: F.conv2d(torch.sign(x), s.float_weight, padding=1), REAL.format("conv2d")),
    "ternary weights": (
        lambda s, x: F.conv2d(torch.sign(x), torch.sign(s.float_weight.round(decimals=1))),
        REAL.format("conv2d")),
    "a scale per input channel": (
        lambda s, x: F.conv2d(torch.sign(x), binary_weight(s) * s.scale), REAL.format("conv2d")),
    "sign in a sum": (lambda s, x: x + torch.sign(x), OF_A_SIGN.format("add")),
    "sign and its norm": (
        lambda s, x: s.bn(torch.sign(x)), OF_A_SIGN.format("affine").replace("body", "body.bn")),
    "sign pooled": (lambda s, x: F.max_pool2d(torch.sign(x), 2), OF_A_SIGN.format("max_pool")),
    "sign with an offset": (
        lambda s, x: F.conv2d(torch.sign(x) + 0.5, binary_weight(s)), OF_A_SIGN.format("affine")),
    "bits 0 and 1": (
        lambda s, x: F.conv2d((x > 0).float(), binary_weight(s)), r"^body: gt; supported: "),
    "three levels": (
        lambda s, x: F.conv2d(torch.sign(x) * (x.abs() > 0.5), binary_weight(s)),
        r"^body: abs; supported: "),
    "another threshold": (
        lambda s, x: F.conv2d(torch.where(x > 0.5, 1.0, -1.0), binary_weight(s)),
        r"^body: gt; supported: "),
    "scale of the input": (
        lambda s, x: s.conv(x) * x.abs().mean(1, keepdim=True), r"^body: abs; supported: "),
    "sign of a ReLU": (
        lambda s, x: F.conv2d(torch.sign(F.relu(x)), binary_weight(s)),
        ZEROS.format("body: sign")),
    "hwgen.nn of a ReLU": (lambda s, x: s.conv(F.relu(x)), ZEROS.format("body.conv: BinaryConv2d")),
    "sign of a dot product": (
        lambda s, x: s.conv(F.conv2d(torch.sign(x), torch.sign(s.float_weight), padding=1)),
        ZEROS.format("body.conv: BinaryConv2d")),
}  # fmt: skip


FURTHER = {  # reasons behind the first
    "scale of the input": (
        "body: mean over C; supported: mean over all tokens",
        "body: a product of two tensors; a factor must be a parameter",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    forward, message = REFUSED[case]
    with pytest.raises(UnsupportedOpError) as caught:
        trace(seeded(lambda: Net(forward)), IMAGE)
    assert re.search(message, first_reason(caught.value))
    assert caught.value.lines[2:] == FURTHER.get(case, ())


def test_sign_that_is_plus_one_at_zero() -> None:
    """The hardware's own: an exact 0 is no difference."""
    sign = b.SIGNS["comparison"]
    agrees(
        seeded(lambda: Net(lambda s, x: x + F.conv2d(sign(F.relu(x)), binary_weight(s), padding=1)))
    )


STEPS = {
    "torch.sign": (torch.sign, (1.0, 0)),
    "where": (lambda x: torch.where(x >= 0, 1.0, -1.0), (1.0, 1)),
    "greater": (lambda x: 2.0 * (x > 0) - 1.0, (1.0, -1)),
    "scaled": (lambda x: -0.25 * torch.sign(x), (-0.25, 0)),
    "identity": (lambda x: x, None),
    "step to 1": (lambda x: (x > 0).double(), None),
    "hardtanh": (F.hardtanh, None),
    "dead zone": (lambda x: torch.sign(x) * (x.abs() > 1e-3), None),
    "zero above 500": (lambda x: torch.sign(x) * (x.abs() < 500), None),
    "constant": (torch.zeros_like, None),
    "not elementwise": (lambda x: torch.sign(x - x.mean()), None),
    "another shape": (lambda x: torch.sign(x).sum(), None),
    "fails": (lambda x: x.no_such_method(), None),
}


@pytest.mark.parametrize("shape", [(2, 32, 8, 8), (1, 3), (1,)])
@pytest.mark.parametrize("case", STEPS)
def test_step_of(case: str, shape: tuple[int, ...]) -> None:
    if case == "not elementwise" and shape != (2, 32, 8, 8):
        return
    function, want = STEPS[case]
    step = signs.step_of(function, torch.zeros(shape, dtype=torch.float64))
    assert (step is None) == (want is None)
    assert step is None or (step.scale, step.zero) == want


def test_is_identity() -> None:
    like = torch.zeros(2, 32, 8, 8, dtype=torch.float64)
    assert signs.is_identity(lambda x: x.view_as(x), like)
    for other in (torch.relu, lambda x: x.clamp(-128, 128), lambda x: (x * 256).round() / 256):
        assert not signs.is_identity(other, like)


def test_hardtanh_and_residual_of_a_binary_block() -> None:
    """IR-Net's block, whole."""

    def forward(self: Any, x: Tensor) -> Tensor:
        y = F.hardtanh(x)
        weight = b.SignSTE.apply(self.float_weight) * self.float_weight.abs().mean()
        return F.hardtanh(self.bn(F.conv2d(b.SignSTE.apply(y), weight, padding=1)) + y)

    compiles(seeded(lambda: Net(forward)))
    compiles(seeded(lambda: Net(residual(lambda self, x: F.hardtanh(x)))))
