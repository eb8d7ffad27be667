"""Reference networks and block-wise execution of integer graphs."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import nn

from hwgen import zoo
from hwgen.frontend.float_eval import Evaluator
from hwgen.ir import Graph
from hwgen.passes.lower import Lowered, lower

VECTORS = Path(__file__).resolve().parents[3] / "shared" / "vectors"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Reference:
    """A network with its expected outputs, its block outputs in float64 and its lowering."""

    expected: np.lib.npyio.NpzFile
    module: nn.Module
    blocks: dict[str, np.ndarray]  # output of every block, (N, C)
    lowered: Lowered

    @property
    def graph(self) -> Graph:
        return self.lowered.graph


@cache
def reference(arch: str) -> Reference:
    """Reference network `arch` (bhvit_nano, ...), seed 1."""
    sys.path.insert(0, str(VECTORS))
    try:
        import weights
    finally:
        sys.path.remove(str(VECTORS))
    expected = np.load(VECTORS / f"expected_{arch}_1.npz")
    state = weights.state_dict(arch, 1)
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
    lowered = lower(module, image[None], meta={"mean": MEAN, "std": STD, "name": arch})
    return Reference(expected, module, blocks, lowered)


def final_op(block: str) -> str:
    """Name of the op that makes a block's output."""
    if block == "embed":
        return "vit.embeddings.patch_embeddings.proj"
    return f"vit.encoder.{block}.{'proj' if 'patch' in block else 'output.dense'}"


def run_block(graph: Graph, source: str, value: np.ndarray, target: str) -> dict[str, np.ndarray]:
    """Integer execution from a real value (N, C) of the op `source` up to the op `target`."""
    op = graph.op(source)
    assert op.feature is not None
    fixed = np.rint(value * 2.0**op.feature.frac).astype(np.int64)[None]
    values = {source: fixed}
    if op.bits is not None:
        values[f"{source}.bits"] = (fixed >= op.post.t).astype(np.uint8)
    reached = False
    for later in graph.ops:
        if later.name == source:
            reached = True
        elif reached or not later.sources:
            values |= later.execute(values)
        if later.name == target:
            return values
    raise AssertionError(f"no op {target}")


def exact_values(ref: Reference) -> dict[str, np.ndarray]:
    """float64 value of every node of the lowered float graph on the reference image."""
    evaluator = Evaluator(ref.lowered.float_graph, torch.float64)
    return {n.name: v.numpy() for n, v in evaluator.steps(ref.expected["image"][None])}


def exact_tensors(ref: Reference, exact: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What every tensor of the integer graph would be without any error before it."""
    out = {"image": ref.expected["image"][None].astype(np.int64)}
    for op in ref.graph.ops:
        chain = ref.lowered.chains.get(op.name)
        if chain is None:
            out |= op.execute(out)  # a constant
            continue
        if op.feature is not None:
            out[op.name] = np.rint(exact[chain.final] * 2.0**op.feature.frac).astype(np.int64)
        if op.bits is not None:
            name = f"{op.name}.bits"
            positive = exact[chain.sign.name] > 0
            out[name] = (positive ^ ref.lowered.inverted[name]).astype(np.uint8)
    return out
