"""XnorLinear and XnorConv: tiles of L outputs x KW columns, activations streamed past."""

from __future__ import annotations

import numpy as np

from hwgen.engine.sides import both
from hwgen.errors import FitError
from hwgen.ops.xnor import Slices, XnorConv
from hwgen.schedule.builder import Builder
from hwgen.schedule.plan import Part
from hwgen.schedule.steps.common import (
    Walk,
    row_range,
)
from hwgen.schedule.steps.registry import step
from hwgen.schedule.steps.tiles import Run, linear_chunks, row_runs, tile_passes

Array = np.ndarray


@step("XnorConv")
def xnor_conv(b: Builder, op: XnorConv, part: Part | None) -> None:
    (_conv3x3 if op.windows else _conv_taps)(b, op, part)


def _conv3x3(b: Builder, op: XnorConv, part: Part | None) -> None:
    s, place = b.s, b.places[op.sources[0]]
    lanes, (height, width) = s.lanes, op.in_grid
    out_channels, _, _, cg = op.weight.shape
    group_out = out_channels // op.groups
    signed_weight = op.weight.astype(np.int64) * 2 - 1
    last = op.last_border(row_range(part, height))
    for j in range(out_channels // lanes):
        rows = slice(j * lanes, (j + 1) * lanes)
        read = op.slices(j, s)
        own = _own_channels(op, rows, read)
        tiles, chunks = [], []
        for bit, n in read.spans:
            at = {"a_base": bit // s.kw * s.row_elements, "g_base": bit % s.kw // s.gu}
            for other in (1, 0) if read.paired else (1,):
                tiles.append(_tile(op, rows, own, (bit, n), other, s.gs))
                chunks.append(at | {"g_len": n // s.gu})
        om, m = _border_offsets(signed_weight[rows]), op.m[rows]
        if read.paired:  # twice the sum, and each column of another group counts in one of the two
            if (m % 2).any():
                raise FitError(
                    op.name, f"{op.groups} groups of {out_channels // op.groups} outputs",
                    f"lanes={lanes}, gs={s.gs} and gu={s.gu} cannot read them at once",
                    "--set none of these, or groups of powers of two",
                )  # fmt: skip
            others = 9 * (sum(n for _, n in read.spans) - cg)
            om, m = 2 * om - 2 * others, m // 2
        walks = []
        for y, n in row_runs(b, width, row_range(part, height), len(tiles)):
            walk = Walk(width, n, 1, width, xd=both(op.dilation)[1], token0=y * width, word0=j)
            source = {
                "a_base": place.address(y * width),
                "a_s2": place.stride,
                "a_s3": place.step(width),
                "g_base": 0,
                "g_step": lanes // read.beside * cg // group_out // s.gu * (read.beside > 1),
                "g_qsh": {1: 2, 2: 1, 4: 0}[read.beside],
                "g_len": 0,
                "y0": y,
                "height": height,
                "width": width,
            }
            walks.append(Run(walk, source))
        tile_passes(b, op, j, tiles, chunks, walks, om[: last + 1], m)


def _own_channels(op: XnorConv, rows: slice, read: Slices) -> Array:
    """First channel of every lane's group, where slices begin: those that parts of the lanes read
    beside each other are counted as the first part's."""
    cg, group_out = op.weight.shape[-1], len(op.weight) // op.groups
    group = np.arange(rows.start, rows.stop) // group_out
    if read.beside > 1:
        parts = group.reshape(read.beside, -1)
        group = (parts - parts[:, :1] + group[0]).ravel()
    return group * cg


def _tile(
    op: XnorConv, rows: slice, own: Array, span: tuple[int, int], other: int, slot: int
) -> Array:
    """(L, 9 slot) weights of a slice in column order, `other` outside a lane's own channels."""
    (bit, n), cg = span, op.weight.shape[-1]
    channel = bit + np.arange(n) - own[:, None]  # of its group
    mine = (channel >= 0) & (channel < cg)
    lane = np.arange(len(own))[:, None]
    tile = np.ones((len(own), 9 * slot), dtype=np.int64)
    for dy in range(3):
        for dx in range(3):
            weight = op.weight[rows, dy, dx][lane, np.clip(channel, 0, cg - 1)]
            at = (3 * dx + dy) * slot
            tile[:, at : at + n] = np.where(mine, weight, other)
    return tile


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


def _side_by_side(b: Builder, op: XnorConv, part: Part | None, count: int) -> bool:
    """Whether the `count` tokens from every stride-th on are always one piece of a row of BM."""
    place, width, row = b.places[op.sources[0]], op.in_grid[1], b.s.row_elements
    rows = np.array(op.source_rows(*row_range(part, op.out_grid()[0])))
    token = rows[:, None] * width + np.arange(0, width, both(op.stride)[1])
    whole = place.stride * b.s.lanes == op.weight.shape[-1]
    return whole and bool((place.address(token) % row + count * place.stride <= row).all())


def _conv_taps(b: Builder, op: XnorConv, part: Part | None) -> None:
    """Any kernel, stride, padding and dilation: a chunk is a piece of a token under one tap, or of
    neighbouring tokens under neighbouring taps.

    Results at the border leave out the taps outside the image, so every kind of row with every kind
    of column has runs and an offset of its own.
    """
    lanes, place = b.s.lanes, b.places[op.sources[0]]
    width, (oh, ow), (stride, step) = op.in_grid[1], op.out_grid(), both(op.stride)
    (out_channels, *kernel, c), dilation = op.weight.shape, both(op.dilation)
    group_out = out_channels // op.groups
    if op.groups > 1 and (c % lanes or group_out % lanes):
        raise FitError(
            op.name,
            f"groups of {c} inputs and {group_out} outputs with stride {op.stride}",
            f"must be multiples of lanes={lanes}",
            "--set lanes=16",
        )
    pieces = op.neighbours(b.s)
    most = max(count for _, count in pieces)
    if most > 1 and not _side_by_side(b, op, part, most):
        pieces = [(tap, 1) for tap in range(kernel[1])]
    kinds = [(rows, columns) for rows in op.spans(0) for columns in op.spans(1)]
    om = np.array([-len(rows.taps) * len(columns.taps) * c for rows, columns in kinds])
    y0, count = row_range(part, oh)
    for j in range(out_channels // lanes):
        word = op.weight[j * lanes : (j + 1) * lanes]
        first = j * lanes // group_out * c // lanes  # element with the group's first channel
        taps, tiles, chunks = [], [], []
        for ky in range(kernel[0]):
            for kx, across in pieces:
                base = place.step(ky * dilation[0] * width) + kx * dilation[1] * place.stride
                weight = word[:, ky, kx : kx + across].reshape(lanes, -1)
                for e, n in linear_chunks(b, across * c, first):
                    taps.append((ky, kx))
                    tiles.append(weight[:, (e - first) * lanes : (e - first + n) * lanes])
                    chunks.append({"a_base": base + e, "a_elems": n})
        runs = []
        for kind, (rows, columns) in enumerate(kinds):
            top = max(rows.first, y0)
            bottom = min(rows.first + rows.size, y0 + count)
            if top >= bottom:
                continue
            inside = [
                i for i, (ky, kx) in enumerate(taps) if ky in rows.taps and kx in columns.taps
            ]
            # the first in the image
            ky, kx = (t.taps[0] * d for t, d in zip((rows, columns), dilation))
            down, right = (k - p for k, p in zip((ky, kx), both(op.padding)))
            for y, n in row_runs(b, columns.size, (top, bottom - top), len(inside)):
                walk = Walk(columns.size, n, 1, ow, token0=y * ow + columns.first, word0=j)
                seen = (stride * y + down) * width + step * columns.first + right
                source = {
                    "a_base": place.address(seen) - place.step(ky * width) - kx * place.stride,
                    "a_s2": step * place.stride,
                    "a_s3": place.step(stride * width),
                }
                runs.append(Run(walk, source, chunks=inside, om=kind))
        tile_passes(b, op, j, tiles, chunks, runs, np.repeat(om[:, None], lanes, 1))
