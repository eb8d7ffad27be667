"""The memory's rate: never more than it says, and the same as a model that goes cycle by cycle."""

from __future__ import annotations

import itertools
import random
from fractions import Fraction

import pytest

from hwgen.targets.memory import DEPTH, PORTS_ONLY, Bucket, Rate

RATES = [Rate(2, 5), Rate(147, 320), Rate(17, 16), Rate(1, 9), Rate(1, 1), PORTS_ONLY]


def by_cycle(rate: Rate, reads: list[int], writes: list[int]) -> tuple[list[int], list[int]]:
    """Cycles of reads, each asked for in reads[k] and behind the one before, and of writes."""
    tokens, queue, given = DEPTH * rate.cycles, 0, []
    written = []
    for cycle in itertools.count():
        tokens = min(DEPTH * rate.cycles, tokens + rate.beats)
        if len(given) == len(reads) and cycle > max(writes, default=0):
            return given, written
        asked = reads[len(given)] if len(given) < len(reads) else cycle + 1
        if asked <= cycle and (not given or given[-1] < cycle) and tokens >= rate.cycles:
            tokens -= rate.cycles
            given.append(cycle)
        for _ in range(writes.count(cycle)):
            tokens -= rate.cycles
            queue = max(queue, cycle * rate.beats)
            written.append(-(-queue // rate.beats))
            queue += rate.cycles


@pytest.mark.parametrize("rate", RATES, ids=lambda r: f"{r.beats} in {r.cycles}")
def test_the_bucket_is_the_one_of_every_cycle(rate):
    rng = random.Random(rate.beats)
    for _ in range(30):
        reads = sorted(rng.choices(range(400), k=rng.randrange(1, 60)))
        writes = sorted(rng.sample(range(1, 400, 2), rng.randrange(20)))
        want, written = by_cycle(rate, reads, writes)
        bucket = Bucket(rate)
        assert [bucket.write(cycle) for cycle in writes] == written
        got: list[int] = []
        for asked in reads:
            got.append(bucket.read(max(asked, got[-1] + 1 if got else 0)))
        assert got == want


@pytest.mark.parametrize("rate", RATES[:4], ids=str)
def test_it_delivers_at_most_its_rate(rate):
    bucket, cycles = Bucket(rate), [0]
    for _ in range(1000):
        cycles.append(bucket.read(cycles[-1] + 1))
    per_cycle = Fraction(rate.beats, rate.cycles)
    for n in (1, 10, 100, 1000):
        assert n <= cycles[n] * per_cycle + DEPTH
        if per_cycle < 1:  # else the ports bound it
            assert cycles[n] <= n / per_cycle + 1


def test_a_rate_comes_from_a_bandwidth():
    assert Rate.of(Fraction(147, 320)) == Rate(147, 320)
    assert Rate.of(Fraction(50)) == PORTS_ONLY
    assert Rate(147, 320).read_cycles == Fraction(320, 147)
    assert Rate(42, 25).read_cycles == PORTS_ONLY.read_cycles == 1
    with pytest.raises(AssertionError, match="0 beats in 5 cycles"):
        Rate(0, 5)
