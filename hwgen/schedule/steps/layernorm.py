"""LayerNorm: statistics of a window's tokens into the norm table, then the normalised words."""

from __future__ import annotations

from hwgen.errors import FitError
from hwgen.ops.layernorm import LayerNorm
from hwgen.schedule.builder import Block, Builder
from hwgen.schedule.plan import Part
from hwgen.schedule.steps.common import Walk, post_fields, post_slots, results, row_width
from hwgen.schedule.steps.registry import step


@step("LayerNorm")
def layer_norm(b: Builder, op: LayerNorm, part: Part | None) -> None:
    source = b.places[op.sources[0]]
    words, tokens = source.words, b.types[op.sources[0]].tokens
    log2c = (words * b.s.lanes).bit_length() - 1
    if words & (words - 1) or words > b.s.qm_slots:
        raise FitError(
            op.name,
            f"{words} channel words",
            f"must be a power of two up to qm_slots={b.s.qm_slots}",
            "use a power of two of channels or --set qm_slots=",
        )
    block = b.load(qm=post_slots(b, op, 0, words))
    if not op.window and (width := row_width(b, op)):
        height, rows = tokens // width, max(1, b.s.nt_words // width)
        for y in range(0, height, rows):
            for x in range(0, width, b.s.nt_words):
                t, n2 = y * width + x, min(width - x, b.s.nt_words)
                run = (source, t, n2, min(rows, height - y), width, t)
                _norm(b, op, block, log2c, [run])
        return
    if not op.window:
        for t in range(0, tokens, b.s.nt_words):
            n = min(b.s.nt_words, tokens - t)
            _norm(b, op, block, log2c, [(source, t, n, 1, 0, t)])
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
    for win in range(tokens // (w * w)):
        corner = win // across * w * width + win % across * w
        runs = [(source, corner, w, w, width, win * per_window)]
        if merge:
            runs.append((merge, 0, extra, 1, 0, win * per_window + w * w))
        _norm(b, op, block, log2c, runs)


def _norm(b: Builder, op: LayerNorm, block: Block, log2c: int, runs: list) -> None:
    """runs: (source, first token, n2 tokens a row, n3 rows, tokens between rows, result token)."""
    b.config("norm", log2c=log2c, eps=op.eps, reset=1)
    for place, token, n2, n3, pitch, _ in runs:
        b.compute(
            "LNSTAT",
            Block(block.load),
            [place.tensor],
            {},
            None,
            None,
            n0=place.words,
            n1=2,
            n2=n2,
            n3=n3,
            src_mem=place.memory,
            src_base=place.address(token),
            src_s0=1,
            src_s2=place.stride,
            src_s3=pitch * place.stride,
        )
    for place, token, n2, n3, pitch, result in runs:
        fields, streams, dst, bit = _apply(b, op, n2, n3, place.words, result)
        fields |= {
            "n0": 1,
            "n1": 1,
            "src_mem": place.memory,
            "src_base": place.address(token),
            "src_s2": 1,
            "src_s3": pitch * place.stride,
            "q_base": block.qm,
            "q_mask": place.words - 1,
        }
        b.compute("LNAPPLY", block, [place.tensor], streams, dst, bit, **fields, **post_fields(op))


def _apply(b: Builder, op: LayerNorm, n2: int, n3: int, words: int, token: int):
    """Level 2 runs over all words of a row's tokens; results are contiguous."""
    dense = Walk(n2 * words, n3, 0, n2, w2=1, token0=token)
    return results(b, op, dense, {})
