"""Eq. 14 and the schedules, from their definitions."""

from __future__ import annotations

import math

import pytest
import torch

from hwgen import zoo
from hwgen.analysis.operations import analyze
from hwgen.train.loop import cosine_lr
from hwgen.train.loss import (
    beta_at,
    binary_parameters,
    distillation_loss,
    total_loss,
    weight_regulariser,
)


def logits(seed: int) -> torch.Tensor:
    return torch.randn(4, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_distillation_is_cross_entropy_with_the_teacher():
    student, teacher = logits(0), logits(1)
    total = 0.0
    for s, t in zip(student.tolist(), teacher.tolist()):
        z_s, z_t = sum(map(math.exp, s)), sum(map(math.exp, t))
        total -= sum(math.exp(b) / z_t * (a - math.log(z_s)) for a, b in zip(s, t))
    assert float(distillation_loss(student, teacher)) == pytest.approx(total / 4, abs=1e-12)
    hot = torch.full((4, 5), -1e4, dtype=torch.float64)
    labels = torch.tensor([0, 3, 2, 4])
    hot[range(4), labels] = 0.0
    want = torch.nn.functional.cross_entropy(student, labels)
    assert torch.allclose(distillation_loss(student, hot), want)


def test_distillation_gradient_is_the_difference_of_probabilities():
    student, teacher = logits(2).requires_grad_(), logits(3)
    (grad,) = torch.autograd.grad(distillation_loss(student, teacher), student)
    want = (torch.softmax(student, -1) - torch.softmax(teacher, -1)) / 4
    assert torch.allclose(grad, want.detach(), atol=1e-14)


def test_regulariser_is_the_mean_distance_to_one():
    weights = [
        torch.nn.Parameter(torch.tensor([[0.5, -1.5]])),
        torch.nn.Parameter(torch.ones(1, 2)),
    ]
    weights[1].data[0, 0] = -0.25
    assert weight_regulariser(weights).item() == pytest.approx((0.5 + 0.5 + 0.75 + 0.0) / 4)
    weight_regulariser(weights).backward()
    assert weights[0].grad.tolist() == [[-0.25, -0.25]]
    assert float(weights[1].grad[0, 0]) == 0.25


def test_equation_14():
    student, teacher = logits(4), logits(5)
    labels = torch.tensor([1, 0, 4, 4])
    weights = [torch.nn.Parameter(torch.full((2, 3), 0.2, dtype=torch.float64))]
    ce = torch.nn.functional.cross_entropy(student, labels)
    kd = distillation_loss(student, teacher)
    got = total_loss(student, labels, teacher, weights, lam=0.8, beta=0.1)
    assert got.item() == pytest.approx((0.1 * ce + 0.8 * kd).item() + 0.1 * 0.8)
    got = total_loss(student, labels, None, weights, lam=0.8, beta=0.0)
    assert got.item() == pytest.approx(ce.item())


def test_regulariser_only_in_the_last_tenth():
    on = [epoch for epoch in range(150) if beta_at(epoch, 150, 0.1, 0.9)]
    assert on == list(range(135, 150))


def test_cosine_falls_from_lr_to_min_lr():
    rates = [cosine_lr(e, 10, 1e-3, 1e-5) for e in range(11)]
    assert rates[0] == pytest.approx(1e-3)
    assert rates[5] == pytest.approx((1e-3 + 1e-5) / 2)
    assert rates[10] == pytest.approx(1e-5)
    assert rates == sorted(rates, reverse=True)


def test_binary_parameters_are_all_binary_layers():
    with torch.device("meta"):
        model = zoo.create("bhvit_micro")
    assert sum(w.numel() for w in binary_parameters(model)) == analyze(model).total.binary_weights
