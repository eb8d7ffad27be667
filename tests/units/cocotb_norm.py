"""Drives norm_unit.v with tokens and random gaps; reads the whole table back after every batch."""

from __future__ import annotations

import os
from math import isqrt

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge

from hwgen.engine.numerics import MAX_LOG2C, norm_stats, norm_width
from hwgen.units.norm import NormUnit

UNIT = NormUnit(*(int(v) for v in os.environ["NORM_UNIT"].split()))
SEED = int(os.environ["NORM_SEED"])
BATCHES = int(os.environ["NORM_BATCHES"])
FAULT = os.environ.get("NORM_FAULT", "")
L = UNIT.lanes


def rounded(numerator, denominator):
    """Nearest integer, halves up, by exact integers."""
    return (2 * numerator + denominator) // (2 * denominator)


def reference(x, channels, eps):
    """(mean2, norm_r, norm_shift) of one token of so many channels by Python integers."""
    width = max(2, 1 << (channels - 1).bit_length())
    log2c, scale = width.bit_length() - 1, 2**16 * width // channels
    values = [int(i) for i in x]
    s1 = rounded(sum(values) * scale, 2**16)
    s2 = rounded(sum(i * i for i in values) * scale, 2**16)
    big = min(max(width * s2 - s1 * s1 + eps, 1), 2**52 - 1)
    h = 1
    while 4**h <= big:
        h += 1
    v = big * 2**16 // 4**h if 4**h >= 2**16 else big * (2**16 // 4**h)
    # guess: 2**14 / sqrt of the middle of the bin, rounded (irrational: no ties)
    y0 = (isqrt((4 * 2**28 * 512) // (2 * (v // 256) + 1)) + 1) // 2
    newton = 3 * 2**16 - rounded(v * rounded(y0 * y0, 2**14), 2**14)
    r = min(rounded(y0 * newton, 2**17), 2**15 - 1)
    assert abs(r * r * big / (4.0**14 * 4.0**h) - 1) < 2.0**-12  # it is 1 / sqrt
    mean2 = rounded(s1, width // 2)
    full = max(3, h + 3 - log2c)
    shift = min(17, full - (full + 1) % 2)
    return mean2, rounded(r, 2 ** (full - shift)), shift


def token(rng, channels, kind):
    """Channels of one token: gaussian of any size and mean, constant, extreme, mostly equal."""
    low, high = -(1 << 15), (1 << 15) - 1
    if kind == 0:
        return np.full(channels, rng.choice([low, high, 0, -1, 1, int(rng.integers(low, high))]))
    if kind == 1:
        return rng.choice([low, high], channels)
    if kind == 2:
        x = np.full(channels, int(rng.integers(low, high)))
        x[int(rng.integers(channels))] += 1
        return x
    x = rng.normal(rng.normal(0, 2000), 2.0 ** rng.uniform(-1, 15), channels)
    return np.clip(np.rint(x), low, high).astype(np.int64)


def beat(x):
    """Lane sums of channels x: lane l gets channels l, l + L, .."""
    sums = [int(i) for i in x.astype(np.int64).reshape(-1, L).sum(0)]
    return sum((s & ((1 << 40) - 1)) << (40 * i) for i, s in enumerate(sums))


@cocotb.test()
async def statistics(dut):
    """Every entry bit for bit, `busy` cycle for cycle."""
    rng = np.random.default_rng(SEED)
    cocotb.start_soon(Clock(dut.clk, 10, unit="ns").start())
    for name in ("acc_valid", "acc_word", "phase", "log2c", "scale", "eps", "reset", "rd_index"):
        getattr(dut, name).value = 0
    dut.rst.value = 1
    for _ in range(3):
        await RisingEdge(dut.clk)
    dut.rst.value = 0
    table = {}
    at = 0
    noise = int(rng.integers(1 << 62))
    for batch in range(BATCHES):
        most = 1 << MAX_LOG2C
        words = int(2 ** rng.uniform(0, np.log2(most // L)))
        # all of the words, or some channels of the last one are 0 and do not count
        channels = words * L - int(rng.integers(L)) * int(rng.integers(2))
        channels = channels if batch > 1 else (L, most)[batch]
        log2c, scale = norm_width(channels)
        eps = [0, 1, (1 << 52) - 1, 1 << 51, int(2 ** rng.uniform(0, 52))][min(batch % 7, 4)]
        dense = batch % 3 == 0
        restart = batch % 2 == 0
        dut.log2c.value = log2c
        dut.scale.value = scale ^ (FAULT == "scale") << 9
        dut.eps.value = eps ^ (FAULT == "eps") << 20
        dut.reset.value = int(restart)
        await RisingEdge(dut.clk)
        dut.reset.value = 0
        at = 0 if restart else at
        xs = [token(rng, channels, int(rng.integers(0, 8))) for _ in range(min(12, UNIT.words))]
        xs = [np.pad(x, (0, -channels % L)) for x in xs]
        stats = norm_stats(np.stack(xs), channels, eps)
        for i, x in enumerate(xs):
            want = reference(x, channels, eps)
            assert want == tuple(int(s[i]) for s in stats), "the two references agree"
            table[(at + i) % UNIT.words] = want
        beats = [(f, beat(x * x if f else x)) for x in xs for f in (0, 1)]
        if FAULT == "bit":
            beats[-2] = (0, beats[-2][1] ^ (1 << 40))
        at = (at + len(xs)) % UNIT.words
        last, begun, idle, last_flight = None, False, 0, False
        cycle = 0
        while idle < 3:
            send = bool(beats) and (dense or rng.random() < 0.4)
            dut.acc_valid.value = int(send)
            if send:
                dut.phase.value, dut.acc_word.value = beats.pop(0)
                half = len(beats) % 2 == 1
                begun = True
                last = cycle if not half else last
            else:
                dut.phase.value = int(rng.integers(2))
                dut.acc_word.value = noise
            await ReadOnly()
            in_flight = begun and (half or (last is not None and cycle <= last + UNIT.write_at))
            # a register: from the cycle after the first beat on, to the write of the last one
            busy = in_flight and not (send and half and last_flight is False)
            assert bool(dut.busy.value) == busy, (batch, cycle, last)
            last_flight = in_flight
            idle += not beats and not in_flight
            await RisingEdge(dut.clk)
            cycle += 1
        order = [int(i) for i in rng.permutation(sorted(table))][:24]
        for i in [*order, order[0]]:
            dut.rd_index.value = i
            await RisingEdge(dut.clk)
            await ReadOnly()
            got = tuple(
                int(v)
                for v in (dut.mean2.value.to_signed(), dut.norm_r.value, dut.norm_shift.value)
            )
            assert got == table[i], (
                f"entry {i}: got {got}, golden {table[i]} (channels={channels}, eps={eps}, "
                f"batch={batch}, seed={SEED})"
            )
            await RisingEdge(dut.clk)
