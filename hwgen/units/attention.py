"""QD attention: parameters, cycles and sources of `attention.v`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hwgen.ops.numerics import HEAD_DIM
from hwgen.paths import templates_dir

EARLY = 16  # queries start when so many values are still to be read
SCORE_TO_SUM = 6  # cycles from a query's last group to its row sum, plus log2(PK)
SUM_TO_LEVELS = 14  # from there to the thresholds: product, bound, search


@dataclass(frozen=True)
class Attention:
    """`attention`: one window and one 64-channel head per instruction.

    lanes: 16, 32 or 64; kw: columns of the array (row of the bit memory), >= 64; pk: keys per
    cycle, a power of two >= 4; max_tokens: power of two, 2 pk .. 256.

    Yosys, xc7, flattened (LUT RAM apart): lanes 16, pk 8: 4,660 LUT + 744 as RAM, 4,040 FF,
    2 DSP; lanes 64, pk 16: 8,630 LUT + 1,484 as RAM, 6,190 FF, 2 DSP.
    """

    lanes: int = 16
    kw: int = 128
    pk: int = 8
    max_tokens: int = 64

    verilog = (
        "rtl/attention.v",
        "rtl/attention_score.v",
        "rtl/attention_levels.v",
        "rtl/attention_search.v",
        "rtl/attention_exp.v",
        "rtl/attention_context.v",
        "rtl/attention_pair.v",
        "rtl/attention_vadd.v",
        "rtl/attention_bank.v",
        "rtl/adder_tree.v",
        "rtl/popcount.v",
        "rtl/popcount_xnor3.v",
        "rtl/popcount_xnor8.v",
        "rtl/popcount_pairs.v",
        "rtl/popcount_total.v",
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
        }

    @property
    def words(self) -> int:
        """Result words of a query."""
        return HEAD_DIM // self.lanes

    def groups(self, tokens: int) -> int:
        """Groups of PK keys."""
        return -(-tokens // self.pk)

    def period(self, tokens: int) -> int:
        """Cycles per query: scores, results or the three thresholds bind."""
        return max(self.groups(tokens), self.words, 3)

    def query_latency(self, tokens: int) -> int:
        """Cycles from the first scores of a query to its first result word."""
        depth = SCORE_TO_SUM + (self.pk.bit_length() - 1) + SUM_TO_LEVELS
        return 2 * self.groups(tokens) + depth + 5

    def cycles(self, tokens: int) -> int:
        """Cycles from start (idle unit) to the last result word, both counted."""
        start = max(tokens + 1, 2 * tokens + 1 - EARLY) + 5
        queries = (tokens - 1) * self.period(tokens)
        return start + queries + self.query_latency(tokens) + self.words

    def load_cycles(self, tokens: int) -> int:
        """Cycles from start (idle unit) until a further start may come: the keys and values are
        read, one a cycle, but for the cycles in which a query of this instruction is."""
        query = max(tokens + 1, 2 * tokens + 1 - EARLY) + 2
        last = 2 * tokens
        while query <= last:
            query += self.period(tokens)
            last += 1
        return last + 1

    def free_before(self) -> int:
        """Cycles from the one in which an instruction's buffer is free, for the start after the
        next, to its last result word."""
        return self.words + 3

    def chained_cycles(self, tokens: int) -> int:
        """Cycles between the last result words of instructions of equal size, where `gapless`."""
        return tokens * self.period(tokens)

    def gapless(self, tokens: int, start_delay: int = 1) -> bool:
        """Whether equal instructions follow each other without a gap (sufficient condition).

        Each is started `start_delay` cycles after `ready_next`. The buffer is free when the last
        query before the current instruction is summed; then the next keys and values are read
        in the cycles that the queries' reads leave.
        """
        period = self.period(tokens)
        reads = max(tokens + 1, 2 * tokens + 1 - EARLY)
        load = -(-reads * period // (period - 1)) + 9 + start_delay
        return self.query_latency(tokens) + load <= (tokens + 1) * period
