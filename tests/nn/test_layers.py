"""Layers and grid functions against loops over single elements."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hwgen import nn as hnn


def random(*shape: int, seed: int = 0) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=rng, dtype=torch.float64) * 2 - 1


def randomise(layer: nn.Module) -> nn.Module:
    layer.double()
    for n, parameter in enumerate(layer.parameters()):
        parameter.data.copy_(random(*parameter.shape, seed=100 + n))
    return layer


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("radius", [1, 2])
def test_shift_mean(axis, radius):
    x, grid = random(2, 25, 4), 5
    got = hnn.shift_mean(x, grid, axis, radius)
    for row in range(grid):
        for column in range(grid):
            cells = []
            for offset in range(-radius, radius + 1):
                y, z = (row + offset, column) if axis == 0 else (row, column + offset)
                cells.append(x[:, (y % grid) * grid + z % grid])
            want = torch.stack(cells).mean(0)
            assert torch.allclose(got[:, row * grid + column], want, atol=1e-15)


@pytest.mark.parametrize("radius", [1, 2])
def test_shift_mix(radius):
    x, grid = random(2, 25, 8), 5
    got = hnn.shift_mix(x, grid, radius)
    steps = ((-radius, 0), (radius, 0), (0, -radius), (0, radius))
    for row in range(grid):
        for column in range(grid):
            for quarter, (dy, dx) in enumerate(steps):
                source = ((row + dy) % grid) * grid + (column + dx) % grid
                part = slice(2 * quarter, 2 * quarter + 2)
                assert torch.equal(got[:, row * grid + column, part], x[:, source, part])


def test_tile_and_pool_channels_and_grid_pool():
    x = random(2, 16, 3)
    tiled = hnn.tile_channels(x, 4)
    assert all(torch.equal(tiled[..., j], x[..., j % 3]) for j in range(12))
    pooled = hnn.pool_channels(tiled, 4)
    for c in range(3):
        assert torch.allclose(pooled[..., c], tiled[..., 4 * c : 4 * c + 4].mean(-1), atol=1e-15)
    halved = hnn.avg_pool_grid(x, 4, 2)
    assert torch.allclose(halved[:, 3], x[:, [10, 11, 14, 15]].mean(1), atol=1e-15)


@pytest.mark.parametrize("merge", ["mix", "avg"])
@pytest.mark.parametrize(("grid", "window"), [(6, 3), (3, 3), (9, 3), (10, 5)])
def test_token_builder(grid, window, merge):
    channels, n = 4, grid // window
    builder = randomise(hnn.TokenBuilder(channels, window, grid, merge))
    x = random(2, grid * grid, channels, seed=3)
    image = x.view(2, grid, grid, channels)
    half = window // 2 if merge == "mix" else 0
    merged = []
    for i in range(n):
        for j in range(n):
            low_y, low_x = window * i - half, window * j - half
            cells = image[:, max(low_y, 0) : low_y + window, max(low_x, 0) : low_x + window]
            token = cells.sum((1, 2)) / window**2
            if merge == "mix":
                a1 = builder.a1.detach().flatten()
                token = a1 * cells.amax((1, 2)) + (1 - a1) * token
            merged.append(token)
    want = []
    for b in range(2):
        for i in range(n):
            for j in range(n):
                tile = image[b, window * i : window * (i + 1), window * j : window * (j + 1)]
                want.append(torch.cat((tile.reshape(-1, channels), torch.stack(merged)[:, b])))
    want = torch.stack(want)
    deviation = want - want.mean(-1, keepdim=True)
    want = deviation / torch.sqrt(deviation.square().mean(-1, keepdim=True) + 1e-5)
    want = want * builder.norm.weight.detach() + builder.norm.bias.detach()
    got = builder(x).detach()
    assert got.shape == (2 * n * n, builder.tokens, channels)
    assert torch.allclose(got, want, atol=1e-13)


@pytest.mark.parametrize(("grid", "window"), [(6, 3), (3, 3), (10, 5)])
def test_window_merge(grid, window):
    n, channels = grid // window, 3
    z = random(2 * n * n, window**2 + n * n, channels, seed=4)
    parm = random(1, channels, 1, 1, seed=5)
    got = hnn.window_merge(z, parm, grid, window)
    for b in range(2):
        windows = z[b * n * n : (b + 1) * n * n]
        for row in range(grid):
            for column in range(grid):
                index = (row // window) * n + column // window
                inside = windows[index, (row % window) * window + column % window]
                merged = windows[:, window**2 + index].mean(0)
                p = parm.flatten()
                want = p * inside + (1 - p) * merged
                assert torch.allclose(got[b, row * grid + column], want, atol=1e-14)


def test_binary_conv_pads_after_the_sign():
    conv = randomise(hnn.BinaryConv2d(8, 8, 3, padding=3, dilation=3, groups=4, bias=True))
    x = random(1, 8, 7, 7, seed=6)
    scale, sign = hnn.row_scale_sign(conv.weight)
    bias, want = conv.bias.detach(), np.zeros((8, 7, 7))
    for out in range(8):
        group = slice(out // 2 * 2, out // 2 * 2 + 2)
        for row in range(7):
            for column in range(7):
                total = 0.0
                for ky in range(3):
                    for kx in range(3):
                        y, z = row + 3 * (ky - 1), column + 3 * (kx - 1)
                        if 0 <= y < 7 and 0 <= z < 7:
                            total += float((x[0, group, y, z].sign() * sign[out, :, ky, kx]).sum())
                want[out, row, column] = float(scale[out]) * total + float(bias[out])
    assert np.allclose(conv(x)[0].detach().numpy(), want, atol=1e-13)


def test_binary_linear_is_scaled_sign_product():
    linear = randomise(hnn.BinaryLinear(12, 5))
    x = random(2, 3, 12, seed=7)
    scale, sign = hnn.row_scale_sign(linear.weight)
    assert torch.allclose(linear(x).detach(), (x.sign() @ sign.T) * scale, atol=1e-13)
    assert list(linear.state_dict()) == ["weight"]


@pytest.mark.parametrize("channel_dim", [-1, 1])
def test_channel_layers_act_on_their_axis(channel_dim):
    shape = (2, 9, 4) if channel_dim == -1 else (2, 4, 3, 3)
    x = random(*shape, seed=8)
    view = (-1,) if channel_dim == -1 else (1, -1, 1, 1)
    act = randomise(hnn.RPReLU(4, channel_dim))
    z = x - act.move1.view(view)
    want = torch.where(z >= 0, z, act.prelu.weight.view(view) * z) + act.move2.view(view)
    assert torch.allclose(act(x), want, atol=1e-15)
    scale = randomise(hnn.LayerScale(4, channel_dim=channel_dim))
    want = scale.alpha.view(view) * x + scale.move.view(view)
    assert torch.allclose(scale(x), want, atol=1e-15)
    norm = randomise(hnn.BatchNorm(4, channel_dim))
    norm.running_mean.copy_(random(4, seed=9))
    norm.running_var.copy_(random(4, seed=10).abs() + 0.1)
    want = (x - norm.running_mean.view(view)) / torch.sqrt(norm.running_var.view(view) + 1e-5)
    want = want * norm.weight.view(view) + norm.bias.view(view)
    assert torch.allclose(norm.eval()(x), want, atol=1e-13)


def test_batch_norm_trains_like_torch():
    mine, reference = hnn.BatchNorm(4).double(), nn.BatchNorm1d(4).double()
    assert list(mine.state_dict()) == list(reference.state_dict())
    x = random(3, 5, 4, seed=11)
    for _ in range(2):
        assert torch.allclose(mine(x), reference(x.transpose(1, 2)).transpose(1, 2), atol=1e-13)
    for key, value in reference.state_dict().items():
        assert torch.allclose(mine.state_dict()[key], value), key


@pytest.mark.parametrize("grid", [2, 5])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("radius", [1, 2])
def test_neighbour_mean_counts_the_padding(grid, axis, radius):
    x = random(2, grid * grid, 4)
    got = hnn.neighbour_mean(x, grid, axis, radius)
    for row in range(grid):
        for column in range(grid):
            want = torch.zeros(2, 4, dtype=torch.float64)
            for offset in range(-radius, radius + 1):
                y, z = (row + offset, column) if axis == 0 else (row, column + offset)
                if 0 <= y < grid and 0 <= z < grid:
                    want += x[:, y * grid + z]
            want /= 2 * radius + 1
            assert torch.allclose(got[:, row * grid + column], want, atol=1e-15)


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_upsample_grid(factor):
    grid = 3
    x = random(2, grid * grid, 4)
    got, side = hnn.upsample_grid(x, grid, factor), grid * factor
    assert got.shape == (2, side * side, 4)
    for row in range(side):
        for column in range(side):
            source = (row // factor) * grid + column // factor
            assert torch.equal(got[:, row * side + column], x[:, source])
    assert torch.allclose(hnn.avg_pool_grid(got, side, factor), x, atol=1e-15)


def test_class_token():
    x, token = random(2, 4, 3), random(1, 1, 3, seed=1)
    got = hnn.prepend_token(x, token)
    assert torch.equal(got[:, 1:], x)
    assert torch.equal(hnn.first_token(got), token[0].expand(2, -1))


@pytest.mark.parametrize("clip", [0.15, 0.3])
def test_elastic_attention(clip):
    q, k, v = random(2, 5, 12, seed=1), random(2, 3, 12, seed=2), random(2, 3, 12, seed=3)
    got = hnn.elastic_attention(q, k, v, torch.tensor(clip, dtype=torch.float64), heads=3)
    bits = set()
    for b in range(2):
        for head in range(3):
            part = slice(4 * head, 4 * head + 4)
            for n in range(5):
                scores = [float((q[b, n, part].sign() * s[part].sign()).sum()) / 2 for s in k[b]]
                total = sum(np.exp(scores))
                want = np.zeros(4)
                for m, score in enumerate(scores):
                    bit = np.exp(score) / total > clip / 2
                    bits.add(bool(bit))
                    want += clip * bit * v[b, m, part].sign().numpy()
                assert np.allclose(got[b, n, part].numpy(), want, atol=1e-14)
    assert bits == {False, True}


@pytest.mark.parametrize("clip", [0.0, -0.25])
def test_elastic_attention_without_a_positive_clip_is_zero(clip):
    q = random(1, 5, 8)
    assert not hnn.elastic_attention(q, q, q, torch.tensor(clip, dtype=torch.float64), 2).any()
