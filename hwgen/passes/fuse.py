"""Float graph -> chains: what one integer op computes, an anchor and its post chain.

The post chain of the hardware (hwgen/ops/post.py) has its steps in a fixed order:

    y1 = anchor      y2 = y1 + pre      y3 = activation(y2)        y4 = y3 + mid
    y5 = a y4 + b    y6 = y5 + out      pooled = means of adjacent channels of y6

A chain starts at an anchor (a node that multiplies and accumulates) and takes the reader of its
value as long as there is only one and the next free step can do it; a residual must be the
finished value of an earlier chain. One sign can be taken of y3 or of y6; more signs of one value
become chains of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import networkx as nx
import numpy as np

from hwgen.engine.numerics import PARAM_BITS
from hwgen.errors import HwgenError, UnsupportedOpError, joined
from hwgen.floats.graph import FloatGraph
from hwgen.floats.kinds import (
    Activation,
    Add,
    Affine,
    Constant,
    Conv,
    Kind,
    Pool,
    Source,
    Upsample,
    View,
    XnorLinear,
    nearest,
)
from hwgen.floats.kinds.base import Node
from hwgen.passes.fixed import conv_bits

Y1, Y2, Y3, Y4, Y5, Y6 = range(1, 7)


@dataclass
class Chain:
    """One op to be. `before` and `after` are the nodes whose values are y1..y4 and y5, y6."""

    name: str
    anchor: Node
    before: list[str]
    after: list[str] = field(default_factory=list)
    pre: str | None = None
    act: Node | None = None
    mid: str | None = None
    aff: tuple[np.ndarray, np.ndarray] | None = None
    out: str | None = None
    pool: int = 0
    sign: Node | None = None
    bit_y3: bool = False
    store: bool = True
    final: str = ""  # node whose value is the stored feature
    stage: int = Y1

    @property
    def last(self) -> str:
        """Node whose value is y6."""
        return (self.after or self.before)[-1]

    def factors(self) -> np.ndarray | None:
        """What the anchor multiplies by; None where that follows from the data."""
        name = self.anchor.kind.factors
        return None if name is None else self.anchor[name]

    def factor_bits(self) -> int:
        """Bits of the integers that stand for `factors`."""
        return conv_bits(self.anchor) if self.anchor.kind is Conv else PARAM_BITS

    def offsets(self) -> tuple[np.ndarray, np.ndarray]:
        """What is added to y1 and to y5, real values of shape (C,) or ().

        An activation f(y2 - g) + z (`Activation.moves`): g goes into y1's bias and z through the
        affine step into y5's.
        """
        name = self.anchor.kind.offset
        before = np.zeros(()) if name is None else self.anchor[name]
        scale, after = self.aff or (np.ones(()), np.zeros(()))
        if self.moves is not None:
            g, z = self.moves
            before, after = before - g, after + scale * z
        return before, after

    @property
    def moves(self) -> tuple[np.ndarray, np.ndarray] | None:
        """(g, z) of an activation f(y2 - g) + z; None where there is none or it has neither."""
        if self.act is None:
            return None
        kind = self.act.kind
        assert issubclass(kind, Activation), f"{self.act.name} is no activation"
        if kind.moves is None:
            return None
        g, z = kind.moves
        return self.act[g], self.act[z]


class Fuser:
    """Covers the graph with chains, in the graph's order."""

    def __init__(self, graph: FloatGraph) -> None:
        self.graph = graph
        self.consumers = graph.consumers()
        self.place = {name: i for i, name in enumerate(graph.nodes)}
        self.chains: list[Chain] = []
        self.finals = {  # finished values
            n.name for n in graph.nodes.values() if issubclass(n.kind, Source)
        }
        self.taken: set[str] = set()
        self.signed: set[str] = set()  # signs that have a chain
        self.reasons: list[HwgenError] = []  # why values have none

    def _order(self) -> list[Node]:
        """The graph's order, but a layer to which an upsampled value is added comes after it."""
        nodes = self.graph.nodes
        order = nx.DiGraph()
        order.add_nodes_from(nodes)
        order.add_edges_from((i, n.name) for n in nodes.values() for i in n.inputs)
        for node in nodes.values():
            coarse = [i for i in node.inputs if nodes[i].kind is Upsample]
            if node.kind is not Add or not coarse:
                continue
            for name in set(node.inputs) - set(coarse):
                layer = self._layer(name)
                if layer is not None and not nx.has_path(order, layer, coarse[0]):
                    order.add_edge(coarse[0], layer)
        return [
            nodes[n] for n in nx.lexicographical_topological_sort(order, self.place.__getitem__)
        ]

    def _layer(self, name: str) -> str | None:
        """The last binary linear layer that ends in this value through elementwise steps."""
        node = self.graph.nodes[name]
        if node.kind is XnorLinear:
            return name
        found = [self._layer(i) for i in node.inputs] if node.kind.elementwise else []
        return max((layer for layer in found if layer), key=self.place.__getitem__, default=None)

    def run(self, network: str) -> list[Chain]:
        for node in self._order():
            if node.name in self.taken:
                continue
            if node.kind.anchor:
                self._check_sources(node)
                self._grow(Chain(node.name, node, [node.name]), node.name)
            elif node.kind.step:
                self._start_at(node)
        if not self.reasons:  # else values without a chain may have been signed
            self._check_signs()
        if self.reasons:
            raise joined(network, self.reasons)
        return self.chains

    def _check_signs(self) -> None:
        for node in self.graph.nodes.values():
            if node.kind.makes_signs and node.name not in self.signed:
                what = self.graph.nodes[node.inputs[0]].kind
                self.reasons.append(UnsupportedOpError(
                    node.name, f"a {node.kind.name} of a value after {what.name}",
                    "tile, pool and window_merge must feed a sum or the sign of a binary layer",
                ))  # fmt: skip

    def _check_sources(self, node: Node) -> None:
        for name in node.inputs:
            what = self.graph.nodes[name].kind
            if name not in self.finals and not what.makes_signs:
                self.reasons.append(UnsupportedOpError(
                    node.name, f"{node.kind.name} of a value after {what.name}",
                    "tile, pool and window_merge must feed a sum or the sign of a binary layer",
                ))  # fmt: skip

    def _start_at(self, node: Node) -> None:
        """A chain for an elementwise node that no anchor's chain could take."""
        source = next((i for i in node.inputs if i in self.finals), None)
        anchor = None
        if source is not None and self.graph.nodes[source].kind is not Constant:
            anchor = identity(node.name, self.graph.nodes[source])
        elif source is not None:
            source = next((i for i in node.inputs if i in self.finals and i != source), None)
            anchor = None if source is None else identity(node.name, self.graph.nodes[source])
        if anchor is not None and source is not None:
            chain = Chain(node.name, anchor, [source])
            if self._take(chain, source, node):
                self._grow(chain, node.name)
                return
        kinds = ", ".join(self.graph.nodes[i].kind.name for i in node.inputs)
        self.reasons.append(UnsupportedOpError(
            node.name, f"{node.kind.name} of {kinds}",
            "tile and window_merge must feed a sum with a binary layer of the same tokens",
        ))  # fmt: skip
        self.finals.add(node.name)  # what reads it is judged as if it had a chain

    def _grow(self, chain: Chain, current: str) -> None:
        while True:
            signs, readers = self._readers(current)
            if len(readers) != 1 or current == self.graph.output or chain.pool:
                break
            if signs and not self._sign_at_y3(chain, signs, readers[0]):
                break
            if not self._take(chain, current, readers[0]):
                if chain.bit_y3 and signs and chain.sign is signs[0]:
                    chain.sign, chain.bit_y3 = None, False
                break
            current = readers[0].name
        self._finish(chain, current)

    def _readers(self, name: str) -> tuple[list[Node], list[Node]]:
        readers = self.consumers[name]
        return (
            [r for r in readers if r.kind.makes_signs and r.name not in self.signed],
            [r for r in readers if not r.kind.makes_signs],
        )

    def _sign_at_y3(self, chain: Chain, signs: list[Node], reader: Node) -> bool:
        """Take the sign of y3 so that the chain can go on; false where it cannot."""
        if reader.kind is Pool:
            return True  # y6 is still there when it is pooled
        if len(signs) > 1 or chain.sign or chain.stage > Y3 or issubclass(reader.kind, Activation):
            return False
        chain.sign, chain.bit_y3, chain.stage = signs[0], True, Y3
        return True

    def residual(self, chain: Chain, name: str) -> str | None:
        """Finished value behind a residual operand that the anchor can address."""
        node = self.graph.nodes[name]
        if issubclass(node.kind, View) and node.kind.seen_by(node, chain.anchor):
            return self.residual(chain, node.inputs[0])
        return name if name in self.finals else None

    def _take(self, chain: Chain, current: str, node: Node) -> bool:
        """Make `node` the next step of the chain, if there is one for it."""
        take = nearest(self.STEPS, node.kind)
        if take is None or not take(self, chain, current, node):
            return False
        self.taken.add(node.name)
        return True

    def _take_sum(self, chain: Chain, current: str, node: Node) -> bool:
        others = [i for i in node.inputs if i != current]
        value = self.residual(chain, others[0]) if len(others) == 1 else None
        if value is None or chain.stage == Y6:
            return False
        if chain.stage == Y1 and chain.anchor.kind.frac is None:
            chain.pre, chain.stage = value, Y2
        elif chain.bit_y3 and chain.aff is None and chain.act is not None:
            self._rescale(chain)  # the sum may be coarser than the value whose sign is taken
            chain.out, chain.stage = value, Y6
        elif chain.stage <= Y3:
            chain.mid, chain.stage = value, Y4
        else:
            chain.out, chain.stage = value, Y6
        self._record(chain, node)
        return True

    def _take_activation(self, chain: Chain, current: str, node: Node) -> bool:
        if chain.stage > Y2:
            return False
        chain.act, chain.stage = node, Y3
        self._record(chain, node)
        if node.kind.frac is not None:  # its binary point is fixed; the affine step moves it
            self._rescale(chain)
        return True

    def _take_affine(self, chain: Chain, current: str, node: Node) -> bool:
        if chain.stage == Y6:
            return False
        a, b = chain.aff or (1.0, 0.0)
        chain.aff = (node["a"] * a, node["a"] * b + node["b"])
        chain.stage = Y5
        self._record(chain, node)
        return True

    def _take_pool(self, chain: Chain, current: str, node: Node) -> bool:
        if chain.anchor.kind.weights is None and chain.anchor.kind is not Affine:
            return False  # an instruction runs over the words of a token: it pools none
        chain.pool = node["factor"].bit_length() - 1
        return True

    @staticmethod
    def _record(chain: Chain, node: Node) -> None:
        """The node's value is y4 or y6 so far."""
        (chain.after if chain.stage >= Y5 and chain.aff else chain.before).append(node.name)

    STEPS: ClassVar[dict[type[Kind], Callable[..., bool]]] = {
        Add: _take_sum, Activation: _take_activation, Affine: _take_affine, Pool: _take_pool,
    }  # fmt: skip

    @staticmethod
    def _rescale(chain: Chain) -> None:
        channels = chain.anchor.layout.channels
        chain.aff, chain.stage = (np.ones(channels), np.zeros(channels)), Y5
        chain.after.append(chain.before[-1])

    def _finish(self, chain: Chain, current: str) -> None:
        if chain.anchor.kind.frac is not None and chain.aff is None:
            self._rescale(chain)
        if chain.aff is None and chain.mid and self.graph.nodes[chain.mid].kind is Constant:
            chain.mid, chain.out = chain.out, chain.mid  # equal sums; loaded as late as possible
        chain.final = current
        signs, readers = self._readers(chain.last)
        if chain.sign is not None and chain.bit_y3:
            signs = [s for s in signs if s is not chain.sign]
        elif signs:
            chain.sign = signs.pop(0)
        more = signs if not chain.pool else []
        if chain.pool:
            if signs:
                self.reasons.append(UnsupportedOpError(
                    chain.last, "two signs of a pooled value", "supported: one sign"
                ))  # fmt: skip
                self.signed |= {s.name for s in signs}
            more, readers = self._readers(current)
        chain.store = bool(readers or more) or current == self.graph.output
        if chain.act and chain.sign and readers and chain.stage == Y3 and not chain.pool:
            chain.bit_y3 = True
            self._rescale(chain)
        self.chains.append(chain)
        self.finals.add(current)
        self.signed |= {s.name for s in (chain.sign, *more) if s}
        for sign in more:
            source = self.graph.nodes[current]
            extra = Chain(sign.name, identity(sign.name, source), [current], sign=sign, store=False)
            extra.final = sign.name
            self.chains.append(extra)


def identity(name: str, source: Node) -> Node:
    """An affine node that changes nothing."""
    channels = source.layout.channels
    params = {"a": np.ones(channels), "b": np.zeros(channels)}
    return Node(name, Affine, (source.name,), params, source.layout)


def is_identity(node: Node) -> bool:
    """Whether a node is an affine that changes nothing."""
    return node.kind is Affine and bool((node["a"] == 1).all() and (node["b"] == 0).all())


def fuse(graph: FloatGraph, network: str = "the network") -> list[Chain]:
    """Chains in order of execution.

    network: its name in an error of several reasons.
    Raises: UnsupportedOpError for what no chain can take, all of it at once.
    """
    return Fuser(graph).run(network)
