"""QD attention: parameters, cycles and sources of `attention.v`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hwgen.engine.numerics import HEAD_DIM
from hwgen.paths import templates_dir

EARLY = 18  # queries start when so many values are still to be read
SCORE_TO_SUM = 7  # cycles from a query's last group to its row sum, plus log2(PK)
SUM_TO_LEVELS = 15  # from there to the thresholds: product, bound, search
LEVELS_TO_CONTEXT = 7  # and to the first result word, up to 8 keys per cycle


@dataclass(frozen=True)
class Run:
    """Cycles of one instruction.

    next: the first in which a further one may start (`ready`); last: of its last result word. The
    further one depends on the others: first_query, in which its first query is asked for (query i
    follows i periods later); free: from which its keys and values may be overwritten.
    """

    queries: int
    tokens: int
    first_query: int
    last: int
    free: int
    next: int


@dataclass(frozen=True)
class Attention:
    """`attention`: the queries of one window and one 64-channel head per instruction.

    lanes: 8, 16, 32 or 64; kw: columns of the array (row of the bit memory), >= 64; pk: keys per
    cycle, a power of two >= 4; max_tokens: keys, a power of two, 4 pk .. 256 (8 pk .. with 8
    lanes). Up to half as many are read while the instruction before computes (the same number:
    without a gap). row_at: cycles from a read of the bit memory to its row.

    Yosys, xc7, LUT RAM and the popcounts among them: lanes 16, pk 8: 3,515 LUT, 7,617 FF, 2 DSP;
    lanes 32, pk 8: 3,527 LUT, 7,806 FF (with max_tokens 64: 3,424 LUT, 7,454 FF, as the memories of
    32 groups are no larger than shallower ones); lanes 64, pk 16: 6,633 LUT, 13,849 FF.
    """

    lanes: int = 16
    kw: int = 128
    pk: int = 8
    max_tokens: int = 256
    row_at: int = 4

    verilog = (
        "rtl/attention/attention.v",
        "rtl/attention/attention_reads.v",
        "rtl/attention/attention_score.v",
        "rtl/attention/attention_levels.v",
        "rtl/attention/attention_search.v",
        "rtl/attention/attention_weight.v",
        "rtl/attention/attention_exp.v",
        "rtl/attention/attention_context.v",
        "rtl/attention/attention_level.v",
        "rtl/attention/attention_reaches.v",
        "rtl/attention/attention_sum.v",
        "rtl/attention/attention_bank.v",
        "rtl/lib/adder_tree.v",
        "rtl/lib/adder_eight.v",
        "rtl/lib/count5.v",
        "rtl/lib/delay_line.v",
        "rtl/lib/register_copy.v",
        "rtl/lib/popcount.v",
        "rtl/lib/popcount_xnor3.v",
        "rtl/lib/popcount_xnor8.v",
        "rtl/lib/popcount_pairs.v",
        "rtl/lib/popcount_total.v",
    )
    dsp = 2

    def sources(self) -> list[Path]:
        """All Verilog files, top first."""
        return [templates_dir() / name for name in self.verilog]

    def parameters(self) -> dict[str, int]:
        """Verilog parameters of `attention`."""
        return {
            "LANES": self.lanes,
            "KW": self.kw,
            "PK": self.pk,
            "MAX_TOKENS": self.max_tokens,
            "ROW_AT": self.row_at,
        }

    @property
    def words(self) -> int:
        """Result words of a query."""
        return HEAD_DIM // self.lanes

    def groups(self, tokens: int) -> int:
        """Groups of PK keys."""
        return -(-tokens // self.pk)

    def period(self, tokens: int) -> int:
        """Cycles per query: scores, results (and a cycle between those of two instructions) or the
        three thresholds bind."""
        return max(self.groups(tokens), self.words + 1, 3)

    def query_latency(self, tokens: int) -> int:
        """Cycles from the first scores of a query to its first result word."""
        depth = SCORE_TO_SUM + (self.pk.bit_length() - 1) + SUM_TO_LEVELS
        return 2 * self.groups(tokens) + depth + self.levels_to_context

    @property
    def levels_to_context(self) -> int:
        """Cycles from a query's thresholds to its first result word, less its groups."""
        return LEVELS_TO_CONTEXT + max(self.pk.bit_length() - 1 - 3, 0)

    def cycles(self, queries: int, tokens: int) -> int:
        """Cycles from start (idle unit) to the last result word, both counted."""
        return self.run(0, queries, tokens).last + 1

    def overlaps(self, tokens: int) -> bool:
        """Whether its keys and values are read while the instruction before computes, and those of
        the next one while it computes."""
        return tokens <= self.max_tokens // 2

    def run(self, start: int, queries: int, tokens: int, before: Run | None = None) -> Run:
        """Cycles of an instruction started in cycle `start`, `before` being the one before it.

        `start` is not before `before.next`. The loader reads 2 tokens words, keys first, in the
        cycles that the queries' reads leave. The first query is asked for two cycles after EARLY
        values are left, a period after the last query of the instruction before; with another
        number of tokens when all results are out.
        """
        period = self.period(tokens)
        begin, reads = start + 1, _Reads()
        if before is not None:
            reads = _Reads((before.first_query, self.period(before.tokens), before.queries))
            if not self.overlaps(tokens):
                begin = max(begin, before.free + 1)
        fed = reads.leave(begin, max(tokens, 2 * tokens - EARLY)) + 2  # the queries may begin
        first = fed + 1
        if before is not None:
            follow = before.first_query + before.queries * self.period(before.tokens)
            if tokens != before.tokens:
                fed = max(fed, before.last)
            else:
                fed = max(fed, follow - self.period(before.tokens) + 1)
            first = max(fed + 1, follow)
        last = first + (queries - 1) * period + self.row_at + self.query_latency(tokens)
        last += self.words + 1
        free = last - self.words - self.levels_to_context + 1
        ready = (
            max(_Reads(*reads.taken, (first, period, queries)).leave(begin, 2 * tokens), fed) + 1
        )
        if before is not None:
            ready = max(ready, before.free)
        if not self.overlaps(tokens):
            ready = max(ready, free)
        return Run(queries, tokens, first, last, free, ready + 1)


class _Reads:
    """Cycles in which queries are read: (first, period, number) each."""

    def __init__(self, *taken: tuple[int, ...]) -> None:
        self.taken = taken

    def leave(self, begin: int, n: int) -> int:
        """Cycle of the n-th read of the loader, which begins in cycle `begin`."""
        cycle = begin + n - 1
        while True:
            lost = sum(self._count(begin, cycle, *t) for t in self.taken)
            if cycle == begin + n - 1 + lost:
                return cycle
            cycle = begin + n - 1 + lost

    @staticmethod
    def _count(begin: int, end: int, first: int, period: int, number: int) -> int:
        """Reads of queries in begin .. end."""
        low = max(0, -(-(begin - first) // period))
        high = min(number - 1, (end - first) // period)
        return max(0, high - low + 1)
