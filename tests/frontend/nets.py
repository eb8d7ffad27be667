"""A small network around a part under test, and what it must satisfy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hwgen.analysis.fidelity import fidelity
from hwgen.errors import HwgenError
from hwgen.floats.evaluate import Evaluator
from hwgen.floats.graph import FloatGraph
from hwgen.frontend.keep import lent
from hwgen.frontend.trace import trace
from hwgen.nn import BinaryConv2d
from hwgen.passes.lower import prepare
from tests.networks import IMAGE

META = {"mean": (0.4, 0.5, 0.6), "std": (0.2, 0.25, 0.3)}
Forward = Callable[[Any, Tensor], Any]


class Net(nn.Module):
    """Patch stem to 32 channels on 8x8, a part, the mean, a classifier.

    The part is a module, or a function of (network, x) in the module `body`.
    """

    def __init__(self, part: Any, channels: int = 32, head: nn.Module | None = None) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 32, 4, 4), nn.BatchNorm2d(32)
        self.body = part if isinstance(part, nn.Module) else Body(part)
        self.head = head or Mean(channels)
        with torch.no_grad():
            for m in self.modules():
                if isinstance(m, nn.modules.batchnorm._BatchNorm):
                    m.running_mean.uniform_(-0.3, 0.3)
                    m.running_var.uniform_(0.5, 1.5)
                    m.bias.uniform_(-0.5, 0.5)

    def forward(self, image: Tensor) -> Any:
        return self.head(self.body(self.norm(self.stem(image))))


class Body(nn.Module):
    """A function of (this module, x) with some parameters to use."""

    def __init__(self, function: Forward) -> None:
        super().__init__()
        self.function = function
        self.conv = BinaryConv2d(32, 32, 3, padding=1)
        self.bn = nn.BatchNorm2d(32)
        self.float_weight = nn.Parameter(torch.randn(32, 32, 3, 3) * 0.1)
        self.scale = nn.Parameter(torch.rand(1, 32, 1, 1) + 0.5)
        self.register_buffer("kept", torch.zeros(32))
        self.stash: Any = None

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x)


class Mean(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Linear(channels, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x.mean((2, 3)))


def seeded(make: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return make().eval()


def first_reason(error: HwgenError) -> str:
    """The line of a network's first problem."""
    return error.lines[min(1, len(error.lines) - 1)]


def agrees(module: nn.Module, image: tuple[int, int, int] = IMAGE) -> FloatGraph:
    """The float graph computes what the network does, in double precision; gives the graph."""
    module = module.eval()
    graph = trace(module, image)
    images = np.random.default_rng(5).normal(size=(3, *image))
    got = Evaluator(graph, torch.float64).logits(images)
    with torch.no_grad(), lent(module):
        want = module(torch.from_numpy(images).permute(0, 3, 1, 2)).flatten(1).numpy()
    np.testing.assert_allclose(got, want, atol=1e-9, rtol=1e-9)
    return graph


def compiles(module: nn.Module, image: tuple[int, int, int] = IMAGE, cosine: float = 0.99) -> None:
    """The float graph agrees, and the golden integer model is close to it."""
    agrees(module, image)
    height, width, channels = image
    rng = np.random.default_rng(3)
    small = rng.integers(0, 256, (32, height // 4, width // 4, channels)).astype(np.uint8)
    images = small.repeat(4, 1).repeat(4, 2)
    meta = META if channels == 3 else {k: v[:1] * channels for k, v in META.items()}
    lowered = prepare(module, images[:16], meta=meta).quantize()
    result = fidelity(module, lowered.graph, images[16:])
    assert result["logit_cosine"] > cosine, result
