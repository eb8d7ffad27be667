"""Channels moved from place to place."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from hwgen.floats.kinds.base import Call, Params, Reads, must, register
from hwgen.floats.kinds.parameters import Offsets, Reals
from hwgen.floats.kinds.scaled import Scaled
from hwgen.floats.layout import Layout


@register
class Gather(Scaled):
    """y[o] = scale[o] x_i[c] + bias[o] with (i, c) = picks[o]: channel c of input i.

    Concatenation, slices, shuffles; a constant channel is one of scale 0. Inputs are alike but for
    their channels.
    """

    name = "gather"
    arity = (1, None)
    params = {"picks": Offsets("O"), "scale": Reals("O"), "bias": Reals("O")}
    reads = Reads.VALUES
    weights = None
    joins_inputs = by_number = True

    @classmethod
    def result(cls, params: Params, *inputs: Layout) -> Layout:
        first, *others = inputs
        for other in others:
            same = other.with_channels(first.channels) == first
            must(same, f"{other.shape} on {other.grid} beside {first.shape} on {first.grid}")
        for i, c in params["picks"]:
            inside = 0 <= i < len(inputs) and 0 <= c < inputs[i].channels
            must(inside, f"picks channel {c} of input {i}")
        return first.with_channels(len(params["picks"]))

    @classmethod
    def unscaled(cls, n: Call, *x: Tensor) -> Tensor:
        starts = [0]
        for layout in n.inputs:
            starts.append(starts[-1] + layout.channels)
        index = torch.tensor([starts[i] + c for i, c in n["picks"]])
        return torch.cat(x, -1).index_select(-1, index)


def pieces(picks: Iterable[tuple[int, int]]) -> tuple[tuple[int, int, int], ...]:
    """Picked channels as (input, first channel, channels) of those that follow each other."""
    out: list[tuple[int, int, int]] = []
    for i, c in picks:
        if out and (out[-1][0], sum(out[-1][1:])) == (i, c):
            out[-1] = (i, out[-1][1], out[-1][2] + 1)
        else:
            out.append((i, c, 1))
    return tuple(out)
