"""Emits a float-graph node for every call of a recorded network."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.fx.node import map_aggregate

from hwgen.errors import HwgenError, UnsupportedOpError
from hwgen.floats.kinds import Add, Affine, Constant, Input, Kind, Reads, infer
from hwgen.floats.kinds.base import Node
from hwgen.floats.layout import Layout
from hwgen.frontend.record import Recorded, operation, place
from hwgen.frontend.stand_ins import StandIns
from hwgen.frontend.views import BATCH, IMAGE, VECTOR, Axes, View, atom_sizes, axes_text, canonical

Handler = Callable[
    ..., Any
]  # a view, or a tuple of them: (importer, module or function, its result, operands ..)


@dataclass(frozen=True)
class Handlers:
    """What makes the nodes of a module (by its class), a function, a tensor method (by name)."""

    modules: Mapping[type, Handler]
    functions: Mapping[Any, Handler]
    methods: Mapping[Any, Handler]
    refused: Mapping[Any, tuple[str, str]]  # rule and way out of what has none for a reason
    several: frozenset[Handler] = frozenset()  # that give a tuple of views
    layouts: frozenset[Handler] = frozenset()  # that take channels which a reshape has cut

    def of_module(self, module: Any) -> Handler | None:
        """That of the module's class, or of the nearest one that it derives from."""
        known = (c for c in type(module).__mro__ if c in self.modules)
        return next((self.modules[c] for c in known), None)


class Importer:
    """Emits a float-graph node for every call of a recorded network that its output needs.

    Every node of the recorded graph depends on the image (`hwgen.frontend.record`): one that has
    no handler, and one whose handler cannot take its operands, is an error that names it. All of
    them are `reasons` (`hwgen.frontend.stand_ins`).
    """

    def __init__(self, root: nn.Module, layout: Layout, handlers: Handlers) -> None:
        self.root = root
        self.handlers = handlers
        self.image_layout = layout
        self.nodes: dict[str, Node] = {}
        self.views: dict[fx.Node, Any] = {}  # a view, or a tuple of them
        self.stand_ins = StandIns(self)
        self.place = ""

    def run(self, recorded: Recorded) -> View | None:
        """The view of the network's output; None where something cannot be imported, or where the
        recording stopped."""
        graph = recorded.graph
        (output,) = (n for n in graph.nodes if n.op == "output")
        self._emit_nodes(graph, _needed(output))
        self.place = type(self.root).__name__
        if recorded.stopped is None:
            return self.stand_ins.output(output)
        self.stand_ins.add(recorded.stopped)
        return None

    def _emit_nodes(self, graph: fx.Graph, needed: set[fx.Node]) -> None:
        """The image and the calls among the needed nodes, in the order of the network."""
        for node in graph.nodes:
            if node.op == "placeholder":
                grid, channels = self.image_layout.grid, self.image_layout.channels
                name = self.emit(Input, (), {"grid": grid, "channels": channels}, "image")
                self.views[node] = View(name, IMAGE)
            elif node in needed and node.op.startswith("call"):
                self.place = place(node)
                view = self.stand_ins.view(node)
                if view is not None:
                    self.views[node] = view

    def output(self, result: Any) -> View:
        """The view of what the network returns. Raises: UnsupportedOpError unless logits."""
        rule = "a network returns its logits (B, n)"
        if not isinstance(result, fx.Node):
            several = isinstance(result, tuple | list | dict)
            what = (
                f"a {type(result).__name__.removeprefix('immutable_')} of {len(result)}"
                if several
                else ""
            )
            what = f"the output is {what or 'the same for all images'}"
            raise self.unsupported(what, rule, "return one tensor")
        view = self.views.get(result)
        if view is None:
            raise self.unsupported("the output is the same for all images", rule)
        if not isinstance(view, View):
            raise self.unsupported(f"the output is {len(view)} tensors", rule, "return one tensor")
        if self.layout(view).grid != (1, 1) or tuple(filter(None, self.core(view))) != VECTOR:
            raise self.unsupported("the output is no vector", rule)
        if view.sign:
            raise self.unsupported("the output is a sign", rule, "leave the sign out")
        return view

    def call(self, node: fx.Node) -> Callable[[], Any]:
        """What emits the nodes of a call. Raises: UnsupportedOpError where no handler takes it."""
        if node.op == "call_module":
            what: Any = node.meta["module"]
            handler = self.handlers.of_module(what)
            known = sorted(c.__name__ for c in self.handlers.modules)
        else:
            what = node.target
            table = self.handlers.methods if node.op == "call_method" else self.handlers.functions
            handler = table.get(what)
            names = {str(getattr(f, "__name__", f)) for f in table}
            known = sorted(n for n in names if not n.startswith("_") and not n.endswith("_"))
        refused = self.handlers.refused.get(type(what) if node.op == "call_module" else what)
        if refused is not None:
            raise self.unsupported(operation(node), *refused)
        if handler is None:
            raise self.unsupported(operation(node), f"supported: {', '.join(known)}")
        args = [self._operand(a) for a in node.args]
        kwargs = {k: self._operand(a) for k, a in node.kwargs.items()}
        if "input" in kwargs:  # as torch's functions call their first argument
            args.insert(0, kwargs.pop("input"))
        result = node.meta["value"]
        several = handler in self.handlers.several
        if not isinstance(result, Tensor) and not several:
            name = operation(node)
            raise self.unsupported(f"{name} that gives a {type(result).__name__}", "needs a tensor")
        if handler not in self.handlers.layouts:
            self._refuse_cut(operation(node), (args, kwargs))
        try:
            inspect.signature(handler).bind(self, what, result, *args, **kwargs)
        except TypeError:
            given = ", ".join([f"{len(args)} operands", *(f"{k}=" for k in kwargs)])
            name = operation(node)
            raise self.unsupported(
                f"{name} with {given}", "not all of them are supported"
            ) from None
        return partial(handler, self, what, result, *args, **kwargs)

    def _refuse_cut(self, what: str, operands: Any) -> None:
        def look(a: Any) -> Any:
            if isinstance(a, View) and a.cut:
                factors = "x".join(map(str, a.cut))
                raise self.unsupported(
                    f"{what} of channels cut into {factors}", "supported: reshapes and "
                    "permutations until they are one axis again",
                )  # fmt: skip
            return a

        map_aggregate(operands, look)

    def _operand(self, value: Any) -> Any:
        """A view, or the concrete value of an argument (parameters, sizes)."""
        return map_aggregate(
            value,
            lambda a: self.views.get(a, a.meta["value"]) if isinstance(a, fx.Node) else a,
        )

    def emit(
        self,
        kind: type[Kind],
        inputs: tuple[str, ...],
        params: dict[str, Any],
        suffix: str = "",
    ) -> str:
        """Add a node named after the module path; returns its name."""
        base = ".".join(p for p in (self.place, suffix) if p) or kind.name
        name, count = base, 1
        while name in self.nodes:
            count += 1
            name = f"{base}.{count}"
        for key, value in params.items():
            if isinstance(value, np.ndarray) and not np.isfinite(value).all():
                raise HwgenError(name, f"{key} holds NaN or infinity", "must be finite", "retrain")
        signs = kind.reads in (Reads.SIGNS, Reads.UPRIGHT_SIGNS)
        if not signs and any(self.nodes[i].kind.makes_signs for i in inputs):
            raise self.unsupported(
                f"{kind.name} of a sign", "a sign is read by convolutions and linear layers with "
                "weights of one magnitude per output channel",
            )  # fmt: skip
        layout = infer(name, kind, params, *(self.nodes[i].layout for i in inputs))
        self.nodes[name] = Node(name, kind, inputs, params, layout)
        return name

    def layout(self, view: View) -> Layout:
        """Layout of a view's value."""
        return self.nodes[view.node].layout

    def core(self, view: View) -> Axes:
        """The axes of a view without sides of one cell."""
        sizes = self.sizes(view)
        return tuple(tuple(a for a in axis if a in "BC" or sizes[a] > 1) for axis in view.axes)

    def sizes(self, view: View) -> dict[str, int]:
        """Size of every atom of a view."""
        return atom_sizes(self.layout(view), BATCH, view.cut)

    def vector(self, value: Tensor | np.ndarray | float, channels: int) -> np.ndarray:
        """A parameter as (channels,) float64."""
        if isinstance(value, View):
            raise self.unsupported("an operand that depends on the image", "it must be a parameter")
        if isinstance(value, Tensor):
            value = value.detach().double().numpy()
        return np.broadcast_to(np.asarray(value, dtype=np.float64).reshape(-1), (channels,)).copy()

    def affine(
        self, view: View, a: np.ndarray | float, b: np.ndarray | float, suffix: str = ""
    ) -> View:
        """a x + b per channel."""
        layout = self.layout(view)
        params = {"a": self.vector(a, layout.channels), "b": self.vector(b, layout.channels)}
        return View(self.emit(Affine, (view.node,), params, suffix), view.axes)

    def add_parameter(self, view: View, value: Tensor | float) -> View:
        """x + parameter: an affine where it is per channel, else an added constant."""
        layout = self.layout(view)
        array = canonical(torch.as_tensor(value), view.axes, layout)
        if array is None:
            raise self.unsupported(
                f"a sum with a parameter of shape {tuple(torch.as_tensor(value).shape)}",
                "it must broadcast over the batch",
            )
        if array.ndim == 1:
            return self.affine(view, 1.0, array, "shift")
        constant = self.emit(Constant, (), {"value": array, "grid": layout.grid}, "constant")
        return View(self.emit(Add, (view.node, constant), {}, "add"), view.axes)

    def require(self, view: Any, axes: Axes, what: str) -> Layout:
        """Layout of a view that must have these axes; sides of one cell may be missing."""
        if not isinstance(view, View) or self.core(view) != self.core(View(view.node, axes)):
            found = view.axes if isinstance(view, View) else type(view).__name__
            raise self.unsupported(
                f"{what} on axes {_axes(found)}", f"needs {_axes(axes)}", "permute before it"
            )
        return self.layout(view)

    def channel_axis(self, view: View, axis: int, what: str) -> Layout:
        """Layout of a view whose `axis` must be the channels."""
        if not isinstance(view, View) or self.core(view)[axis] != ("C",):
            found = view.axes if isinstance(view, View) else type(view).__name__
            raise self.unsupported(
                f"{what} along axis {axis} of {_axes(found)}", "needs the channels there"
            )
        return self.layout(view)

    def unsupported(self, what: str, rule: str, way_out: str = "") -> UnsupportedOpError:
        return UnsupportedOpError(self.place or "forward", what, rule, way_out)


def _axes(axes: Any) -> str:
    return axes_text(axes) if isinstance(axes, tuple) else str(axes)


def _needed(output: fx.Node) -> set[fx.Node]:
    """Nodes that a node is computed from."""
    needed: set[fx.Node] = set()
    left = [output]
    while left:
        node = left.pop()
        if node not in needed:
            needed.add(node)
            left += node.all_input_nodes
    return needed
