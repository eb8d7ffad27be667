"""MACV steps: affine maps, filters, pools, window mixes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from hwgen.engine import isa
from hwgen.ops.base import Op
from hwgen.ops.cross_filter import CrossFilter
from hwgen.ops.vector import CROSS_REACH, AvgPool, Pointwise, TokenMean
from hwgen.ops.window import MergeMean, MergePool, WindowMix, merge_cells
from hwgen.schedule.buffers import Block
from hwgen.schedule.builder import Builder
from hwgen.schedule.hazards import Instruction
from hwgen.schedule.plan import Part
from hwgen.schedule.steps.common import (
    Walk,
    channel_words,
    post_fields,
    post_slots,
    results,
    row_range,
    row_width,
    set_taps,
    token_range,
    window_range,
    word_groups,
)
from hwgen.schedule.steps.registry import step
from hwgen.units.compute_unit import mac_cycles

GROUP = 8  # channel words whose constants are resident together
STENCIL_ROWS = (0, -2, -1, 1, 2, 3)  # image rows of a column, in the order in which they are read
# (dy, dx) of the products: a beat takes one of each bank. Beats read row 0 first, whose newest word
# is the multiplier's own; in the other beats that word belongs to no tap.
STENCIL = (
    (0, 2), (0, 1), (0, 0), (0, -1),
    None, (0, -2), (-2, 0), (-1, 0),
    None, (1, 0), (2, 0), None,
)  # fmt: skip


def _macv(
    b: Builder,
    op: Op,
    block: Block,
    walk: Walk,
    source: dict[str, int],
    residual: dict[str, Walk] | None = None,
    more: dict[str, int] | None = None,
) -> Instruction:
    fields, streams, dst, bit = results(b, op, walk, residual or {})
    place = b.places[op.sources[0]]
    fields |= {"n0": 1, "n1": 1, "src_mem": place.memory, "cm_base": block.cm, "q_base": block.qm}
    fields |= post_fields(op) | source | (more or {})
    return b.compute("MACV", block, list(op.sources), streams, dst, bit, **fields)


def cycling(count: int) -> dict[str, int]:
    """Slots that follow the channel word, level 2."""
    return {"cm_mask": count - 1, "cm_s2": 1, "q_mask": count - 1}


def split_tokens(first: int, tokens: int, limit: int = 4095) -> list[tuple[int, int]]:
    return [(first + t, min(limit, tokens - t)) for t in range(0, tokens, limit)]


@step("Pointwise")
def pointwise(b: Builder, op: Pointwise, part: Part | None) -> None:
    place, (start, tokens) = b.places[op.sources[0]], token_range(op, part)
    for first, count in word_groups(place.words, GROUP):
        block = b.load(cm=channel_words(b, op.m, first, count), qm=post_slots(b, op, first, count))
        width = row_width(b, op)
        if width or op.post.pool:  # a channel word an instruction
            runs = [(start, tokens)] if width else split_tokens(start, tokens)
            for k, (t, n) in product(range(count), runs):
                row = width or n
                walk = Walk(row, n // row, 1, row, token0=t, word0=first + k)
                source = {
                    "src_base": place.address(t, first + k),
                    "src_s2": place.stride,
                    "src_s3": row * place.stride,
                }
                own = {"cm_base": block.cm + k, "q_base": block.qm + k}
                _macv(b, op, block, walk, source, more=own)
            continue
        for t, n in split_tokens(start, tokens):
            walk = Walk(count, n, 0, 1, w2=1, token0=t, word0=first)
            source = {"src_base": place.address(t, first), "src_s2": 1, "src_s3": place.stride}
            _macv(b, op, block, walk, source, more=cycling(count))


@step("WindowMix")
def window_mix(b: Builder, op: WindowMix, part: Part | None) -> None:
    place, source_type = b.places[op.sources[0]], b.types[op.sources[0]]
    inside, w2 = source_type.shape[1], op.window**2
    for first, count in word_groups(place.words, GROUP):
        block = b.load(cm=channel_words(b, op.m, first, count), qm=post_slots(b, op, first, count))
        for win in window_range(op, part):
            walk = Walk(count, w2, 0, 1, w2=1, token0=win * w2, word0=first)
            row = {"pre": Walk(count, w2, 0, 0, w2=1, token0=win, word0=first)}
            source = {
                "src_base": place.address(win * inside, first),
                "src_s2": 1,
                "src_s3": place.stride,
            }
            _macv(b, op, block, walk, source, row, cycling(count))


@step("CrossFilter")
def cross_filter(b: Builder, op: CrossFilter, part: Part | None) -> None:
    if op.is_cross:
        for _ in stencil(b, op, part):
            pass
        return
    place, (height, width) = b.places[op.sources[0]], op.in_grid
    assert len(op.offsets) <= isa.TAPS
    runs: list[
        tuple[int, int, tuple[int | None, ...]]
    ] = []  # rows that wrap alike: first, count, row offsets
    first, count = row_range(part, height)
    for y in range(first, first + count):
        rows = tuple(_row(b, op, y + dy, y) for dy, _ in op.offsets)
        if runs and runs[-1][2] == rows:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1, rows)
        else:
            runs.append((y, 1, rows))
    for word in range(place.words):
        m = np.stack([channel_words(b, row, word, 1)[0] for row in op.m])
        block = b.load(cm=m, qm=post_slots(b, op, word, 1))
        for y, count, rows in runs:
            columns = [dx if op.padded else wrapped(dx, width) for _, dx in op.offsets]
            _taps(b, op, word, list(zip(rows, columns, strict=True)))
            walk = Walk(width, count, 1, width, token0=y * width, word0=word)
            source = {
                "src_taps": 1,
                "src_base": place.address(y * width, word),
                "src_s3": width * place.stride,
                "src_s2": place.stride,
                "n0": len(rows),
                "cm_s0": 1,
            }
            _macv(b, op, block, walk, source)


def _row(b: Builder, op: CrossFilter, row: int, origin: int) -> int | None:
    """Image row of a tap, counted from `origin`; None: outside the image of a padded filter.

    Reloaded rows lie in their order beyond both ends; what is not there is a tap of no result."""
    height, reloaded = op.in_grid[0], b.places[op.sources[0]].rows
    if op.padded and not 0 <= row < height:
        return None
    if reloaded is not None:
        return min(row, reloaded[-1]) - origin
    return (row if op.padded else row % height) - origin


def _taps(b: Builder, op: CrossFilter, word: int, taps: list[tuple[int | None, int]]) -> None:
    """The tap table: (rows down, None: outside; columns right) from an instruction's address."""
    place, width = b.places[op.sources[0]], op.in_grid[1]
    pitch = width * place.stride
    offsets = [(None if down is None else down * pitch, dx) for down, dx in taps]
    pad = b.places[op.sources[1]].address(0, word) if op.padded else None
    set_taps(b, offsets, width, place.stride, pad)


def stencil(b: Builder, op: CrossFilter, part: Part | None) -> Iterator[tuple[int, int]]:
    """Two image rows an instruction, with the weights in the four banks of CM; word by word.

    Yields after every instruction (its beats, the words that are complete).
    """
    place, (height, width) = b.places[op.sources[0]], op.in_grid
    weight = dict(zip(op.offsets, op.m, strict=True))
    none = np.zeros_like(op.m[0])
    cells = np.stack([none if cell is None else weight.get(cell, none) for cell in STENCIL])
    first, rows = row_range(part, height)
    for word in range(place.words):
        cm = [channel_words(b, m, word, 1)[0] for m in cells]
        block = b.load(cm=np.stack(cm), cm_quad=True, qm=post_slots(b, op, word, 1))
        b.held.append(block)  # a host's parameters are loaded meanwhile
        pairs = _pairs(first, rows, height, word % 2 == 1)
        for y in pairs:
            _taps(b, op, word, [(_row(b, op, y + dy, y), -CROSS_REACH) for dy in STENCIL_ROWS])
            walk = Walk(min(2, first + rows - y), width, width, 1, token0=y * width, word0=word)
            source = {
                "stencil": 1, "src_taps": 1, "n0": 3, "n1": 2, "cm_s0": 1,
                "src_base": place.address(y * width, word), "src_s2": place.stride,
            }  # fmt: skip
            ins = _macv(b, op, block, walk, source)
            if y == pairs[-1]:
                b.held.remove(block)
            yield mac_cycles(ins.fields), word + (y == pairs[-1])


def _pairs(first: int, rows: int, height: int, odd: bool) -> list[int]:
    """First rows of the pairs: those with the same taps together, the last not the first rows.

    A word begins with the taps of the word before; what adds the result reads from row `first` on
    and need not wait when that was written long ago.
    """
    pairs = range(first, first + rows, 2)
    low = -min(STENCIL_ROWS)
    inside = [y for y in pairs if y >= low and y + max(STENCIL_ROWS) < height]
    top = [y for y in pairs if y < low]
    bottom = [y for y in pairs if y not in (*inside, *top)]
    return [*bottom, *top, *inside] if odd and inside else [*inside, *top, *bottom]


def wrapped(dx: int, width: int) -> int:
    """dx reduced to -width < dx < width (a circular shift by more is the same)."""
    return int(np.fmod(dx, width))


@step("AvgPool")
def avg_pool(b: Builder, op: AvgPool, part: Part | None) -> None:
    place, (height, width), k = b.places[op.sources[0]], op.in_grid, op.kernel
    first, rows = row_range(part, height // k)
    for word in range(place.words):
        block = b.load(cm=channel_words(b, op.m, word, 1), qm=post_slots(b, op, word, 1))
        walk = Walk(width // k, rows, 1, width // k, token0=first * (width // k), word0=word)
        source = {
            "src_base": place.address(k * first * width, word),
            "n0": k,
            "n1": k,
            "src_s0": place.stride,
            "src_s1": width * place.stride,
            "src_s2": k * place.stride,
            "src_s3": k * width * place.stride,
        }
        _macv(b, op, block, walk, source)


@step("MergePool")
def merge_pool(b: Builder, op: MergePool, part: Part | None) -> None:
    place, (height, width), w = b.places[op.sources[0]], op.in_grid, op.window
    across, (start, tokens) = width // w, token_range(op, part)
    for first, count in word_groups(place.words, GROUP):
        block = b.load(cm=channel_words(b, op.m, first, count), qm=post_slots(b, op, first, count))
        for token in range(start, start + tokens):
            rows, cols = (
                merge_cells(w, token // across, height),
                merge_cells(w, token % across, width),
            )
            walk = Walk(count, 1, 0, 0, w2=1, token0=token, word0=first)
            source = {
                "src_base": place.address(rows.start * width + cols.start, first),
                "n0": len(cols),
                "n1": len(rows),
                "src_s0": place.stride,
                "src_s1": width * place.stride,
                "src_s2": 1,
                "max": int(op.mode == "max"),
            }
            _macv(b, op, block, walk, source, more=cycling(count))


@step("MergeMean")
def merge_mean(b: Builder, op: MergeMean, part: Part | None) -> None:
    place, source_type = b.places[op.sources[0]], b.types[op.sources[0]]
    windows, inside = source_type.shape[:2]
    for first, count in word_groups(place.words, GROUP):
        block = b.load(cm=channel_words(b, op.m, first, count), qm=post_slots(b, op, first, count))
        walk = Walk(count, windows, 0, 1, w2=1, word0=first)
        source = {
            "src_base": place.address(inside - windows, first), "n0": windows,
            "src_s0": inside * place.stride, "src_s2": 1, "src_s3": place.stride,
        }  # fmt: skip
        _macv(b, op, block, walk, source, more=cycling(count))


@step("TokenMean")
def token_mean(b: Builder, op: TokenMean, part: Part | None) -> None:
    place, tokens = b.places[op.sources[0]], b.types[op.sources[0]].tokens
    for first, count in word_groups(place.words, GROUP):
        block = b.load(cm=channel_words(b, op.m, first, count), qm=post_slots(b, op, first, count))
        walk = Walk(count, 1, 0, 0, w2=1, word0=first)
        source = {
            "src_base": place.address(0, first),
            "n0": tokens,
            "src_s0": place.stride,
            "src_s2": 1,
        }
        _macv(b, op, block, walk, source, more=cycling(count))
