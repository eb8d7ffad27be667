"""Which images a training step sees: order, batches, parts of a set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor


class Images(Protocol):
    """A set of labelled images of one size; `batch` may augment if given a generator."""

    @property
    def classes(self) -> tuple[str, ...]: ...

    def __len__(self) -> int: ...

    def to(self, device: torch.device) -> Images:
        """The same set; its batches are made on `device` where the images are in memory."""
        ...

    def batch(self, indices: Tensor, rng: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """uint8 (B, S, S, 3) and int64 (B,) of the given indices."""
        ...


def epoch_order(count: int, seed: int, epoch: int, rank: int = 0, world: int = 1) -> Tensor:
    """Shuffled indices of one epoch for one process; equal length in all processes."""
    rng = torch.Generator().manual_seed(1_000_003 * seed + epoch)
    order = torch.randperm(count, generator=rng)
    return order[: count - count % world][rank::world]


def training_batches(
    data: Images, batch: int, seed: int, epoch: int, rank: int = 0, world: int = 1
) -> Iterator[tuple[Tensor, Tensor]]:
    """Augmented batches of one epoch; the last short batch is dropped if there is a full one."""
    rng = torch.Generator().manual_seed(1_000_003 * seed + 7919 * (epoch + 1) + rank)
    order = epoch_order(len(data), seed, epoch, rank, world)
    for start in range(0, max(1, len(order) // batch) * batch, batch):
        yield data.batch(order[start : start + batch], rng)


def spread(count: int, limit: int) -> Tensor:
    """Indices of `limit` of `count` images, evenly spaced; all of them for limit 0."""
    if not limit or limit >= count:
        return torch.arange(count)
    return torch.arange(limit) * count // limit
