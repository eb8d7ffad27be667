"""Signs in the float graph: of a binary layer's input, and those that users take themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from hwgen.floats.graph import FloatGraph
from hwgen.floats.kinds import Clamp, Sign, Tanh
from hwgen.frontend.importer import Importer
from hwgen.frontend.views import View


def sign_node(im: Importer, view: View, suffix: str = "sign") -> str:
    """The node of a value's sign; a sign's own node where it is one already."""
    if view.sign > 0:
        return view.node
    if view.sign < 0:
        raise im.unsupported("the sign of a negated sign", "supported: of a sign as it is")
    layout = im.layout(view)
    params = {"a": np.ones(layout.channels), "b": np.zeros(layout.channels)}
    return im.emit(Sign, (view.node,), params, suffix)


def skip_clamps(graph: FloatGraph) -> FloatGraph:
    """Signs of a function that keeps signs, where nothing else reads it, are those of its input:
    Hardtanh before a sign."""
    readers = graph.consumers()
    changed = {}
    for node in graph.nodes.values():
        clamps = issubclass(node.kind, Clamp) and node["low"] < 0.0 <= node["high"]
        if not (clamps or node.kind is Tanh) or node.name == graph.output:
            continue
        found = readers[node.name]
        if all(r.kind is Sign and (r["a"] > 0).all() and not r["b"].any() for r in found):
            changed[node.name] = node.inputs[0]
    return graph.rewrite((), changed) if changed else graph


def sign(im: Importer, f: Any, _: Tensor, x: View, scale: float = 1.0, zero: int = 0) -> View:
    """scale sign(x); in hardware the sign of 0 is +1 (`agreement` refuses where that matters)."""
    if x.sign:
        return View(x.node, x.axes, scale if x.sign > 0 else -scale)
    return View(sign_node(im, x), x.axes, scale)
