"""Drives attention.v with a model of the bit memory; compares every result word and its cycle."""

from __future__ import annotations

import json
import os

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge

from hwgen.ops.attention import NEVER
from hwgen.units.attention import Attention
from hwgen.units.compute_unit import ANNOUNCED

UNIT = Attention(**json.loads(os.environ["ATTENTION_UNIT"]))
SEED = int(os.environ["ATTENTION_SEED"])
RUNS = int(os.environ["ATTENTION_RUNS"])
FAULT = os.environ.get("ATTENTION_FAULT", "")
L, KW, PK = UNIT.lanes, UNIT.kw, UNIT.pk
ELEMS = 64 // L
FIELDS = (
    "q_bits", "k_bits", "v_bits", "t_stride", "queries", "tokens",
    "kappa1", "kappa2", "kappa3", "neg", "offset", "v_unit",
)  # fmt: skip

HEAD = UNIT.head
# Logits of 0 .. HEAD equal bits as exp(logit - top) at scale 2**23, rounded to nearest, at least 1:
# written down again here. Heads of up to 64 channels have no logit above the top one.
EQUAL = np.clip(np.arange(HEAD + 1), max(0, HEAD // 2 - 64), max(0, HEAD // 2 - 64) + 126)
TOP = min(np.sqrt(HEAD), 8.0)
LOGIT = np.minimum((2 * EQUAL - HEAD) / np.sqrt(HEAD), TOP)
EXP = np.maximum(np.floor(2.0**23 * np.exp(LOGIT - TOP) + 0.5), 1).astype(np.int64)


def context(q, k, v, kappa, neg):
    """(queries, channels) by plain integers; q (queries, HEAD), k (tokens, HEAD), v (tokens,
    channels) in {0, 1}."""
    e = EXP[(q[:, None] == k[None]).sum(-1)]
    bounds = e.sum(1, keepdims=True)[..., None] * np.array(kappa)  # below 2**31 2**24
    value = (e << 20)[..., None]
    level = ((value <= bounds) if neg else (value >= bounds)).sum(-1)
    return level @ (2 * v.astype(np.int64) - 1)


class Memory:
    """The bit memory: elements of L bits, rows of KW."""

    def __init__(self, rng):
        self.bits = rng.integers(0, 2, (1 << 16, L), dtype=np.uint8)
        self.rng = rng

    def write(self, base, stride, rows):
        for t, row in enumerate(rows):
            at = (base + t * stride) & 0xFFFF
            self.bits[at : at + len(row) // L] = row.reshape(-1, L)

    def row(self, address):
        n = KW // L
        first = address - address % n
        row = np.roll(self.bits[first : first + n], -(address % n), axis=0).reshape(-1)
        return int.from_bytes(np.packbits(row, bitorder="little").tobytes(), "little")


def kappas(rng, scores):
    """Three thresholds: typical, zero, huge, one level, or exactly on a key's value of a query."""
    kind = rng.integers(6)
    if kind == 0:
        return [0, 0, 0]
    if kind == 1:
        return [int(x) for x in rng.integers(1 << 23, 1 << 24, 3)]
    if kind == 2:  # equality: kappa = EXP 2**20 / rowsum where that is an integer
        e = [int(EXP[p]) for p in scores[0]]
        total = sum(e)
        return [min((x << 20) // total, (1 << 24) - 1) for x in map(int, rng.choice(e, 3))]
    if kind == 3:
        return [int(2.0 ** rng.uniform(8, 21)), NEVER, NEVER]
    return sorted(int(x) for x in (2.0 ** rng.uniform(8, 21, 3)))


def case(rng, memory, queries, tokens, run):
    """One instruction: fields, expected (queries, channels of the head in the values' unit)."""
    offset = int(rng.integers(0, 4)) * HEAD % 64
    units = UNIT.units(offset)
    v_unit = int(rng.integers(0, units))
    room = 0x1300 // (ELEMS * max(queries, tokens))
    stride = ELEMS * int(rng.integers(units, max(units, min(3, room)) + 1))
    slot = 3 * (run % 4)  # no two instructions that are under way at once have the same
    base = [(slot + i) * 0x1400 + ELEMS * int(rng.integers(0, 8)) for i in range(3)]
    q = rng.integers(0, 2, (queries, HEAD), dtype=np.uint8)
    k = rng.integers(0, 2, (tokens, HEAD), dtype=np.uint8)
    v = rng.integers(0, 2, (tokens, 64), dtype=np.uint8)
    kind = run % 4
    if kind == 1:  # near keys: large scores
        k = np.where(rng.random(k.shape) < 0.1, k, q[rng.integers(0, queries, tokens)])
    if kind == 2:  # extremes: score 64 and 0, context +-3 tokens
        q[:], k[:] = q[0], q[0] ^ int(rng.integers(2))
        v[:] = v[0]
    memory.write(base[0], stride, in_units(rng, q, offset, units))
    memory.write(base[1], stride, in_units(rng, k, offset, units))
    memory.write(base[2], stride, v)
    scores = (q[:, None] == k[None]).sum(-1)
    first, words = UNIT.own_words(offset, v_unit)
    v = v[:, first * L : (first + words) * L]
    kappa = kappas(rng, scores)
    neg = int(rng.integers(2))
    want = context(q, k, v, kappa, neg)
    if FAULT == "bit":  # one bit of the last value differs in the stimulus
        memory.bits[base[2] + (tokens - 1) * stride + first, 0] ^= 1
    fields = {
        **dict(zip(("q_bits", "k_bits", "v_bits"), base)),
        "t_stride": stride,
        "queries": queries,
        "tokens": tokens,
        **dict(zip(("kappa1", "kappa2", "kappa3"), kappa)),
        "neg": neg,
        "offset": offset // 8,
        "v_unit": v_unit,
    }
    if FAULT == "kappa":
        fields["kappa1"] ^= 0x70000
    return fields, want


def in_units(rng, rows, offset, units):
    """Rows of a head between the channels of others: (rows, 64 units)."""
    noise = rng.integers(0, 2, (len(rows), 64 * units), dtype=np.uint8)
    noise[:, offset : offset + HEAD] = rows
    return noise


def shape_of(fields):
    """(units, words) of an instruction, for `UNIT.run`."""
    return UNIT.shape(fields["offset"], fields["v_unit"])


class Bench:
    """Steps the clock, serves reads, collects results with their cycles."""

    def __init__(self, dut, memory):
        self.dut, self.memory = dut, memory
        self.cycle = 0
        self.pipe = [None] * UNIT.row_at
        self.results = []  # (cycle, word)
        self.coming = []  # cycles of announced words
        self.reads = 0
        self.noise = np.random.default_rng(SEED + 99)

    async def reset(self):
        dut = self.dut
        cocotb.start_soon(Clock(dut.clk, 10, unit="ns").start())
        dut.rst.value = 1
        dut.start.value = 0
        dut.att_row.value = 0
        for name in FIELDS:
            getattr(dut, name).value = 0
        for _ in range(3):
            await RisingEdge(dut.clk)
        dut.rst.value = 0
        await RisingEdge(dut.clk)

    async def step(self, fields=None):
        """One cycle: drives the inputs after the edge, samples the outputs before the next."""
        dut = self.dut
        dut.start.value = int(fields is not None)
        if fields is not None:
            for name, value in fields.items():
                getattr(dut, name).value = int(value)
        address = self.pipe.pop(0)
        noise = int(self.noise.integers(0, 1 << 62)) * ((1 << KW) // (1 << 62) + 1)
        dut.att_row.value = noise & ((1 << KW) - 1) if address is None else self.memory.row(address)
        await ReadOnly()
        if dut.att_re.value:
            self.reads += 1
            self.pipe.append(int(dut.att_addr.value))
        else:
            self.pipe.append(None)
        if dut.c_next.value:
            self.coming.append(self.cycle + ANNOUNCED + 1)
        if self.coming and self.coming[0] == self.cycle:
            self.results.append((self.coming.pop(0), int(dut.r_acc.value)))
        ready = bool(dut.ready.value)
        await RisingEdge(dut.clk)
        self.cycle += 1
        return ready


def lanes_of(word):
    raw = np.frombuffer(word.to_bytes(2 * L, "little"), dtype="<i2")
    return raw.astype(np.int64)


def check(results, want, run):
    got = np.concatenate([lanes_of(word) for _, word in results]).reshape(want.shape)
    bad = np.argwhere(got != want)
    assert not len(bad), (
        f"run {run} query {bad[0][0]} channel {bad[0][1]}: got {got[tuple(bad[0])]}, "
        f"golden {want[tuple(bad[0])]} ({len(bad)} wrong, queries={len(want)}, seed={SEED})"
    )


def word_cycles(run):
    """Cycles of an instruction's result words."""
    first = run.last - run.words + 1 - (run.queries - 1) * run.period
    query = first + np.arange(run.queries) * run.period
    return (query[:, None] + np.arange(run.words)).ravel().tolist()


# (queries, tokens): lengths 1, odd, a group, one beyond, powers of two, half of the memories, one
# beyond, all; few queries with many keys and the reverse
SIZES = [
    (1, 1), (300, 1), (3, 2), (PK, PK), (17, PK + 1), (224, 49), (49, 49), (3, 129), (1, 256),
    (64, 64), (3, 256), (49, 128), (1, 128), (49, 196), (33, 255), (1, 127), (224, 3), (300, 16),
]  # fmt: skip


def sizes(rng):
    """Fixed sizes as far as the unit has room for the keys, then random ones."""
    fixed = [(q, t) for q, t in SIZES if t <= UNIT.max_tokens]
    drawn = (
        (int(rng.integers(1, 100)), int(2 ** rng.uniform(0, np.log2(UNIT.max_tokens) + 0.005)))
        for _ in range(max(0, RUNS - len(fixed)))
    )
    return [*fixed, *drawn][:RUNS]


async def started_early(dut, rng, jobs, delay):
    """Starts every (queries, tokens) `delay()` cycles after it may; checks all words, `ready` and
    the cycle of every word against `UNIT.run`. Returns the runs."""
    bench = Bench(dut, Memory(rng))
    await bench.reset()
    wants, runs, wait = [], [], 0
    while len(runs) < len(jobs) or bench.cycle <= runs[-1].last:
        now, fields = bench.cycle, None
        free = not runs or now >= runs[-1].next
        if len(runs) < len(jobs) and free and wait == 0:
            fields, want = case(rng, bench.memory, *jobs[len(runs)], len(runs))
            wants.append(want)
            wait = delay()
        wait -= free and wait > 0 and fields is None
        ready = await bench.step(fields)
        assert ready == free, (now, len(runs), runs[-2:])
        if fields is not None:
            before = runs[-1] if runs else None
            runs.append(UNIT.run(now, *jobs[len(runs)], before, *shape_of(fields)))
    at = 0
    for i, (run, want) in enumerate(zip(runs, wants, strict=True)):
        results = bench.results[at : at + len(want) * run.words]
        check(results, want, i)
        assert [cycle for cycle, _ in results] == word_cycles(run), (i, runs[max(i - 1, 0) : i + 1])
        at += len(results)
    assert at == len(bench.results)
    reads = (run.queries * run.units + run.tokens * (run.units + 1) for run in runs)
    assert bench.reads == sum(reads)
    return runs


@cocotb.test()
async def one_by_one(dut):
    """Idle unit, random gaps: results bit for bit and the exact number of cycles."""
    rng = np.random.default_rng(SEED)
    bench = Bench(dut, Memory(rng))
    await bench.reset()
    for run, (queries, tokens) in enumerate(sizes(rng)):
        fields, want = case(rng, bench.memory, queries, tokens, run)
        for _ in range(int(rng.integers(1, 5))):
            assert await bench.step()
        first, bench.results, bench.reads = bench.cycle, [], 0
        units, words = shape_of(fields)
        cycles = UNIT.run(0, queries, tokens, None, units, words).last + 1
        await bench.step(fields)
        for _ in range(cycles - 1):
            await bench.step()
        assert len(bench.results) == queries * words
        assert bench.results[-1][0] - first + 1 == cycles, (run, tokens)
        assert bench.reads == queries * units + tokens * (units + 1)
        check(bench.results, want, run)


@cocotb.test()
async def overlapped(dut):
    """Starts from ready on, mixed sizes in random order, some twice, random delays."""
    rng = np.random.default_rng(SEED + 1)
    jobs = [job for job in sizes(rng) for _ in range(1 + int(rng.integers(3)))]
    rng.shuffle(jobs)
    jobs = [(int(q), int(t)) for q, t in jobs]
    await started_early(dut, rng, jobs, lambda: int(rng.integers(0, 60)) * int(rng.integers(2)))


@cocotb.test()
async def chained(dut):
    """Started as early as possible: equal sizes (one query every period, no gap), then large after
    small, small after large and large after large."""
    rng = np.random.default_rng(SEED + 2)
    equal = [job for job in ((58, 58), (224, 49), (300, 1), (3, 49)) if job[1] <= UNIT.max_tokens]
    half = UNIT.max_tokens // 2
    mixed = [(9, half), (9, half), (2, half + 1), (2, UNIT.max_tokens), (3, 5), (60, 5), (1, half)]
    if ELEMS == 1:  # the bit memory has room for the most queries
        mixed += [(4095, 3), (1, 3)]
    jobs = [job for job in equal for _ in range(3)] + mixed
    runs = await started_early(dut, rng, jobs, lambda: 0)
    for i, job in enumerate(equal[:3]):
        if UNIT.overlaps(job[1]) and HEAD == 64:
            ends = np.diff([run.last for run in runs[3 * i : 3 * i + 3]])
            assert ends.tolist() == [job[0] * UNIT.period(job[1])] * 2, job
