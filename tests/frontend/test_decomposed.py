"""Operations that a network writes as several are put together again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwgen.errors import UnsupportedOpError
from hwgen.frontend.trace import trace
from tests.frontend.nets import Net, agrees, seeded
from tests.networks import IMAGE

Forward = Callable[[Any, Tensor], Tensor]


def prelu(s: Any, x: Tensor) -> Tensor:
    y = s.bn(s.conv(x))
    return x + torch.where(y > 0, y, s.scale * y)


def leaky(s: Any, x: Tensor) -> Tensor:
    y = s.bn(s.conv(x))
    return x + torch.where(y >= 0, y, y * 0.2)


def silu(s: Any, x: Tensor) -> Tensor:
    y = s.bn(s.conv(x))
    return x + torch.sigmoid(y) * y


def of(function: Callable[[Tensor], Tensor]) -> Forward:
    """Of the result of a layer, added to what came in."""
    return lambda s, x: x + function(s.bn(s.conv(x)))


def halves(s: Any, x: Tensor) -> Tensor:
    return s.bn(s.conv(x))[:, :, ::2][:, :, :, ::2]


WHOLE: dict[str, tuple[Forward, str]] = {
    "PReLU": (prelu, "rprelu"), "leaky ReLU": (leaky, "rprelu"), "SiLU": (silu, "silu"),
    "x / (1 + exp(-x))": (of(lambda y: y / (1 + torch.exp(-y))), "silu"),
    "hard swish as PyTorch takes it apart": (
        of(lambda y: y * (y + 3).clamp(0).clamp(max=6) / 6), "hardswish"),
    "hard swish by relu6": (of(lambda y: y * F.relu6(y + 3.0) / 6.0), "hardswish"),
    "hard swish by a module": (of(lambda y: y * (nn.ReLU6()(y + 3) * (1 / 6))), "hardswish"),
    "hard swish by hardsigmoid": (of(lambda y: F.hardsigmoid(y) * y), "hardswish"),
    "GELU by erf": (of(lambda y: 0.5 * y * (1 + torch.erf(y / 2**0.5))), "gelu"),
    "sigmoid by exp": (of(lambda y: 1 / (1 + (-y).exp())), "sigmoid"),
    "two clamps": (of(lambda y: y.clamp(min=-1).clamp(max=2)), "clamp"),
    "hardsigmoid by relu6": (of(lambda y: F.relu6(y + 3) / 6), "clamp"),
}  # fmt: skip


@pytest.mark.parametrize("case", WHOLE)
def test_activations(case: str) -> None:
    function, kind = WHOLE[case]
    graph = agrees(seeded(lambda: Net(function)))
    assert kind in {node.kind.name for node in graph.nodes.values()}


def test_a_slice_of_a_slice() -> None:
    assert agrees(seeded(lambda: Net(halves))).nodes


OTHERS: dict[str, Forward] = {
    "a limit that is not 0": lambda s, x: x + torch.where(s.conv(x) > 1, s.conv(x), s.scale * x),
    "another value": lambda s, x: x + torch.where(x > 0, x, s.scale * s.conv(x)),
    "a slope per place": lambda s, x: x + torch.where(x > 0, x, torch.rand(1, 32, 8, 8) * x),
    "another line before the clamp": lambda s, x: x + x * F.relu6(x + 2) / 6,
    "another limit": lambda s, x: x + x * (x + 3).clamp(0, 5) / 6,
    "hard swish of another value": lambda s, x: x + s.conv(x) * F.relu6(x + 3) / 6,
    "limits the wrong way round": lambda s, x: x + x.clamp(max=-1).clamp(min=1),
    "the sigmoid of another value": lambda s, x: x + torch.sigmoid(s.conv(x)) * x,
}


@pytest.mark.parametrize("case", OTHERS)
def test_what_only_looks_like_one_is_refused(case: str) -> None:
    with pytest.raises(UnsupportedOpError):
        trace(seeded(lambda: Net(OTHERS[case])), IMAGE)
