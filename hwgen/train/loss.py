"""The training loss of BHViT (paper Eq. 14)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwgen.nn import BinaryConv2d, BinaryLinear


def distillation_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean over the batch of -sum softmax(teacher) log_softmax(student), temperature 1.

    Shapes: both (B, classes) logits -> scalar.
    """
    return -(F.softmax(teacher, -1) * F.log_softmax(student, -1)).sum(-1).mean()


def binary_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Latent weights of all binary layers."""
    return [m.weight for m in model.modules() if isinstance(m, BinaryLinear | BinaryConv2d)]


def weight_regulariser(weights: list[nn.Parameter]) -> Tensor:
    """L_re = (1/n) sum_i ||w_i| - 1| over all n latent weights (Eq. 14): pulls them to +-1."""
    total = torch.stack([(w.abs() - 1.0).abs().sum() for w in weights]).sum()
    return total / sum(w.numel() for w in weights)


def beta_at(epoch: int, epochs: int, beta: float, start: float) -> float:
    """Weight of the regulariser: `beta` once epoch >= start * epochs, else 0; epochs from 0."""
    return beta if epoch >= start * epochs else 0.0


def total_loss(
    logits: Tensor,
    labels: Tensor,
    teacher: Tensor | None,
    weights: list[nn.Parameter],
    lam: float,
    beta: float,
) -> Tensor:
    """(1 - lam - beta) CE + lam distillation + beta L_re (Eq. 14); lam counts as 0 without teacher.

    Shapes: logits, teacher (B, classes), labels (B,) int64 -> scalar.
    """
    lam = lam if teacher is not None else 0.0
    loss = (1.0 - lam - beta) * F.cross_entropy(logits, labels)
    if teacher is not None and lam:
        loss = loss + lam * distillation_loss(logits, teacher)
    if beta:
        loss = loss + beta * weight_regulariser(weights)
    return loss
