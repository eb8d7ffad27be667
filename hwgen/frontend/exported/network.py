"""A program as a network: the tracer records it as it records any other."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.node import map_aggregate

from hwgen.errors import UnsupportedOpError
from hwgen.frontend.exported import batches
from hwgen.frontend.exported.aten import FACTORIES, OPS, REBOUND, VIEWS, Unknown
from hwgen.frontend.exported.layers import layers_of
from hwgen.frontend.exported.program import Call, Graph, Name, Program

WRAPPED = "higher_order.wrap_with_set_grad_enabled"  # what stands under torch.no_grad()


class Part(nn.Module):
    """A module of the network that was exported: its parameters, and a place to call from."""

    def forward(self, function: Any, args: Any, kwargs: Any) -> Any:
        return function(*args, **kwargs)


class ExportedNetwork(Part):
    """Images (B, channels, H, W) -> what the program computes, for any number B of images.

    Parameters and buffers have the names that they had. whole: layers of `hwgen.nn` are these
    layers (`layers`), not the calls that they have become. An op that is not in `aten.OPS` gives
    zeros of the stated shape and is one that nothing can import; `unknown` has their names.
    """

    def __init__(self, program: Program, tensors: dict[str, Tensor], whole: bool = True) -> None:
        super().__init__()
        self.program = program
        self.layers = {layer.first: layer for layer in (layers_of(program) if whole else ())}
        for layer in self.layers.values():
            owner, _, attribute = layer.place.rpartition(".")
            self._part(owner)._modules[attribute] = layer.module
        self.unknown = sorted({c.op for c in program.graph.calls if c.op not in (*OPS, WRAPPED)})
        places = dict.fromkeys(c.place for c in program.graph.calls if c.place)
        self.parts = {place: self._part(place) for place in places}
        self.kept: dict[str, tuple[nn.Module, str]] = {}  # graph name -> module, attribute
        for name, path in program.weights.items():
            owner, _, attribute = path.rpartition(".")
            part, value = self._part(owner), tensors[path].detach().clone()
            if path in program.parameters:
                part._parameters[attribute] = nn.Parameter(value, requires_grad=False)
            else:
                part.register_buffer(attribute, value, persistent=path in program.state)
            self.kept[name] = part, attribute
        kinds = [t.dtype for t in tensors.values() if t.is_floating_point()]
        self.real = (*kinds, torch.float32)[0]  # what real numbers were when it was exported

    def _part(self, path: str) -> nn.Module:
        part: nn.Module = self
        for name in path.split(".") if path else ():
            part = part._modules.setdefault(name, Part())  # type: ignore[assignment]
        return part

    def forward(self, image: Tensor) -> Any:  # type: ignore[override]
        values: dict[str, Any] = {self.program.image: image}
        for name, (part, attribute) in self.kept.items():
            value = part._parameters.get(attribute)
            values[name] = part._buffers[attribute] if value is None else value
        return _Run(self, image, self.program.graph, values, {self.program.image}).output()


def as_network(program: Program, tensors: dict[str, Tensor], whole: bool = True) -> ExportedNetwork:
    """The network of a program in eval mode; its class has the name of the one exported."""
    return type(program.name, (ExportedNetwork,), {})(program, tensors, whole).eval()


class _Run:
    """The calls of a graph, one after the other; values: by name; dependent: names of those that
    are computed from the image."""

    def __init__(
        self, network: ExportedNetwork, image: Any, graph: Graph, values: dict[str, Any],
        dependent: set[str],
    ) -> None:  # fmt: skip
        self.network, self.image, self.graph, self.values = network, image, graph, values
        self.dependent = dependent
        kinds = [p.dtype for p in network.parameters() if p.is_floating_point()]
        self.real = (*kinds, torch.get_default_dtype())[0]
        stated = network.program.image_shape
        self.resized = tuple(image.shape[2:]) != tuple(stated[2:])

    def output(self) -> Any:
        layers = self.network.layers if self.graph is self.network.program.graph else {}
        last = -1  # call of a layer
        for number, call in enumerate(self.graph.calls):
            if number in layers:
                layer, last = layers[number], layers[number].last
                given = [self.values[name] for name in layer.inputs]
                self.values[layer.output] = self.network.get_submodule(layer.place)(*given)
                self.dependent.add(layer.output)
            if number <= last:
                continue
            result = self._call(call)
            if call.op in REBOUND:
                old = self._now(call.args[0])
                self.values |= {name: result for name, v in self.values.items() if v is old}
            self._bind(call.outputs, result)
            if self._depends(call):
                self.dependent |= set(_names(call.outputs))
        return self._now(self.graph.output)

    def _bind(self, outputs: tuple[Any, ...], result: Any) -> None:
        for out, value in zip(outputs, result if len(outputs) > 1 else (result,)):
            if isinstance(out, list):
                self.values |= dict(zip(out, value))
            elif out is not None:
                self.values[out] = value

    def _now(self, argument: Any) -> Any:
        """An argument with the values of its names; real numbers are of the network's type now."""

        def value(a: Any) -> Any:
            if isinstance(a, Name):
                return self.values[a.name]
            return self.real if a is self.network.real else a

        return map_aggregate(argument, value)

    def _call(self, call: Call) -> Any:
        args = list(self._now(call.args))
        kwargs = {k: self._now(a) for k, a in call.kwargs.items() if k not in FACTORIES}
        if call.op == WRAPPED:
            _, inner, *operands = args
            values, names = dict(zip(inner.inputs, operands)), _names(call.args[2:])
            found = {i for i, name in zip(inner.inputs, names) if name in self.dependent}
            result = _Run(self.network, self.image, inner, values, found).output()
            return result if len(call.outputs) > 1 or not isinstance(result, tuple) else result[0]
        function = OPS.get(call.op)
        if function is None:
            return self._in(call, self._unknown(call), args, kwargs)
        sizes = self._sizes(call, args) if call.op in VIEWS else None
        if sizes is not None:
            function, args, kwargs = VIEWS[call.op], [args[0], sizes], {}
        try:
            return self._in(call, function, args, kwargs)
        except Unknown as options:
            return self._in(call, self._unknown(call, f" {options}"), args, kwargs)

    def _in(self, call: Call, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """The result of a function that is called in a module."""
        part = self.network.parts.get(call.place)
        if part is None:
            return function(*args, **kwargs)
        return part(function, args, kwargs)

    def _sizes(self, call: Call, args: list[Any]) -> list[int] | None:
        """The shape that a view has for this many images; None to take the one that it names."""
        stated = self.graph.shapes.get(getattr(call.args[0], "name", ""))
        now = tuple(args[0].shape)
        if self.resized or stated is None or stated == now:
            return None
        rule = batches.expanded if call.op == "aten.expand" else batches.viewed
        return rule(stated, now, self.graph.shapes[call.outputs[0]])

    def _unknown(self, call: Call, options: str = "") -> Any:
        """In place of an op that is not known: zeros, of the shape that it had."""
        what = f"{call.op}{options}"

        def zeros(*args: Any, **kwargs: Any) -> Any:
            return _each(call.outputs, self._zeros)

        if not self._depends(call):
            raise UnsupportedOpError(
                call.place or "forward", f"{what} of parameters", "it is not known",
                "compute it before torch.export.export",
            )  # fmt: skip

        def function(*args: Any, **kwargs: Any) -> Any:
            if not isinstance(self.image, fx.Proxy):
                return zeros()
            return self.image.tracer.create_proxy("call_function", zeros, args, kwargs)

        zeros.__name__ = what  # as errors call it
        return function

    def _depends(self, call: Call) -> bool:
        """Whether its operands are computed from the image."""
        return not self.dependent.isdisjoint(_names((call.args, call.kwargs)))

    def _zeros(self, name: str) -> Tensor | None:
        if name not in self.graph.shapes:
            return None
        stated, dtype = self.graph.shapes[name], self.graph.dtypes[name]
        first = [size * self.image.shape[0] // self.network.program.image_shape[0]
                 for size in stated[:1]]  # fmt: skip
        kind = self.real if dtype is self.network.real else dtype
        return torch.zeros([*first, *stated[1:]], dtype=kind)


def _each(outputs: tuple[Any, ...], value: Any) -> Any:
    """Values for the names of results, as an op gives them."""
    results = tuple([value(n) for n in out] if isinstance(out, list) else value(out)
                    for out in outputs)  # fmt: skip
    return results[0] if len(results) == 1 else results


def _names(arguments: Any) -> list[str]:
    """Of values and of results, in any nesting."""
    found: list[str] = []

    def look(a: Any) -> None:
        if isinstance(a, Name | str):
            found.append(a.name if isinstance(a, Name) else a)

    map_aggregate(arguments, look)
    return found
