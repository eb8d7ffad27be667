"""Layers with weights, and filters of every channel."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from hwgen.engine.sides import Sides, both, sides
from hwgen.floats.kinds.base import Call, Kind, Params, Reads, must, on_a_grid, register
from hwgen.floats.kinds.parameters import Flag, Int, Offsets, Pair, Reals, Signs
from hwgen.floats.kinds.scaled import Scaled
from hwgen.floats.kinds.windows import to_grid, windows_to_grid
from hwgen.floats.layout import Layout, on_grid


def slid(
    layout: Layout, channels: int, kernel: Sides, stride: Sides, padding: Sides,
    dilation: Sides = 1, far: Sides = 0,
) -> Layout:  # fmt: skip
    """Layout of a convolution's or pooling's result, of so many channels.

    side = floor((side + 2 padding + far - dilation (kernel - 1) - 1) / stride) + 1
    """
    places = zip(on_a_grid(layout), *map(both, (kernel, stride, padding, dilation, far)))
    reach, out = [], []
    for side, k, s, p, d, f in places:
        reach.append(d * (k - 1) + 1)
        out.append((side + 2 * p + f - reach[-1]) // s + 1)
    over = sides(*reach)
    must(min(out) > 0, f"a kernel that reaches over {over} cells on a grid {layout.grid}")
    height, width = out
    return on_grid(height, width, channels)


@register
class XnorLinear(Scaled):
    """scale (s . sign) + bias of signs s; unwindow: the side of windows whose tokens return to
    the grid (0: the tokens stay where they are)."""

    name = "xnor_linear"
    arity = (1, 1)
    params = {
        "sign": Signs("O", "C"), "scale": Reals("O"), "bias": Reals("O"), "unwindow": Int(),
    }  # fmt: skip
    reads = Reads.SIGNS
    weights = "sign"

    @classmethod
    def result(cls, params: Params, *inputs: Layout) -> Layout:
        out = inputs[0].with_channels(len(params["sign"]))
        return windows_to_grid(out, params["unwindow"]) if params["unwindow"] else out

    @classmethod
    def unscaled(cls, n: Call, *x: Tensor) -> Tensor:
        y = x[0] @ n["sign"].T
        return to_grid(y, n["unwindow"]) if n["unwindow"] else y


@register
class XnorConv(Scaled):
    """scale (s * sign) + bias of signs s; a tap in the padding adds 0."""

    name = "xnor_conv"
    arity = (1, 1)
    params = {
        "sign": Signs("O", "h", "w", "D"), "scale": Reals("O"), "bias": Reals("O"),
        "stride": Pair(1), "padding": Pair(), "dilation": Pair(1), "groups": Int(1),
    }  # fmt: skip
    reads = Reads.SIGNS
    weights = "sign"

    @classmethod
    def result(cls, params: Params, *inputs: Layout) -> Layout:
        outputs, *_, depth = params["sign"].shape
        groups, channels = params["groups"], inputs[0].channels
        must(
            depth * groups == channels and outputs % groups == 0,
            f"{groups} groups of {depth} channels of {channels}, {outputs} results",
        )
        places = [params[p] for p in ("stride", "padding", "dilation")]
        return slid(inputs[0], outputs, params["sign"].shape[1:3], *places)

    @classmethod
    def unscaled(cls, n: Call, *x: Tensor) -> Tensor:
        y = F.conv2d(
            n.image(x[0]), n["sign"].permute(0, 3, 1, 2), None, n["stride"], n["padding"],
            n["dilation"], n["groups"],
        )  # fmt: skip
        return y.flatten(2).transpose(1, 2)


@register
class Conv(Kind):
    """weight * x + bias; O x C on every position where h = w = 1; x is `pad` in the padding.

    image: x is the network's input; its padding may overlap. quad: four products a beat with 16-bit
    weights (`hwgen.passes.split_stem`).
    """

    name = "conv"
    arity = (1, 1)
    params = {
        "weight": Reals("O", "h", "w", "C"), "bias": Reals("O"), "stride": Pair(1),
        "padding": Pair(), "pad": Reals("C"), "quad": Flag(), "image": Flag(),
    }  # fmt: skip
    anchor = True
    step = elementwise = makes_signs = joins_inputs = by_number = False
    reads = Reads.VALUES
    factors, offset, weights = "weight", "bias", "weight"
    frac = None

    @classmethod
    def result(cls, params: Params, *inputs: Layout) -> Layout:
        outputs, *kernel, _ = params["weight"].shape
        return slid(inputs[0], outputs, tuple(kernel), params["stride"], params["padding"])

    @classmethod
    def evaluate(cls, n: Call, *x: Tensor) -> Tensor:
        weight, pad = n["weight"].permute(0, 3, 1, 2), n["pad"]
        image = n.image(x[0] - pad)  # outside the grid: the rest is 0 there
        y = F.conv2d(image, weight, None, n["stride"], n["padding"])
        return y.flatten(2).transpose(1, 2) + (n["bias"] + weight.sum((2, 3)) @ pad)


@register
class ChannelFilter(Kind):
    """sum_ij weight_ij x[y s - p + i, x s - p + j] + bias of every channel; 0 outside the grid."""

    name = "channel_filter"
    arity = (1, 1)
    params = {
        "weight": Reals("h", "w", "C"), "bias": Reals("C"), "stride": Pair(1), "padding": Pair(),
    }  # fmt: skip
    anchor = True
    step = elementwise = makes_signs = joins_inputs = by_number = False
    reads = Reads.VALUES
    factors, offset, weights = "weight", "bias", None
    frac = None

    @classmethod
    def result(cls, params: Params, *inputs: Layout) -> Layout:
        kernel = params["weight"].shape[:2]
        return slid(inputs[0], inputs[0].channels, kernel, params["stride"], params["padding"])

    @classmethod
    def evaluate(cls, n: Call, *x: Tensor) -> Tensor:
        weight = n["weight"].permute(2, 0, 1)[:, None]
        y = F.conv2d(
            n.image(x[0]), weight, n["bias"], n["stride"], n["padding"], groups=len(weight)
        )
        return y.flatten(2).transpose(1, 2)


@register
class CrossFilter(Kind):
    """sum_r coeff_r x[y + dy_r, x + dx_r] + bias; outside the grid x is `pad`, or circular where
    pad is None."""

    name = "cross_filter"
    arity = (1, 1)
    params = {
        "offsets": Offsets("R"), "coeff": Reals("R", "C"), "bias": Reals("C"),
        "pad": Reals("C", optional=True),
    }  # fmt: skip
    anchor = True
    step = elementwise = makes_signs = joins_inputs = by_number = False
    reads = Reads.VALUES
    factors, offset, weights = "coeff", "bias", None
    frac = None

    @classmethod
    def result(cls, params: Params, *inputs: Layout) -> Layout:
        on_a_grid(inputs[0])
        return inputs[0]

    @classmethod
    def evaluate(cls, n: Call, *x: Tensor) -> Tensor:
        grid = x[0].reshape(x[0].shape[0], *n.inputs[0].grid, x[0].shape[-1])
        total = n["bias"].expand_as(grid)
        for (dy, dx), coeff in zip(n["offsets"], n["coeff"]):
            total = total + cls._moved(grid, dy, dx, n["pad"]) * coeff
        return total.reshape(x[0].shape)

    @staticmethod
    def _moved(grid: Tensor, dy: int, dx: int, pad: Tensor | None) -> Tensor:
        """Value (dy, dx) away of every cell of (B, H, W, C)."""
        moved = torch.roll(grid, (-dy, -dx), (1, 2))
        if pad is None:
            return moved
        rows, columns = (torch.arange(n) for n in grid.shape[1:3])
        inside = ((rows + dy >= 0) & (rows + dy < len(rows)))[:, None] & (
            (columns + dx >= 0) & (columns + dx < len(columns))
        )
        return torch.where(inside[..., None], moved, pad)
