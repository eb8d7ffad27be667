"""Packed weights: a state dict with one bit per binary weight and half floats for the rest.

A binary layer reads of its weights only the sign, of W - mean(W) where it centres them, and the
mean magnitude of a row (`hwgen.nn.functional.row_scale_sign`). So `KEY` of a binary weight becomes
`KEY.signs` uint8 (ceil(n / 8),), bit i mod 8 of byte i / 8 for element i, `KEY.scale` (out,) and
`KEY.shape` int64. What comes back is +-scale, which such a layer binarizes to itself.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from hwgen.errors import CheckpointError
from hwgen.nn import BinaryConv2d, BinaryLinear
from hwgen.nn.functional import row_scale_sign

SIGNS, SCALE, SHAPE = ".signs", ".scale", ".shape"


def packed(model: nn.Module) -> dict[str, Tensor]:
    """The packed state dict of a network, on the CPU. Equal weights of a row count as above the
    mean: their sign would be 0, which no bit holds."""
    state = {}
    layers = {
        f"{name}.weight": layer
        for name, layer in model.named_modules()
        if isinstance(layer, BinaryLinear | BinaryConv2d)
    }
    for key, value in model.state_dict().items():
        value = value.detach().cpu()
        if key in layers:
            scale, sign = row_scale_sign(value, layers[key].centre)
            bits = np.packbits((sign >= 0).flatten().numpy(), bitorder="little")
            state[key + SIGNS], state[key + SCALE] = torch.from_numpy(bits), scale.half()
            state[key + SHAPE] = torch.tensor(value.shape)
        else:
            state[key] = value.half() if value.is_floating_point() else value.clone()
    return state


def unpacked(state: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """A state dict with every packed weight as float32 +-scale; others as they are.

    Raises: CheckpointError where the three parts of a weight do not fit each other.
    """
    keys = [key.removesuffix(SIGNS) for key in state if _is_packed(key, state)]
    parts = {key + part for key in keys for part in (SIGNS, SCALE, SHAPE)}
    plain = {key: value for key, value in state.items() if key not in parts}
    return plain | {key: _weight(key, state, path) for key in keys}


def _is_packed(key: str, state: Collection[str]) -> bool:
    stem = key.removesuffix(SIGNS)
    return stem != key and stem + SCALE in state and stem + SHAPE in state


def _weight(key: str, state: Mapping[str, Tensor], path: Path) -> Tensor:
    signs, scale = state[key + SIGNS], state[key + SCALE]
    shape = [int(side) for side in state[key + SHAPE].flatten()]
    count = prod(shape)
    fits = signs.dtype == torch.uint8 and signs.shape == (-(-count // 8),)
    if not shape or min(shape) < 1 or not fits or scale.shape != (shape[0],):
        raise CheckpointError(
            f"{path}: {key}", f"{tuple(signs.shape)} signs, {tuple(scale.shape)} scales",
            f"do not make a weight of shape {tuple(shape)}", "save it again",
        )  # fmt: skip
    bits = np.unpackbits(signs.numpy(), count=count, bitorder="little")
    sign = torch.from_numpy(bits).float().mul_(2.0).sub_(1.0).view(shape[0], -1)
    return (sign * scale.float()[:, None]).view(shape)
