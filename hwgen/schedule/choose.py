"""Sizes of the engine for a network and a target."""

from __future__ import annotations

from hwgen.errors import FitError, HwgenError
from hwgen.ir.graph import Graph
from hwgen.ops.dense import PatchConv
from hwgen.ops.xnor import XnorConv, XnorLinear
from hwgen.schedule.placement import bit_stride, demand
from hwgen.schedule.sizing import Sizing
from hwgen.targets import Target

BLOCK_DEPTH = 512  # words of a block RAM in its widest shape
KW_DEFAULT = 128


def choose(graph: Graph, target: Target, overrides: dict[str, str | int] | None = None) -> Sizing:
    """Sizes that hold the network; `overrides` (name -> value) win.

    lanes: the largest of 64, 32, 16 that divides every channel count. Memories: what the placement
    needs, in whole block RAMs. Raises HwgenError for an override that is no size or not a number.
    """
    fixed = _integers(overrides or {})
    if "array_bits" in fixed:
        bits = fixed.pop("array_bits")
        fixed.setdefault("kw", bits // fixed.get("lanes", _lanes(graph)))
    lanes = fixed.get("lanes", _lanes(graph))
    for name, t in graph.types().items():
        if t.kind != "image" and t.channels % lanes:
            raise FitError(
                name,
                f"{t.channels} channels",
                f"lanes={lanes} must divide them",
                f"--set lanes={_lanes(graph)}",
            )
    kw = fixed.get("kw", max(KW_DEFAULT, lanes))
    gs = fixed.get("gs", min(lanes, 1 << ((kw // 9).bit_length() - 1)))
    base = Sizing(
        lanes=lanes, kw=kw, gs=gs, gu=fixed.get("gu", min(gs, _group_unit(graph))),
        axi_bits=fixed.get("axi_bits", min(target.axi_bits, lanes * 8)),
        act_bits=fixed.get("act_bits", 16), strip_tokens=fixed.get("strip_tokens", 0),
    )  # fmt: skip
    fm, tm, bm = demand(graph, base)
    sized = base.replace(
        fm_words=_blocks(fm), tm_words=_blocks(tm), bm_rows=4 * _blocks(-(-bm // 4)),
        wb_words=_blocks(2 * _largest_record(graph, base)),
        ps_words=max(256, _widest_partial(graph, base)),
    )  # fmt: skip
    return sized.replace(**fixed)


def _integers(overrides: dict[str, str | int]) -> dict[str, int]:
    known = {"array_bits", *Sizing.__dataclass_fields__}
    out = {}
    for name, value in overrides.items():
        if name not in known:
            raise HwgenError(
                "--set", name, "is not a size of the engine", f"use {', '.join(sorted(known))}"
            )
        try:
            out[name] = int(value)
        except ValueError:
            raise HwgenError(
                "--set", f"{name}={value}", "must be a whole number", f"for example {name}=64"
            ) from None
    return out


def _lanes(graph: Graph) -> int:
    channels = [t.channels for t in graph.types().values() if t.kind != "image"]
    for lanes in (64, 32, 16):
        if all(c % lanes == 0 for c in channels):
            return lanes
    odd = next(n for n, t in graph.types().items() if t.kind != "image" and t.channels % 16)
    raise FitError(odd, "channels", "must be a multiple of 16 lanes", "widen the layer")


def _group_unit(graph: Graph) -> int:
    """Largest power of two that divides every group slice of a 3x3 convolution."""
    unit = 1 << 6
    for op in graph.ops:
        if isinstance(op, XnorConv) and op.stride == 1:
            cg = op.weight.shape[-1]
            unit = min(unit, cg & -cg)
    return unit


def _blocks(words: int) -> int:
    return max(1, -(-words // BLOCK_DEPTH)) * BLOCK_DEPTH


def _largest_record(graph: Graph, s: Sizing) -> int:
    dense = [op.weight[0].size for op in graph.ops if isinstance(op, PatchConv)]
    return max([s.kw // 16, *dense])


def _widest_partial(graph: Graph, s: Sizing) -> int:
    """Results of one row of the widest convolution that needs several chunks."""
    widest = 0
    for op in graph.ops:
        if isinstance(op, XnorConv):
            chunks = op.stride**2 if op.stride > 1 else -(-op.weight.shape[-1] // s.gs)
            chunks = max(chunks, bit_stride(op.weight.shape[-1], s) // s.row_elements)
            if chunks > 1:
                widest = max(widest, op.in_grid[1] // op.stride)
        elif isinstance(op, XnorLinear) and op.unwindow and op.weight.shape[1] > s.kw:
            widest = max(widest, op.unwindow**2)
    return widest
