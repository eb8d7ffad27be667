"""Operations that a program or a network writes as several, put together again.

`ExportedProgram.run_decompositions` writes PReLU as where(x > 0, x, w x), SiLU as x sigmoid(x) and
hard swish as x clamp(clamp(x + 3, 0), None, 6) / 6; every index along an axis is a slice of its
own.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx

from hwgen.frontend import grids
from hwgen.frontend.curves import curve, limits

GREATER = {torch.gt, torch.ge, operator.gt, operator.ge, "gt", "ge", "__gt__", "__ge__"}
PRODUCT = {torch.mul, operator.mul, "mul", "__mul__", "__rmul__"}
WHOLE = slice(None)


def compose(graph: fx.Graph) -> None:
    """where(x > 0, x, w x) becomes prelu(x, w), x sigmoid(x) silu(x), x[:, ::2][:, :, ::2]
    x[:, ::2, ::2]; other activations as in `hwgen.frontend.curves`."""
    position = {node: place for place, node in enumerate(graph.nodes)}
    for node in graph.nodes:
        found = _prelu(node) or curve(node, position) or limits(node) or _slices(node)
        whole = found or grids.whole(node, position)
        if whole is None:
            continue
        function, args = whole
        with graph.inserting_after(node):
            new = graph.call_function(function, args)
        new.meta, position[new] = dict(node.meta), position[node]
        node.replace_all_uses_with(new)


def _prelu(node: Any) -> tuple[Any, tuple[Any, ...]] | None:
    if node.target not in (torch.where, "where") or len(node.args) != 3 or node.kwargs:
        return None
    test, x, product = node.args
    if node.op == "call_method":
        test, x = x, test
    if not all(isinstance(n, fx.Node) for n in (test, x, product)):
        return None
    greater = test.target in GREATER and len(test.args) == 2 and test.args[0] is x
    if not greater or test.args[1] != 0 or product.target not in PRODUCT:
        return None
    factors = [a for a in product.args if a is not x]
    weight = _weight(factors[0], x) if len(product.args) == 2 and len(factors) == 1 else None
    return None if weight is None else (F.prelu, (x, weight))


def _weight(factor: Any, x: fx.Node) -> Any:
    """A slope of all values or of the channels of x, axis 1; None for another."""
    value = factor.meta.get("value") if isinstance(factor, fx.Node) else factor
    if isinstance(value, int | float):
        return torch.tensor([float(value)])
    like = x.meta["value"]
    if not isinstance(value, Tensor) or (isinstance(factor, fx.Node) and factor.op != "get_attr"):
        return None
    sizes = [1] * (like.dim() - value.dim()) + list(value.shape)
    alone = value.numel() == 1 or (len(sizes) > 1 and sizes[1] == value.numel() == like.shape[1])
    return value.reshape(-1) if alone else None


def _slices(node: Any) -> tuple[Any, tuple[Any, ...]] | None:
    """The source and the whole key of a slice of a slice along other axes."""
    outer = _key(node)
    inner = _key(node.args[0]) if outer is not None else None
    if outer is None or inner is None:
        return None
    length = max(len(outer), len(inner))
    pairs = [(*(k[i] if i < len(k) else WHOLE for k in (inner, outer)),) for i in range(length)]
    if any(a != WHOLE and b != WHOLE for a, b in pairs):
        return None
    return operator.getitem, (node.args[0].args[0], tuple(b if a == WHOLE else a for a, b in pairs))


def _key(node: Any) -> tuple[slice, ...] | None:
    """The slices of an index along several axes; None for another node."""
    if not isinstance(node, fx.Node) or node.target is not operator.getitem:
        return None
    key: Any = node.args[1] if isinstance(node.args[1], tuple) else (node.args[1],)
    alone = all(isinstance(k, slice) for k in key) and isinstance(node.args[0], fx.Node)
    return tuple(key) if alone else None
