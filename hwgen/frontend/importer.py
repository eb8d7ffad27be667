"""Runs a traced module on an example and emits a float-graph node for every call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from hwgen.errors import HwgenError, UnsupportedOpError
from hwgen.floats.kinds import Add, Affine, Constant, Input, Kind, infer
from hwgen.floats.kinds.base import Node
from hwgen.floats.layout import Layout
from hwgen.frontend.views import IMAGE, Axes, View, canonical

BATCH = 2  # of the example that fixes the shapes; 1 could not be told from a missing axis


Handler = Callable[..., View]  # (importer, module or function, its result, operands ..)


@dataclass(frozen=True)
class Handlers:
    """What makes the nodes of a module (by its class), a function, a tensor method (by name)."""

    modules: Mapping[type, Handler]
    functions: Mapping[Any, Handler]
    methods: Mapping[Any, Handler]

    def of_module(self, module: Any) -> Handler | None:
        """That of the module's class, or of the nearest one that it derives from."""
        known = (c for c in type(module).__mro__ if c in self.modules)
        return next((self.modules[c] for c in known), None)


class Importer(fx.Interpreter):
    """Runs the traced module on an example and emits a float-graph node for every call."""

    def __init__(self, module: fx.GraphModule, layout: Layout, handlers: Handlers) -> None:
        super().__init__(module, garbage_collect_values=False)
        self.handlers = handlers
        self.image_layout = layout
        self.nodes: dict[str, Node] = {}
        self.views: dict[fx.Node, View] = {}
        self.place = ""

    def run_node(self, n: fx.Node) -> Any:
        self.place = _path(n)
        result = super().run_node(n)
        if n.op == "placeholder":
            if self.nodes:
                raise self.unsupported("a second input", "a network has one image input")
            grid, channels = self.image_layout.grid, self.image_layout.channels
            name = self.emit(Input, (), {"grid": grid, "channels": channels}, "image")
            self.views[n] = View(name, IMAGE)
        elif n.op in ("get_attr", "output") or not isinstance(result, Tensor):
            return result
        elif any(a in self.views for a in n.all_input_nodes):
            if n.op == "call_module":
                module = self.fetch_attr(str(n.target))
                handler = self.handlers.of_module(module)
                what: Any = module
                known = ", ".join(sorted(c.__name__ for c in self.handlers.modules))
            else:
                table = self.handlers.methods if n.op == "call_method" else self.handlers.functions
                handler, what = table.get(n.target), n.target
                known = ", ".join(sorted({str(getattr(f, "__name__", f)) for f in table}))
            if handler is None:
                raise self.unsupported(_name(what), f"supported: {known}")
            args = [self._operand(a) for a in n.args]
            kwargs = {k: self._operand(a) for k, a in n.kwargs.items()}
            self.views[n] = handler(self, what, result, *args, **kwargs)
        return result

    def _operand(self, value: Any) -> Any:
        """A view, or the concrete value of an argument (parameters, sizes)."""
        if isinstance(value, fx.Node):
            return self.views.get(value, self.env[value])
        if isinstance(value, tuple | list):
            return type(value)(self._operand(v) for v in value)
        return value

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
        layout = infer(name, kind, params, *(self.nodes[i].layout for i in inputs))
        self.nodes[name] = Node(name, kind, inputs, params, layout)
        return name

    def layout(self, view: View) -> Layout:
        """Layout of a view's value."""
        return self.nodes[view.node].layout

    def vector(self, value: Tensor | np.ndarray | float, channels: int) -> np.ndarray:
        """A parameter as (channels,) float64."""
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
        """Layout of a view that must have these axes."""
        if not isinstance(view, View) or view.axes != axes:
            found = view.axes if isinstance(view, View) else type(view).__name__
            raise self.unsupported(
                f"{what} on axes {_axes(found)}", f"needs {_axes(axes)}", "permute before it"
            )
        return self.layout(view)

    def channel_axis(self, view: View, axis: int, what: str) -> Layout:
        """Layout of a view whose `axis` must be the channels."""
        if not isinstance(view, View) or view.axes[axis] != ("C",):
            found = view.axes if isinstance(view, View) else type(view).__name__
            raise self.unsupported(
                f"{what} along axis {axis} of {_axes(found)}", "needs the channels there"
            )
        return self.layout(view)

    def unsupported(self, what: str, rule: str, way_out: str = "") -> UnsupportedOpError:
        return UnsupportedOpError(self.place or "forward", what, rule, way_out)


def _axes(axes: Any) -> str:
    if not isinstance(axes, tuple):
        return str(axes)
    return "(" + ", ".join("".join(a) or "1" for a in axes) + ")"


def _name(what: Any) -> str:
    if isinstance(what, nn.Module):
        return type(what).__name__
    return str(getattr(what, "__name__", what))


def _path(node: fx.Node) -> str:
    """Module path of the call that a node stands for."""
    if node.op == "call_module":
        return str(node.target)
    stack = node.meta.get("nn_module_stack") or {}
    return next((str(v[0]) for v in reversed(stack.values())), "") if stack else ""
