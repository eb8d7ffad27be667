"""BinaryViT (CVPR workshops 2023, arXiv:2306.16678), its flat ablations, and their presets."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from hwgen.nn import (
    BatchNorm,
    BinaryLinear,
    LayerScale,
    RPReLU,
    avg_pool_grid,
    elastic_attention,
    first_token,
    neighbour_mean,
    prepend_token,
    upsample_grid,
)
from hwgen.zoo.blocks import (
    Downsample,
    Intermediate,
    Output,
    Projection,
    SignedAttention,
    position,
)
from hwgen.zoo.config import BinaryViTConfig
from hwgen.zoo.network import Network
from hwgen.zoo.registry import register

FIRST_CLIP = 0.005  # the released start value of the attention threshold


class PatchEmbeddings(nn.Module):
    """Patch convolution: (B, 3, S, S) -> (B, N, C)."""

    def __init__(self, config: BinaryViTConfig) -> None:
        super().__init__()
        self.projection = nn.Conv2d(
            config.in_channels, config.channels[0], config.patch, config.patch
        )

    def forward(self, image: Tensor) -> Tensor:
        return self.projection(image).flatten(2).transpose(1, 2)


class Embeddings(nn.Module):
    """BN(patches), the class token before them, plus positions: (B, 3, S, S) -> (B, N, C)."""

    def __init__(self, config: BinaryViTConfig) -> None:
        super().__init__()
        channels, tokens = config.channels[0], config.grids[0] ** 2
        self.class_token, self.stem_norm = config.class_token, config.stem_norm
        if self.class_token:
            self.cls_token = nn.Parameter(torch.randn(1, 1, channels) * 1e-6)
        self.position_embeddings = position(1, tokens + self.class_token, channels)
        self.patch_embeddings = PatchEmbeddings(config)
        if self.stem_norm:
            self.norm = BatchNorm(channels)

    def forward(self, image: Tensor) -> Tensor:
        x = self.patch_embeddings(image)
        if self.stem_norm:
            x = self.norm(x)
        if self.class_token:
            x = prepend_token(x, self.cls_token)
        return x + self.position_embeddings


class ElasticSelfAttention(SignedAttention):
    """Attention of all N tokens on keys and values averaged over R x R cells (SR-MHA).

    s = avg_pool(u), s = RPReLU(BN(BLin(s + mover)) + s) for R > 1, else s = u; P_q from u, P_k and
    P_v from s; z = RPReLU(BN(context) + P_q + up(P_k) + up(P_v)), up nearest by R.
    """

    mover: nn.Parameter

    def __init__(self, config: BinaryViTConfig, stage: int) -> None:
        super().__init__()
        channels, reduction = config.channels[stage], config.reduction[stage]
        self.grid, self.factor = config.grids[stage], reduction
        self.heads = config.heads[stage]
        self.keys = (self.grid // reduction) ** 2 + config.class_token
        self.add_shifts(channels, "qkvr" if reduction > 1 else "qkv")
        self.att_prob_clip = nn.Parameter(torch.tensor(FIRST_CLIP))
        self.add_linears(channels, centre=True)
        if reduction > 1:
            self.reduction = BinaryLinear(channels, channels)
            self.norm_r = BatchNorm(channels)
            self.rprelur = RPReLU(channels)
        self.add_norms(channels)
        self.add_context(channels)

    def forward(self, u: Tensor) -> Tensor:
        s = u
        if self.factor > 1:
            p = avg_pool_grid(u, self.grid, self.factor)
            s = self.rprelur(self.norm_r(self.reduction(p + self.mover)) + p)
        q, k, v = self.project(u, s)
        context = elastic_attention(
            q + self.moveq2, k + self.movek2, v + self.movev2, self.att_prob_clip, self.heads
        )
        if self.factor > 1:
            k = upsample_grid(k, self.grid // self.factor, self.factor)
            v = upsample_grid(v, self.grid // self.factor, self.factor)
        return self.rprelu_context(self.norm_context(context) + q + k + v)


class Attention(nn.Module):
    """Self-attention followed by its output projection."""

    def __init__(self, config: BinaryViTConfig, stage: int) -> None:
        super().__init__()
        self.attention = ElasticSelfAttention(config, stage)
        self.output = Projection(config.channels[stage], affine=config.affine)

    def forward(self, u: Tensor) -> Tensor:
        return self.output(self.attention(u))


class Block(nn.Module):
    """x1 = x + Attention(BN(x)), v = BN(x1), out = MLP(v) + x1 + neighbours(v)."""

    layerscale_w3: LayerScale
    layerscale_h3: LayerScale
    layerscale_w5: LayerScale
    layerscale_h5: LayerScale

    def __init__(self, config: BinaryViTConfig, stage: int) -> None:
        super().__init__()
        channels, expansion = config.channels[stage], config.expansion[stage]
        self.grid, self.pooling = config.grids[stage], config.pooling
        self.attention = Attention(config, stage)
        self.intermediate = Intermediate(channels, expansion)
        self.output = Output(channels, expansion, affine=config.affine)
        self.layernorm_before = BatchNorm(channels)
        self.layernorm_after = BatchNorm(channels)
        if self.pooling:
            for name in ("w5", "h5", "w3", "h3"):
                setattr(self, f"layerscale_{name}", LayerScale(channels, init=0.0))

    def neighbours(self, v: Tensor) -> Tensor:
        """Sum of the four pooling branches, radius 1 then 2, vertical then horizontal."""
        grid = self.grid
        total = self.layerscale_h3(neighbour_mean(v, grid, 0, 1))
        total = total + self.layerscale_w3(neighbour_mean(v, grid, 1, 1))
        total = total + self.layerscale_h5(neighbour_mean(v, grid, 0, 2))
        return total + self.layerscale_w5(neighbour_mean(v, grid, 1, 2))

    def forward(self, x: Tensor) -> Tensor:
        x1 = x + self.attention(self.layernorm_before(x))
        v = self.layernorm_after(x1)
        y = self.output(self.intermediate(v)) + x1
        return y + self.neighbours(v) if self.pooling else y


class Encoder(nn.Module):
    """The stages with a downsampling before each but the first; all blocks in one list `layer`."""

    def __init__(self, config: BinaryViTConfig) -> None:
        super().__init__()
        self.depths = config.depths
        self.layer = nn.ModuleList(
            Block(config, stage) for stage, depth in enumerate(self.depths) for _ in range(depth)
        )
        for k in range(1, len(self.depths)):
            down = Downsample(
                config.channels[k - 1],
                config.grids[k - 1],
                config.binary_downsampling,
                centre=False,
                scale_gradient=False,
            )
            setattr(self, f"patch_embed{k}", down)

    def forward(self, x: Tensor) -> Tensor:
        first = 0
        for stage, depth in enumerate(self.depths):
            if stage:
                x = getattr(self, f"patch_embed{stage}")(x)
            for block in self.layer[first : first + depth]:
                x = block(x)
            first += depth
        return x


class Backbone(nn.Module):
    """Embeddings, encoder and the last BN: image (B, 3, S, S) -> tokens of the last stage."""

    def __init__(self, config: BinaryViTConfig) -> None:
        super().__init__()
        self.embeddings = Embeddings(config)
        self.encoder = Encoder(config)
        self.layernorm = BatchNorm(config.channels[-1])

    def forward(self, image: Tensor) -> Tensor:
        return self.layernorm(self.encoder(self.embeddings(image)))


class BinaryViT(Network):
    """BinaryViT classifier with the state-dict keys of the released checkpoints.

    The input is normalised outside: x = (uint8 / 255 - mean) / std. The classifier reads the mean
    over all tokens, or the class token.
    Shapes: (B, in_channels, S, S) -> (B, classes). Raises: HwgenError from `BinaryViTConfig`.
    """

    config: BinaryViTConfig

    def __init__(self, config: BinaryViTConfig) -> None:
        super().__init__()
        self.config = config
        self.vit = Backbone(config)
        self.classifier = nn.Linear(config.channels[-1], config.classes)

    def forward(self, image: Tensor) -> Tensor:
        x = self.vit(image)
        return self.classifier(first_token(x) if self.config.class_token else x.mean(1))


@register
def binaryvit_small(**overrides: Any) -> BinaryViT:
    """BinaryViT-small, 22.5 M parameters at 1000 classes (arXiv:2306.16678, supplementary)."""
    return BinaryViT(BinaryViTConfig(**overrides))


@register
def binaryvit_nano(**overrides: Any) -> BinaryViT:
    """Full width, one block per stage, 10 classes: for reference vectors and tests."""
    return BinaryViT(BinaryViTConfig(**{"depths": (1, 1, 1, 1), "classes": 10, **overrides}))


@register
def binaryvit_micro(**overrides: Any) -> BinaryViT:
    """48x48 images, three stages of 64 to 256 channels: small enough to simulate as a whole."""
    sizes = {
        "image_size": 48,
        "channels": (64, 128, 256),
        "depths": (1, 1, 1),
        "expansion": (4, 2, 2),
        "reduction": (4, 2, 1),
        "classes": 10,
    }
    return BinaryViT(BinaryViTConfig(**{**sizes, **overrides}))


def _flat(parts: dict[str, bool], overrides: dict[str, Any]) -> BinaryViT:
    """DeiT-S, binary: 196 tokens of 384 channels, 12 blocks, 6 heads."""
    sizes = {
        "patch": 16,
        "channels": (384,),
        "depths": (12,),
        "expansion": (4,),
        "reduction": (1,),
        "stem_norm": False,
    }
    return BinaryViT(BinaryViTConfig(**{**sizes, **parts, **overrides}))


@register
def deit_small_binary(**overrides: Any) -> BinaryViT:
    """Binary DeiT-S, the ablation's baseline: class token, no pooling branches, no affine."""
    return _flat({"class_token": True, "pooling": False, "affine": False}, overrides)


@register
def deit_small_binary_gap(**overrides: Any) -> BinaryViT:
    """Binary DeiT-S with the mean over all tokens instead of the class token."""
    return _flat({"pooling": False, "affine": False}, overrides)


@register
def deit_small_binary_pool(**overrides: Any) -> BinaryViT:
    """Binary DeiT-S with the mean over all tokens and the pooling branches."""
    return _flat({"affine": False}, overrides)


@register
def deit_small_binary_affine(**overrides: Any) -> BinaryViT:
    """Binary DeiT-S with everything of BinaryViT but the pyramid, 22.3 M parameters."""
    return _flat({}, overrides)
