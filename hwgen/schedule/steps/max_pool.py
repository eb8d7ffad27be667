"""MaxPool, ChannelFilter: every window is a table of taps; columns count in steps of the stride."""

from __future__ import annotations

import numpy as np

from hwgen.engine.sides import both
from hwgen.ops.base import Array
from hwgen.ops.channel_filter import ChannelFilter
from hwgen.ops.max_pool import MaxPool
from hwgen.schedule.builder import Builder
from hwgen.schedule.plan import Part
from hwgen.schedule.steps.common import (
    Walk,
    channel_words,
    post_fields,
    post_slots,
    results,
    row_range,
    set_taps,
)
from hwgen.schedule.steps.registry import step


@step("MaxPool")
def max_pool(b: Builder, op: MaxPool, part: Part | None) -> None:
    _windows(b, op, part, op.m[None], {"max": 1})


@step("ChannelFilter")
def channel_filter(b: Builder, op: ChannelFilter, part: Part | None) -> None:
    _windows(b, op, part, op.m, {"cm_s0": 1})


def _windows(b: Builder, op: MaxPool, part: Part | None, m: Array, more: dict[str, int]) -> None:
    """m (1 or taps, C): factors of all taps or of each."""
    place, width, pad = b.places[op.sources[0]], op.in_grid[1], b.places[op.sources[1]]
    down, right = both(op.stride)
    across = -(-width // right)
    first, count = row_range(part, op.result_grid[0])
    for word in range(place.words):
        factors = np.stack([channel_words(b, row, word, 1)[0] for row in m])
        block = b.load(cm=factors, qm=post_slots(b, op, word, 1))
        for y, rows, taps in _runs(b, op, first, count):
            set_taps(b, taps, across, right * place.stride, pad.address(0, word))
            walk = Walk(op.result_grid[1], rows, 1, op.result_grid[1],
                        token0=y * op.result_grid[1], word0=word)  # fmt: skip
            fields, streams, dst, bit = results(b, op, walk, {})
            fields |= {
                "n0": len(taps), "n1": 1, "src_taps": 1, "src_mem": place.memory, **more,
                "src_base": place.address(_centre(op, y) * width, word),
                "src_s2": right * place.stride, "src_s3": down * width * place.stride,
                "cm_base": block.cm, "q_base": block.qm,
            }  # fmt: skip
            b.compute(
                "MACV", block, list(op.sources), streams, dst, bit, **fields, **post_fields(op)
            )


def _centre(op: MaxPool, y: int) -> int:
    """The image row from which the taps of result row y are counted."""
    return min(y * both(op.stride)[0], op.in_grid[0] - 1)


def _taps(b: Builder, op: MaxPool, y: int) -> tuple[tuple[int | None, int], ...]:
    """(address from that of the centre row, None outside; columns right in strides) of the taps."""
    place, (height, width) = b.places[op.sources[0]], op.in_grid
    base, taps = place.address(_centre(op, y) * width), []
    (kernel, columns), (stride, right) = both(op.kernel), both(op.stride)
    (top, left) = both(op.padding)
    for row in (y * stride - top + i for i in range(kernel)):
        for column in (j - left for j in range(columns)):
            across, rest = divmod(column, right)
            inside = 0 <= row < height
            off = place.address(row * width) - base + rest * place.stride if inside else None
            taps.append((off, across))
    return tuple(taps)


def _runs(b: Builder, op: MaxPool, first: int, count: int) -> list:
    """Result rows with equal taps, one image row after the other: (first, rows, taps)."""
    runs: list = []
    place = b.places[op.sources[0]]
    for y in range(first, first + count):
        taps = _taps(b, op, y)
        if runs and runs[-1][2] == taps and place.slots is None:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1, taps)
        else:
            runs.append((y, 1, taps))
    return runs
