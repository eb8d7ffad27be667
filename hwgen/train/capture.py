"""A training step as a CUDA graph: binary transformers are thousands of small kernels a step, and
starting them one by one takes longer than running them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

WARM_UP = 3  # eager steps before a capture, as torch.cuda.graph asks for


class CapturedStep:
    """Forward and backward pass of one batch size, captured once and replayed.

    step(x, y) -> loss must leave gradients in the optimizer's parameters and must not wait for
    the GPU. The replayed step writes the same gradient tensors each time; the optimizer is called
    outside. beta: the weight of the regulariser that was captured.
    """

    def __init__(
        self,
        step: Callable[[Tensor, Tensor], Tensor],
        optimizer: torch.optim.Optimizer,
        x: Tensor,
        y: Tensor,
        beta: float,
    ) -> None:
        self.beta = beta
        self.x, self.y = x.clone(), y.clone()
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP):
                optimizer.zero_grad(set_to_none=True)
                step(self.x, self.y)
        torch.cuda.current_stream().wait_stream(side)
        optimizer.zero_grad(set_to_none=True)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.loss = step(self.x, self.y)

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        """The loss, a tensor that the next call overwrites."""
        self.x.copy_(x)
        self.y.copy_(y)
        self.graph.replay()
        return self.loss
