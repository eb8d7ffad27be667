"""Shapes of a kind that no integer op computes: refused before anything is lowered."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from hwgen.engine.numerics import LANE_CHANNELS
from hwgen.engine.sides import Sides, both, sides
from hwgen.errors import HwgenError, UnsupportedOpError, joined
from hwgen.floats.graph import FloatGraph
from hwgen.floats.kinds import (
    Attention,
    ChannelFilter,
    Conv,
    Gather,
    Kind,
    MaxPool,
    WindowSum,
    XnorConv,
)
from hwgen.floats.kinds.base import Node
from hwgen.floats.layout import Layout
from hwgen.ops.vector import TAPS
from hwgen.ops.xnor import kernel_spans
from hwgen.passes.fixed import is_padded
from hwgen.passes.pad_channels import unpaddable

Refusal = tuple[str, str] | None  # what is there, what is supported


def check_limits(graph: FloatGraph, network: str = "the network") -> None:
    """Raises: UnsupportedOpError for nodes of a shape that no integer op computes, and for channels
    that cannot be padded: all of them at once."""
    found = refusals(graph)
    if found:
        raise joined(network, [reason for _, reason in found])


def refusals(graph: FloatGraph) -> list[tuple[str, HwgenError]]:
    """All nodes that no integer op computes, in their order, each with the reason."""
    stems = [n for n in graph.nodes.values() if n.kind is Conv and n.inputs == (graph.image,)]
    found: dict[str, list[HwgenError]] = {name: [] for name in graph.nodes}
    for node in stems[1:] if any(map(is_padded, stems)) else ():
        found[node.name].append(UnsupportedOpError(
            node.name, "another convolution of the image",
            "supported: one, or several of stride = kernel without padding",
        ))  # fmt: skip
    for node in graph.nodes.values():
        if node.kind in LIMITS and node not in stems:
            refusal = LIMITS[node.kind](node, graph.nodes[node.inputs[0]].layout)
            if refusal is not None:
                found[node.name].append(UnsupportedOpError(node.name, *refusal))
    for name, reason in _other_heads(graph):
        found[name].append(reason)
    for name, reason in unpaddable(graph, LANE_CHANNELS):
        found[name].append(reason)
    return [(name, reason) for name, reasons in found.items() for reason in reasons]


def _other_heads(graph: FloatGraph) -> list[tuple[str, HwgenError]]:
    """Attention layers whose heads have another width than those of most, or of the first."""
    widths = {
        node.name: node.layout.channels // len(node["alpha"])
        for node in graph.nodes.values()
        if node.kind is Attention
    }
    if not widths:
        return []
    each = [*widths.values()]
    most = max(each, key=each.count)  # of several the first
    first = next(name for name, width in widths.items() if width == most)
    return [
        (name, UnsupportedOpError(
            name, f"attention heads of {width} channels, those of {first} have {most}",
            "supported: heads of one width in a network",
            f"give it heads of {most}",
        ))
        for name, width in widths.items()
        if width != most
    ]  # fmt: skip


def refusals_before_moves(graph: FloatGraph) -> list[tuple[str, HwgenError]]:
    """`refusals` of a graph in which channels are still to be moved: `move_channels` takes copies
    of any channels."""
    return [found for found in refusals(graph) if graph.nodes[found[0]].kind is not Gather]


def _conv(node: Node, source: Layout) -> Refusal:
    kernel, stride, padding = sides(*node["weight"].shape[1:3]), node["stride"], node["padding"]
    if _all_see(source, kernel, stride, padding, 1):
        return None
    what = f"conv kernel={kernel} stride={stride} padding={padding} grid={source.grid}"
    return what, "supported: every result sees the image"


def _xnor_conv(node: Node, source: Layout) -> Refusal:
    kernel, dilation, padding = sides(*node["sign"].shape[1:3]), node["dilation"], node["padding"]
    if _all_see(source, kernel, node["stride"], padding, dilation):
        return None
    return (
        f"xnor_conv kernel={kernel} padding={padding} dilation={dilation} grid={source.grid}",
        "supported: every result sees the image",
    )


def _all_see(source: Layout, *places: Sides) -> bool:
    """Whether all results of a kernel, stride, padding and dilation see the image."""
    along = zip(source.grid, *map(both, places))
    return all(span.taps for axis in along for span in kernel_spans(*axis))


def _max_pool(node: Node, source: Layout) -> Refusal:
    kernel, stride, padding = node["kernel"], node["stride"], node["padding"]
    if prod(both(kernel)) <= TAPS and _sees(kernel, padding):
        return None
    what = f"max_pool kernel={kernel} stride={stride} padding={padding}"
    return what, f"supported: windows of at most {TAPS} cells"


def _sees(kernel: Sides, padding: Sides) -> bool:
    """Whether the first windows reach the grid."""
    return all(p < k for p, k in zip(both(padding), both(kernel)))


def _window_sum(node: Node, source: Layout) -> Refusal:
    kernel, stride, padding = node["kernel"], node["stride"], node["padding"]
    if _sees(kernel, padding):
        return None
    what = f"window_sum kernel={kernel} stride={stride} padding={padding}"
    return what, "supported: every result sees the image"


def _channel_filter(node: Node, source: Layout) -> Refusal:
    """The frontend makes no others."""
    down, across = node["weight"].shape[:2]
    few = down * across <= TAPS
    return None if few else (f"a filter of {down}x{across}", f"at most {TAPS} taps")


LIMITS: dict[type[Kind], Callable[[Node, Layout], Refusal]] = {
    Conv: _conv, XnorConv: _xnor_conv, MaxPool: _max_pool, ChannelFilter: _channel_filter,
    WindowSum: _window_sum,
}  # fmt: skip
