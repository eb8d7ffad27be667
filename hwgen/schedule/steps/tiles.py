"""Weight tiles of the XNOR array and the instructions that run over them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from hwgen.errors import FitError
from hwgen.schedule.buffers import Record
from hwgen.schedule.builder import Builder
from hwgen.schedule.steps.common import (
    Walk,
    channel_words,
    post_fields,
    post_slots,
    results,
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


GROUPS = 8  # of tiles that one LOAD brings, in WB


@dataclass(frozen=True)
class Run:
    """Results that an instruction per chunk computes.

    residual: walks of operands that differ from the results'; chunks: those whose taps lie inside
    the image (None: all); om: slot of the offsets, from the first.
    """

    walk: Walk
    source: dict[str, int]
    residual: dict[str, Walk] = field(default_factory=dict)
    chunks: list[int] | None = None
    om: int = 0


def tile_passes(
    b: Builder,
    op,
    j: int,
    tiles: list[Array],
    chunks: list[dict],
    runs: list[Run],
    om: Array,
    m: Array | None = None,
) -> None:
    """Instructions of output word j: every run goes through its chunks.

    chunks: source field offsets per tile. m: the word's multipliers; None: the op's. A tile that
    the array has is not loaded again. One LOAD brings the word's constants and its first tiles.
    """
    cm = channel_words(b, op.m, j, 1) if m is None else m[None]
    words = [tile_words(b, tile) for tile in tiles]
    order = [list(range(len(tiles))) if run.chunks is None else run.chunks for run in runs]
    seen = sorted({c for mine in order for c in mine})
    groups = _groups({c: len(words[c]) for c in seen}, b.s.wb_words // GROUPS)
    weights = [Record.of(wb=np.concatenate([words[c] for c in group])) for group in groups]
    home = {c: k for k, group in enumerate(groups) for c in group}
    constants = Record.of(cm=cm, qm=post_slots(b, op, j, 1))
    params, offsets, _ = b.bring(constants, Record.of(om=om), weights[home[order[0][0]]])
    b.held += [params, offsets]
    to_come = Counter(home[c] for mine in order for c in mine)
    current, loaded = -1, 0  # tile in the array, and the dma count after which it is there
    for run, mine in zip(runs, order):
        for c in mine:
            k = home[c]
            to_come[k] -= 1
            swap = c != current
            if swap:
                (block,) = b.bring(weights[k], again=to_come[k] > 0)
                before = sum(len(words[other]) for other in groups[k] if other < c)
                b.weights(block, before, tiles[c].shape[1])
                current, loaded = c, block.load
            first, last = c == mine[0], c == mine[-1]
            if last:
                b.beside.finish(j)
            fields, streams, dst, bit = results(b, op, run.walk, run.residual)
            if not last:
                keep = {k: fields[k] for k in ("n2", "n3", "xd")}
                fields, streams, dst, bit = keep, {}, None, None
            source = run.source
            fields |= source | {k: source.get(k, 0) + v for k, v in chunks[c].items()}
            b.compute(
                "XCONV" if "g_len" in source else "XLIN", (params, offsets), [op.sources[0]],
                streams, dst, bit, wait_dma=loaded, swap=int(swap), psum_first=int(first),
                psum_last=int(last), n0=1, n1=1, cm_base=params.cm, om_base=offsets.om + run.om,
                q_base=params.qm, **post_fields(op), **fields,
            )  # fmt: skip
            if not last:
                b.beside.fill(run.walk.n2 * run.walk.n3)
    b.held = [block for block in b.held if block not in (params, offsets)]


def _groups(sizes: dict[int, int], limit: int) -> list[list[int]]:
    """Tiles, of so many words, that come together: at most `limit` words, or one tile."""
    groups: list[list[int]] = []
    for c, size in sizes.items():
        if groups and sum(sizes[other] for other in groups[-1]) + size <= limit:
            groups[-1].append(c)
        else:
            groups.append([c])
    return groups


def row_runs(b: Builder, width: int, part: tuple[int, int], chunks: int) -> list[tuple[int, int]]:
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


def linear_chunks(b: Builder, channels: int, first: int = 0) -> list[tuple[int, int]]:
    """(first element, elements) pieces of a token, none crossing a row of the bit memory.

    first: element of the token with the first of the channels.
    """
    row, end, pieces = b.s.row_elements, first + -(-channels // b.s.lanes), []
    while first < end:
        pieces.append((first, min(row - first % row, end - first)))
        first += pieces[-1][1]
    return pieces
