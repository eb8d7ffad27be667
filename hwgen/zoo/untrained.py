"""Networks with random weights whose normalisation fits real pictures: for tests and cost reports.

Cycles, resources and bit-exactness do not depend on training; accuracy does and is not reported.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from hwgen.zoo.binaryvit import ElasticSelfAttention
from hwgen.zoo.config import IMAGENET_MEAN, IMAGENET_STD
from hwgen.zoo.network import Network
from hwgen.zoo.registry import create

SPREAD = 0.1  # standard deviation added to every per-channel parameter


def photographs(size: int) -> np.ndarray:
    """scikit-learn's two photographs, their middle squares: uint8 (2, size, size, 3)."""
    from sklearn.datasets import load_sample_images

    out = []
    for picture in load_sample_images().images:
        step = min(picture.shape[:2]) / size
        rows, columns = (
            ((side - size * step) / 2 + step * (np.arange(size) + 0.5)).astype(int)
            for side in picture.shape[:2]
        )
        out.append(picture[rows[:, None], columns])
    return np.stack(out)


def untrained(name: str, images: np.ndarray, **overrides: object) -> Network:
    """The network `name` in eval mode, seeded; BatchNorm statistics are those of `images`.

    BinaryViT's attention thresholds (clip / 2) are the mean attention, so that bits of both kinds
    occur at any number of keys.
    """
    torch.manual_seed(0)
    network = create(name, **overrides)
    x = torch.from_numpy(images).permute(0, 3, 1, 2) / 255.0
    mean, std = (torch.tensor(v).view(-1, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 1:
                parameter.add_(SPREAD * torch.randn_like(parameter))
        for module in network.modules():
            if isinstance(module, ElasticSelfAttention):
                module.att_prob_clip.fill_(2.0 / module.keys)
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.momentum = 1.0
        network.train()((x - mean) / std)
    return network.eval()
