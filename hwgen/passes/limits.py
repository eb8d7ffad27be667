"""Shapes of a kind that no integer op computes: refused before anything is lowered."""

from __future__ import annotations

from collections.abc import Callable

from hwgen.errors import UnsupportedOpError
from hwgen.floats.graph import FloatGraph
from hwgen.floats.kinds import ChannelFilter, Conv, Kind, MaxPool, WindowSum, XnorConv
from hwgen.floats.kinds.base import Node
from hwgen.floats.layout import Layout
from hwgen.ops.vector import TAPS
from hwgen.ops.xnor import kernel_spans
from hwgen.passes.fixed import is_padded

Refusal = tuple[str, str] | None  # what is there, what is supported


def check_limits(graph: FloatGraph) -> None:
    """Raises: UnsupportedOpError for a node of a shape that no integer op computes."""
    stems = [n for n in graph.nodes.values() if n.kind is Conv and n.inputs == (graph.image,)]
    if len(stems) > 1 and any(map(is_padded, stems)):
        raise UnsupportedOpError(
            stems[1].name, "another convolution of the image",
            "supported: one, or several of stride = kernel without padding",
        )  # fmt: skip
    for node in graph.nodes.values():
        if node.kind in LIMITS and node not in stems:
            refusal = LIMITS[node.kind](node, graph.nodes[node.inputs[0]].layout)
            if refusal is not None:
                raise UnsupportedOpError(node.name, *refusal)


def _conv(node: Node, source: Layout) -> Refusal:
    kernel, stride, padding = node["weight"].shape[1], node["stride"], node["padding"]
    spans = (s for side in source.grid for s in kernel_spans(side, kernel, stride, padding, 1))
    if all(span.taps for span in spans):
        return None
    what = f"conv kernel={kernel} stride={stride} padding={padding} grid={source.grid}"
    return what, "supported: every result sees the image"


def _xnor_conv(node: Node, source: Layout) -> Refusal:
    kernel, dilation, padding = node["sign"].shape[1], node["dilation"], node["padding"]
    places = kernel, node["stride"], padding, dilation
    if all(span.taps for side in source.grid for span in kernel_spans(side, *places)):
        return None
    return (
        f"xnor_conv kernel={kernel} padding={padding} dilation={dilation} grid={source.grid}",
        "supported: every result sees the image",
    )


def _max_pool(node: Node, source: Layout) -> Refusal:
    kernel, stride, padding = node["kernel"], node["stride"], node["padding"]
    if kernel**2 <= TAPS and padding < kernel:
        return None
    what = f"max_pool kernel={kernel} stride={stride} padding={padding}"
    return what, f"supported: windows of at most {TAPS} cells"


def _window_sum(node: Node, source: Layout) -> Refusal:
    kernel, stride, padding = node["kernel"], node["stride"], node["padding"]
    if padding < kernel:
        return None
    what = f"window_sum kernel={kernel} stride={stride} padding={padding}"
    return what, "supported: every result sees the image"


def _channel_filter(node: Node, source: Layout) -> Refusal:
    """The frontend makes no others."""
    kernel = len(node["weight"])
    return None if kernel**2 <= TAPS else (f"a filter of {kernel}x{kernel}", f"at most {TAPS} taps")


LIMITS: dict[type[Kind], Callable[[Node, Layout], Refusal]] = {
    Conv: _conv, XnorConv: _xnor_conv, MaxPool: _max_pool, ChannelFilter: _channel_filter,
    WindowSum: _window_sum,
}  # fmt: skip
