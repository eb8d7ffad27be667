"""Attention on signs: BHViT's window tokens and 2-bit attention, BinaryViT's 1-bit attention."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from hwgen.nn.functional import elastic_binarize, round_clamp_ste, scale_grad, sign_ste
from hwgen.nn.grid import merge_pool, windows_of
from hwgen.nn.leaf import leaf

MAX_LEVEL = 3  # s = 2^2 - 1 of quantization decomposition (BHViT section 4.3)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """sgn(x) by heads of adjacent channels: (B, N, C) -> (B, heads, N, C / heads)."""
    return sign_ste(x).unflatten(-1, (heads, -1)).transpose(1, 2)


def attention_probabilities(q: Tensor, k: Tensor, heads: int) -> Tensor:
    """A = softmax(sgn(q) sgn(k)^T / sqrt(C / heads)) over the keys.

    Shapes: q (B, N, C), k (B, M, C), not yet signed -> (B, heads, N, M).
    """
    scores = split_heads(q, heads) @ split_heads(k, heads).transpose(-1, -2)
    return torch.softmax(scores / math.sqrt(q.shape[-1] // heads), -1)


@leaf
def elastic_attention(q: Tensor, k: Tensor, v: Tensor, clip: Tensor, heads: int) -> Tensor:
    """Attention on signs with one learned threshold (BinaryViT, released form).

    A = softmax(sgn(q) sgn(k)^T / sqrt(C / heads)), bit = clamp(round(A / clip), 0, 1) = [A / clip >
    1/2], context = clip * bit sgn(v), heads concatenated. One clip for all heads; a clip of 0 or
    less gives context 0. Gradients of the bits as in `elastic_binarize`.
    Shapes: q (B, N, C), k and v (B, M, C), shifted but not yet signed, clip [] -> (B, N, C).
    """
    attention = elastic_binarize(attention_probabilities(q, k, heads), clip)
    return (attention @ split_heads(v, heads)).transpose(1, 2).flatten(2)


class TokenBuilder(nn.Module):
    """Windows plus merge tokens, then LayerNorm over channels (released BHViT, paper Fig. 4).

    With n = grid / window, every one of the n*n windows gets the same n*n merge tokens appended, so
    T = w*w + n*n. A merge token is a pooling of kernel w, stride w. merge="mix": padding w//2,
    a1 * max + (1 - a1) * avg, avg always divided by w*w, so the cells right of the last pooling
    are not seen. merge="avg" (paper): aligned average, padding 0, no key a1.
    Shapes: (B, N, C) -> (B*n*n, T, C); keys a1 (1, 1, C), norm.weight (C,), norm.bias (C,).
    """

    def __init__(self, channels: int, window: int, grid: int, merge: str = "mix") -> None:
        super().__init__()
        assert grid % window == 0, f"grid {grid} is not a multiple of window {window}"
        assert window % 2 == 1, f"window {window} is even"
        assert merge in ("mix", "avg"), merge
        self.channels, self.window, self.grid, self.merge = channels, window, grid, merge
        self.padding = window // 2 if merge == "mix" else 0
        if merge == "mix":
            self.a1 = nn.Parameter(torch.full((1, 1, channels), 0.5))
        self.norm = nn.LayerNorm(channels, eps=1e-5)

    @property
    def tokens(self) -> int:
        """Tokens per window, T."""
        return self.window**2 + (self.grid // self.window) ** 2

    def forward(self, u: Tensor) -> Tensor:
        merge = merge_pool(u, self.grid, self.window, self.padding, "avg")
        if self.merge == "mix":
            largest = merge_pool(u, self.grid, self.window, self.padding, "max")
            merge = self.a1 * largest + (1.0 - self.a1) * merge
        inside = windows_of(u, self.grid, self.window)
        merge = merge.unsqueeze(1).expand(-1, inside.shape[1], -1, -1)
        return self.norm(torch.cat((inside, merge), 2).flatten(0, 1))

    def extra_repr(self) -> str:
        return f"{self.channels}, window={self.window}, grid={self.grid}, merge={self.merge}"


class QDAttention(nn.Module):
    """Attention on signs with levels 0..3 (released BHViT; paper Eq. 9-11).

    S = sgn(q) sgn(k)^T / sqrt(d), A = softmax(S), L = clamp(round(3A/alpha + zero_point), 0, 3),
    context = alpha * L sgn(v); alpha, zero_point one scalar per head, d = C / heads.
    `learned=False` (paper Eq. 10): alpha = 1, zero_point = 0, no keys.
    On the first training forward (init_state 0): alpha = 2 mean|3A| / sqrt(3),
    zero_point = 0.9 zero_point + 0.1 min(3A) per head, then init_state = 1. Both gradients are
    multiplied by heads / sqrt(3 numel(A)); rounding passes 1, the clamp cuts outside [0, 3].
    Shapes: q, k, v (B', T, C), shifted but not yet signed -> (B', T, C).
    """

    init_state: Tensor

    def __init__(self, heads: int, learned: bool = True) -> None:
        super().__init__()
        self.heads, self.learned = heads, learned
        self.started = False  # init_state is known to be 1
        if learned:
            self.alpha = nn.Parameter(torch.ones(heads))
            self.zero_point = nn.Parameter(torch.zeros(heads))
            self.register_buffer("init_state", torch.zeros(1))

    def _load_from_state_dict(self, *args: Any) -> None:
        self.started = False
        super()._load_from_state_dict(*args)

    def probabilities(self, q: Tensor, k: Tensor) -> Tensor:
        """A before quantization: (B', heads, T, T), query axis first."""
        return attention_probabilities(q, k, self.heads)

    @torch.no_grad()
    def _start(self, triple: Tensor) -> None:
        self.alpha.copy_(2.0 * triple.abs().mean((0, 2, 3)) / math.sqrt(MAX_LEVEL))
        self.zero_point.mul_(0.9).add_(0.1 * triple.amin((0, 2, 3)))
        self.init_state.fill_(1.0)

    def levels(self, q: Tensor, k: Tensor) -> Tensor:
        """L as floats: (B', heads, T, T) in {0, 1, 2, 3}."""
        triple = MAX_LEVEL * self.probabilities(q, k)
        if self.learned:
            # asked once: on a GPU every .item() waits for all work before it
            if self.training and not self.started:
                if not bool(self.init_state.item()):
                    self._start(triple)
                self.started = True
            alpha, zero_point = self._steps(triple.numel())
            triple = triple / alpha + zero_point
        return round_clamp_ste(triple, 0.0, float(MAX_LEVEL))

    def _steps(self, numel: int) -> tuple[Tensor, Tensor]:
        factor = self.heads / math.sqrt(numel * MAX_LEVEL)
        alpha, zero_point = scale_grad(self.alpha, factor), scale_grad(self.zero_point, factor)
        return alpha.view(-1, 1, 1), zero_point.view(-1, 1, 1)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        attention = self.levels(q, k)
        if self.learned:
            attention = attention * self._steps(attention.numel())[0]
        return (attention @ split_heads(v, self.heads)).transpose(1, 2).flatten(2)

    def extra_repr(self) -> str:
        return f"heads={self.heads}, learned={self.learned}"
