"""Cycles of a graph on an engine, op by op and without a schedule: to compare engine sizes.

Per op the slowest of compute (a beat per cycle: a vector of the array, or a word of the lanes) and
memory port (its parameters and weights, once per strip; a word a cycle of those in the weight
store). `schedule.predict` gives exact cycles.
"""

from __future__ import annotations

from collections import Counter
from math import ceil

from hwgen.engine.numerics import HEAD_DIM
from hwgen.engine.sizing import Sizing
from hwgen.ir.graph import Graph
from hwgen.ops.attention import Attention as AttentionOp
from hwgen.ops.base import Op
from hwgen.ops.constant import Constant
from hwgen.ops.cross_filter import CrossFilter
from hwgen.ops.dense import PatchConv
from hwgen.ops.image_conv import ImageConv
from hwgen.ops.layernorm import LayerNorm
from hwgen.ops.max_pool import MaxPool
from hwgen.ops.vector import CROSS_REACH, AvgPool, TokenMean
from hwgen.ops.window import MergeMean, MergePool
from hwgen.ops.xnor import XnorConv, XnorLinear
from hwgen.schedule.plan import plan
from hwgen.units.attention import Attention

STENCIL_WEIGHTS = 12  # words: three slots in four banks
PARAMETER_WORDS = 9  # of an output word: a slot of the post chain and a multiplier
BORDER_WORDS = 16  # offsets of the border patterns of a 3x3 convolution, else one
BORDER_KINDS = 4  # of one with stride 2


def chunks(op: Op, s: Sizing) -> int:
    """Weight tiles of one output word."""
    if isinstance(op, XnorLinear):
        return ceil(op.weight.shape[1] / s.kw)
    if isinstance(op, XnorConv):
        if op.stride == 1:
            return ceil(op.weight.shape[-1] / s.gs)
        _, k, _, c = op.weight.shape
        together = (
            2 if op.padding else k
        )  # neighbouring tokens in a row of BM, see steps/xnor_conv.py
        if together * c > s.kw:
            return k * k * ceil(c / s.kw)
        return k * (k - together + 1)
    return 0


def buffer_words(op: PatchConv | ImageConv) -> int:
    """Words of WB that hold the weights of an output word; 0 where they are in CM."""
    if isinstance(op, ImageConv):
        return 0 if op.quad else op.beats
    return 0 if op.products == 4 else op.taps // op.products


def beats(op: Op, s: Sizing, types: dict) -> int:
    """Compute cycles of an op if nothing ever waits."""
    out = op.feature or op.bits
    words = out.tokens * ceil(out.channels / s.lanes) << op.post.pool
    if isinstance(op, AttentionOp):
        unit, shape = Attention(s.lanes, s.kw, s.pk), types[op.sources[1]].shape
        tokens, heads = shape[-2], out.channels // HEAD_DIM
        cycles = out.tokens * unit.period(tokens)
        if not unit.overlaps(tokens):  # every instruction alone
            windows = shape[0] if len(shape) == 3 else 1
            cycles = windows * unit.cycles(out.tokens // windows, tokens)
        return heads * cycles
    if isinstance(op, Constant):
        return 0
    if isinstance(op, XnorLinear | XnorConv):
        return words * chunks(op, s)
    if isinstance(op, PatchConv):
        return words * op.taps // op.products
    if isinstance(op, ImageConv):
        return words * op.beats
    if isinstance(op, MaxPool):
        return words * op.kernel**2
    if isinstance(op, CrossFilter):
        if not op.is_cross:
            return words * len(op.offsets)
        width = op.in_grid[1]  # two rows of results in six beats a column
        return words * 3 * (width + 2 * CROSS_REACH) // width
    if isinstance(op, AvgPool):
        return words * op.kernel**2
    if isinstance(op, MergePool):
        return words * op.window**2
    if isinstance(op, LayerNorm):
        return 3 * words  # two passes of statistics
    if isinstance(op, TokenMean | MergeMean):
        return ceil(types[op.sources[0]].tokens * out.channels / s.lanes)
    return words


def tile_words(op: Op, s: Sizing) -> int:
    """Words of an op's weights of the array: sixteen columns of all lanes each."""
    if not isinstance(op, XnorLinear | XnorConv):
        return 0
    columns = op.weight[0].size // 16
    if isinstance(op, XnorConv) and op.stride == 1:
        columns = chunks(op, s) * ceil(9 * s.gs / 16)
    return len(op.weight) // s.lanes * columns


def record_words(op: Op, s: Sizing) -> int:
    """Words of an op's LOAD records."""
    if isinstance(op, Constant):
        return 0
    out = op.feature or op.bits
    words = ceil(out.channels / s.lanes) << op.post.pool
    rows = PARAMETER_WORDS
    if isinstance(op, XnorLinear | XnorConv):
        rows += 1
        if isinstance(op, XnorConv) and op.padding:
            rows += (BORDER_WORDS if op.stride == 1 else BORDER_KINDS) - 1
    if isinstance(op, PatchConv):
        rows += buffer_words(op) or op.taps
    if isinstance(op, ImageConv):
        rows = op.period * (rows + op.beats * (4 if op.quad else 1))
    if isinstance(op, CrossFilter):
        rows += STENCIL_WEIGHTS if op.is_cross else len(op.offsets)
    return words * rows + tile_words(op, s)


def kept_words(graph: Graph, s: Sizing) -> Counter[str]:
    """Words of every op's records in the weight store, filled as `schedule.keep` does."""
    kept: Counter[str] = Counter()
    left = s.store_words
    for op in reversed(graph.ops):
        kept[op.name] = min(left, record_words(op, s))
        left -= kept[op.name]
    return kept


def port_cycles(op: Op, s: Sizing, kept: int) -> int:
    """Cycles of the memory port for an op's parameters and weights, once; `kept` words of them come
    from the weight store."""
    words = ceil(op.value.size / s.lanes) if isinstance(op, Constant) else record_words(op, s)
    return (words - kept) * s.lanes * 16 // s.axi_bits + kept


def cycles(graph: Graph, s: Sizing) -> int:
    """Estimated cycles of a frame."""
    types = graph.types()
    ops = {op.name: op for op in graph.ops}
    pieces = Counter(piece.name for piece in plan(graph, s.strip_tokens, s.lanes).pieces)
    kept = kept_words(graph, s)
    total = 0
    for name, op in ops.items():
        loads = 1 if isinstance(op, Constant) else pieces[name]
        total += max(beats(op, s, types), loads * port_cycles(op, s, kept[name]))
    return total
