"""XnorLinear and XnorConv: tiles of L outputs x KW columns, activations streamed past."""

from __future__ import annotations

import numpy as np

from hwgen.errors import FitError
from hwgen.ops.xnor import XnorConv
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
    if cg % s.gu:
        raise FitError(
            op.name,
            f"{cg} channels per group",
            f"must be a multiple of gu={s.gu}",
            f"--set gu={cg & -cg}",
        )
    per_word = max(1, lanes // group_out)  # groups that one output word spans
    whole = group_out % lanes == 0 or per_word * group_out == lanes
    if per_word not in (1, 2, 4) or not whole:
        raise FitError(
            op.name,
            f"{group_out} outputs per group",
            f"a word of {lanes} lanes must lie in one group, or hold 2 or 4 whole groups",
            f"use groups of a multiple of {lanes} outputs",
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
        for y, n in row_runs(b, width, row_range(part, height), len(slices)):
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
            walks.append(Run(walk, source))
        tile_passes(b, op, j, tiles, chunks, walks, om)


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
    pieces, across = linear_chunks(b, c), k
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
        for y, n in row_runs(b, ow, row_range(part, oh), len(taps)):
            walk = Walk(ow, n, 1, ow, token0=y * ow, word0=j)
            source = {
                "a_base": place.address(y * k * width),
                "a_s2": k * place.stride,
                "a_s3": place.step(k * width),
            }
            walks.append(Run(walk, source))
        om = np.full((1, lanes), -op.weight[0].size, dtype=np.int64)
        tile_passes(b, op, j, tiles, chunks, walks, om)


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
                for e, n in linear_chunks(b, count * c, first):
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
                for y, n in row_runs(b, columns, (y1, rows_out), len(inside)) if some else ():
                    walk = Walk(columns, n, 1, ow, token0=y * ow + x0, word0=j)
                    source = {
                        "a_base": place.address(2 * (y * width + x0)),
                        "a_s2": 2 * place.stride,
                        "a_s3": place.step(2 * width),
                    }
                    runs.append(Run(walk, source, chunks=inside, om=2 * top + left))
        tile_passes(b, op, j, tiles, chunks, runs, np.repeat(om[:, None], lanes, 1))
