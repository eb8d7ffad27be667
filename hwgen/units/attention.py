"""QD attention: parameters, cycles and sources of `attention.v`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from hwgen.engine.numerics import (
    HEAD_DIM,
    UNIT_CHANNELS,
    exp_table,
    head_units,
    score_offset,
)
from hwgen.paths import templates_dir

EXP_ROM = "rtl/attention/attention_exp.v.j2"
EARLY = 18  # queries start when so many values are still to be read (heads of one unit)
SUM_OF_UNITS = 2  # cycles that the scores of heads of several units take more
SCORE_TO_SUM = 7  # cycles from a query's last group to its row sum, plus log2(PK)
SUM_TO_LEVELS = 15  # from there to the thresholds: product, bound, search
LEVELS_TO_CONTEXT = 7  # and to the first result word, up to 8 keys per cycle


@dataclass(frozen=True)
class Run:
    """Cycles of one instruction: `queries`, one every `period` cycles, with `words` results each.

    next: the first in which a further one may start (`ready`); last: of its last result word. The
    further one depends on the others: first_query, in which its first query is asked for (query i
    follows i periods later); free: from which its keys and values may be overwritten.
    """

    queries: int
    tokens: int
    units: int
    words: int
    period: int
    first_query: int
    last: int
    free: int
    next: int


@dataclass(frozen=True)
class Attention:
    """`attention`: the queries of one window, one head and 64 channels of its values per
    instruction.

    lanes: 8, 16, 32 or 64; kw: columns of the array (row of the bit memory), >= 64; pk: keys per
    cycle, a power of two >= 4; max_tokens: keys, a power of two, 4 pk .. 256 (8 pk .. with 8
    lanes). Up to half as many are read while the instruction before computes (the same number:
    without a gap). row_at: cycles from a read of the bit memory to its row. head: channels of a
    head, a multiple of 16 and of the lanes, up to 256.

    Yosys, xc7, LUT RAM and the popcounts among them: lanes 16, pk 8: 3,515 LUT, 7,617 FF, 2 DSP;
    lanes 32, pk 8: 3,527 LUT, 7,806 FF (with max_tokens 64: 3,424 LUT, 7,454 FF, as the memories of
    32 groups are no larger than shallower ones); lanes 64, pk 16: 6,633 LUT, 13,849 FF.
    Heads of other widths, lanes 16, pk 8, against 3,437 LUT of 64 channels in the same count:
    32: 3,780; 80: 4,430; 128: 4,164; 176: 5,655; 256: 5,426.
    """

    lanes: int = 16
    kw: int = 128
    pk: int = 8
    max_tokens: int = 256
    row_at: int = 4
    head: int = HEAD_DIM

    verilog = (
        "rtl/attention/attention.v",
        "rtl/attention/attention_reads.v",
        "rtl/attention/attention_score.v",
        "rtl/attention/attention_levels.v",
        "rtl/attention/attention_search.v",
        "rtl/attention/attention_weight.v",
        "rtl/attention/attention_context.v",
        "rtl/attention/attention_level.v",
        "rtl/attention/attention_reaches.v",
        "rtl/attention/attention_sum.v",
        "rtl/attention/attention_bank.v",
        "rtl/attention/attention_mask.v",
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
        """The Verilog files that are no templates, top first."""
        return [templates_dir() / name for name in self.verilog]

    def write_sources(self, folder: Path) -> list[Path]:
        """All Verilog files, top first; the ROM of EXP is written into `folder`."""
        rom = Path(folder) / "attention_exp.v"
        rom.write_text(exp_rom(self.head))
        return [*self.sources(), rom]

    def parameters(self) -> dict[str, int]:
        """Verilog parameters of `attention`."""
        return {
            "LANES": self.lanes,
            "KW": self.kw,
            "PK": self.pk,
            "HEAD": self.head,
            "MAX_TOKENS": self.max_tokens,
            "ROW_AT": self.row_at,
        }

    @property
    def words(self) -> int:
        """Result words of a query, at most."""
        return UNIT_CHANNELS // self.lanes

    def units(self, offset: int) -> int:
        """Units of 64 channels of a head that begins `offset` channels behind its first one."""
        return -(-(offset + self.head) // UNIT_CHANNELS)

    def own_words(self, offset: int, unit: int) -> tuple[int, int]:
        """(first, number) of the result words of a unit of such a head that are its own."""
        first = offset if unit == 0 else 0
        last = min(offset + self.head - UNIT_CHANNELS * unit, UNIT_CHANNELS)
        return first // self.lanes, (last - first) // self.lanes

    def shape(self, offset: int, v_unit: int) -> tuple[int, int]:
        """(units, words) of an instruction with these fields, for `run`."""
        return self.units(8 * offset), self.own_words(8 * offset, v_unit)[1]

    def groups(self, tokens: int) -> int:
        """Groups of PK keys."""
        return -(-tokens // self.pk)

    @property
    def most_units(self) -> int:
        """Units that any head takes."""
        return head_units(self.head)

    def period(self, tokens: int, units: int = 1) -> int:
        """Cycles per query: scores, results (and a cycle between those of two instructions), the
        reads of a query beside those of keys, or the three thresholds bind."""
        reads = self.most_units + 2 if self.most_units > 1 else 3
        return max(self.groups(tokens) * units, self.words + 1, reads)

    def query_latency(self, tokens: int, units: int = 1) -> int:
        """Cycles from the first scores of a query to its first result word."""
        depth = SCORE_TO_SUM + (self.pk.bit_length() - 1) + SUM_TO_LEVELS
        depth += SUM_OF_UNITS * (self.most_units > 1)
        return self.groups(tokens) * (units + 1) + depth + self.levels_to_context

    @property
    def levels_to_context(self) -> int:
        """Cycles from a query's thresholds to its first result word, less its groups."""
        return LEVELS_TO_CONTEXT + max(self.pk.bit_length() - 1 - 3, 0)

    def cycles(self, queries: int, tokens: int, units: int = 1) -> int:
        """Cycles from start (idle unit) to the last result word, both counted, of a head of so many
        units whose values take a whole one."""
        return self.run(0, queries, tokens, units=units).last + 1

    def overlaps(self, tokens: int) -> bool:
        """Whether its keys and values are read while the instruction before computes, and those of
        the next one while it computes."""
        return tokens <= self.max_tokens // 2

    def run(
        self,
        start: int,
        queries: int,
        tokens: int,
        before: Run | None = None,
        units: int = 1,
        words: int | None = None,
    ) -> Run:
        """Cycles of an instruction started in cycle `start`, `before` being the one before it.

        units: of the head; words: its result words of a query (None: a whole unit). `start` is not
        before `before.next`. The loader reads tokens (units + 1) words, keys first, in the cycles
        that the queries' reads leave. The first query is asked for two cycles after EARLY values
        are left (with heads of several units one cycle after the last read), a period after the
        last query of the instruction before; with another number of tokens or units when all
        results are out.
        """
        words = self.words if words is None else words
        period, total = self.period(tokens, units), tokens * (units + 1)
        begin, reads = start + 1, _Reads()
        if before is not None:
            reads = _Reads((before.first_query, before.period, before.queries, before.units))
            if not self.overlaps(tokens):
                begin = max(begin, before.free + 1)
        if self.most_units > 1:
            fed = reads.leave(begin, total) + 1  # the queries may begin
        else:
            fed = reads.leave(begin, max(tokens, total - EARLY)) + 2
        first = fed + 1
        if before is not None:
            follow = before.first_query + before.queries * before.period
            if (tokens, units) != (before.tokens, before.units):
                fed = max(fed, before.last)
            else:
                fed = max(fed, follow - before.period + before.units)
            first = max(fed + 1, follow)
        last = first + (queries - 1) * period + self.row_at + self.query_latency(tokens, units)
        last += words + 1
        free = last - words - self.levels_to_context + 1
        own = (first, period, queries, units)
        ready = max(_Reads(*reads.taken, own).leave(begin, total), fed) + 1
        if before is not None:
            ready = max(ready, before.free)
        if not self.overlaps(tokens):
            ready = max(ready, free)
        return Run(queries, tokens, units, words, period, first, last, free, ready + 1)


def exp_rom(head: int) -> str:
    """Verilog of `attention_exp`, the ROM of `numerics.exp_table(head)`."""
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    template = environment.from_string((templates_dir() / EXP_ROM).read_text())
    return template.render(head=head, offset=score_offset(head), table=exp_table(head).tolist())


class _Reads:
    """Cycles in which queries are read: (first, period, number, units of each) each."""

    def __init__(self, *taken: tuple[int, int, int, int]) -> None:
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
    def _count(begin: int, end: int, first: int, period: int, number: int, units: int) -> int:
        """Reads of queries in begin .. end."""

        def until(cycle: int) -> int:
            """Reads before `cycle`."""
            whole, rest = divmod(max(0, cycle - first), period)
            return units * number if whole >= number else units * whole + min(rest, units)

        return until(end + 1) - until(begin)
