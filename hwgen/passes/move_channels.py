"""Concatenations, slices and shuffles of channels become parts of the layers around them.

In this order, until none applies; what no rule takes stays a copy of channel words:

    composed    a gather of gathers is one; one that changes nothing is none
    stacked     layers of one source that are concatenated are one layer with all their outputs,
                and what follows each of them channel by channel follows that layer
    picked      of a layer of which slices alone are read, each slice is a layer of its outputs
    permuted    a shuffle whose readers end in layers with weights is a shuffle of their weights
    tiled       a value behind itself, added to something, is addressed again

Then gathers that are no whole words of 16 channels:

    divided     a layer of a concatenation is the sum of layers of its parts
    copied      a 1x1 convolution with weights 0 and 1
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hwgen.engine.numerics import LANE_CHANNELS
from hwgen.errors import UnsupportedOpError
from hwgen.floats.graph import FloatGraph
from hwgen.floats.kinds import (
    Activation,
    Add,
    AvgPool,
    ChannelFilter,
    Constant,
    Conv,
    CrossFilter,
    Gather,
    Input,
    MaxPool,
    PerChannel,
    Sign,
    Tile,
    TokenMean,
    View,
    WindowSum,
    XnorConv,
    XnorLinear,
)
from hwgen.floats.kinds.base import Node
from hwgen.floats.kinds.channels import pieces
from hwgen.passes.channel_nodes import (
    groups_of,
    joined,
    letters_of,
    make,
    plain,
    taken,
    tile,
    width_of,
)
from hwgen.passes.dedup import dedup

Array = np.ndarray
MOST_SOURCES = 4
EACH = (
    PerChannel,
    Activation,
    AvgPool,
    MaxPool,
    ChannelFilter,
    CrossFilter,
    TokenMean,
    WindowSum,
)  # channel by channel


def move_channels(graph: FloatGraph) -> FloatGraph:
    """The graph without `Gather` nodes, but for those that copy whole words.

    Raises: UnsupportedOpError for one in windows that is no whole words.
    """
    graph = _spread(graph)
    if not _gathers(graph):
        return graph
    graph = dedup(graph)
    for rules in ((composed, stacked, picked, permuted, tiled), (divided, copied)):
        before = None
        while before is not graph:
            before = graph
            found = (g for rule in rules for n in _gathers(graph) if (g := rule(graph, n)))
            graph = next(found, graph)
    images = (n for n in graph.nodes.values() if n.kind is Conv and n.inputs == (graph.image,))
    return graph.rewrite([n.with_(image=True) for n in images])


def _spread(graph: FloatGraph) -> FloatGraph:
    """A value behind itself that a sign or a layer reads, and no sum, is a gather for these."""
    made: dict[str, Node] = {}
    for node in graph.nodes.values():
        for name in dict.fromkeys(node.inputs):
            source = graph.nodes[name]
            if source.kind is not Tile or not (node.kind.makes_signs or node.kind.anchor):
                continue
            again, width = f"{name}.gather", source.layout.channels
            inner = width // source["times"]
            ones, zeros = np.ones(width), np.zeros(width)
            picks = tuple((0, c % inner) for c in range(width))
            params = {"picks": picks, "scale": ones, "bias": zeros}
            made[again] = Node(again, Gather, source.inputs, params, source.layout)
            reader = made.get(node.name, node)
            inputs = tuple(again if i == name else i for i in reader.inputs)
            made[node.name] = reader.with_(inputs=inputs)
    return graph.rewrite(made.values()) if made else graph


def _gathers(graph: FloatGraph) -> list[Node]:
    return [n for n in graph.nodes.values() if n.kind is Gather]


# -------------------------------------------------------------------------------------- rules


def composed(graph: FloatGraph, node: Node) -> FloatGraph | None:
    """Gathers before this one go into it; nothing is left of the identity."""
    sources = [graph.nodes[i] for i in node.inputs]
    wanted: list[tuple[str, int]] = []
    scale, bias = node["scale"].copy(), node["bias"].copy()
    for o, (i, c) in enumerate(node["picks"]):
        source = sources[i]
        if source.kind is Gather:
            inner, inside = source["picks"][c]
            wanted.append((source.inputs[inner], inside))
            bias[o] += scale[o] * source["bias"][c]
            scale[o] *= source["scale"][c]
        else:
            wanted.append((source.name, c))
    names = tuple(dict.fromkeys(name for name, _ in wanted))
    if len(names) > max(len(node.inputs), MOST_SOURCES):
        return None  # each channel that passes by many blocks would be read from where it was made
    picks = tuple((names.index(name), c) for name, c in wanted)
    made = node.with_(inputs=names, picks=picks, scale=scale, bias=bias)
    whole = picks == tuple((0, c) for c in range(graph.nodes[names[0]].layout.channels))
    if whole and plain(made):
        return graph.rewrite((), {node.name: names[0]})
    return graph.rewrite([made]) if names != node.inputs or picks != node["picks"] else None


def stacked(graph: FloatGraph, node: Node) -> FloatGraph | None:
    """A concatenation of layers alike, of one source."""
    if len(node.inputs) < 2 or not plain(node):
        return None
    made: dict[str, Node] = {}
    total = _stack(graph, [graph.nodes[i] for i in node.inputs], made)
    if total is None:
        return None
    widths = [graph.nodes[i].layout.channels for i in node.inputs]
    starts = np.cumsum([0, *widths])
    picks = tuple((0, int(starts[i]) + c) for i, c in node["picks"])
    return graph.rewrite([*made.values(), node.with_(inputs=(total.name,), picks=picks)])


def _stack(graph: FloatGraph, parts: list[Node], made: dict[str, Node]) -> Node | None:
    """A node whose channels are those of all parts; None where that is not free."""
    first, readers = parts[0], graph.consumers()
    kind, names = first.kind, [p.name for p in parts]
    alone = all(len(readers[n]) == 1 and n != graph.output for n in names)
    if not alone or len(set(names)) < len(names) or any(p.kind is not kind for p in parts):
        return None
    if any(len(p.inputs) != len(first.inputs) for p in parts):
        return None
    letter = "O" if kind.weights else "C"
    if kind.weights:
        if any(p.inputs != first.inputs or groups_of(p) > 1 for p in parts):
            return None
        inputs = [graph.nodes[first.inputs[0]]]
    elif issubclass(kind, EACH):
        source = _stack(graph, [graph.nodes[p.inputs[0]] for p in parts], made)
        if source is None:
            return None
        inputs = [source]
    elif kind is Add:
        terms = _stack_terms(graph, parts, made)
        if terms is None:
            return None
        inputs = terms
    else:
        return None
    params = joined(parts, letter)
    if params is None:
        return None
    return make(f"{first.name}.stacked", first, params, inputs, made)


def _stack_terms(graph: FloatGraph, parts: list[Node], made: dict[str, Node]) -> list[Node] | None:
    """The terms of a sum of stacked sums: one that all share is tiled, the others are stacked."""
    shared = [i for i in parts[0].inputs if all(i in p.inputs for p in parts)]
    if len(shared) > 1 or any(p.inputs.count(s) > 1 for p in parts for s in shared):
        return None
    rest = [[graph.nodes[i] for i in p.inputs if i not in shared] for p in parts]
    terms = []
    for term in zip(*rest):
        total = _stack(graph, list(term), made)
        if total is None:
            return None
        terms.append(total)
    if shared:
        source = graph.nodes[shared[0]]
        if source.layout.channels % LANE_CHANNELS or issubclass(source.kind, View):
            return None
        terms.append(tile(f"{parts[0].name}.tile", source, len(parts), made))
    return terms


def picked(graph: FloatGraph, node: Node) -> FloatGraph | None:
    """Slices of a layer that nothing else reads."""
    source, readers = graph.nodes[node.inputs[0]], graph.consumers()
    users = readers[source.name]
    if any(u.kind is not Gather or len(u.inputs) > 1 or not plain(u) for u in users):
        return None
    if sum(len(u["picks"]) for u in users) > source.layout.channels:
        return None  # some channels would be computed twice
    if not _pickable(graph, source, {u.name for u in users}, readers):
        return None
    made: dict[str, Node] = {}
    rename = {}
    for user in users:
        index = np.array([c for _, c in user["picks"]])
        rename[user.name] = _pick(graph, source, index, f".{user.name}", made).name
    return graph.rewrite(made.values(), rename)


def _pickable(
    graph: FloatGraph, node: Node, users: set[str], readers: dict[str, list[Node]]
) -> bool:
    if node.kind is Constant:
        return True
    if {r.name for r in readers[node.name]} - users or node.name == graph.output:
        return False
    if node.kind.weights:
        return groups_of(node) == 1
    if issubclass(node.kind, EACH) or node.kind is Add:
        sources = (graph.nodes[i] for i in node.inputs)
        return all(_pickable(graph, s, {node.name}, readers) for s in sources)
    return node.kind is Gather


def _pick(graph: FloatGraph, node: Node, index: Array, suffix: str, made: dict[str, Node]) -> Node:
    """A node of some channels of a node."""
    name = f"{node.name}{suffix}"
    if node.kind is Gather:
        params: dict[str, Any] = {k: node[k][index] for k in ("scale", "bias")}
        params["picks"] = tuple(node["picks"][c] for c in index)
        return make(name, node, params, [graph.nodes[i] for i in node.inputs], made)
    if node.kind.weights or node.kind is Constant:
        params = taken(node, "O" if node.kind.weights else "C", index)
        return make(name, node, params, [graph.nodes[i] for i in node.inputs], made)
    sources = [_pick(graph, graph.nodes[i], index, suffix, made) for i in node.inputs]
    return make(name, node, taken(node, "C", index), sources, made)


def permuted(graph: FloatGraph, node: Node) -> FloatGraph | None:
    """A shuffle of the inputs of layers."""
    source, channels = graph.nodes[node.inputs[0]], [c for _, c in node["picks"]]
    if len(node.inputs) > 1 or not plain(node):
        return None
    if sorted(channels) != list(range(source.layout.channels)):
        return None
    readers = graph.consumers()
    if not _absorbs(graph, node.name, readers):
        return None
    back = np.argsort(channels)
    changed: dict[str, Node] = {}
    left = [(node, source.name)]
    while left:
        old, name = left.pop()
        for reader in readers[old.name]:
            reader = changed.get(reader.name, reader)
            letter = "C" if "C" in letters_of(reader) else "D"
            params = taken(reader, letter, back)
            inputs = tuple(name if i == old.name else i for i in reader.inputs)
            changed[reader.name] = reader.with_(inputs=inputs, **params)
            if not reader.kind.weights:
                left.append((changed[reader.name], reader.name))
    return graph.rewrite(changed.values())


def _absorbs(graph: FloatGraph, name: str, readers: dict[str, list[Node]]) -> bool:
    if name == graph.output:
        return False
    return all(
        groups_of(r) == 1
        if r.kind.weights
        else issubclass(r.kind, EACH) and _absorbs(graph, r.name, readers)
        for r in readers[name]
    )


def tiled(graph: FloatGraph, node: Node) -> FloatGraph | None:
    """A value behind itself that sums alone read."""
    source = graph.nodes[node.inputs[0]]
    times, rest = divmod(len(node["picks"]), source.layout.channels)
    whole = [(0, c) for c in range(source.layout.channels)]
    if rest or list(node["picks"]) != whole * times or not plain(node):
        return None
    if source.layout.channels % LANE_CHANNELS or node.name == graph.output:
        return None
    for reader in graph.consumers()[node.name]:
        others = [graph.nodes[i].kind for i in reader.inputs if i != node.name]
        views = any(issubclass(k, View) or k is Gather for k in others)
        if reader.kind is not Add or len(others) != 1 or views:
            return None
    made: dict[str, Node] = {}
    return graph.rewrite([tile(node.name, source, times, made)])


def divided(graph: FloatGraph, node: Node) -> FloatGraph | None:
    """Every layer that reads the parts, directly or their signs, reads each of them."""
    if aligned(graph, node):
        return None
    readers = graph.consumers()
    users = readers[node.name]
    signs = [u for u in users if u.kind is Sign]
    layers = [u for u in users if u.kind is Conv] + [r for s in signs for r in readers[s.name]]
    known = all(u.kind is Conv or u.kind is Sign for u in users)
    if not known or node.name == graph.output or any(groups_of(n) > 1 for n in layers):
        return None
    if signs and not (plain(node) and _each_once(graph, node)):
        return None
    if node["bias"].any() and any(n["padding"] for n in layers if n.kind is Conv):
        return None  # zeros around the bias are no bias
    if any(n.kind not in (Conv, XnorConv, XnorLinear) for n in layers):
        return None
    made: dict[str, Node] = {}
    changed, rename = [], {}
    parts = [
        np.array([o for o, (i, _) in enumerate(node["picks"]) if i == k])
        for k in range(len(node.inputs))
    ]
    for layer in layers:
        terms = []
        for k, (name, outputs) in enumerate(zip(node.inputs, parts)):
            source = graph.nodes[name]
            column = np.array([node["picks"][o][1] for o in outputs])
            if layer.kind is Conv:
                params = _columns(node, layer, source, outputs, column)
            else:
                sign = graph.nodes[layer.inputs[0]]
                back = outputs[np.argsort(column)]
                given = {p: sign[p][back] for p in ("a", "b")}
                source = make(f"{sign.name}.of{k}", sign, given, [source], made)
                params = {"sign": layer["sign"][..., back]}
            if k:
                params["bias"] = np.zeros(layer.layout.channels)
            terms.append(make(f"{layer.name}.of{k}", layer, params, [source], made))
        if len(terms) == 1:
            rename[layer.name] = terms[0].name
        else:
            names = tuple(t.name for t in terms)
            changed.append(Node(layer.name, Add, names, {}, layer.layout))
    return graph.rewrite([*made.values(), *changed], rename)


def _columns(
    node: Node, layer: Node, source: Node, outputs: Array, column: Array
) -> dict[str, Array]:
    """Parameters of a convolution of one input of the gather that it reads."""
    scale, weight = node["scale"], layer["weight"]
    place = np.eye(source.layout.channels)[column]
    mine = (weight[..., outputs] * scale[outputs]) @ place
    bias = layer["bias"] + weight.sum((1, 2)) @ node["bias"]
    return {"weight": mine, "bias": bias, "pad": np.zeros(source.layout.channels)}


def _each_once(graph: FloatGraph, node: Node) -> bool:
    every = [(i, c) for i, n in enumerate(node.inputs) for c in range(width_of(graph, n))]
    return sorted(node["picks"]) == every


def copied(graph: FloatGraph, node: Node) -> FloatGraph | None:
    """Convolutions that copy."""
    if aligned(graph, node):
        return None
    if node.layout.grid == (0, 0):
        raise UnsupportedOpError(
            node.name, "channels moved in windows",
            f"supported: of multiples of {LANE_CHANNELS} channels",
        )  # fmt: skip
    made: dict[str, Node] = {}
    names = []
    for k, name in enumerate(node.inputs):
        weight = np.zeros((len(node["picks"]), 1, 1, width_of(graph, name)))
        for o, (i, c) in enumerate(node["picks"]):
            if i == k:
                weight[o, 0, 0, c] = node["scale"][o]
        bias = node["bias"] if k == 0 else np.zeros(len(weight))
        params = {"weight": weight, "bias": bias, "stride": 1, "padding": 0,
                  "pad": np.zeros(weight.shape[-1]), "quad": False,
                  "image": name == graph.image}  # fmt: skip
        own = node.name if len(node.inputs) == 1 else f"{node.name}.of{k}"
        made[own] = Node(own, Conv, (name,), params, node.layout)
        names.append(own)
    if len(names) > 1:
        made[node.name] = Node(node.name, Add, tuple(names), {}, node.layout)
    return graph.rewrite(made.values())


def aligned(graph: FloatGraph, node: Node) -> bool:
    """Whether a gather copies whole words of 16 channels."""
    numbers = [n for _, c, count in pieces(node["picks"]) for n in (c, count)]
    numbers += [width_of(graph, name) for name in node.inputs]
    image = any(graph.nodes[i].kind in (Input, Constant) for i in node.inputs)
    return not image and all(n % LANE_CHANNELS == 0 for n in numbers)
