"""How close the integer graph is to the float network, on images."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from hwgen.ir.graph import Graph

BATCH = 32


def normalised(images: np.ndarray, meta: dict) -> torch.Tensor:
    """The network's input (N, C, H, W), float64, of uint8 images (N, H, W, C)."""
    x = (images / 255.0 - np.asarray(meta["mean"])) / np.asarray(meta["std"])
    return torch.from_numpy(x).permute(0, 3, 1, 2)


def float_logits(module: nn.Module, images: np.ndarray, meta: dict) -> np.ndarray:
    """Logits (N, classes) of the float network on uint8 images (N, H, W, C)."""
    module = module.eval()
    parameter = next(module.parameters(), torch.zeros(()))
    out = []
    with torch.no_grad():
        for start in range(0, len(images), BATCH):
            x = normalised(images[start : start + BATCH], meta).to(parameter)
            out.append(module(x).double().cpu().numpy())
    return np.concatenate(out)


def fidelity(
    module: nn.Module, graph: Graph, images: np.ndarray, labels: np.ndarray | None = None
) -> dict[str, float]:
    """top1_agreement, logit_cosine (mean over images) and, with labels, the two accuracies.

    Fractions in [0, 1]; images uint8 (N, H, W, C).
    """
    real = float_logits(module, images, graph.meta)
    fixed = graph.logits(images)
    norms = np.linalg.norm(real, axis=1) * np.linalg.norm(fixed, axis=1)
    cosine = (real * fixed).sum(1) / np.maximum(norms, np.finfo(float).tiny)
    out = {
        "top1_agreement": float((real.argmax(1) == fixed.argmax(1)).mean()),
        "logit_cosine": float(cosine.mean()),
    }
    if labels is not None:
        labels = np.asarray(labels)
        out["accuracy_float"] = float((real.argmax(1) == labels).mean())
        out["accuracy_int"] = float((fixed.argmax(1) == labels).mean())
    return out
