"""Reference networks: expected outputs, float64 values, integer graphs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import nn

from hwgen import zoo
from hwgen.ir import Graph
from hwgen.passes.lower import Lowered, Prepared, prepare
from hwgen.report.blocks import FloatValues, float_values
from tests import reference_vectors

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Reference:
    """A network with its expected outputs, its float64 values on their image and its lowering."""

    expected: np.lib.npyio.NpzFile
    module: nn.Module
    blocks: dict[str, np.ndarray]  # output of every block of the module, (N, C)
    prepared: Prepared
    lowered: Lowered  # at 16 bits
    values: FloatValues

    @property
    def graph(self) -> Graph:
        return self.lowered.graph


@cache
def reference(arch: str) -> Reference:
    """Reference network `arch` (bhvit_nano, ...), seed 1."""
    expected = reference_vectors.expected(arch)
    state = reference_vectors.weights(arch).state_dict(arch, 1)
    config = zoo.config_from_state_dict(state)
    module = zoo.BHViT(config)
    module.load_state_dict(state)
    module = module.double().eval()
    blocks: dict[str, np.ndarray] = {}

    def keep(name: str, child: nn.Module):
        def hook(_m: nn.Module, _i: tuple, out: torch.Tensor) -> None:
            blocks[name] = out[0].detach().numpy()

        return child.register_forward_hook(hook)

    def normalised(_m: nn.Module, _i: tuple, out: torch.Tensor) -> None:
        """A norm before 8-bit weights is part of the block before it (passes/distribute.py)."""
        blocks[list(blocks)[-1]] = out[0].detach().numpy()

    encoder = module.vit.encoder
    hooks = [keep("embed", module.vit.embeddings)]
    for layers in ("layerA", "layerB"):
        for i, block in enumerate(getattr(encoder, layers)):
            hooks.append(keep(f"{layers}.{i}", block))
    for k in (1, 2, 3):
        down = getattr(encoder, f"patch_embed{k}")
        hooks.append(keep(f"patch_embed{k}", down))
        if not down.binary:
            hooks.append(down.norm0.register_forward_hook(normalised))
    image = expected["image"]
    x = torch.tensor((image / 255.0 - MEAN) / STD).permute(2, 0, 1)[None]
    with torch.no_grad():
        module(x)
    for hook in hooks:
        hook.remove()
    meta = {"mean": MEAN, "std": STD, "name": arch}
    prepared = prepare(module, image[None], meta=meta)
    values = float_values(prepared, image[None])
    return Reference(expected, module, blocks, prepared, prepared.quantize(), values)


def final_op(block: str) -> str:
    """Name of the op that makes a block's output."""
    if block == "embed":
        return "vit.embeddings.patch_embeddings.proj"
    return f"vit.encoder.{block}.{'proj' if 'patch' in block else 'output.dense'}"
