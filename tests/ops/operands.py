"""Random operands, and an op's sums against those of a reference."""

from __future__ import annotations

import numpy as np
import torch

from hwgen import ops
from hwgen.ir import TensorType
from hwgen.ops.post import Post

RNG = np.random.default_rng(5)
KEEP = Post(act_bits=24)  # saturates nothing below


def feature(*shape: int, grid: tuple[int, int] = (0, 0)) -> TensorType:
    return TensorType("feature", shape, grid, 0, -(1 << 15), (1 << 15) - 1)


def ints(*shape: int, top: int = 3000) -> np.ndarray:
    return RNG.integers(-top, top + 1, shape)


def bits(*shape: int) -> np.ndarray:
    return RNG.integers(0, 2, shape).astype(np.uint8)


def pm(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(x.astype(np.int64) * 2 - 1)


def check(op: ops.Op, want: np.ndarray | torch.Tensor, *sources: np.ndarray) -> None:
    np.testing.assert_array_equal(op.accumulate(*sources), np.asarray(want))


def make(cls: type, **parameters: object) -> ops.Op:
    return cls("op", ("x",), KEEP, None, None, **parameters)


def image_of(x: np.ndarray, grid: tuple[int, int]) -> torch.Tensor:
    return torch.from_numpy(x).reshape(x.shape[0], *grid, -1).permute(0, 3, 1, 2)


def tokens_of(x: torch.Tensor) -> torch.Tensor:
    return x.flatten(2).transpose(1, 2)
