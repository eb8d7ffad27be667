"""Drives attention.v with a model of the bit memory; compares every result word and its cycle."""

from __future__ import annotations

import os

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge

from hwgen.units.attention import Attention

UNIT = Attention(*(int(v) for v in os.environ["ATTENTION_UNIT"].split()))
SEED = int(os.environ["ATTENTION_SEED"])
RUNS = int(os.environ["ATTENTION_RUNS"])
FAULT = os.environ.get("ATTENTION_FAULT", "")
L, KW, PK = UNIT.lanes, UNIT.kw, UNIT.pk
ELEMS = 64 // L
FIELDS = ("q_bits", "k_bits", "v_bits", "t_stride", "tokens", "kappa1", "kappa2", "kappa3", "neg")

# exp((p - 64) / 4) at scale 2**23, rounded to nearest, at least 1: written down again here
EXP = [max(1, int(np.floor(2.0**23 * np.exp(-(64 - p) / 4) + 0.5))) for p in range(65)]


def context(q, k, v, kappa, neg):
    """(tokens, 64) by plain integers; q, k, v (tokens, 64) in {0, 1}."""
    out = np.zeros(q.shape, dtype=np.int64)
    for t in range(len(q)):
        e = [EXP[int((q[t] == kj).sum())] for kj in k]
        total = sum(e)
        for j, ej in enumerate(e):
            reached = [(ej << 20) <= total * x if neg else (ej << 20) >= total * x for x in kappa]
            out[t] += sum(reached) * (2 * v[j].astype(np.int64) - 1)
    return out


class Memory:
    """The bit memory: elements of L bits, rows of KW."""

    def __init__(self, rng):
        self.bits = rng.integers(0, 2, (1 << 16, L), dtype=np.uint8)
        self.rng = rng

    def write(self, base, stride, rows):
        for t, row in enumerate(rows):
            at = (base + t * stride) & 0xFFFF
            self.bits[at : at + ELEMS] = row.reshape(ELEMS, L)

    def row(self, address):
        n = KW // L
        first = address - address % n
        row = np.roll(self.bits[first : first + n], -(address % n), axis=0).reshape(-1)
        return int.from_bytes(np.packbits(row, bitorder="little").tobytes(), "little")


def kappas(rng, scores):
    """Three thresholds: typical, zero, huge, or exactly on a key's value of one query."""
    kind = rng.integers(5)
    if kind == 0:
        return [0, 0, 0]
    if kind == 1:
        return [int(x) for x in rng.integers(1 << 23, 1 << 24, 3)]
    if kind == 2:  # equality: kappa = EXP 2**20 / rowsum where that is an integer
        e = [EXP[p] for p in scores[0]]
        total = sum(e)
        return [min((x << 20) // total, (1 << 24) - 1) for x in rng.choice(e, 3)]
    return sorted(int(x) for x in (2.0 ** rng.uniform(8, 21, 3)))


def case(rng, memory, tokens, run):
    """One instruction: fields, expected (tokens, 64)."""
    stride = ELEMS * int(rng.integers(1, 4))
    size = (tokens * stride // ELEMS + 1) * ELEMS
    slot = 3 * (run % 4)  # four instructions may be alive at once
    base = [(slot + i) * 0x1400 + ELEMS * int(rng.integers(0, 8)) for i in range(3)]
    assert size < 0x1300
    q, k, v = rng.integers(0, 2, (3, tokens, 64), dtype=np.uint8)
    kind = run % 4
    if kind == 1:  # near keys: large scores
        k = np.where(rng.random(k.shape) < 0.1, k, q[rng.integers(0, tokens, tokens)])
    if kind == 2:  # extremes: score 64 and 0, context +-3 tokens
        q[:], k[:] = q[0], q[0] ^ int(rng.integers(2))
        v[:] = v[0]
    memory.write(base[0], stride, q)
    memory.write(base[1], stride, k)
    memory.write(base[2], stride, v)
    scores = (q[:, None] == k[None]).sum(-1)
    kappa = kappas(rng, scores)
    neg = int(rng.integers(2))
    want = context(q, k, v, kappa, neg)
    if FAULT == "bit":  # one bit of the last value differs in the stimulus
        memory.bits[base[2] + (tokens - 1) * stride, 0] ^= 1
    fields = {
        **dict(zip(("q_bits", "k_bits", "v_bits"), base)),
        "t_stride": stride,
        "tokens": tokens,
        **dict(zip(("kappa1", "kappa2", "kappa3"), kappa)),
        "neg": neg,
    }
    if FAULT == "kappa":
        fields["kappa1"] ^= 0x70000
    return fields, want


class Bench:
    """Steps the clock, serves reads, collects results with their cycles."""

    def __init__(self, dut, memory):
        self.dut, self.memory = dut, memory
        self.cycle = 0
        self.pipe = [None, None]
        self.results = []  # (cycle, word)
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
        if dut.r_valid.value:
            self.results.append((self.cycle, int(dut.r_acc.value)))
        state = bool(dut.ready.value), bool(dut.ready_next.value)
        await RisingEdge(dut.clk)
        self.cycle += 1
        return state


def lanes_of(word):
    raw = np.frombuffer(word.to_bytes(2 * L, "little"), dtype="<i2")
    return raw.astype(np.int64)


def check(results, want, run):
    got = np.concatenate([lanes_of(word) for _, word in results]).reshape(want.shape)
    bad = np.argwhere(got != want)
    assert not len(bad), (
        f"run {run} query {bad[0][0]} channel {bad[0][1]}: got {got[tuple(bad[0])]}, "
        f"golden {want[tuple(bad[0])]} ({len(bad)} wrong, tokens={len(want)}, seed={SEED})"
    )


def token_counts(rng):
    """Lengths 1, odd, a multiple of PK, one beyond, the largest; then random ones."""
    fixed = [1, 2, PK, PK + 1, UNIT.max_tokens, 17, 49, 58]
    return [fixed[i] if i < len(fixed) else int(rng.integers(1, 65)) for i in range(RUNS)]


@cocotb.test()
async def one_by_one(dut):
    """Idle unit, random gaps: results bit for bit and the exact number of cycles."""
    rng = np.random.default_rng(SEED)
    bench = Bench(dut, Memory(rng))
    await bench.reset()
    for run, tokens in enumerate(token_counts(rng)):
        fields, want = case(rng, bench.memory, tokens, run)
        for _ in range(int(rng.integers(1, 5))):
            ready = await bench.step()
            assert ready == (True, True)
        first, bench.results, bench.reads = bench.cycle, [], 0
        await bench.step(fields)
        for _ in range(UNIT.cycles(tokens) + 20):
            ready, _ = await bench.step()
            if ready:
                break
        assert len(bench.results) == tokens * UNIT.words
        assert bench.results[-1][0] == bench.cycle - 1, "ready rises with the last word"
        assert bench.results[-1][0] - first + 1 == UNIT.cycles(tokens), (run, tokens)
        assert bench.reads == 3 * tokens
        check(bench.results, want, run)


@cocotb.test()
async def overlapped(dut):
    """Starts at ready_next, mixed sizes, random delays: results in order, none lost."""
    rng = np.random.default_rng(SEED + 1)
    bench = Bench(dut, Memory(rng))
    await bench.reset()
    counts = [t for t in token_counts(rng) for _ in range(1 + int(rng.integers(3)))]
    wants, quiet, run, state = [], 0, 0, (True, True)
    delay = 0
    while run < len(counts) or not state[0]:
        before = len(bench.results)
        if run < len(counts) and state[1] and delay == 0:
            fields, want = case(rng, bench.memory, counts[run], run)
            wants.append(want)
            await bench.step(fields)
            state = (False, False)
            run += 1
            delay = int(rng.integers(0, 60)) * int(rng.integers(2))
        else:
            delay -= delay > 0
            state = await bench.step()
        quiet = 0 if len(bench.results) > before else quiet + 1
        assert quiet < 1500, "no result for 1500 cycles"
    at = 0
    for i, want in enumerate(wants):
        n = len(want) * UNIT.words
        check(bench.results[at : at + n], want, i)
        at += n
    assert at == len(bench.results)


@cocotb.test()
async def chained(dut):
    """Equal sizes, started as early as possible: one query every period, no gap."""
    rng = np.random.default_rng(SEED + 2)
    bench = Bench(dut, Memory(rng))
    await bench.reset()
    tokens, runs = 58, 4
    run, state, wants = 0, (True, True), []
    while run < runs or not state[0]:
        if run < runs and state[1]:
            fields, want = case(rng, bench.memory, tokens, run)
            wants.append(want)
            await bench.step(fields)
            state = (False, False)
            run += 1
        else:
            state = await bench.step()
    n = tokens * UNIT.words
    ends = [bench.results[(i + 1) * n - 1][0] for i in range(runs)]
    if UNIT.gapless(tokens):
        assert np.diff(ends).tolist() == [UNIT.chained_cycles(tokens)] * (runs - 1)
    for i, want in enumerate(wants):
        check(bench.results[i * n : (i + 1) * n], want, i)
