"""What surrounds compute_unit in its test: pins, stand-ins for the other units, DMA traffic."""

from __future__ import annotations

import random
from collections import deque

import numpy as np
from cocotb.triggers import FallingEdge, ReadOnly

from hwgen.engine.isa import CMP_SOURCE
from hwgen.units.compute_unit import STORE_AT
from tests.units.compute_programs import FREE, Step
from tests.units.isa_reference import Machine, norm_gain, rsqrt_fixed, shift_round

FRONT = 12  # cycles from a vector of xnor_front to its result


def pack(row, bits: int) -> int:
    mask = (1 << bits) - 1
    return sum((int(v) & mask) << (bits * i) for i, v in enumerate(row))


def signed(low: np.ndarray, bits: int) -> np.ndarray:
    return np.where(low >= 1 << (bits - 1), low - (1 << bits), low).astype(np.int64)


def unpack(word: int, bits: int, count: int) -> np.ndarray:
    low = np.array([(word >> (bits * i)) & ((1 << bits) - 1) for i in range(count)], dtype=object)
    return signed(low, bits)


def unpack_fields(word: int, layout) -> dict[str, int]:
    out, lsb = {}, 0
    for name, width in layout:
        out[name] = word >> lsb & ((1 << width) - 1)
        lsb += width
    return out


def mod(fields, layout) -> dict[str, int]:
    return {name: fields[name] & ((1 << width) - 1) for name, width in layout}


class Bench:
    """Pins of one cycle; `tick` returns the outputs that belong to the inputs set before."""

    def __init__(self, dut):
        self.dut, self.cycle, self.cache = dut, -1, {}

    def set(self, name: str, value: int) -> None:
        if self.cache.get(name) != value:
            self.cache[name] = value
            getattr(self.dut, name).value = value

    def get(self, name: str) -> int:
        return int(getattr(self.dut, name).value)

    async def settle(self) -> None:
        self.cycle += 1
        await ReadOnly()

    async def end(self) -> None:
        await FallingEdge(self.dut.clk)

    async def tick(self) -> None:
        await self.settle()
        await self.end()


class Sources:
    """Stand-ins for xnor_front and attention: random issue times, results in order."""

    def __init__(self, rng: random.Random, steps: list[Step]):
        self.rng = rng
        self.jobs = {
            k: deque(s for s in steps if CMP_SOURCE.get(s.op) == k) for k in ("xnor", "att")
        }
        self.fires: deque = deque()  # cycles of xnor vectors with (pop, pattern) or None
        self.results: deque = deque()  # attention: (cycle, acc)
        self.at_free: list[int] = []  # from when the next ATT may start
        self.last_fire = self.last_att = -1
        self.kappa: dict[str, int] = {}

    def start_xnor(self, cycle: int) -> tuple[int, int]:
        """(issue, delivered) cycles."""
        step = self.jobs["xnor"].popleft()
        count = step.fields["n2"] * step.fields["n3"]
        if step.values is None:
            count = self.rng.choice([1, 2, count])
        at = cycle
        for k in range(count):
            at += self.rng.choice([1, 1, 1, 3]) if count > 1 else 1
            result = None if step.values is None else (step.values[k], step.patterns[k])
            self.fires.append((at + FRONT - 1, result))
        self.last_fire = at
        return at - cycle, 0 if step.values is None else at + FRONT - 1 - cycle

    def start_att(self, cycle: int) -> tuple[int, int]:
        step = self.jobs["att"].popleft()
        at = max(cycle + self.rng.randint(8, 30), self.last_att + 1)  # one cycle lies between
        begin = max(self.last_att, cycle + 1)
        for value in step.values:
            at += self.rng.choice([1, 1, 2, 5])
            self.results.append((at, value))
        self.last_att = at
        self.next_att = min(begin + self.rng.randint(0, 6), at)
        return self.next_att - cycle, at - cycle

    next_att = 0


class Norm:
    """Stand-in for norm_unit."""

    def __init__(self, delay: int):
        self.delay, self.table, self.made, self.sum, self.until = delay, {}, 0, 0, -1
        self.due: deque = deque()

    def take(self, cycle: int, phase: int, value: int, log2c: int, scale: int, eps: int) -> None:
        value = (value * scale + 0x8000) >> 16
        if not phase:
            self.sum = value
            return
        v = (value << log2c) - self.sum**2 + eps
        r, h = rsqrt_fixed(min(max(v, 1), (1 << 52) - 1))
        mean2 = int(shift_round(np.int64(self.sum), log2c - 1))
        self.due.append((cycle + self.delay, (mean2, *norm_gain(r, max(3, h + 3 - log2c)))))
        self.until = cycle + self.delay

    def advance(self, cycle: int) -> None:
        while self.due and self.due[0][0] <= cycle:
            self.table[self.made] = self.due.popleft()[1]
            self.made += 1

    def read(self, index: int) -> tuple[int, int, int]:
        return self.table.get(index, (0x155, 0x2AA, 7))


class Traffic:
    """Random LOADF writes and STORE reads in the free words at the end of FM and TM."""

    def __init__(self, bench: Bench, machine: Machine, rng: random.Random):
        self.bench, self.memory, self.rng = bench, machine.feature, rng
        self.act_bits = machine.act_bits
        self.write = self.request = None
        self.granted = False  # f_ready was high: the word is written in this cycle
        self.pipe: deque = deque([None] * STORE_AT)
        self.waited = [0, 0]

    def inputs(self) -> None:
        b, rng = self.bench, self.rng
        if self.write is None and rng.random() < 0.4:
            mem = rng.randrange(2)
            addr = len(self.memory[mem]) - 1 - rng.randrange(FREE)
            self.write = (
                mem,
                addr,
                [rng.randrange(-(1 << 15), 1 << 15) for _ in range(self.memory[mem].shape[1])],
            )
        b.set("f_we", int(self.granted))
        if self.write:
            b.set("f_mem", self.write[0])
            b.set("f_addr", self.write[1])
            b.set("f_word", pack(self.write[2], 16))
        if self.request is None and rng.random() < 0.4:
            mem = rng.randrange(2)
            self.request = (mem, len(self.memory[mem]) - 1 - rng.randrange(FREE))
        b.set("fr_re", int(self.request is not None))
        if self.request:
            b.set("fr_mem", self.request[0])
            b.set("fr_addr", self.request[1])

    def outputs(self) -> None:
        b, done = self.bench, None
        expected = self.pipe.popleft()
        if expected is not None:
            assert b.get("fr_word") == pack(expected, 16), f"cycle {b.cycle}: STORE word"
        # the memory is read one cycle after the request: it holds what is written now
        if self.granted:
            mem, addr, row = self.write
            cut = np.array(row) & ((1 << self.act_bits) - 1)
            self.memory[mem][addr] = signed(cut, self.act_bits)
            self.write, self.granted = None, False
        elif self.write is not None:
            self.granted = bool(b.get("f_ready"))
            self.waited[1] += not self.granted
        if self.request is not None:
            if b.get("fr_ready"):
                mem, addr = self.request
                done, self.request = self.memory[mem][addr].copy(), None
            else:
                self.waited[0] += 1
        self.pipe.append(done)
