"""BHViT: binary hybrid vision transformer (CVPR 2025, arXiv:2503.02394) and its presets."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from hwgen.nn import BatchNorm
from hwgen.zoo.blocks import Block, Downsample, Embeddings
from hwgen.zoo.config import BHViTConfig
from hwgen.zoo.network import Network
from hwgen.zoo.registry import register


class Encoder(nn.Module):
    """Four stages with a downsampling before each but the first; (B, N, C) -> (B, N/64, 8C).

    `layerA` holds the mixer blocks of stages 1-2, `layerB` the attention blocks of stages 3-4.
    """

    patch_embed1: Downsample
    patch_embed2: Downsample
    patch_embed3: Downsample

    def __init__(self, config: BHViTConfig) -> None:
        super().__init__()
        self.depths = config.depths
        stages = [[Block(config, s) for _ in range(depth)] for s, depth in enumerate(config.depths)]
        self.layerA = nn.ModuleList(stages[0] + stages[1])
        self.layerB = nn.ModuleList(stages[2] + stages[3])
        centre = config.variant != "paper"
        for k in (1, 2, 3):
            down = Downsample(
                config.channels[k - 1], config.grids[k - 1], config.binary_downsampling, centre
            )
            setattr(self, f"patch_embed{k}", down)

    def forward(self, x: Tensor) -> Tensor:
        first, _, third, _ = self.depths
        for block in self.layerA[:first]:
            x = block(x)
        x = self.patch_embed1(x)
        for block in self.layerA[first:]:
            x = block(x)
        x = self.patch_embed2(x)
        for block in self.layerB[:third]:
            x = block(x)
        x = self.patch_embed3(x)
        for block in self.layerB[third:]:
            x = block(x)
        return x


class Backbone(nn.Module):
    """Embeddings, encoder and the last BN: image (B, 3, S, S) -> tokens (B, N/64, 8C)."""

    def __init__(self, config: BHViTConfig) -> None:
        super().__init__()
        self.embeddings = Embeddings(config)
        self.encoder = Encoder(config)
        self.layernorm = BatchNorm(config.channels[3])

    def forward(self, image: Tensor) -> Tensor:
        return self.layernorm(self.encoder(self.embeddings(image)))


class BHViT(Network):
    """BHViT classifier with the state-dict keys of the released checkpoints.

    The input is normalised outside: x = (uint8 / 255 - mean) / std.
    Shapes: (B, in_channels, S, S) -> (B, classes). Raises: HwgenError from `BHViTConfig`.
    """

    def __init__(self, config: BHViTConfig) -> None:
        super().__init__()
        self.config = config
        self.vit = Backbone(config)
        self.classifier = nn.Linear(config.channels[3], config.classes)

    def forward(self, image: Tensor) -> Tensor:
        return self.classifier(self.vit(image).mean(1))


@register
def bhvit_nano(**overrides: Any) -> BHViT:
    """Full width, one block per stage, 10 classes: for reference vectors and tests."""
    return BHViT(BHViTConfig(**{"depths": (1, 1, 1, 1), "classes": 10, **overrides}))


@register
def bhvit_micro(**overrides: Any) -> BHViT:
    """96x96 images, 16 to 128 channels, window 3: small enough to simulate as a whole."""
    sizes = {
        "image_size": 96,
        "window": 3,
        "channels": (16, 32, 64, 128),
        "depths": (1, 1, 2, 1),
        "classes": 10,
    }
    return BHViT(BHViTConfig(**{**sizes, **overrides}))


@register
def bhvit_tiny(**overrides: Any) -> BHViT:
    """BHViT-Tiny, 13.8 M parameters at 1000 classes (arXiv:2503.02394, Table 2)."""
    return BHViT(BHViTConfig(**{"depths": (2, 2, 6, 2), **overrides}))


@register
def bhvit_small(**overrides: Any) -> BHViT:
    """BHViT-Small, 22.6 M parameters at 1000 classes (arXiv:2503.02394, Table 2)."""
    return BHViT(BHViTConfig(**{"depths": (3, 4, 8, 4), **overrides}))


@register
def bhvit_paper(**overrides: Any) -> BHViT:
    """BHViT-Small with the paper's equations 4, 7 and 10 and MLP expansion 4 (Eq. 13)."""
    sizes = {"depths": (3, 4, 8, 4), "expansion": (4, 4, 4, 4), "variant": "paper"}
    return BHViT(BHViTConfig(**{**sizes, **overrides}))
