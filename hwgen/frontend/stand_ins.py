"""Values in place of those that cannot be imported: the import goes on and finds all reasons.

A stand-in has the layout that its shape on the example tells. Only what is wrong whatever a
stand-in holds is a reason: one that an operation has because it reads a stand-in is none. Where no
layout can be told, nothing that reads the value is judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from math import prod
from typing import Any, Protocol

from torch import Tensor, fx

from hwgen.errors import HwgenError
from hwgen.floats.kinds import Constant, Input
from hwgen.floats.kinds.base import Kind, Node
from hwgen.floats.layout import Layout, on_grid
from hwgen.frontend.record import operation
from hwgen.frontend.signs import STEPS
from hwgen.frontend.views import BATCH, IMAGE, TOKENS, VECTOR, Axes, View, atom_sizes

RESIZING = {  # what leaves (B, C, Y, X) in this order, on another grid
    "Conv2d", "conv2d", "ConvTranspose2d", "conv_transpose2d", "_MaxPoolNd", "max_pool2d",
    "_AvgPoolNd", "avg_pool2d", "_LPPoolNd", "lp_pool2d", "_AdaptiveAvgPoolNd",
    "adaptive_avg_pool2d", "_AdaptiveMaxPoolNd", "adaptive_max_pool2d", "Upsample", "interpolate",
    "PixelShuffle", "pixel_shuffle", "PixelUnshuffle", "pixel_unshuffle", "ZeroPad2d", "pad",
}  # fmt: skip
TURNING = {  # what may leave the same sizes in another order
    "movedim", "moveaxis", "swapdims", "einsum", "rot90", "T", "mT", "H", "mH", "adjoint", "t",
}  # fmt: skip
PRODUCTS = {"matmul", "bmm", "baddbmm", "__matmul__"}  # tokens may come where the channels were


class ImporterLike(Protocol):
    """What stand-ins need of `hwgen.frontend.importer.Importer`."""

    nodes: dict[str, Node]
    views: dict[fx.Node, Any]  # a view, or a tuple of them
    place: str

    def call(self, node: fx.Node) -> Callable[[], Any]: ...
    def output(self, result: Any) -> View: ...


class StandIns:
    """Imports calls one by one; what cannot be imported becomes a reason and a stand-in."""

    def __init__(self, importer: ImporterLike) -> None:
        self.importer = importer
        self.reasons: list[tuple[int, HwgenError]] = []  # with how many nodes were emitted before
        self.made_from: dict[str, tuple[View, ...]] = {}  # nodes that are stand-ins: sources
        self.made_in: dict[str, str] = {}  # .. layers
        self.unknown: dict[fx.Node, tuple[View, ...]] = {}  # values without a layout: made from

    def view(self, node: fx.Node) -> Any:
        """The view(s) of a call's result; None where it has no layout that is known."""
        if any(a in self.unknown for a in node.all_input_nodes):
            return self._stand_in(node)
        guessed = self._guessed(node.all_input_nodes)
        try:
            emit = self.importer.call(node)
        except HwgenError as reason:
            # a comparison is part of a sign, if what this layer could not do is
            inside = any(self.made_in[v.node] == self.importer.place for v in guessed.values())
            if not (inside and node.target in STEPS):
                self.add(reason)
            return self._stand_in(node)
        try:
            return emit()
        except HwgenError as reason:
            if all(self._fails(node, other) for other in self._instead(guessed)):
                self.add(reason)
        except Exception:
            if not self.reasons:  # a bug of ours; else it may come from a stand-in
                raise
        return self._stand_in(node)

    def output(self, output: fx.Node) -> View | None:
        """The view of what the network returns."""
        if not any(a in self.unknown for a in output.all_input_nodes):
            try:
                return self.importer.output(output.args[0])
            except HwgenError as reason:
                self.add(reason)
        return None

    def add(self, reason: HwgenError) -> None:
        """One more reason, of what comes behind the nodes that there are."""
        self.reasons.append((len(self.importer.nodes), reason))

    def _guessed(self, nodes: Iterable[fx.Node]) -> dict[fx.Node, View]:
        """Those whose values are stand-ins."""
        views = {n: self.importer.views[n] for n in nodes if n in self.importer.views}
        return {n: v for n, v in views.items() if isinstance(v, View) and v.node in self.made_from}

    def _instead(self, guessed: dict[fx.Node, View]) -> list[dict[fx.Node, View]]:
        """What stand-ins could be as well: signs; of the layout of what they are computed from."""
        if not guessed:
            return []
        signs = {n: replace(v, sign=1.0) for n, v in guessed.items()}
        before = {n: self._first(v) for n, v in guessed.items()}
        layout = {
            v.node: self.importer.nodes[v.node].layout
            for v in (*guessed.values(), *before.values())
        }
        alike = all(layout[guessed[n].node] == layout[v.node] for n, v in before.items())
        return [signs] if alike else [signs, before]

    def _first(self, view: View) -> View:
        """What a stand-in is computed from, through other stand-ins."""
        while self.made_from.get(view.node):
            view = self.made_from[view.node][0]
        return view

    def _fails(self, node: fx.Node, instead: dict[fx.Node, View]) -> bool:
        """Whether a call is refused with other views of its operands."""
        importer, nodes, views = self.importer, dict(self.importer.nodes), self.importer.views
        kept = {n: views[n] for n in instead}
        views.update(instead)
        try:
            importer.call(node)()
        except HwgenError:
            return True
        except Exception:  # nobody promised that the operand can be this
            return False
        finally:
            views.update(kept)
            importer.nodes.clear()
            importer.nodes.update(nodes)
        return False

    def _stand_in(self, node: fx.Node) -> View | None:
        importer = self.importer
        origins: list[View] = []
        for a in node.all_input_nodes:
            origins += self.unknown.get(a, _all(importer.views.get(a)))
        layouts = [importer.nodes[v.node].layout for v in origins]
        # channels cut into several axes have been tokens' before
        axes = [TOKENS if v.cut else v.axes for v in origins]
        unsure = any(a in self.unknown for a in node.all_input_nodes)
        found = _guess(node, axes, layouts, unsure)
        if found is None:
            self.unknown[node] = tuple(dict.fromkeys(origins))
            return None
        of_result, layout = found
        name = f"{importer.place or 'forward'}.stand_in.{len(self.made_from)}"
        pixels = any(self._is_pixels(v.node, layout) for v in origins)
        kind: type[Kind] = Input if pixels else Constant
        values = {"channels": layout.channels} if pixels else {"value": None}
        params = {"grid": layout.grid, **values}
        importer.nodes[name] = Node(name, kind, (), params, layout)
        self.made_from[name] = tuple(origins)
        self.made_in[name] = importer.place
        return View(name, of_result)

    def _is_pixels(self, name: str, layout: Layout) -> bool:
        """Whether a value made from this one is an image too: other rules hold for its readers."""
        source = self.importer.nodes[name]
        return source.kind is Input and source.layout.channels == layout.channels


def _all(views: Any) -> tuple[View, ...]:
    """The views of a value: none, one or several."""
    return (views,) if isinstance(views, View) else tuple(views or ())


def _guess(
    node: fx.Node, axes: list[Axes], layouts: list[Layout], unsure: bool
) -> tuple[Axes, Layout] | None:
    """Axes and layout of a call's result, from those that it was computed from.

    unsure: there was no layout in between: channels and another side of their size may have
    been exchanged.
    """
    value = node.meta["value"]
    if not isinstance(value, Tensor) or not value.is_floating_point() or len(value.shape) < 2:
        return None
    shape, names = tuple(value.shape), _names(node)
    if names & TURNING or (unsure and shape[1] in shape[2:]):
        return None
    for a, layout in zip(axes, layouts):
        if shape == _shape(a, layout):
            return a, layout
    if shape[0] != BATCH:
        return None
    if len(shape) == 2:
        return VECTOR, on_grid(1, 1, shape[1])
    for a, layout in zip(axes, layouts):
        if a == IMAGE and len(shape) == 4 and (shape[2:] == layout.grid or names & RESIZING):
            return IMAGE, on_grid(shape[2], shape[3], shape[1])
        tokens = a == TOKENS and len(shape) == 3 and shape[1] == layout.shape[0]
        if tokens and not names & PRODUCTS:
            return TOKENS, layout.with_channels(shape[2])
    return None


def _shape(axes: Axes, layout: Layout) -> tuple[int, ...]:
    sizes = atom_sizes(layout, BATCH)
    return tuple(prod(sizes[a] for a in axis) for axis in axes)


def _names(node: fx.Node) -> set[str]:
    """What a call is called, as a module by its class and all that it derives from."""
    if node.op == "call_module":
        return {c.__name__ for c in type(node.meta["module"]).__mro__}
    return {operation(node)}
