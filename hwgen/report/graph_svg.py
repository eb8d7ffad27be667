"""The dataflow graph as SVG: one layered drawing per block, blocks of equal structure only once.

A node is a dict {name, op, unit, shape, inputs}; `inputs` are names of other nodes (or of the
graph's inputs). Layers are longest paths; edges over several layers go through empty slots, so
that no line crosses a box. The order in a layer is the usual barycentre heuristic.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise, takewhile

from hwgen.engine.isa import CMP_SOURCE
from hwgen.report.cycles import module_path

BOX_W, BOX_H = 156, 46
SLOT_W = 14
GAP_X, GAP_Y = 14, 26
SWEEPS = 8
MAX_NODES = 60

# One colour class per kind of unit; the template's CSS gives the colours. Compute instructions have
# that of their source; other names (of instructions, of units of the RTL) that of a part of them.
SOURCE_CLASSES = {"xnor": "xnor", "att": "attention", "mac": "lanes"}
NAME_CLASSES = (
    ("norm", "norm"),
    ("xnor", "xnor"),
    ("array", "xnor"),
    ("att", "attention"),
    ("store", "memory"),
    ("dma", "memory"),
    ("ld", "memory"),
    ("load", "memory"),
    ("mem", "memory"),
    ("mac", "lanes"),
    ("post", "lanes"),
    ("lane", "lanes"),
)
CLASSES = (*dict.fromkeys([*SOURCE_CLASSES.values(), *(c for _, c in NAME_CLASSES)]), "other")


@dataclass(frozen=True)
class Block:
    """A drawn block: its label, the SVG, and the labels of blocks with the same structure."""

    name: str
    svg: str
    nodes: int
    same: tuple[str, ...]


def unit_class(unit: str | None) -> str:
    """The colour class of a unit's or an instruction's name."""
    name = unit or ""
    if name.startswith("LN"):
        return "norm"
    if name in CMP_SOURCE:
        return SOURCE_CLASSES[CMP_SOURCE[name]]
    return next((value for key, value in NAME_CLASSES if key in name.lower()), "other")


def block_labels(names: Sequence[str], largest: int = MAX_NODES) -> list[str]:
    """A block for each name: its module path up to the first number (`stages.0`).

    Blocks of more than `largest` nodes are split at the next number (`stages.0.blocks.1`); names
    without a number go by what follows the prefix that all longer names share.
    """
    paths = [module_path(name) for name in names]
    shared = _shared_length([path for path in paths if len(path) > 1])
    labels = [".".join(_upto_number(path, 1) or path[: shared + 1]) for path in paths]
    for level in range(2, 5):
        size = Counter(labels)
        labels = [
            ".".join(_upto_number(path, level)) or label if size[label] > largest else label
            for path, label in zip(paths, labels)
        ]
    return labels


def _shared_length(paths: Sequence[tuple[str, ...]]) -> int:
    heads = zip(*paths) if paths else ()
    return sum(1 for _ in takewhile(lambda parts: len(set(parts)) == 1, heads))


def _upto_number(path: tuple[str, ...], level: int) -> tuple[str, ...]:
    at = [k for k, part in enumerate(path) if part.isdigit()]
    return path[: at[level - 1] + 1] if len(at) >= level else ()


def draw_blocks(nodes: Sequence[Mapping]) -> list[Block]:
    """One drawing per structurally different block, in the order of the graph."""
    labels = block_labels([node["name"] for node in nodes])
    blocks: dict[str, list[Mapping]] = {}
    for node, label in zip(nodes, labels):
        blocks.setdefault(label, []).append(node)
    same: dict[tuple, list[str]] = {}
    for label, members in blocks.items():
        same.setdefault(_structure(label, members), []).append(label)
    return [
        Block(names[0], _draw(names[0], blocks[names[0]]), len(blocks[names[0]]), tuple(names[1:]))
        for names in same.values()
    ]


def _structure(label: str, members: Sequence[Mapping]) -> tuple:
    index = {node["name"]: k for k, node in enumerate(members)}
    return tuple(
        (
            _inner_name(label, node["name"]),
            node.get("op"),
            node.get("unit"),
            tuple(node.get("shape") or ()),
            tuple(index.get(name, -1) for name in node.get("inputs", ())),
        )
        for node in members
    )


def _inner_name(label: str, name: str) -> str:
    return name.removeprefix(label).lstrip(".") if name != label else module_path(name)[-1]


def _layers(members: Sequence[Mapping]) -> dict[str, int]:
    inputs = {node["name"]: node.get("inputs", ()) for node in members}
    depth: dict[str, int] = {}
    for name in inputs:  # nodes come in topological order
        known = [depth[source] for source in inputs[name] if source in depth]
        depth[name] = max(known, default=-1) + 1
    return depth


@dataclass
class _Slot:
    """A box, or one layer's pass-through of a long edge."""

    layer: int
    width: float
    node: Mapping | None = None
    x: float = 0.0


def _draw(label: str, members: Sequence[Mapping]) -> str:
    depth = _layers(members)
    slots = {n["name"]: _Slot(depth[n["name"]], BOX_W, n) for n in members}
    chains: list[list[_Slot]] = []
    passing: list[_Slot] = []
    outside: dict[str, list[str]] = {}
    for node in members:
        end = slots[node["name"]]
        for source in node.get("inputs", ()):
            start = slots.get(source)
            if start is None:
                outside.setdefault(node["name"], []).append(source)
                continue
            between = [_Slot(k, SLOT_W) for k in range(start.layer + 1, end.layer)]
            passing += between
            chains.append([start, *between, end])
    rows: list[list[_Slot]] = [[] for _ in range(max(depth.values(), default=0) + 1)]
    for slot in (*slots.values(), *passing):
        rows[slot.layer].append(slot)
    _place(rows, chains)
    left = min((slot.x for row in rows for slot in row), default=0.0)
    for row in rows:
        for slot in row:
            slot.x -= left
    width = max((slot.x + slot.width for row in rows for slot in row), default=BOX_W) + 2
    height = len(rows) * (BOX_H + GAP_Y) + GAP_Y / 2
    parts = [_edge(chain) for chain in chains]
    for name, slot in slots.items():
        parts.append(_box(label, slot, outside.get(name, []), slot.layer > 0))
    return (
        f'<svg class="graph" viewBox="-1 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" role="img" aria-label="dataflow of {escape(label)}">'
        + "".join(parts)
        + "</svg>"
    )


def _top(slot: _Slot) -> float:
    return GAP_Y + slot.layer * (BOX_H + GAP_Y)


def _place(rows: list[list[_Slot]], chains: list[list[_Slot]]) -> None:
    above: dict[int, list[_Slot]] = {}
    below: dict[int, list[_Slot]] = {}
    for chain in chains:
        for a, b in pairwise(chain):
            below.setdefault(id(a), []).append(b)
            above.setdefault(id(b), []).append(a)
    for row in rows:
        _pack(row, [0.0] * len(row))
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        near = above if down else below
        for row in rows if down else reversed(rows):
            wish = {id(slot): _wish(slot, near.get(id(slot), [])) for slot in row}
            row.sort(key=lambda slot: wish[id(slot)])
            _pack(row, [wish[id(slot)] - slot.width / 2 for slot in row])


def _wish(slot: _Slot, near: list[_Slot]) -> float:
    centres = [other.x + other.width / 2 for other in near]
    return sum(centres) / len(centres) if centres else slot.x + slot.width / 2


def _pack(row: list[_Slot], wish: list[float]) -> None:
    """x near the wish, in order, without overlap: the mean of packing from either side."""
    edge = float("-inf")
    right = []
    for slot, x in zip(row, wish):
        edge = max(edge, x)
        right.append(edge)
        edge += slot.width + GAP_X
    edge = float("inf")
    left = []
    for slot, x in zip(reversed(row), reversed(wish)):
        edge = min(edge - slot.width, x)
        left.append(edge)
        edge -= GAP_X
    for slot, a, b in zip(row, right, reversed(left)):
        slot.x = (a + b) / 2


def _edge(chain: list[_Slot]) -> str:
    x = chain[0].x + chain[0].width / 2
    y = _top(chain[0]) + BOX_H
    path = [f"M{x:.1f} {y:.1f}"]
    for slot in chain[1:]:
        to_x, to_y = slot.x + slot.width / 2, _top(slot)
        bend = (to_y - y) / 2
        path.append(f"C{x:.1f} {y + bend:.1f} {to_x:.1f} {to_y - bend:.1f} {to_x:.1f} {to_y:.1f}")
        x, y = to_x, to_y
        if slot.node is None:
            y = to_y + BOX_H
            path.append(f"V{y:.1f}")
    return f'<path class="edge" d="{"".join(path)}"/>'


def _clip(text: str, length: int) -> str:
    return text if len(text) <= length else "…" + text[-length + 1 :]


def _box(label: str, slot: _Slot, outside: list[str], inner: bool) -> str:
    node = slot.node
    assert node is not None, "a pass-through has no box"
    x, y = slot.x, _top(slot)
    shape = " × ".join(map(str, node.get("shape") or ()))
    title = f"{node['name']}: {node.get('op', '')} on {node.get('unit') or 'no unit'}, {shape}"
    if outside:
        title += f"; from {', '.join(outside)}"
    colour = unit_class(node.get("unit"))
    stub = ""
    if outside:
        # Inner edges arrive in the middle: with those, the note goes to the left corner.
        at, anchor, length = (x + 12, "start", 12) if inner else (x + BOX_W / 2, "middle", 24)
        source = module_path(outside[0])[-1] if inner else outside[0]
        text = _clip(source, length) + (f" +{len(outside) - 1}" if len(outside) > 1 else "")
        stub = (
            f'<path class="edge stub" d="M{at:.1f} {y - 9:.1f}V{y:.1f}"/>'
            f'<text class="from" style="text-anchor:{anchor}" '
            f'x="{at - (8 if inner else 0):.1f}" y="{y - 11:.1f}">{escape(text)}</text>'
        )
    rows = (
        ("op", 15, _clip(str(node.get("op", "")), 21)),
        ("name", 28, _clip(_inner_name(label, node["name"]), 23)),
        ("shape", 40, _clip(shape, 23)),
    )
    text = "".join(
        f'<text class="{kind}" x="{x + 12:.1f}" y="{y + dy:.1f}">{escape(line)}</text>'
        for kind, dy, line in rows
    )
    return (
        f"<g><title>{escape(title)}</title>{stub}"
        f'<rect class="box" x="{x:.1f}" y="{y:.1f}" width="{BOX_W}" height="{BOX_H}" rx="5"/>'
        f'<rect class="u-{colour}" x="{x:.1f}" y="{y:.1f}" width="5" height="{BOX_H}" rx="2"/>'
        f"{text}</g>"
    )
