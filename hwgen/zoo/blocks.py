"""Blocks of BHViT with the attribute names (hence state-dict keys) of the released network.

BinaryViT shares `SignedAttention`, `Projection`, `Intermediate`, `Output` and `Downsample`. All
blocks map tokens (B, N, C) to tokens; `grid` is the side of the token grid.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hwgen.nn import (
    BatchNorm,
    BinaryConv2d,
    BinaryLinear,
    LayerScale,
    LearnedShift,
    QDAttention,
    RPReLU,
    TokenBuilder,
    avg_pool_grid,
    pool_channels,
    shift_mean,
    shift_mix,
    tile_channels,
    window_merge,
)
from hwgen.zoo.config import DILATIONS, MIXER_GROUPS, BHViTConfig


def position(*shape: int) -> nn.Parameter:
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(shape), std=0.02))


class PatchEmbeddings(nn.Module):
    """GELU(BN(conv(image))) (BHViT Eq. 5): (B, 3, S, S) -> (B, C, S/patch, S/patch)."""

    def __init__(self, config: BHViTConfig) -> None:
        super().__init__()
        self.proj = nn.Conv2d(config.in_channels, config.channels[0], config.patch, config.patch)
        self.norm = BatchNorm(config.channels[0], channel_dim=1)
        self.act = nn.GELU()

    def forward(self, image: Tensor) -> Tensor:
        return self.act(self.norm(self.proj(image)))


class Embeddings(nn.Module):
    """Patch embedding plus positions: (B, 3, S, S) -> (B, N, C)."""

    def __init__(self, config: BHViTConfig) -> None:
        super().__init__()
        grid = config.grids[0]
        self.position_embeddings = position(1, config.channels[0], grid, grid)
        self.patch_embeddings = PatchEmbeddings(config)

    def forward(self, image: Tensor) -> Tensor:
        x = self.patch_embeddings(image) + self.position_embeddings
        return x.flatten(2).transpose(1, 2)


class Mixer(nn.Module):
    """Multi-scale grouped dilated convolution (released form of BHViT Eq. 7).

    BN(sum_n RPReLU_n(conv_n(sgn(u + move)))), dilations 1, 3, 5, 4 groups, zero padding of the
    signs. The paper's form adds u inside the RPReLU and has no convolution bias.
    """

    cov1: BinaryConv2d
    cov2: BinaryConv2d
    cov3: BinaryConv2d
    act1: RPReLU
    act2: RPReLU
    act3: RPReLU

    def __init__(self, channels: int, grid: int, paper: bool) -> None:
        super().__init__()
        self.channels, self.grid, self.paper = channels, grid, paper
        self.move = LearnedShift((1, channels, 1, 1))
        for n, dilation in enumerate(DILATIONS, 1):
            conv = BinaryConv2d(
                channels, channels, 3, padding=dilation, dilation=dilation,
                groups=MIXER_GROUPS, bias=not paper, centre=not paper,
            )  # fmt: skip
            setattr(self, f"cov{n}", conv)
        self.norm = BatchNorm(channels, channel_dim=1)
        for n in range(1, len(DILATIONS) + 1):
            setattr(self, f"act{n}", RPReLU(channels, channel_dim=1))

    def forward(self, u: Tensor) -> Tensor:
        image = u.transpose(1, 2).reshape(-1, self.channels, self.grid, self.grid)
        shifted = self.move(image)
        y1, y2, y3 = self.cov1(shifted), self.cov2(shifted), self.cov3(shifted)
        if self.paper:
            y1, y2, y3 = y1 + image, y2 + image, y3 + image
        total = self.act1(y1) + self.act2(y2) + self.act3(y3)
        return self.norm(total).flatten(2).transpose(1, 2)


class SignedAttention(nn.Module):
    """What the attentions of BHViT and BinaryViT have in common; subclasses register it in order.

    P_c = RPReLU_c(BN_c(BLin_c(x + move_c)) + x) for c in q, k, v; the operands of the attention are
    the signs of P_c + move_c2; z = RPReLU(BN(context) + P_q + P_k + P_v).
    """

    query: BinaryLinear
    key: BinaryLinear
    value: BinaryLinear
    moveq: nn.Parameter
    movek: nn.Parameter
    movev: nn.Parameter
    moveq2: nn.Parameter
    movek2: nn.Parameter
    movev2: nn.Parameter

    def add_shifts(self, channels: int, letters: str = "qkv") -> None:
        for name in (*(f"move{c}" for c in letters), *(f"move{c}2" for c in "qkv")):
            setattr(self, name, nn.Parameter(torch.zeros(channels)))

    def add_linears(self, channels: int, centre: bool) -> None:
        for name in ("query", "key", "value"):
            setattr(self, name, BinaryLinear(channels, channels, centre=centre))

    def add_norms(self, channels: int) -> None:
        self.normq, self.normk, self.normv = (BatchNorm(channels) for _ in range(3))
        self.rpreluq, self.rpreluk, self.rpreluv = (RPReLU(channels) for _ in range(3))

    def add_context(self, channels: int) -> None:
        self.norm_context = BatchNorm(channels)
        self.rprelu_context = RPReLU(channels)

    def project(self, query_input: Tensor, key_input: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """P_q, P_k, P_v of the tokens that ask and the tokens that are asked."""
        t, s = query_input, key_input
        q = self.rpreluq(self.normq(self.query(t + self.moveq)) + t)
        k = self.rpreluk(self.normk(self.key(s + self.movek)) + s)
        v = self.rpreluv(self.normv(self.value(s + self.movev)) + s)
        return q, k, v


class SelfAttention(SignedAttention):
    """Multi-scale window attention up to the return to the grid (BHViT Eq. 8-12, released form)."""

    def __init__(self, channels: int, grid: int, window: int, heads: int, paper: bool) -> None:
        super().__init__()
        self.grid, self.window = grid, window
        self.add_shifts(channels)
        self.parm = nn.Parameter(torch.full((1, channels, 1, 1), 0.5))
        self.token_FA = TokenBuilder(channels, window, grid, merge="avg" if paper else "mix")
        self.add_linears(channels, centre=not paper)
        self.add_norms(channels)
        self.att_prob_quantizer = QDAttention(heads, learned=not paper)
        self.add_context(channels)

    def forward(self, u: Tensor) -> Tensor:
        t = self.token_FA(u)
        q, k, v = self.project(t, t)
        context = self.att_prob_quantizer(q + self.moveq2, k + self.movek2, v + self.movev2)
        z = self.rprelu_context(self.norm_context(context) + q + k + v)
        return window_merge(z, self.parm, self.grid, self.window)


class Projection(nn.Module):
    """Output projection: LayerScale(RPReLU(BN(BLin(y + move)) + y)), LayerScale if affine."""

    def __init__(self, channels: int, paper: bool = False, affine: bool = True) -> None:
        super().__init__()
        self.affine = affine
        self.move = nn.Parameter(torch.zeros(channels))
        self.dense = BinaryLinear(channels, channels, centre=not paper)
        self.norm = BatchNorm(channels)
        self.rprelu = RPReLU(channels)
        if affine:
            self.layerscale = LayerScale(channels)

    def forward(self, y: Tensor) -> Tensor:
        z = self.rprelu(self.norm(self.dense(y + self.move)) + y)
        return self.layerscale(z) if self.affine else z


class Attention(nn.Module):
    """Self-attention followed by its output projection."""

    def __init__(self, channels: int, grid: int, window: int, heads: int, paper: bool) -> None:
        super().__init__()
        self.attention = SelfAttention(channels, grid, window, heads, paper)
        self.output = Projection(channels, paper)

    def forward(self, u: Tensor) -> Tensor:
        return self.output(self.attention(u))


class Intermediate(nn.Module):
    """First half of the binary MLP (BHViT Eq. 13): RPReLU(BN(BLin(v + move)) + tile(v))."""

    def __init__(self, channels: int, expansion: int, paper: bool = False) -> None:
        super().__init__()
        self.expansion = expansion
        self.move = nn.Parameter(torch.zeros(channels))
        self.dense = BinaryLinear(channels, expansion * channels, centre=not paper)
        self.norm = BatchNorm(expansion * channels)
        self.rprelu = RPReLU(expansion * channels)

    def forward(self, v: Tensor) -> Tensor:
        return self.rprelu(self.norm(self.dense(v + self.move)) + tile_channels(v, self.expansion))


class Output(nn.Module):
    """Second half of the binary MLP: LayerScale(RPReLU(BN(BLin(h + move)) + pool(h))).

    No LayerScale if not affine.
    """

    def __init__(
        self, channels: int, expansion: int, paper: bool = False, affine: bool = True
    ) -> None:
        super().__init__()
        self.expansion, self.affine = expansion, affine
        self.move = nn.Parameter(torch.zeros(expansion * channels))
        self.dense = BinaryLinear(expansion * channels, channels, centre=not paper)
        self.norm = BatchNorm(channels)
        self.rprelu = RPReLU(channels)
        if affine:
            self.layerscale = LayerScale(channels)

    def forward(self, h: Tensor) -> Tensor:
        y = self.norm(self.dense(h + self.move)) + pool_channels(h, self.expansion)
        z = self.rprelu(y)
        return self.layerscale(z) if self.affine else z


class Block(nn.Module):
    """x1 = x + mix(BN(x)), v = BN(x1), out = MLP(v) + x1 + shifts(v) (BHViT Eq. 6, 13).

    The mixer is `GC` (convolutions) without `heads`, else `attention`. All shifts are circular.
    """

    layerscale_w3: LayerScale
    layerscale_h3: LayerScale
    layerscale_ch3: LayerScale
    layerscale_w5: LayerScale
    layerscale_h5: LayerScale
    layerscale_ch5: LayerScale

    def __init__(self, config: BHViTConfig, stage: int) -> None:
        super().__init__()
        channels, expansion = config.channels[stage], config.expansion[stage]
        self.grid, self.heads = config.grids[stage], config.heads[stage]
        paper = config.variant == "paper"
        if self.heads:
            self.attention = Attention(channels, self.grid, config.window, self.heads, paper)
        else:
            self.GC = Mixer(channels, self.grid, paper)
        self.intermediate = Intermediate(channels, expansion, paper)
        self.output = Output(channels, expansion, paper)
        self.layernorm_before = BatchNorm(channels)
        self.layernorm_after = BatchNorm(channels)
        for radius_name in ("5", "3"):
            for axis_name in ("w", "h", "ch"):
                setattr(
                    self, f"layerscale_{axis_name}{radius_name}", LayerScale(channels, init=0.0)
                )

    def shifts(self, v: Tensor) -> Tensor:
        """Sum of the six shift branches, radius 1 then 2."""
        grid = self.grid
        total = self.layerscale_h3(shift_mean(v, grid, 0, 1))
        total = total + self.layerscale_w3(shift_mean(v, grid, 1, 1))
        total = total + self.layerscale_ch3(shift_mix(v, grid, 1))
        total = total + self.layerscale_h5(shift_mean(v, grid, 0, 2))
        total = total + self.layerscale_w5(shift_mean(v, grid, 1, 2))
        return total + self.layerscale_ch5(shift_mix(v, grid, 2))

    def forward(self, x: Tensor) -> Tensor:
        u = self.layernorm_before(x)
        x1 = x + (self.attention(u) if self.heads else self.GC(u))
        v = self.layernorm_after(x1)
        return self.output(self.intermediate(v)) + x1 + self.shifts(v)


class Downsample(nn.Module):
    """2x2 stride-2 convolution: tokens (B, N, C) -> (B, N/4, 2C).

    Binary: u = BN(x), RPReLU(BN(conv(sgn(u + move))) + tile2(avgpool2x2(u))) + positions.
    Full precision: BN(conv(BN(x))) + positions. `centre`, `scale_gradient`: see `binarize_weight`.
    """

    def __init__(
        self, channels: int, grid: int, binary: bool, centre: bool, scale_gradient: bool = True
    ) -> None:
        super().__init__()
        self.channels, self.grid, self.binary = channels, grid, binary
        if binary:
            self.move = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.position_embeddings = position(1, (grid // 2) ** 2, 2 * channels)
        self.norm0 = BatchNorm(channels)
        self.proj: nn.Conv2d | BinaryConv2d
        if binary:
            self.proj = BinaryConv2d(
                channels, 2 * channels, 2, stride=2, centre=centre, scale_gradient=scale_gradient
            )
        else:
            self.proj = nn.Conv2d(channels, 2 * channels, 2, 2, bias=False)
        self.norm = BatchNorm(2 * channels)
        if binary:
            self.rprelu = RPReLU(2 * channels)

    def forward(self, x: Tensor) -> Tensor:
        u = self.norm0(x)
        image = u.transpose(1, 2).reshape(-1, self.channels, self.grid, self.grid)
        if self.binary:
            y = self.norm(self.proj(image + self.move).flatten(2).transpose(1, 2))
            y = self.rprelu(y + tile_channels(avg_pool_grid(u, self.grid, 2), 2))
        else:
            y = self.norm(self.proj(image).flatten(2).transpose(1, 2))
        return y + self.position_embeddings
