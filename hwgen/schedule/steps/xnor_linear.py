"""Program of XnorLinear: XLIN, a weight tile after the other."""

from __future__ import annotations

import math

import numpy as np

from hwgen.ops.xnor import XnorLinear
from hwgen.schedule.builder import Builder
from hwgen.schedule.plan import Part
from hwgen.schedule.steps.common import (
    Walk,
    row_range,
    row_width,
    token_range,
)
from hwgen.schedule.steps.registry import step
from hwgen.schedule.steps.tiles import Run, linear_chunks, row_runs, tile_passes


@step("XnorLinear")
def xnor_linear(b: Builder, op: XnorLinear, part: Part | None) -> None:
    lanes, place = b.s.lanes, b.places[op.sources[0]]
    out_words, k = op.weight.shape[0] // lanes, op.weight.shape[1]
    pieces = linear_chunks(b, k)
    chunks = [{"a_base": e, "a_elems": n} for e, n in pieces]
    source_type = b.types[op.sources[0]]
    for j in range(out_words):
        rows = op.weight[j * lanes : (j + 1) * lanes]
        tiles = [rows[:, e * lanes : (e + n) * lanes] for e, n in pieces]
        walks = []
        if op.unwindow:
            walks = _from_windows(b, op, part, j)
        elif factor := _coarse(b, op):
            row_runs(b, op.out.grid[1], (0, 1), len(pieces))  # a walk is a row
            walks = _repeated(b, op, part, factor, j)
        elif width := row_width(b, op):
            for y, n in row_runs(
                b, width, row_range(part, source_type.tokens // width), len(pieces)
            ):
                walk = Walk(width, n, 1, width, token0=y * width, word0=j)
                source = {
                    "a_base": place.address(y * width),
                    "a_s2": place.stride,
                    "a_s3": place.step(width),
                }
                walks.append(Run(walk, source))
        else:
            first, tokens = token_range(op, part)
            limit = min(4095, b.s.ps_words if len(pieces) > 1 else 4095)
            for t in range(first, first + tokens, limit):
                walk = Walk(min(limit, first + tokens - t), 1, 1, 0, token0=t, word0=j)
                source = {"a_base": place.address(t), "a_s2": place.stride, "a_s3": 0}
                walks.append(Run(walk, source))
        om = np.full((1, lanes), -k, dtype=np.int64)
        tile_passes(b, op, j, tiles, chunks, walks, om)


def _from_windows(b: Builder, op: XnorLinear, part: Part | None, j: int) -> list[Run]:
    """Runs of the rows of a part that lie in one window each."""
    place, w, (height, width) = b.places[op.sources[0]], op.unwindow, op.out.grid
    windowed = [
        n for n in ("pre", "mid", "out")
        if (t := getattr(op.post, n)) and len(b.types[t].shape) == 3
    ]  # fmt: skip
    first, rows = row_range(part, height)
    runs, y = [], first
    while y < first + rows:
        count = min(w - y % w, first + rows - y)
        for x in range(0, width, w):
            win = y // w * (width // w) + x // w
            token = (win * w + y % w) * w  # in windows
            walk = Walk(w, count, 1, width, xd=1, token0=y * width + x, word0=j)
            inside = Walk(w, count, 1, w, token0=token, word0=j)
            source = {
                "a_base": place.address(token),
                "a_s2": place.stride,
                "a_s3": w * place.stride,
            }
            runs.append(Run(walk, source, dict.fromkeys(windowed, inside)))
        y += count
    return runs


def _coarse(b: Builder, op: XnorLinear) -> int:
    """Cells that share one of a residual's on a coarser grid, along a side; 0 without one."""
    tokens = op.out.tokens
    sizes = {b.types[t].tokens for t in (op.post.pre, op.post.mid, op.post.out) if t}
    factors = {math.isqrt(tokens // n) for n in sizes if n != tokens}
    assert len(factors) < 2, f"{op.name}: residuals on grids that are {factors} times coarser"
    return factors.pop() if factors else 0


def _repeated(b: Builder, op: XnorLinear, part: Part | None, factor: int, j: int) -> list[Run]:
    """Runs of one image row each: level 2 runs over the cells of a cell of the coarser grid."""
    place, (height, width) = b.places[op.sources[0]], op.out.grid
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
        walks.append(Run(walk, source, residual))
    return walks
