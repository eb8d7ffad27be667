"""The legal float graph, written down as rules; `check` names the rule, the node and the pass.

A broken rule is our bug: the frontend has refused before what a user may get wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from hwgen.floats.graph import FloatGraph
from hwgen.floats.kinds import KINDS, Input, Reads, ShapeError
from hwgen.floats.kinds.base import Node
from hwgen.floats.layout import IllegalGraph

RULES = {
    "name": "a node stands under its name",
    "kind": "kinds are registered",
    "inputs": "inputs are nodes that come earlier, as many as the kind takes",
    "signs": "signs are read by the kinds that read signs, and by no other",
    "parameters": "a node has the parameters of its kind and no other",
    "type": "a parameter has its type; arrays are float64",
    "range": "integers and lengths lie in their range",
    "shape": "arrays have the declared shape, equal letters are equal sizes",
    "values": "arrays are finite, arrays of signs hold +1 and -1",
    "layout": "a layout is the one that the kind infers from its inputs",
    "image": "the image is the one input node",
    "output": "the output is a node; no other value is left unread",
}

Problem = tuple[str, str, str]  # rule, node, 'value; must be ...'


def check(graph: FloatGraph, after: str = "") -> None:
    """Raises: IllegalGraph for the first broken rule."""
    Checker().check(graph, after)


class Checker:
    """Checks a graph after each of a sequence of passes.

    A node that was legal is legal as long as it and its inputs are the same objects (nodes are
    frozen), so a pass costs what it changed.
    """

    def __init__(self) -> None:
        self.legal: dict[int, tuple[Node, Sequence[Node]]] = {}  # by id; keeps the node alive
        self.values: dict[tuple[int, type], np.ndarray] = {}  # arrays of legal values

    def check(self, graph: FloatGraph, after: str = "") -> None:
        """Raises: IllegalGraph for the first broken rule; `after` is the pass that broke it."""
        for rule, node, problem in self.problems(graph):
            raise IllegalGraph(rule, node, problem, after)

    def problems(self, graph: FloatGraph) -> Iterator[Problem]:
        """Every broken rule; an unknown input ends the list."""
        nodes, earlier, read = graph.nodes, set(), {graph.output, graph.image}
        for key, node in nodes.items():
            name = node.name
            if key != name:
                yield "name", name, f"stands under {key}"
            unknown = [i for i in node.inputs if i not in earlier]
            if unknown:
                yield "inputs", name, f"reads {unknown[0]}; no earlier node has that name"
                return
            earlier.add(key)
            read.update(node.inputs)
            inputs = [nodes[i] for i in node.inputs]
            known = self.legal.get(id(node))
            if known is None or known[1] != inputs:
                found = list(self._node(node, inputs))
                yield from ((rule, name, problem) for rule, problem in found)
                if not found:
                    self.legal[id(node)] = node, inputs
            if node.kind is Input and name != graph.image:
                yield "image", name, f"a second input; the image is {graph.image}"
        if graph.image not in nodes or nodes[graph.image].kind is not Input:
            yield "image", graph.image, "is no input node"
        if graph.output not in nodes:
            yield "output", graph.output, "is the output and no node"
        for name in (n for n in nodes if n not in read):
            yield "output", name, "nothing reads it and it is not the output"

    def _node(self, node: Node, inputs: list[Node]) -> Iterator[tuple[str, str]]:
        """Broken rules of a node: rule, problem."""
        kind = node.kind
        if KINDS.get(kind.name) is not kind:
            yield "kind", f"{kind.name} of {kind.__module__}; must be registered"
            return
        fewest, most = kind.arity
        if not fewest <= len(inputs) <= (most or len(inputs)):
            yield "inputs", f"{len(inputs)} inputs; {kind.name} has {fewest} to {most or 'any'}"
            return
        signs = kind.reads in (Reads.SIGNS, Reads.UPRIGHT_SIGNS)
        for source in inputs:
            if source.kind.makes_signs != signs:
                yield "signs", f"{kind.name} reads {source.kind.name}; must read {kind.reads.value}"
        if node.params.keys() != kind.params.keys():
            known = ", ".join(kind.params) or "none"
            yield "parameters", f"has {', '.join(node.params) or 'none'}; {kind.name} has {known}"
            return
        sizes = {"C": inputs[0].layout.channels} if inputs else {}
        found = [
            (rule, f"{key} {problem}")
            for key, parameter in kind.params.items()
            for rule, problem in parameter.problems(node.params[key], sizes)
        ]
        yield from found
        if found:
            return
        yield from self._values(node)
        try:
            layout = kind.result(node.params, *(source.layout for source in inputs))
        except ShapeError as error:
            yield "layout", f"{kind.name} {error}"
            return
        if node.layout != layout:
            found_, want = (f"{v.shape} on {v.grid}" for v in (node.layout, layout))
            yield "layout", f"{found_}; {kind.name} makes {want}"

    def _values(self, node: Node) -> Iterator[tuple[str, str]]:
        for key, parameter in node.kind.params.items():
            value = node.params[key]
            if not parameter.values_matter or value is None:
                continue
            place = id(value), type(parameter)
            if self.values.get(place) is value:
                continue
            found = list(parameter.value_problems(value))
            yield from ((rule, f"{key} has {problem}") for rule, problem in found)
            if not found:
                self.values[place] = value
