"""Leaf functions on token grids: tensors (B, N, C), token n = y * grid + x, N = grid * grid."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from hwgen.nn.leaf import leaf


@leaf
def shift_mean(x: Tensor, grid: int, axis: int, radius: int) -> Tensor:
    """Mean of the 2r+1 circularly shifted copies, offsets -r..r, along one grid axis.

    axis 0 = row index (vertical), 1 = column index (horizontal). Shapes: (B, N, C) -> same.
    """
    image = x.unflatten(1, (grid, grid))
    total = image
    for offset in range(1, radius + 1):
        total = total + torch.roll(image, offset, 1 + axis) + torch.roll(image, -offset, 1 + axis)
    return (total / (2 * radius + 1)).flatten(1, 2)


@leaf
def neighbour_mean(x: Tensor, grid: int, axis: int, radius: int) -> Tensor:
    """Mean of the 2r+1 neighbours, offsets -r..r, along one grid axis, zeros outside the grid.

    Always divided by 2r+1 (average pooling with stride 1 that counts its padding; BinaryViT).
    axis 0 = row index (vertical), 1 = column index (horizontal). Shapes: (B, N, C) -> same.
    """
    image = x.unflatten(1, (grid, grid))
    total = image
    for offset in range(1, min(radius, grid - 1) + 1):
        kept, gap = grid - offset, torch.zeros_like(image.narrow(1 + axis, 0, offset))
        before = torch.cat((gap, image.narrow(1 + axis, 0, kept)), 1 + axis)
        after = torch.cat((image.narrow(1 + axis, offset, kept), gap), 1 + axis)
        total = total + before + after
    return (total / (2 * radius + 1)).flatten(1, 2)


@leaf
def shift_mix(x: Tensor, grid: int, radius: int) -> Tensor:
    """Channel-quarter mix of the four neighbours at distance r, circular (BHViT Fig. 5d).

    Quarter 0 takes the value r rows above (out[y] = in[y - r]), 1 r rows below, 2 r columns to
    the left (out[x] = in[x - r]), 3 r columns to the right. Shapes: (B, N, C) -> same, C % 4 == 0.
    """
    up, down, left, right = x.unflatten(1, (grid, grid)).chunk(4, -1)
    parts = (
        torch.roll(up, radius, 1),
        torch.roll(down, -radius, 1),
        torch.roll(left, radius, 2),
        torch.roll(right, -radius, 2),
    )
    return torch.cat(parts, -1).flatten(1, 2)


@leaf
def tile_channels(x: Tensor, times: int) -> Tensor:
    """Channels repeated by concatenation: out[j] = x[j mod C].

    Shapes: (..., C) -> (..., times * C).
    """
    return torch.cat([x] * times, -1)


@leaf
def pool_channels(x: Tensor, factor: int) -> Tensor:
    """Mean of adjacent channels: out[c] = mean(x[factor*c .. factor*c+factor-1]).

    Shapes: (..., factor * C) -> (..., C).
    """
    return x.unflatten(-1, (-1, factor)).mean(-1)


@leaf
def avg_pool_grid(x: Tensor, grid: int, factor: int) -> Tensor:
    """Mean of factor x factor cells of the grid. Shapes: (B, N, C) -> (B, N / factor^2, C)."""
    side = grid // factor
    return x.unflatten(1, (side, factor, side, factor)).mean((2, 4)).flatten(1, 2)


@leaf
def upsample_grid(x: Tensor, grid: int, factor: int) -> Tensor:
    """Every cell of the grid repeated factor x factor times (nearest): out[y, x] = in[y/f, x/f].

    `grid` is the side before. Shapes: (B, N, C) -> (B, N * factor^2, C).
    """
    cells = x.unflatten(1, (grid, 1, grid, 1)).expand(-1, grid, factor, grid, factor, -1)
    return cells.flatten(1, 4)


@leaf
def prepend_token(x: Tensor, token: Tensor) -> Tensor:
    """The class token before all others. Shapes: x (B, N, C), token (1, 1, C) -> (B, N+1, C)."""
    return torch.cat((token.expand(x.shape[0], -1, -1), x), 1)


@leaf
def first_token(x: Tensor) -> Tensor:
    """Token 0. Shapes: (B, N, C) -> (B, C)."""
    return x[:, 0]


@leaf
def window_merge(z: Tensor, parm: Tensor, grid: int, window: int) -> Tensor:
    """Windows with merge tokens back to the grid (released BHViT, after Eq. 12).

    With n = grid / window: y = parm * unwindow(z[:, :w*w]) + (1 - parm) * g, where g is the mean
    over the n*n windows of the merge tokens z[:, w*w:], upsampled nearest by w.
    Shapes: z (B*n*n, w*w + n*n, C), parm C values in any shape -> (B, N, C).
    """
    n, cells = grid // window, window * window
    mix = parm.reshape(-1)
    inside = z[:, :cells].reshape(-1, n, n, window, window, z.shape[-1])
    inside = inside.transpose(2, 3).flatten(3, 4).flatten(1, 2).flatten(1, 2)
    merged = z[:, cells:].reshape(-1, n * n, n * n, z.shape[-1]).mean(1)
    merged = merged.view(-1, n, 1, n, 1, z.shape[-1]).expand(-1, n, window, n, window, -1)
    return mix * inside + (1.0 - mix) * merged.reshape(inside.shape)


def windows_of(x: Tensor, grid: int, window: int) -> Tensor:
    """Aligned windows, row-major, tokens inside row-major: (B, N, C) -> (B, n*n, w*w, C)."""
    n = grid // window
    return x.unflatten(1, (n, window, n, window)).transpose(2, 3).flatten(3, 4).flatten(1, 2)


def merge_pool(x: Tensor, grid: int, window: int, padding: int, mode: str) -> Tensor:
    """Pooling kernel w, stride w: (B, N, C) -> (B, n*n, C); `avg` always divides by w*w."""
    image = x.transpose(1, 2).unflatten(2, (grid, grid))
    if mode == "avg":
        pooled = F.avg_pool2d(image, window, window, padding, divisor_override=window * window)
    else:
        pooled = F.max_pool2d(image, window, window, padding)
    return pooled.flatten(2).transpose(1, 2)
