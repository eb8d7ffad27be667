"""Gradients of Eq. 2, 3, 4 against formulas written down independently."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from hwgen.nn import (
    QDAttention,
    binarize_weight,
    elastic_attention,
    elastic_binarize,
    round_clamp_ste,
    row_scale_sign,
    sign_ste,
)


def random(*shape: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return (torch.rand(shape, generator=rng, dtype=torch.float64) * 2 - 1) * scale


def gradient(output: Tensor, inputs: Tensor, upstream: Tensor) -> Tensor:
    return torch.autograd.grad(output, inputs, upstream)[0]


def test_sign_forward_keeps_zero():
    x = torch.tensor([-2.0, -0.0, 0.0, 1e-30, 3.0])
    assert sign_ste(x).tolist() == [-1.0, 0.0, 0.0, 1.0, 1.0]


def test_sign_gradient_is_equation_2():
    points = [-1.5, -1.0, -0.75, -0.25, 0.0, 0.25, 0.75, 1.0, 1.5]
    x = torch.tensor(points, dtype=torch.float64, requires_grad=True)
    upstream = torch.arange(1, len(points) + 1, dtype=torch.float64)
    want = []
    for value, up in zip(points, upstream.tolist()):
        slope = 0.0
        if -1 <= value < 0:
            slope = 2 + 2 * value
        elif 0 <= value < 1:
            slope = 2 - 2 * value
        want.append(up * slope)
    assert gradient(sign_ste(x), x, upstream).tolist() == want


@pytest.mark.parametrize("shape", [(6, 10), (4, 3, 3, 3)])
def test_centred_weight_equals_the_straight_through_trick(shape):
    w = random(*shape, seed=1, scale=2.0).requires_grad_()
    upstream = random(*shape, seed=2)
    axes = tuple(range(1, len(shape)))
    centred = w - w.mean(axes, keepdim=True)
    scale = w.abs().mean(axes, keepdim=True).detach()
    passed = centred.clamp(-1, 1)
    trick = (scale * centred.sign()).detach() - passed.detach() + passed
    assert torch.allclose(binarize_weight(w), trick, atol=1e-15, rtol=0)
    got = gradient(binarize_weight(w), w, upstream)
    assert torch.allclose(got, gradient(trick, w, upstream), atol=1e-14, rtol=0)


def test_uncentred_weight_is_equation_4():
    w = random(5, 8, seed=3, scale=1.5).requires_grad_()
    upstream = random(5, 8, seed=4)
    scale = w.detach().abs().mean(1, keepdim=True)
    assert torch.equal(binarize_weight(w, centre=False), scale * w.detach().sign())
    want = scale * upstream * (w.detach().abs() < 1)
    assert torch.equal(gradient(binarize_weight(w, centre=False), w, upstream), want)
    plain = binarize_weight(w, centre=False, scale_grad=False)
    assert torch.equal(plain, scale * w.detach().sign())
    assert torch.equal(gradient(plain, w, upstream), upstream * (w.detach().abs() < 1))


def test_row_scale_sign_are_the_parts_of_the_binary_weight():
    w = random(7, 2, 3, 3, seed=5).float()
    scale, sign = row_scale_sign(w)
    assert torch.equal((scale.view(-1, 1, 1, 1) * sign).float(), binarize_weight(w))


def test_signs_do_not_depend_on_precision():
    w = random(64, 512, seed=6).float()
    w[0] = w[0, 0]  # a constant row: every weight equals the mean
    assert torch.equal(binarize_weight(w).sign(), binarize_weight(w.double()).sign().float())
    assert not binarize_weight(w)[0].any()


def test_round_clamp_gradient_and_ties():
    points = [-0.6, -0.4, 0.5, 1.5, 2.5, 3.4, 3.6]
    x = torch.tensor(points, dtype=torch.float64, requires_grad=True)
    y = round_clamp_ste(x, 0.0, 3.0)
    assert y.tolist() == [0, 0, 0, 2, 2, 3, 3]
    assert gradient(y, x, torch.ones_like(x)).tolist() == [0, 1, 1, 1, 1, 1, 0]


def test_elastic_binarize_ties_and_gradients():
    # x / clip: below, 0, inside, the tie, inside, 1, above; all exact in binary
    x = torch.tensor([-0.25, 0.0, 0.0625, 0.125, 0.1875, 0.25, 0.5], dtype=torch.float64)
    x, clip = x.requires_grad_(), torch.tensor(0.25, dtype=torch.float64, requires_grad=True)
    y = elastic_binarize(x, clip)
    assert y.tolist() == [0, 0, 0, 0, 0.25, 0.25, 0.25]
    upstream = torch.tensor([1.0, 2, 3, 5, 7, 11, 13], dtype=torch.float64)
    to_x, to_clip = torch.autograd.grad(y, (x, clip), upstream)
    assert to_x.tolist() == [0, 2, 3, 5, 7, 11, 0]
    assert to_clip.shape == clip.shape
    assert to_clip.item() == 3 * -0.25 + 5 * -0.5 + 7 * 0.25 + 13


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_elastic_binarize_can_leave_a_dead_clip(value):
    x = random(6, seed=11).abs().requires_grad_()
    clip = torch.tensor(value, dtype=torch.float64, requires_grad=True)
    upstream = random(6, seed=12)
    to_x, to_clip = torch.autograd.grad(elastic_binarize(x, clip), (x, clip), upstream)
    assert not to_x.any()
    assert to_clip.item() == pytest.approx(upstream.sum().item())


def test_elastic_attention_gradients_follow_the_formula():
    q, k, v = random(2, 4, 16, seed=7), random(2, 3, 16, seed=8), random(2, 3, 16, seed=9)
    q, k, v = (t.requires_grad_() for t in (q, k, v))
    clip = torch.tensor(0.45, dtype=torch.float64, requires_grad=True)
    bq, bk, bv = (sign_ste(t).unflatten(-1, (2, 8)).transpose(1, 2) for t in (q, k, v))
    ratio = torch.softmax(bq @ bk.transpose(-1, -2) / math.sqrt(8), -1) / clip
    assert (ratio > 1).any()
    assert (ratio < 0.5).any()
    cut = ratio.clamp(0, 1)
    bits = (cut.round() - cut).detach() + cut  # straight through
    want = (clip * bits @ bv).transpose(1, 2).reshape(2, 4, 16)
    got = elastic_attention(q, k, v, clip, 2)
    assert torch.allclose(got, want, atol=1e-13)
    upstream = random(2, 4, 16, seed=10)
    wanted = torch.autograd.grad(want, (q, k, v, clip), upstream)
    for mine, ref in zip(torch.autograd.grad(got, (q, k, v, clip), upstream), wanted):
        assert torch.allclose(mine, ref, atol=1e-12, rtol=1e-9)


def attention_case() -> tuple[QDAttention, Tensor, Tensor, Tensor]:
    layer = QDAttention(2).double()
    layer.init_state.fill_(1)
    with torch.no_grad():
        layer.alpha.copy_(torch.tensor([0.21, 0.34]))
        layer.zero_point.copy_(torch.tensor([0.1, -0.2]))
    q, k, v = (random(3, 5, 16, seed=s).requires_grad_() for s in (7, 8, 9))
    return layer, q, k, v


def test_attention_forward_and_gradients_follow_the_quantizer():
    layer, q, k, v = attention_case()
    bq, bk, bv = (sign_ste(t).view(3, 5, 2, 8).transpose(1, 2) for t in (q, k, v))
    attention = torch.softmax(bq @ bk.transpose(-1, -2) / math.sqrt(8), -1)
    alpha, zero = (p.view(-1, 1, 1) for p in (layer.alpha, layer.zero_point))
    x = 3 * attention / alpha + zero
    rounded = (x.round() - x).detach() + x
    levels = rounded.clamp(0, 3)
    want = (alpha * levels @ bv).transpose(1, 2).reshape(3, 5, 16)
    got = layer(q, k, v)
    assert set(levels.detach().round().flatten().int().tolist()) == {0, 1, 2, 3}
    assert torch.allclose(got, want, atol=1e-12, rtol=0)
    upstream = random(3, 5, 16, seed=10)
    inputs = (q, k, v, layer.alpha, layer.zero_point)
    wanted = torch.autograd.grad(want, inputs, upstream)
    factor = 2 / math.sqrt(attention.numel() * 3)
    for n, (mine, ref) in enumerate(zip(torch.autograd.grad(got, inputs, upstream), wanted)):
        ref = ref * factor if n >= 3 else ref
        assert torch.allclose(mine, ref, atol=1e-11, rtol=1e-9), f"input {n}"


def test_attention_starts_from_the_first_training_batch_only():
    layer, q, k, v = attention_case()
    layer.init_state.zero_()
    layer.eval()(q, k, v)
    assert layer.init_state.item() == 0
    triple = 3 * layer.probabilities(q, k).detach()
    want_alpha = 2 * triple.mean((0, 2, 3)) / math.sqrt(3)
    want_zero = 0.9 * layer.zero_point.detach() + 0.1 * triple.amin((0, 2, 3))
    layer.train()(q, k, v)
    assert torch.allclose(layer.alpha, want_alpha, atol=1e-14)
    assert torch.allclose(layer.zero_point, want_zero, atol=1e-14)
    layer(2 * k, q, v)
    assert torch.allclose(layer.alpha, want_alpha, atol=1e-14)


def test_fixed_levels_have_no_keys_and_round_three_times_the_attention():
    layer = QDAttention(2, learned=False).double()
    _, q, k, v = attention_case()
    assert not layer.state_dict()
    triple = 3 * layer.probabilities(q, k)
    assert torch.equal(layer.levels(q, k), triple.round().clamp(0, 3))
    assert layer(q, k, v).shape == (3, 5, 16)
