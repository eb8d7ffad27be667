"""XnorLinear and XnorConv: tiles of L outputs x KW columns, activations streamed past."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from hwgen.errors import FitError
from hwgen.ops.xnor import XnorConv, XnorLinear
from hwgen.schedule.builder import Block, Builder
from hwgen.schedule.plan import Part
from hwgen.schedule.steps import step
from hwgen.schedule.steps.common import (
    Walk,
    channel_words,
    post_fields,
    post_slots,
    results,
    row_range,
    row_width,
    token_range,
)

Array = np.ndarray


def tile_words(b: Builder, columns: Array) -> Array:
    """LDW words (n, L) of a weight tile (L, columns) in {0, 1}; unused columns are 1."""
    lanes, k = columns.shape
    n = -(-k // 16)
    padded = np.ones((lanes, n * 16), dtype=np.int64)
    padded[:, :k] = columns
    words = (padded.reshape(lanes, n, 16) << np.arange(16)).sum(-1).T
    return ((words + 32768) & 65535) - 32768


@dataclass(frozen=True)
class _Run:
    """Results that an instruction per chunk computes.

    residual: walks of operands that differ from the results'; chunks: those whose taps lie inside
    the image (None: all); om: slot of the offsets, from the first.
    """

    walk: Walk
    source: dict[str, int]
    residual: dict[str, Walk] = field(default_factory=dict)
    chunks: list[int] | None = None
    om: int = 0


def _passes(
    b: Builder, op, j: int, tiles: list[Array], chunks: list[dict], runs: list[_Run], om: Array
) -> None:
    """Instructions of output word j: every run goes through its chunks.

    chunks: source field offsets per tile. A tile that the array has is not loaded again, and none
    comes twice from DDR if all fit in half of the weight buffer (the rest is for the next word).
    """
    params = b.load(
        cm=channel_words(b, op.m, j, 1), om=om, qm=post_slots(b, op, j, 1)
    )  # one LOAD for the word's constants
    words = [tile_words(b, tile) for tile in tiles]
    stay = 2 * sum(map(len, words)) <= b.s.wb_words
    loaded: dict[int, Block] = {}
    current = -1  # tile in the array
    for run in runs:
        mine = list(range(len(tiles))) if run.chunks is None else run.chunks
        for c in mine:
            swap = c != current
            if swap:
                if c not in loaded or not stay:
                    loaded[c] = b.load(wb=words[c])
                b.weights(loaded[c], tiles[c].shape[1])
                current = c
            first, last = c == mine[0], c == mine[-1]
            if last:
                b.beside.finish(j)
            fields, streams, dst, bit = results(b, op, run.walk, run.residual)
            if not last:
                keep = {k: fields[k] for k in ("n2", "n3", "xd")}
                fields, streams, dst, bit = keep, {}, None, None
            source = run.source
            fields |= source | {k: source.get(k, 0) + v for k, v in chunks[c].items()}
            load = max(params.load, loaded[c].load)
            block = Block(load, 0, params.cm, params.om, params.qm, params.sizes)
            b.compute(
                "XCONV" if "g_len" in source else "XLIN", block, [op.sources[0]], streams, dst, bit,
                swap=int(swap), psum_first=int(first), psum_last=int(last), n0=1, n1=1,
                cm_base=params.cm, om_base=params.om + run.om, q_base=params.qm,
                **post_fields(op), **fields,
            )  # fmt: skip
            if not last:
                b.beside.fill(run.walk.n2 * run.walk.n3)


def _rows(b: Builder, width: int, part: tuple[int, int], chunks: int) -> list[tuple[int, int]]:
    """Runs of rows (first, count) whose results fit the partial-sum memory (and the counters)."""
    limit = b.s.ps_words if chunks > 1 else 4095 * 4095
    if width > limit:
        raise FitError(
            b.step,
            f"{width} results a row",
            f"ps_words={b.s.ps_words} hold fewer",
            f"--set ps_words={width}",
        )
    first, height = part
    rows = min(height, max(1, limit // width), 4095)
    return [(first + y, min(rows, height - y)) for y in range(0, height, rows)]


def _linear_chunks(b: Builder, channels: int, first: int = 0) -> list[tuple[int, int]]:
    """(first element, elements) pieces of a token, none crossing a row of the bit memory.

    first: element of the token with the first of the channels.
    """
    row, end, pieces = b.s.row_elements, first + -(-channels // b.s.lanes), []
    while first < end:
        pieces.append((first, min(row - first % row, end - first)))
        first += pieces[-1][1]
    return pieces


@step("XnorLinear")
def xnor_linear(b: Builder, op: XnorLinear, part: Part | None) -> None:
    lanes, place = b.s.lanes, b.places[op.sources[0]]
    out_words, k = op.weight.shape[0] // lanes, op.weight.shape[1]
    pieces = _linear_chunks(b, k)
    chunks = [{"a_base": e, "a_elems": n} for e, n in pieces]
    source_type = b.types[op.sources[0]]
    for j in range(out_words):
        rows = op.weight[j * lanes : (j + 1) * lanes]
        tiles = [rows[:, e * lanes : (e + n) * lanes] for e, n in pieces]
        walks = []
        if op.unwindow:
            w = op.unwindow
            out = op.feature or op.bits
            width = out.grid[1]
            per_row = width // w
            for win in range(source_type.shape[0]):
                token0 = (win // per_row * w) * width + win % per_row * w
                walk = Walk(w, w, 1, width, xd=1, token0=token0, word0=j)
                inside = Walk(w, w, 1, w, token0=win * w * w, word0=j)
                residual = {
                    n: inside
                    for n in ("pre", "mid", "out")
                    if (t := getattr(op.post, n)) and len(b.types[t].shape) == 3
                }
                source = {
                    "a_base": place.address(win * w * w),
                    "a_s2": place.stride,
                    "a_s3": w * place.stride,
                }
                walks.append(_Run(walk, source, residual))
        elif factor := _coarse(b, op):
            _rows(b, (op.feature or op.bits).grid[1], (0, 1), len(pieces))  # a walk is a row
            walks = _repeated(b, op, part, factor, j)
        elif width := row_width(b, op):
            for y, n in _rows(b, width, row_range(part, source_type.tokens // width), len(pieces)):
                walk = Walk(width, n, 1, width, token0=y * width, word0=j)
                source = {
                    "a_base": place.address(y * width),
                    "a_s2": place.stride,
                    "a_s3": place.step(width),
                }
                walks.append(_Run(walk, source))
        else:
            first, tokens = token_range(op, part)
            limit = min(4095, b.s.ps_words if len(pieces) > 1 else 4095)
            for t in range(first, first + tokens, limit):
                walk = Walk(min(limit, first + tokens - t), 1, 1, 0, token0=t, word0=j)
                source = {"a_base": place.address(t), "a_s2": place.stride, "a_s3": 0}
                walks.append(_Run(walk, source))
        om = np.full((1, lanes), -k, dtype=np.int64)
        _passes(b, op, j, tiles, chunks, walks, om)


def _coarse(b: Builder, op: XnorLinear) -> int:
    """Cells that share one of a residual's on a coarser grid, along a side; 0 without one."""
    tokens = (op.feature or op.bits).tokens
    sizes = {b.types[t].tokens for t in (op.post.pre, op.post.mid, op.post.out) if t}
    factors = {math.isqrt(tokens // n) for n in sizes if n != tokens}
    assert len(factors) < 2, f"{op.name}: residuals on grids that are {factors} times coarser"
    return factors.pop() if factors else 0


def _repeated(b: Builder, op: XnorLinear, part: Part | None, factor: int, j: int) -> list[_Run]:
    """Runs of one image row each: level 2 runs over the cells of a cell of the coarser grid."""
    place, (height, width) = b.places[op.sources[0]], (op.feature or op.bits).grid
    across, walks = width // factor, []
    first, count = row_range(part, height)
    for y in range(first, first + count):
        walk = Walk(factor, across, 1, factor, token0=y * width, word0=j)
        above = Walk(factor, across, 0, 1, token0=y // factor * across, word0=j)
        residual = {
            n: above
            for n in ("pre", "mid", "out")
            if (t := getattr(op.post, n)) and b.types[t].tokens == across * (height // factor)
        }
        source = {
            "a_base": place.address(y * width),
            "a_s2": place.stride,
            "a_s3": factor * place.stride,
        }
        walks.append(_Run(walk, source, residual))
    return walks


@step("XnorConv")
def xnor_conv(b: Builder, op: XnorConv, part: Part | None) -> None:
    if op.stride == 1:
        _conv3x3(b, op, part)
    elif op.padding:
        _conv3x3_half(b, op, part)
    else:
        _conv_patches(b, op, part)


def _conv3x3(b: Builder, op: XnorConv, part: Part | None) -> None:
    s, place = b.s, b.places[op.sources[0]]
    lanes, (height, width) = s.lanes, op.in_grid
    out_channels, _, _, cg = op.weight.shape
    group_out = out_channels // op.groups
    quarter = lanes // 4
    if cg % s.gu:
        raise FitError(
            op.name,
            f"{cg} channels per group",
            f"must be a multiple of gu={s.gu}",
            f"--set gu={cg & -cg}",
        )
    per_word = max(1, lanes // group_out)  # groups that one output word spans
    if per_word not in (1, 2, 4) or group_out % quarter:
        raise FitError(
            op.name,
            f"{group_out} outputs per group",
            f"{quarter} lanes must share a group",
            "use fewer groups",
        )
    g_qsh = {1: 2, 2: 1, 4: 0}[per_word]
    slices = [(c, min(s.gs, cg - c)) for c in range(0, cg, s.gs)]
    signed_weight = op.weight.astype(np.int64) * 2 - 1
    for j in range(out_channels // lanes):
        rows = slice(j * lanes, (j + 1) * lanes)
        first_group = j * lanes // group_out
        tiles, chunks = [], []
        for c, n in slices:
            tile = np.ones((lanes, 9 * s.gs), dtype=np.int64)
            for dy in range(3):
                for dx in range(3):
                    at = (3 * dx + dy) * s.gs
                    tile[:, at : at + n] = op.weight[rows, dy, dx, c : c + n]
            bit = first_group * cg + c
            last = bit + (per_word - 1) * cg + n - 1
            if last // lanes - bit // lanes > 1 or last // s.kw != bit // s.kw:
                raise FitError(
                    op.name,
                    f"bits {bit} to {last} for one output word",
                    f"must lie in two neighbouring elements of {lanes} bits, in one row of {s.kw}",
                    "use fewer groups or powers of two of channels",
                )
            tiles.append(tile)
            chunks.append(
                {
                    "a_base": bit // s.kw * s.row_elements,
                    "g_base": bit % s.kw // s.gu,
                    "g_len": n // s.gu,
                }
            )
        om = _border_offsets(signed_weight[rows])
        walks = []
        for y, n in _rows(b, width, row_range(part, height), len(slices)):
            walk = Walk(width, n, 1, width, xd=op.dilation, token0=y * width, word0=j)
            source = {
                "a_base": place.address(y * width),
                "a_s2": place.stride,
                "a_s3": place.step(width),
                "g_base": 0,
                "g_step": cg // s.gu if per_word > 1 else 0,
                "g_qsh": g_qsh,
                "g_len": 0,
                "y0": y,
                "height": height,
                "width": width,
            }
            walks.append(_Run(walk, source))
        _passes(b, op, j, tiles, chunks, walks, om)


def _border_offsets(w: Array) -> Array:
    """(16, L) offsets -K + sum of the weights of outside taps; pattern {below, above, right, left}.

    w (L, 3, 3, C/groups) in +-1; an outside tap is read as bits 0, which stand for -1.
    """
    per_tap = w.sum(-1)
    total = int(np.prod(w.shape[1:]))
    out = np.empty((16, w.shape[0]), dtype=np.int64)
    for pattern in range(16):
        left, right, above, below = (pattern >> k & 1 for k in range(4))
        outside = np.zeros((3, 3), dtype=bool)
        outside[:, 0] |= bool(left)
        outside[:, 2] |= bool(right)
        outside[0] |= bool(above)
        outside[2] |= bool(below)
        out[pattern] = -total + per_tap[:, outside].sum(-1)
    return out


def _neighbours(b: Builder, op: XnorConv, part: Part | None) -> int:
    """Elements of the `stride` tokens from every stride-th on, if these are always one piece of a
    row of BM, else 0."""
    place, k = b.places[op.sources[0]], op.stride
    (height, width), row = op.in_grid, b.s.row_elements
    run = k * place.stride
    rows = np.array(op.source_rows(*row_range(part, height // k)))
    token = rows[:, None] * width + np.arange(0, width, k)
    whole = place.stride * b.s.lanes == op.weight.shape[-1]
    return run if whole and (place.address(token) % row + run <= row).all() else 0


def _conv_patches(b: Builder, op: XnorConv, part: Part | None) -> None:
    lanes, place = b.s.lanes, b.places[op.sources[0]]
    (height, width), k = op.in_grid, op.stride
    out_channels, _, _, c = op.weight.shape
    ow, oh = width // k, height // k
    pieces, across = _linear_chunks(b, c), k
    run = _neighbours(b, op, part)
    if run:  # the taps of a kernel row are one piece
        pieces, across, c = [(0, run)], 1, k * c
    taps = [(dy, dx, e, n) for dy in range(k) for dx in range(across) for e, n in pieces]
    chunks = [{"a_base": place.step(dy * width + dx) + e, "a_elems": n} for dy, dx, e, n in taps]
    weight = op.weight.reshape(out_channels, k, across, c)
    for j in range(out_channels // lanes):
        rows = weight[j * lanes : (j + 1) * lanes]
        tiles = [rows[:, dy, dx, e * lanes : (e + n) * lanes] for dy, dx, e, n in taps]
        walks = []
        for y, n in _rows(b, ow, row_range(part, oh), len(taps)):
            walk = Walk(ow, n, 1, ow, token0=y * ow, word0=j)
            source = {
                "a_base": place.address(y * k * width),
                "a_s2": k * place.stride,
                "a_s3": place.step(k * width),
            }
            walks.append(_Run(walk, source))
        om = np.full((1, lanes), -op.weight[0].size, dtype=np.int64)
        _passes(b, op, j, tiles, chunks, walks, om)


def _conv3x3_half(b: Builder, op: XnorConv, part: Part | None) -> None:
    """3x3, stride 2, padding 1 on an even grid: a chunk is a piece of a token under one tap, or two
    whole tokens under neighbouring taps.

    The results of the top row and of the left column leave out the taps outside the image, so the
    four kinds of results (inside, left, top, corner) have runs and an offset of their own.
    """
    lanes, place = b.s.lanes, b.places[op.sources[0]]
    (height, width), (out_channels, _, _, c) = op.in_grid, op.weight.shape
    oh, ow, group_out = height // 2, width // 2, out_channels // op.groups
    if op.groups > 1 and (c % lanes or group_out % lanes):
        raise FitError(
            op.name,
            f"groups of {c} inputs and {group_out} outputs with stride 2",
            f"must be multiples of lanes={lanes}",
            "--set lanes=16",
        )
    pair = _neighbours(b, op, part)
    om = np.array([-(3 - top) * (3 - left) * c for top in (0, 1) for left in (0, 1)])
    for j in range(out_channels // lanes):
        rows = op.weight[j * lanes : (j + 1) * lanes]
        first = j * lanes // group_out * c // lanes  # element with the group's first channel
        taps, tiles, chunks = [], [], []
        for ky in range(3):
            for kx, count in ((0, 1), (1, 2)) if pair else ((0, 1), (1, 1), (2, 1)):
                base = place.step((ky - 1) * width) + (kx - 1) * place.stride
                weight = rows[:, ky, kx : kx + count].reshape(lanes, -1)
                for e, n in _linear_chunks(b, count * c, first):
                    taps.append((ky, kx))
                    tiles.append(weight[:, (e - first) * lanes : (e - first + n) * lanes])
                    chunks.append({"a_base": base + e, "a_elems": n})
        runs = []
        y0, count_out = row_range(part, oh)
        edge = int(y0 == 0)  # rows at the top of the image
        for top, y1, rows_out in ((1, 0, edge), (0, y0 + edge, count_out - edge)):
            for left, x0, columns in ((1, 0, 1), (0, 1, ow - 1)):
                inside = [i for i, (ky, kx) in enumerate(taps) if ky >= top and kx >= left]
                some = rows_out and columns
                for y, n in _rows(b, columns, (y1, rows_out), len(inside)) if some else ():
                    walk = Walk(columns, n, 1, ow, token0=y * ow + x0, word0=j)
                    source = {
                        "a_base": place.address(2 * (y * width + x0)),
                        "a_s2": 2 * place.stride,
                        "a_s3": place.step(2 * width),
                    }
                    runs.append(_Run(walk, source, chunks=inside, om=2 * top + left))
        _passes(b, op, j, tiles, chunks, runs, np.repeat(om[:, None], lanes, 1))
