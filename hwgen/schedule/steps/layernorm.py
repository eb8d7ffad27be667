"""LayerNorm: statistics of a window's tokens into the norm table, then the normalised words."""

from __future__ import annotations

from dataclasses import dataclass

from hwgen.engine.numerics import norm_width
from hwgen.errors import FitError
from hwgen.ops.layernorm import LayerNorm
from hwgen.schedule.buffers import Block
from hwgen.schedule.builder import Builder
from hwgen.schedule.layout import Place
from hwgen.schedule.plan import Part
from hwgen.schedule.steps.common import (
    Walk,
    post_fields,
    post_slots,
    results,
    row_width,
    window_range,
    word_groups,
)
from hwgen.schedule.steps.registry import step


@step("LayerNorm")
def layer_norm(b: Builder, op: LayerNorm, part: Part | None) -> None:
    source = b.places[op.sources[0]]
    tokens = b.types[op.sources[0]].tokens
    norm = _Norm(b, op, source.words)
    if not op.window and (width := row_width(b, op)):
        height, rows = tokens // width, max(1, b.s.nt_words // width)
        for y in range(0, height, rows):
            for x in range(0, width, b.s.nt_words):
                t, n2 = y * width + x, min(width - x, b.s.nt_words)
                norm.emit([_Run(source, t, n2, min(rows, height - y), width, t)])
        return
    if not op.window:
        for t in range(0, tokens, b.s.nt_words):
            n = min(b.s.nt_words, tokens - t)
            norm.emit([_Run(source, t, n, 1, 0, t)])
        return
    w, width = op.window, op.in_grid[1]
    across = width // w
    merge = b.places[op.sources[1]] if len(op.sources) > 1 else None
    extra = b.types[op.sources[1]].tokens if merge else 0
    per_window = w * w + extra
    if per_window > b.s.nt_words:
        raise FitError(
            op.name,
            f"{per_window} tokens per window",
            f"nt_words={b.s.nt_words} hold fewer",
            f"--set nt_words={per_window}",
        )
    for win in window_range(op, part):
        corner = win // across * w * width + win % across * w
        runs = [_Run(source, corner, w, w, width, win * per_window)]
        if merge:
            runs.append(_Run(merge, 0, extra, 1, 0, win * per_window + w * w))
        norm.emit(runs)


@dataclass(frozen=True)
class _Run:
    """n3 rows of n2 tokens, `pitch` tokens apart, from `token` on; results from `result` on."""

    place: Place
    token: int
    n2: int
    n3: int
    pitch: int
    result: int


class _Norm:
    """The instructions of one LayerNorm of so many channel words.

    Words that are a power of two are normalised in one sweep over a row's tokens. Others go group
    by group, each a power of two, and for each the table is read from its start again.
    """

    def __init__(self, b: Builder, op: LayerNorm, words: int) -> None:
        self.b, self.op, self.words = b, op, words
        self.log2c, self.scale = norm_width(op.channels or words * b.s.lanes)
        self.groups = word_groups(words, b.s.qm_slots)
        self.whole = None if words > b.s.qm_slots else b.load(qm=post_slots(b, op, 0, words))

    def emit(self, runs: list[_Run]) -> None:
        """Statistics of all runs' tokens, then their normalised words."""
        self._reset()
        for run in runs:
            self._statistics(run)
        for first, count in self.groups:
            if first:
                self._reset()
            block, slot = self.whole, first
            if block is None:
                block, slot = self.b.load(qm=post_slots(self.b, self.op, first, count)), 0
            for run in runs:
                self._apply(run, first, count, block, slot)

    def _reset(self) -> None:
        self.b.config("norm", log2c=self.log2c, scale=self.scale, eps=self.op.eps, reset=1)

    def _statistics(self, run: _Run) -> None:
        place = run.place
        self.b.compute(
            "LNSTAT",
            Block(0),
            [place.tensor],
            {},
            None,
            None,
            n0=place.words,
            n1=2,
            n2=run.n2,
            n3=run.n3,
            src_mem=place.memory,
            src_base=place.address(run.token),
            src_s0=1,
            src_s2=place.stride,
            src_s3=run.pitch * place.stride,
        )

    def _apply(self, run: _Run, first: int, count: int, block: Block, slot: int) -> None:
        """Words first .. first + count - 1 of a run; its channel words lie in `block` from `slot`
        on. Level 2 runs over all words of a row's tokens where they are all of them."""
        place = run.place
        if count == self.words:
            walks = [
                (
                    Walk(run.n2 * count, run.n3, 0, run.n2, w2=1, token0=run.result),
                    run.token,
                    run.pitch,
                )
            ]
        else:
            walks = [
                (
                    Walk(count, run.n2, 0, 1, 1, token0=run.result + j * run.n2, word0=first),
                    run.token + j * run.pitch,
                    1,
                )
                for j in range(run.n3)
            ]
        for walk, token, pitch in walks:
            fields, streams, dst, bit = results(self.b, self.op, walk, {})
            fields |= {
                "n0": 1,
                "n1": 1,
                "src_mem": place.memory,
                "src_base": place.address(token, first),
                "src_s2": 1,
                "src_s3": pitch * place.stride,
                "q_base": block.qm + slot,
                "q_mask": count - 1,
            }
            self.b.compute(
                "LNAPPLY",
                block,
                [place.tensor],
                streams,
                dst,
                bit,
                **fields,
                **post_fields(self.op),
            )
