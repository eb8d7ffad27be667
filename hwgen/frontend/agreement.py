"""The float graph against the network itself, on random images.

A check that shares nothing with the trace: whatever the recorder did not see (state that a forward
keeps, random numbers, the example's values in a constant, the sign of an exact 0) makes the two
differ.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.node import map_aggregate

from hwgen.errors import UnsupportedOpError
from hwgen.floats.evaluate import Evaluator
from hwgen.floats.graph import FloatGraph
from hwgen.frontend.record import operation, place
from hwgen.frontend.views import BATCH, View, arranged

EXACT, COARSE = 1e-6, 0.05  # of the largest value: in double; where a sign may be another
LEAST = 1e-3  # values below count as this large
SCALES = ((1.0, 0.0), (0.5, 0.25))  # of the images: normal numbers, times and plus


def check_agreement(
    module: nn.Module, recorded: fx.Graph, views: dict[fx.Node, Any], graph: FloatGraph
) -> None:
    """Run the network and the graph on two random images, one after the other.

    Raises: UnsupportedOpError where they differ by more than rounding, with the first operation
    that does.
    """
    layout = graph.nodes[graph.image].layout
    dtype = torch.get_default_dtype()
    generator = torch.Generator().manual_seed(layout.channels)
    evaluator = Evaluator(graph, dtype)
    for times, plus in SCALES:
        noise = torch.randn(1, *layout.grid, layout.channels, generator=generator)
        image = times * noise + plus
        pixels = image.permute(0, 3, 1, 2).contiguous()
        with torch.no_grad():
            want = _output(module, pixels.clone())
            got = torch.from_numpy(evaluator.logits(image.numpy()).reshape(-1))
            if not close(got, want):
                values = {node.name: value for node, value in evaluator.steps(image.numpy())}
                # as many images as were recorded: a program may name their number
                several = pixels.repeat(BATCH, 1, 1, 1)
                raise _difference(module, recorded, views, graph, values, several)


def _output(module: nn.Module, pixels: Tensor) -> Tensor:
    try:
        return module(pixels).reshape(-1)
    except Exception as error:  # whatever the network's own Python raises
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise UnsupportedOpError(
            type(module).__name__, f"fails on a single image: {lines[0]}",
            "the engine classifies one image at a time",
        ) from None  # fmt: skip


def close(got: Tensor, want: Tensor) -> bool:
    """Whether two results differ by rounding alone, in the default type."""
    if got.shape != want.shape:
        return False
    largest = max(LEAST, float(want.abs().max()))
    tolerance = EXACT if torch.get_default_dtype() == torch.float64 else COARSE
    return float((got - want).abs().max()) <= tolerance * largest


def _difference(
    module: nn.Module, recorded: fx.Graph, views: dict[fx.Node, Any], graph: FloatGraph,
    values: dict[str, Tensor], pixels: Tensor,
) -> UnsupportedOpError:  # fmt: skip
    """The first operation whose value differs, or the output."""
    run: dict[fx.Node, object] = {}
    for node in recorded.nodes:
        if node.op == "placeholder":
            run[node] = pixels
        elif node.op == "get_attr":
            run[node] = node.meta["value"]
        elif node in views:
            run[node] = _call(node, run)
        view = views.get(node)
        value = run.get(node)
        if not isinstance(view, View) or view.node not in values or not isinstance(value, Tensor):
            continue
        mine = values[view.node] * (view.sign or 1.0)
        axis = next(k for k, atoms in enumerate(view.axes) if "B" in atoms)
        first = value.narrow(axis, 0, value.shape[axis] // BATCH)  # of the images
        want = arranged(first, view, graph.nodes[view.node].layout)
        if not close(mine, want):
            what = operation(node)
            zeros = _exact_zeros(graph, view.node, values)
            if zeros:
                return UnsupportedOpError(
                    place(node) or "forward", f"{what} of {zeros} values that are exactly 0",
                    "the sign of 0 is +1 in hardware and something else in the network",
                    "add a shift or a norm before the sign",
                )  # fmt: skip
            return UnsupportedOpError(
                place(node) or "forward", f"the traced graph differs from the network at {what}",
                "they must agree on every image",
            )  # fmt: skip
    return UnsupportedOpError(
        type(module).__name__, "the traced graph differs from the network at its output",
        "they must agree on every image",
        "forward must keep no state, draw no random numbers and pass on tensors only",
    )  # fmt: skip


def _call(node: fx.Node, run: dict[fx.Node, object]) -> object:
    def value(a: Any) -> Any:
        if not isinstance(a, fx.Node):
            return a
        found = run[a]
        return found.clone() if isinstance(found, Tensor) else found  # in-place operations

    args, kwargs = map_aggregate((node.args, node.kwargs), value)
    if node.op == "call_module":
        return node.meta["module"](*args, **kwargs)
    if node.op == "call_method":
        return getattr(args[0], str(node.target))(*args[1:], **kwargs)
    return node.target(*args, **kwargs)  # type: ignore[operator]


def _exact_zeros(graph: FloatGraph, name: str, values: dict[str, Tensor]) -> int:
    """Exact zeros among what the signs of a node, or those that it reads, are taken of."""
    count = 0
    for sign in (graph.nodes[n] for n in (name, *graph.nodes[name].inputs)):
        if sign.kind.makes_signs:
            a, b = (torch.as_tensor(sign[p]) for p in ("a", "b"))
            count += int((values[sign.inputs[0]] * a + b == 0).sum())
    return count
