"""From a kind of the float graph to its integer op: one function for each kind.

`lowers`: the op that begins with a node. `outside`: the values that an op reads outside the grid,
a source of its own. `activates`: what an activation sets in the op's post chain. A kind that is
never the anchor of a chain says in `NO_OP` what becomes of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from hwgen import ops
from hwgen.engine.numerics import KAPPA_FRAC, PARAM_BITS, SH2_SHIFTS, norm_width
from hwgen.engine.sides import sides
from hwgen.floats import kinds
from hwgen.floats.kinds.base import Node
from hwgen.floats.kinds.channels import pieces
from hwgen.ops.base import Op
from hwgen.passes.fixed import is_padded, multiplier

Array = np.ndarray


@dataclass(frozen=True)
class Site:
    """An anchor, and what its op is made of.

    m: integers that stand for the anchor's factors, None where it has none. grid, frac: of the
    first source. invert: (K,) channels of the first source that are stored inverted; None of a
    source that is no bits.
    """

    node: Node
    m: Array | None
    grid: tuple[int, int]
    frac: int
    invert: Array | None

    def take(self, *names: str) -> dict[str, Any]:
        """Parameters that the op has under the same names."""
        return {name: self.node[name] for name in names}

    def weight_bits(self) -> Array:
        """(O, ..., K) in {0, 1}, inverted in the input channels that are stored inverted."""
        assert self.invert is not None, self.node.name
        weight = (self.node["sign"] > 0).astype(np.uint8)
        groups = self.node.params.get("groups", 1)
        invert = self.invert.reshape(groups, -1)  # (groups, channels of a group)
        rows = np.repeat(invert, weight.shape[0] // groups, 0).astype(np.uint8)
        return weight ^ rows.reshape(len(rows), *([1] * (weight.ndim - 2)), -1)


Body = tuple[type[Op], dict[str, Any]]  # class and parameters of an op

LOWERINGS: dict[type[kinds.Kind], Callable[[Site], Body]] = {}
OUTSIDE: dict[type[kinds.Kind], Callable[[Node, int, int], Array | None]] = {}
ACTIVATIONS: dict[type[kinds.Activation], Callable[[Node, str, int], dict[str, Any]]] = {}
NO_OP: dict[type[kinds.Kind], str] = {
    kinds.Input: "the input of the integer graph",
    kinds.Constant: "a Constant where an op adds it (`Quantizer`)",
    kinds.Sign: "thresholds of the op whose value it reads",
    kinds.Add: "a residual of an op",
    kinds.Activation: "a stage of an op's post chain (`activates`)",
    kinds.View: "the address of a residual, or the pooling of an op's channels",
}


def _registered(table: dict, *keys: type[kinds.Kind]) -> Callable[[Callable], Callable]:
    def decorate(function: Callable) -> Callable:
        for key in keys:
            assert key not in table, f"{key.__name__} twice"
            table[key] = function
        return function

    return decorate


def lowers(*keys: type[kinds.Kind]) -> Callable[[Callable], Callable]:
    """Site -> class and parameters of the op that begins with a node of one of these kinds."""
    return _registered(LOWERINGS, *keys)


def outside(*keys: type[kinds.Kind]) -> Callable[[Callable], Callable]:
    """(node, fraction bits and act_bits of the source) -> values (C,) outside the grid, or None."""
    return _registered(OUTSIDE, *keys)


def activates(*keys: type[kinds.Activation]) -> Callable[[Callable], Callable]:
    """(node, place for errors, fraction bits of y3) -> fields of `Post`; a kind or a family."""
    return _registered(ACTIVATIONS, *keys)


@lowers(kinds.XnorLinear)
def _xnor_linear(at: Site) -> Body:
    return ops.xnor.XnorLinear, {"weight": at.weight_bits(), "m": at.m, **at.take("unwindow")}


@lowers(kinds.XnorConv)
def _xnor_conv(at: Site) -> Body:
    params = {"weight": at.weight_bits(), "m": at.m, "in_grid": at.grid}
    params["border"] = at.node["padding"]
    if at.m is not None and _in_pairs(at.node):  # half of it, on sums that are taken twice
        top = (1 << (PARAM_BITS - 1)) - 2
        params["m"] = np.clip(2 * np.rint(at.m / 2).astype(np.int64), -top, top)
    return ops.xnor.XnorConv, params | at.take("stride", "dilation", "groups")


def _in_pairs(node: Node) -> bool:
    """`XnorConv.in_pairs` of its op."""
    outputs, *kernel, inputs = node["sign"].shape
    places, groups = (node["stride"], node["padding"], node["dilation"]), node["groups"]
    windows = ops.xnor.in_windows(sides(*kernel), *places)
    return windows and not ops.xnor.read_at_once(groups, inputs, outputs // groups)


@lowers(kinds.Conv)
def _conv(at: Site) -> Body:
    params = {"weight": at.m, "in_grid": at.grid}
    if not is_padded(at.node):
        border = at.node["padding"]
        return ops.dense.PatchConv, params | at.take("stride") | {"border": border}
    pad = np.clip(np.rint(at.node["pad"]), 0, 255).astype(np.int64)
    return ops.image_conv.ImageConv, params | {"pad": pad} | at.take("stride", "padding", "quad")


@lowers(kinds.CrossFilter)
def _cross_filter(at: Site) -> Body:
    return ops.cross_filter.CrossFilter, {"m": at.m, "in_grid": at.grid, **at.take("offsets")}


@outside(kinds.CrossFilter)
def _pad_of_a_filter(node: Node, frac: int, act_bits: int) -> Array | None:
    """A norm before the filter is folded into it, so the zeros of the network are other values
    here (`fold_forward`)."""
    return node["pad"]


@lowers(kinds.ChannelFilter)
def _channel_filter(at: Site) -> Body:
    assert at.m is not None, at.node.name
    *kernel, channels = at.m.shape
    params = {"kernel": sides(*kernel), "m": at.m.reshape(-1, channels), "in_grid": at.grid}
    return ops.channel_filter.ChannelFilter, params | at.take("stride", "padding")


@outside(kinds.ChannelFilter)
def _zeros(node: Node, frac: int, act_bits: int) -> Array:
    return np.zeros(node.layout.channels)


@lowers(kinds.MaxPool)
def _max_pool(at: Site) -> Body:
    params = at.take("kernel", "stride", "padding", "far")
    return ops.max_pool.MaxPool, {"m": at.m, "in_grid": at.grid, **params}


@outside(kinds.MaxPool)
def _pad_of_a_maximum(node: Node, frac: int, act_bits: int) -> Array:
    """The smallest feature."""
    return np.full(node.layout.channels, -(2.0 ** (act_bits - 1 - frac)))


@lowers(kinds.Affine)
def _affine(at: Site) -> Body:
    return ops.vector.Pointwise, {"m": at.m}


@lowers(kinds.Gather)
def _gather(at: Site) -> Body:
    return ops.gather.Gather, {"pieces": pieces(at.node["picks"]), "m": at.m}


@lowers(kinds.AvgPool)
def _avg_pool(at: Site) -> Body:
    return ops.vector.AvgPool, {"m": at.m, "in_grid": at.grid, **at.take("kernel")}


@lowers(kinds.WindowSum)
def _window_sum(at: Site) -> Body:
    params = at.take("kernel", "stride", "padding", "far")
    return ops.window_sum.WindowSum, {"m": at.m, "in_grid": at.grid, **params}


@lowers(kinds.TokenMean)
def _token_mean(at: Site) -> Body:
    return ops.vector.TokenMean, {"m": at.m}


@lowers(kinds.MergeMax)
def _merge_max(at: Site) -> Body:
    params = {"mode": "max", "m": at.m, "in_grid": at.grid}
    return ops.window.MergePool, params | at.take("window")


@lowers(kinds.MergeSum)
def _merge_sum(at: Site) -> Body:
    params = {"mode": "sum", "m": at.m, "in_grid": at.grid}
    return ops.window.MergePool, params | at.take("window")


@lowers(kinds.MergeMean)
def _merge_mean(at: Site) -> Body:
    return ops.window.MergeMean, {"m": at.m}


@lowers(kinds.WindowPart)
def _window_part(at: Site) -> Body:
    return ops.window.WindowMix, {"m": at.m, **at.take("window")}


@lowers(kinds.LayerNorm)
def _layer_norm(at: Site) -> Body:
    channels = at.node["channels"]
    log2c, _ = norm_width(channels or at.node.layout.channels)
    eps = round(at.node["eps"] * 2.0 ** (2 * (log2c + at.frac)))
    window = at.node["window"]
    in_grid = at.grid if window else (0, 0)
    return ops.layernorm.LayerNorm, {
        "eps": eps,
        "channels": channels,
        "window": window,
        "in_grid": in_grid,
    }


@lowers(kinds.Attention)
def _attention(at: Site) -> Body:
    n = at.node
    alpha, zero, top = n["alpha"][:, None], n["zero_point"][:, None], n["top"]
    kappa = (np.arange(1, 4) - 0.5 - zero) * alpha / top * 2.0**KAPPA_FRAC
    kappa = np.clip(np.rint(kappa), 0, ops.attention.NEVER).astype(np.int64)
    kappa[:, top:] = ops.attention.NEVER  # levels above the last
    neg = (n["alpha"] < 0).astype(np.int64)
    return ops.attention.Attention, {"kappa": kappa, "neg": neg, "m": at.m}


@activates(kinds.RPReLU)
def _rprelu(node: Node, place: str, frac: int) -> dict[str, Any]:
    slope, sh2 = multiplier(node["slope"], SH2_SHIFTS, place)
    return {"slope": slope, "sh2": sh2}


@activates(kinds.Tabulated)
def _tabulated(node: Node, place: str, frac: int) -> dict[str, Any]:
    assert issubclass(node.kind, kinds.Tabulated)
    return {"chords": node.kind.chords(node.params, frac)}
