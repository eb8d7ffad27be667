"""Kinds whose factors follow from the data: LayerNorm and attention."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from hwgen.engine.numerics import NORM_FRAC
from hwgen.floats.kinds.base import Call, Kind, Params, Reads, must, register
from hwgen.floats.kinds.parameters import Int, Positive, Reals
from hwgen.floats.kinds.scaled import Scaled
from hwgen.floats.kinds.windows import window_cells
from hwgen.floats.layout import Layout


@register
class LayerNorm(Kind):
    """(x - mean) / sqrt(var + eps) over the channels of every token (arXiv:1607.06450).

    window > 0: in windows of that side; a second input, the merge tokens (windows, C), is appended
    to the tokens of every window. channels: so many count, the first ones, and the others are 0
    (0: all count).
    """

    name = "layer_norm"
    arity = (1, 2)
    params = {"eps": Positive(), "window": Int(), "channels": Int()}
    anchor = True
    step = elementwise = makes_signs = False
    reads = Reads.VALUES
    factors = offset = weights = None
    frac = NORM_FRAC
    joins_inputs = True
    by_number = False

    @classmethod
    def result(cls, params: Params, *inputs: Layout) -> Layout:
        x, *merge = inputs
        window = params["window"]
        must(window > 0 or not merge, "merge tokens without windows")
        if not window:
            return x
        down, across = window_cells(x, window)
        for tokens in merge:
            must(
                tokens.shape == (down * across, x.channels),
                f"merge tokens {tokens.shape} of {down * across} windows",
            )
        extra = down * across if merge else 0
        return Layout((down * across, window**2 + extra, x.channels))

    @classmethod
    def evaluate(cls, n: Call, *x: Tensor) -> Tensor:
        y, *merge = x
        w = n["window"]
        if w:
            b, _, c = y.shape
            h, v = (side // w for side in n.inputs[0].grid)
            y = y.reshape(b, h, w, v, w, c).transpose(2, 3).reshape(b, h * v, w * w, c)
        for tokens in merge:
            y = torch.cat([y, tokens[:, None].expand(-1, y.shape[1], -1, -1)], 2)
        channels = n["channels"]
        if not channels:
            return F.layer_norm(y, y.shape[-1:], eps=n["eps"])
        mean = y.sum(-1, keepdim=True) / channels
        centred = y - mean
        squares = (centred[..., :channels] ** 2).sum(-1, keepdim=True) / channels
        return centred / torch.sqrt(squares + n["eps"])


@register
class Attention(Scaled):
    """scale sum_t level v + bias of signs q (.., N, C), k and v (.., M, C) in heads of d channels.

    level = clamp(round(top A / alpha + zero_point), 0, top), A = softmax(q k / sqrt(d)); alpha
    and zero_point of each of the C / d heads (BHViT, arXiv:2503.02394).
    """

    name = "attention"
    arity = (3, 3)
    params = {
        "alpha": Reals("heads"), "zero_point": Reals("heads"), "top": Int(1),
        "scale": Reals("C"), "bias": Reals("C"),
    }  # fmt: skip
    reads = Reads.UPRIGHT_SIGNS
    by_number = True
    weights = None

    @classmethod
    def result(cls, params: Params, *inputs: Layout) -> Layout:
        q, k, v = inputs
        must(k == v, f"keys {k.shape}, values {v.shape}")
        alike = len(q.shape) == len(k.shape) and q.channels == k.channels
        must(alike and q.shape[:-2] == k.shape[:-2], f"queries {q.shape}, keys {k.shape}")
        heads = len(params["alpha"])
        must(heads > 0 and q.channels % heads == 0, f"{heads} heads in {q.channels} channels")
        return q

    @classmethod
    def levels(cls, n: Call, q: Tensor, k: Tensor) -> Tensor:
        """Attention levels (..., heads, N, M) of q (..., N, C) and k (..., M, C)."""
        heads = len(n["alpha"])
        q, k = cls._heads(q, heads), cls._heads(k, heads)
        a = torch.softmax(q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5, -1)
        alpha, zero = (n[p][:, None, None] for p in ("alpha", "zero_point"))
        return torch.clamp(torch.round(n["top"] * a / alpha + zero), 0, n["top"])

    @classmethod
    def unscaled(cls, n: Call, *x: Tensor) -> Tensor:
        q, k, v = x
        context = cls.levels(n, q, k) @ cls._heads(v, len(n["alpha"]))
        return context.transpose(-2, -3).reshape(q.shape)

    @staticmethod
    def _heads(x: Tensor, heads: int) -> Tensor:
        """(..., T, C) -> (..., heads, T, C / heads)."""
        return x.unflatten(-1, (heads, -1)).transpose(-2, -3)
