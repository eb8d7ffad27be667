"""Operations that a network writes as several are put together again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

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


def halves(s: Any, x: Tensor) -> Tensor:
    return s.bn(s.conv(x))[:, :, ::2][:, :, :, ::2]


WHOLE: dict[str, tuple[Forward, str]] = {
    "PReLU": (prelu, "rprelu"), "leaky ReLU": (leaky, "rprelu"), "SiLU": (silu, "silu"),
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
    "the sigmoid of another value": lambda s, x: x + torch.sigmoid(s.conv(x)) * x,
}


@pytest.mark.parametrize("case", OTHERS)
def test_what_only_looks_like_one_is_refused(case: str) -> None:
    with pytest.raises(UnsupportedOpError):
        trace(seeded(lambda: Net(OTHERS[case])), IMAGE)
