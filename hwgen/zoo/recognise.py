"""Which network a state dict belongs to, from its keys and shapes alone."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor

from hwgen.errors import CheckpointError
from hwgen.zoo.bhvit import BHViT
from hwgen.zoo.binaryvit import BinaryViT
from hwgen.zoo.config import STAGES, BHViTConfig, BinaryViTConfig, NetworkConfig, ResNetConfig
from hwgen.zoo.network import Network
from hwgen.zoo.resnet import BinaryResNet, is_resnet, resnet_config
from hwgen.zoo.variants import refuse_variants

_NUMBER = {1: "one stage", 2: "two stages", 3: "three stages", 4: "four stages"}
_FAMILIES = "BHViT, BinaryViT, Bi-Real Net or ReActNet"


def build(config: NetworkConfig) -> Network:
    """The network of a configuration, with fresh weights."""
    networks = {BHViTConfig: BHViT, BinaryViTConfig: BinaryViT, ResNetConfig: BinaryResNet}
    return networks[type(config)](config)


def config_from_state_dict(state: Mapping[str, Tensor], stated: object = None) -> NetworkConfig:
    """Configuration of the network whose parameters `state` holds; no flag or file name is used.

    The names of the block lists tell the family: layerA and layerB are BHViT, layer is BinaryViT,
    blocks with a binary_conv a binary ResNet. stated: the file's own configuration, from which a
    ResNet's image size comes, which no weight shows.
    Raises: CheckpointError if the keys are those of none, or of two.
    """
    if is_resnet(state):
        return resnet_config(state, stated)
    families = {
        family: [name for name in names if any(k.startswith(f"vit.encoder.{name}.") for k in state)]
        for family, names in (("BHViT", ("layerA", "layerB")), ("BinaryViT", ("layer",)))
    }
    if families["BHViT"] and families["BinaryViT"]:
        raise CheckpointError(
            "state_dict",
            f"has blocks of a BHViT ({', '.join(families['BHViT'])}) and of a BinaryViT (layer)",
            "needs one network",
            "check that all parts of the checkpoint belong together",
        )
    for family, lists in families.items():
        if lists:
            refuse_variants(state, family)
    if families["BinaryViT"]:
        return _Reader(state, "BinaryViT").binaryvit()
    return _Reader(state, "BHViT" if families["BHViT"] else _FAMILIES).bhvit()


class _Reader:
    """Sizes of one family from the shapes of a state dict."""

    def __init__(self, state: Mapping[str, Tensor], family: str) -> None:
        self.state = state
        self.way_out = f"give a state dict with the keys of the released {family}"

    def shape(self, key: str, dims: int) -> tuple[int, ...]:
        if key not in self.state:
            raise CheckpointError(
                f"state_dict: {key}", "is missing", "the sizes are read from it", self.way_out
            )
        shape = tuple(self.state[key].shape)
        if len(shape) != dims or min(shape) < 1:
            raise CheckpointError(
                f"state_dict: {key}", f"has shape {shape}", f"needs {dims} positive axes",
                self.way_out,
            )  # fmt: skip
        return shape

    def has(self, ending: str) -> bool:
        """Some key of the encoder ends like this."""
        return any(k.startswith("vit.encoder.") and k.endswith(ending) for k in self.state)

    def binary_downsampling(self) -> bool:
        return any(f"vit.encoder.patch_embed{k}.move" in self.state for k in range(1, STAGES))

    def stages(self, layers: str, channels: tuple[int, ...]) -> tuple[list[int], list[int]]:
        """Depth and MLP expansion of the stages in one list of blocks."""
        depths, expansion = [0] * len(channels), [0] * len(channels)
        prefix = f"vit.encoder.{layers}."
        found = {
            key[len(prefix) :].split(".", 1)[0] for key in self.state if key.startswith(prefix)
        }
        indices = sorted(found, key=lambda i: (len(i), i))
        if indices != [str(i) for i in range(len(indices))] or len(indices) < len(channels):
            raise CheckpointError(
                f"state_dict: vit.encoder.{layers}",
                f"has blocks {', '.join(indices[:8]) or 'none'}",
                f"needs blocks 0, 1, ... of {_NUMBER[len(channels)]}",
                self.way_out,
            )
        for index in indices:
            key = f"{prefix}{index}.intermediate.dense.weight"
            hidden, width = self.shape(key, 2)
            stage = channels.index(width) if width in channels else len(channels)
            if stage == len(channels) or hidden % width or any(depths[stage + 1 :]):
                raise CheckpointError(
                    f"state_dict: {key}",
                    f"has shape {(hidden, width)}",
                    f"needs {' then '.join(map(str, channels))} columns "
                    f"and a multiple of {'them' if len(channels) > 1 else 'it'} as rows",
                    self.way_out,
                )
            depths[stage] += 1
            expansion[stage] = expansion[stage] or hidden // width
        if not all(depths):
            raise CheckpointError(
                f"state_dict: vit.encoder.{layers}",
                f"has {' and '.join(map(str, depths))} blocks in its stages",
                "needs at least one in each",
                self.way_out,
            )
        return depths, expansion

    def bhvit(self) -> BHViTConfig:
        """Channels and patch come from the stem, the image size from the position embedding (window
        = grid / 8, one window in stage 4), depths and expansion from the block indices and MLP
        shapes, classes from the classifier, head_dim from the attention steps, binary downsampling
        from the `patch_embed` shifts, the paper variant from absent mixer biases."""
        stem = "vit.embeddings.patch_embeddings.proj.weight"
        first, in_channels, patch, _ = self.shape(stem, 4)
        side = self.shape("vit.embeddings.position_embeddings", 4)[2]
        channels = (first, 2 * first, 4 * first, 8 * first)
        depths_a, expansion_a = self.stages("layerA", channels[:2])
        depths_b, expansion_b = self.stages("layerB", channels[2:])
        paper = not any(".GC.cov" in key and key.endswith(".bias") for key in self.state)
        head_dim = min(64, channels[2])
        for index in range(depths_b[0]):
            steps = f"vit.encoder.layerB.{index}.attention.attention.att_prob_quantizer.alpha"
            if steps in self.state:
                head_dim = channels[2] // self.shape(steps, 1)[0]
                break
        return BHViTConfig(
            image_size=side * patch,
            patch=patch,
            window=side // 8,
            channels=channels,
            depths=(*depths_a, *depths_b),
            expansion=(*expansion_a, *expansion_b),
            head_dim=head_dim,
            classes=self.shape("classifier.weight", 2)[0],
            in_channels=in_channels,
            binary_downsampling=self.binary_downsampling(),
            variant="paper" if paper else "released",
        )

    def binaryvit(self) -> BinaryViTConfig:
        """As `bhvit`; the number of stages from the downsampling layers. A stage whose blocks have
        a `reduction` goes down to the grid of the last stage; heads have 64 channels. The parts of
        the ablation are present where their keys are."""
        stem = "vit.embeddings.patch_embeddings.projection.weight"
        first, in_channels, patch, _ = self.shape(stem, 4)
        class_token = "vit.embeddings.cls_token" in self.state
        number = self.shape("vit.embeddings.position_embeddings", 3)[1]
        side = math.isqrt(number - class_token)
        if side * side != number - class_token or side == 0:
            raise CheckpointError(
                "state_dict: vit.embeddings.position_embeddings",
                f"has {number} tokens",
                "needs a square grid" + (" and the class token" if class_token else ""),
                self.way_out,
            )
        down = [k for k in range(1, STAGES) if self.has(f"encoder.patch_embed{k}.proj.weight")]
        channels = tuple(first << stage for stage in range(max(down, default=0) + 1))
        depths, expansion = self.stages("layer", channels)
        reduction = []
        for stage in range(len(channels)):
            blocks = range(sum(depths[:stage]), sum(depths[: stage + 1]))
            reduced = any(self.has(f".layer.{i}.attention.attention.mover") for i in blocks)
            reduction.append(1 << (len(channels) - 1 - stage) if reduced else 1)
        return BinaryViTConfig(
            image_size=side * patch,
            patch=patch,
            channels=channels,
            depths=tuple(depths),
            expansion=tuple(expansion),
            reduction=tuple(reduction),
            classes=self.shape("classifier.weight", 2)[0],
            in_channels=in_channels,
            binary_downsampling=self.binary_downsampling() or len(channels) == 1,
            pooling=any(self.has(f".layerscale_{x}.alpha") for x in ("h3", "w3", "h5", "w5")),
            affine=self.has(".output.layerscale.alpha"),
            class_token=class_token,
            stem_norm="vit.embeddings.norm.weight" in self.state,
        )
