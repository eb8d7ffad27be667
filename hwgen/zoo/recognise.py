"""Which network a state dict belongs to, from its keys and shapes alone."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from hwgen.errors import CheckpointError
from hwgen.zoo.bhvit import BHViT
from hwgen.zoo.config import BHViTConfig
from hwgen.zoo.resnet import BinaryResNet, ResNetConfig, is_resnet, resnet_config

_WAY_OUT = "give a state dict with the keys of the released BHViT"


def _shape(state: Mapping[str, Tensor], key: str, dims: int) -> tuple[int, ...]:
    if key not in state:
        raise CheckpointError(
            f"state_dict: {key}", "is missing", "the sizes are read from it", _WAY_OUT
        )
    shape = tuple(state[key].shape)
    if len(shape) != dims or min(shape) < 1:
        raise CheckpointError(
            f"state_dict: {key}", f"has shape {shape}", f"needs {dims} positive axes", _WAY_OUT
        )
    return shape


def _indices(state: Mapping[str, Tensor], prefix: str) -> list[str]:
    found = {key[len(prefix) :].split(".", 1)[0] for key in state if key.startswith(prefix)}
    return sorted(found, key=lambda i: (len(i), i))


def _stages(
    state: Mapping[str, Tensor], layers: str, channels: tuple[int, int]
) -> tuple[list[int], list[int]]:
    """Depth and MLP expansion of the two stages in one list of blocks."""
    depths, expansion = [0, 0], [0, 0]
    indices = _indices(state, f"vit.encoder.{layers}.")
    if indices != [str(i) for i in range(len(indices))] or len(indices) < 2:
        raise CheckpointError(
            f"state_dict: vit.encoder.{layers}",
            f"has blocks {', '.join(indices[:8]) or 'none'}",
            "needs blocks 0, 1, ... of two stages",
            _WAY_OUT,
        )
    for index in indices:
        key = f"vit.encoder.{layers}.{index}.intermediate.dense.weight"
        hidden, width = _shape(state, key, 2)
        if width not in channels or hidden % width or (depths[1] and width == channels[0]):
            raise CheckpointError(
                f"state_dict: {key}",
                f"has shape {(hidden, width)}",
                f"needs {channels[0]} then {channels[1]} columns and a multiple of them as rows",
                _WAY_OUT,
            )
        stage = channels.index(width)
        depths[stage] += 1
        expansion[stage] = expansion[stage] or hidden // width
    if not all(depths):
        raise CheckpointError(
            f"state_dict: vit.encoder.{layers}",
            f"has {depths[0]} and {depths[1]} blocks in its stages",
            "needs at least one in each",
            _WAY_OUT,
        )
    return depths, expansion


def build(config: BHViTConfig | ResNetConfig) -> nn.Module:
    """The network that a configuration fixes."""
    return {BHViTConfig: BHViT, ResNetConfig: BinaryResNet}[type(config)](config)


def config_from_state_dict(
    state: Mapping[str, Tensor], stated: object = None
) -> BHViTConfig | ResNetConfig:
    """Configuration of the network whose parameters `state` holds; no flag or file name is used.

    A binary ResNet: `resnet_config`, the only one to use `stated` (the file's own configuration).
    A BHViT: `_bhvit_config`. Raises: CheckpointError if the keys are not those of a zoo network.
    """
    if is_resnet(state):
        return resnet_config(state, stated)
    return _bhvit_config(state)


def _bhvit_config(state: Mapping[str, Tensor]) -> BHViTConfig:
    """Configuration of the BHViT whose parameters `state` holds.

    Channels and patch come from the stem, the image size from the position embedding (window =
    grid / 8, one window in stage 4), depths and expansion from the block indices and MLP shapes,
    classes from the classifier, head_dim from the attention steps, binary downsampling from
    the `patch_embed` shifts, the paper variant from absent mixer biases.
    Raises: CheckpointError if the keys are not those of a BHViT.
    """
    if any(key.startswith("vit.encoder.layer.") for key in state):
        raise CheckpointError(
            "state_dict", "vit.encoder.layer.* keys", "BinaryViT is not in the zoo", "use a BHViT"
        )
    first, in_channels, patch, _ = _shape(state, "vit.embeddings.patch_embeddings.proj.weight", 4)
    down = "vit.encoder.patch_embed"
    side = _shape(state, "vit.embeddings.position_embeddings", 4)[2]
    channels = (first, 2 * first, 4 * first, 8 * first)
    depths_a, expansion_a = _stages(state, "layerA", channels[:2])
    depths_b, expansion_b = _stages(state, "layerB", channels[2:])
    paper = not any(".GC.cov" in key and key.endswith(".bias") for key in state)
    head_dim = min(64, channels[2])
    for index in range(depths_b[0]):
        steps = f"vit.encoder.layerB.{index}.attention.attention.att_prob_quantizer.alpha"
        if steps in state:
            head_dim = channels[2] // _shape(state, steps, 1)[0]
            break
    return BHViTConfig(
        image_size=side * patch,
        patch=patch,
        window=side // 8,
        channels=channels,
        depths=(*depths_a, *depths_b),
        expansion=(*expansion_a, *expansion_b),
        head_dim=head_dim,
        classes=_shape(state, "classifier.weight", 2)[0],
        in_channels=in_channels,
        binary_downsampling=any(f"{down}{k}.move" in state for k in (1, 2, 3)),
        variant="paper" if paper else "released",
    )
