"""Functions of `hwgen.nn` on tokens that a program has taken apart, recognised by their results.

`torch.export` writes what a function computes: rolls, slices, means, products of matrices. What is
computed from one value (of attention: from three signs) by such operations, and is on the example
what a function of `hwgen.nn` gives, is that function. Like every graph it is compared with the
network on other images afterwards.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from math import isqrt
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx

from hwgen import nn as hnn
from hwgen.frontend.cones import cones, read

CLOSE = 1e-6
LONGEST = 40  # operations of a function
FARTHEST = 7  # cells of a shift
SHAPES = {torch.flatten, torch.reshape, "flatten", "reshape", "view"}
MEANS = {torch.mean, "mean"}
SUMS = {torch.add, operator.add, "add"}
ENDS = SHAPES | MEANS | SUMS  # with which a function may end
ROLLS = {torch.roll, torch.index_select, "roll", "index_select"}
SIGNS = {torch.sign, "sign"}
SOFTMAX = {torch.softmax, F.softmax, "softmax"}
MOVES = ENDS | ROLLS | {
    torch.unflatten, torch.unsqueeze, torch.transpose, torch.permute, torch.cat, torch.chunk,
    torch.split, torch.narrow, torch.mul, torch.div, torch.sub, torch.clone, operator.mul,
    operator.truediv, operator.sub, operator.getitem, "unflatten", "unsqueeze", "transpose",
    "permute", "chunk", "split", "narrow", "mul", "div", "sub", "clone", "contiguous", "expand",
    hnn.avg_pool_grid, hnn.upsample_grid, hnn.pool_channels,  # parts of others
}  # fmt: skip
ATTENTION = MOVES | SOFTMAX | {
    torch.matmul, torch.bmm, operator.matmul, torch.round, torch.clamp, torch.gt, torch.where,
    operator.gt, "matmul", "bmm", "round", "round_", "clamp", "clamp_", "gt", "where", "to",
}  # fmt: skip
Whole = tuple[Any, tuple[Any, ...]] | None


def whole(node: fx.Node, position: dict[fx.Node, int]) -> Whole:
    """The function of `hwgen.nn` whose result a node is, and its operands; None of another node."""
    if node.target not in ENDS or _shape(node) is None:
        return None
    found = _on_a_grid(node, position)
    return found if found is not None else _attention(node, position)


def _on_a_grid(node: fx.Node, position: dict[fx.Node, int]) -> Whole:
    for x, inside in cones(node, position, _moves, LONGEST):
        if _shape(x) is None:
            continue
        for function, *args in _candidates(x, node, inside):
            if _equal(function(x.meta["value"], *args), node):
                return function, (x, *args)
    return None


def _moves(node: fx.Node) -> bool:
    return node.target in MOVES


def _candidates(x: fx.Node, node: fx.Node, inside: list[fx.Node]) -> Iterator[tuple[Any, ...]]:
    """Functions of tokens (B, N, C) with operands for which the shapes fit."""
    (batch, tokens, channels), out = _shape(x) or (0, 0, 0), _shape(node) or (0, 0, 0)
    grid, called = isqrt(tokens), {n.target for n in inside}
    if out == (batch, tokens, channels) and grid**2 == tokens:
        reach = range(1, min(FARTHEST, grid - 1) + 1)
        for radius in reach if called & ROLLS else ():
            yield hnn.shift_mean, grid, 0, radius
            yield hnn.shift_mean, grid, 1, radius
            if channels % 4 == 0:
                yield hnn.shift_mix, grid, radius
        for radius in reach if torch.cat in called and not called & ROLLS else ():
            yield hnn.neighbour_mean, grid, 0, radius
            yield hnn.neighbour_mean, grid, 1, radius
    elif out[:2] == (batch, tokens) and channels % out[2] == 0 and called & MEANS:
        yield hnn.pool_channels, channels // out[2]
    elif out[2] == channels and grid**2 == tokens:
        other = isqrt(out[1])
        if called & MEANS and other and grid % other == 0:
            yield hnn.avg_pool_grid, grid, grid // other
        if "expand" in called and other % grid == 0:
            yield hnn.upsample_grid, grid, other // grid
    if called & SUMS:
        yield from _merges(x, node, inside)


def _merges(x: fx.Node, node: fx.Node, inside: list[fx.Node]) -> Iterator[tuple[Any, ...]]:
    """Windows (B n n, w w + n n, C) back on the grid, with each parameter that there is."""
    (windows, tokens, channels), out = _shape(x) or (0, 0, 0), _shape(node) or (1, 0, 0)
    n = isqrt(windows // out[0])
    w = isqrt(max(0, tokens - n * n))
    there = (windows, tokens) == (out[0] * n * n, w * w + n * n)
    if there and out[1:] == ((n * w) ** 2, channels):
        for value in _constants(inside, channels):
            yield hnn.window_merge, value, n * w, w


def _attention(node: fx.Node, position: dict[fx.Node, int]) -> Whole:
    """Of three signs, taken in the order q, k, v, and a step."""
    inside, signs = _behind_signs(node, position)
    softmax = [n for n in inside if n.target in SOFTMAX]
    if len(signs) != 3 or len(softmax) != 1 or softmax[0].meta["value"].dim() != 4:
        return None
    qkv: list[Any] = [sign.args[0] for sign in signs]
    if any(not isinstance(x, fx.Node) or _shape(x) is None for x in qkv):
        return None
    q, k, v = (x.meta["value"] for x in qkv)
    heads = softmax[0].meta["value"].shape[1]
    for step in _constants(inside, 1) if q.shape[-1] == k.shape[-1] and k.shape == v.shape else ():
        clip = step.reshape(())
        if clip > 0 and _equal(hnn.elastic_attention(q, k, v, clip, heads), node):
            return hnn.elastic_attention, (*qkv, clip, heads)
    return None


def _behind_signs(
    node: fx.Node, position: dict[fx.Node, int]
) -> tuple[list[fx.Node], list[fx.Node]]:
    """(operations, signs in their order) where a node is computed from signs alone; else none."""
    inside: list[fx.Node] = []
    before, signs = {node}, set()
    while before and len(inside) < LONGEST:
        latest = max(before, key=position.__getitem__)
        before.remove(latest)
        if latest.target in SIGNS:
            signs.add(latest)
        elif latest.target in ATTENTION:
            inside.append(latest)
            before |= set(read(latest))
        else:
            return [], []
    return (inside, sorted(signs, key=position.__getitem__)) if not before else ([], [])


def _constants(inside: list[fx.Node], size: int) -> list[Tensor]:
    """Parameters of so many numbers that operations read."""
    read = dict.fromkeys(n for node in inside for n in node.all_input_nodes if n.op == "get_attr")
    values = (n.meta["value"] for n in read)
    return [v for v in values if isinstance(v, Tensor) and v.numel() == size]


def _shape(node: fx.Node) -> tuple[int, int, int] | None:
    """(B, N, C) of tokens; None of another value."""
    value = node.meta.get("value")
    if not isinstance(value, Tensor) or value.dim() != 3 or not value.is_floating_point():
        return None
    batch, tokens, channels = value.shape
    return batch, tokens, channels


def _equal(result: Tensor, node: fx.Node) -> bool:
    value = node.meta["value"]
    return result.shape == value.shape and torch.allclose(result, value, CLOSE, CLOSE)
