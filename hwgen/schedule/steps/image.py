"""LOADF of the image, and the convolution that reads it with padding (`ImageConv`)."""

from __future__ import annotations

from itertools import product
from math import prod

import numpy as np

from hwgen.engine.sides import both
from hwgen.ops.image_conv import ImageConv
from hwgen.ops.types import ImageRows
from hwgen.schedule.builder import Builder
from hwgen.schedule.plan import Part
from hwgen.schedule.steps.common import Walk, post_fields, post_slots, results, row_range
from hwgen.schedule.steps.dense import pairs
from hwgen.schedule.steps.registry import step


def load_image(b: Builder, name: str, image: ImageRows, strip: int) -> None:
    """The image, or one strip of it, one byte per lane; padding from the weight image.

    Each strip brings its margins: what is made between two strips may lie where they were.
    """
    place, shape, lanes = b.places[name], b.types[name].shape, b.s.lanes
    base, row = place.address(strip), prod(shape[1:])
    if not image.margin and image.step == image.rows:  # windows that neither overlap nor pad
        ddr = strip * place.unit_size * lanes
        b.loadf(place, base, place.unit_size, base_sel=1, ddr=ddr, bytes=1)
        return
    words, rest = image.words, len(image.filled(row, lanes))
    pitch = words + image.margin
    for r in range(image.rows + 1 if image.margin else 0):
        b.load_words(place, base + r * pitch, margin_words(image, lanes, rest))
    for r in range(image.rows):
        y, at = image.first + strip * image.step + r, base + r * pitch + image.margin
        if 0 <= y < shape[0]:
            b.loadf(place, at, words, base_sel=1, ddr=y * words * lanes, bytes=1)
        else:
            b.load_words(place, at, np.resize(image.pad, (words, lanes)))


def margin_words(image: ImageRows, lanes: int, rest: int = 0) -> np.ndarray:
    """(margin, L) between two rows: the right padding of one, of which its last word holds the
    first `rest` elements, and the left padding of the next."""
    element = np.arange(image.margin * lanes)
    before = element - len(element)  # counted from the next row's first element
    channel = np.where(before < -image.left, element + rest, before) % len(image.pad)
    return np.array(image.pad)[channel].reshape(image.margin, lanes)


@step("ImageConv")
def image_conv(b: Builder, op: ImageConv, part: Part | None) -> None:
    lanes, place, image = b.s.lanes, b.places[op.sources[0]], b.image_rows
    height, width = op.result_grid
    pitch = (image.words + image.margin) * lanes
    first, rows = row_range(part, height)
    strip = part.strip if part and place.slots is not None else 0
    down = both(op.stride)[0]
    local = first * down - both(op.padding)[0] - (image.first + strip * image.step)
    kernel_first, kernel_rows = op.rows
    source = (place.address(strip) + image.margin) * lanes + (local + kernel_first) * pitch
    for j, phase in product(range(len(op.weight) // lanes), range(min(op.period, width))):
        tile = op.beat_weights(phase)[:, :, j * lanes : (j + 1) * lanes].reshape(-1, lanes)
        qm = post_slots(b, op, j, 1)
        if op.quad:
            block = b.load(cm=tile, cm_quad=True, qm=qm)
            weights = {"quad": 1, "cm_base": block.cm, "cm_s0": 1, "cm_s1": op.row_beats}
        else:
            block = b.load(wb=pairs(tile) if op.products == 2 else tile % 256, qm=qm)
            weights = {"wb_w": block.wb}
        across = len(range(phase, width, op.period))
        walk = Walk(across, rows, op.period, width, token0=first * width + phase, word0=j)
        fields, streams, dst, bit = results(b, op, walk, {})
        fields |= {
            "n0": op.row_beats, "n1": kernel_rows, "src_mem": place.memory,
            "src_base": source + op.start(phase), "src_s0": op.products, "src_s1": pitch,
            "src_s2": op.period * op.step, "src_s3": down * pitch,
            "q_base": block.qm, **weights,
        }  # fmt: skip
        b.compute("MACS", block, [op.sources[0]], streams, dst, bit, **fields, **post_fields(op))
