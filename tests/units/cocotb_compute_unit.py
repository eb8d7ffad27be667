"""Drives compute_unit with real lanes; compares every write and every start."""

from __future__ import annotations

import os
import random
from collections import deque

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

from hwgen.engine.isa import QM_FIELDS, SET_KINDS
from hwgen.units.compute_unit import ANNOUNCED, STORE_AT, SWAP_HEARD, CycleModel
from tests.units.compute_programs import FREE, Generator, StandIn, Step
from tests.units.compute_standins import (
    Bench,
    Norm,
    Sources,
    Traffic,
    mod,
    pack,
    unpack,
    unpack_fields,
)

L, A, FM_WORDS, TM_WORDS = (int(v) for v in os.environ["CTL_UNIT"].split())
SEED = int(os.environ["CTL_SEED"])
COUNT = int(os.environ["CTL_COUNT"])
FAULT = int(os.environ["CTL_FAULT"])  # load one wrong bit
PATIENCE = 3000  # cycles without a retirement
SIZES = {0: FM_WORDS, 1: TM_WORDS}
XF = [
    ("conv", 1), ("a_base", 16), ("a_s2", 16), ("a_s3", 16), ("a_elems", 5), ("g_base", 6),
    ("g_step", 6), ("g_qsh", 2), ("g_len", 4), ("y0", 8), ("height", 8), ("width", 8), ("n2", 12),
    ("n3", 12), ("xd", 3), ("psum_first", 1), ("psum_last", 1),
]  # fmt: skip
AT = [
    ("q_bits", 16), ("k_bits", 16), ("v_bits", 16), ("t_stride", 12), ("tokens", 9),
    ("queries", 12), ("offset", 3), ("v_unit", 3),
    ("kappa1", 24), ("kappa2", 24), ("kappa3", 24), ("neg", 1),
]  # fmt: skip


async def load(bench: Bench, machine: StandIn) -> None:
    """Features through the DMA port, parameters and weights through theirs."""
    for mem in (0, 1):
        for addr, row in enumerate(machine.feature[mem]):
            for name, value in (("f_we", 1), ("f_mem", mem), ("f_addr", addr)):
                bench.set(name, value)
            bench.set("f_word", pack(row, 16))
            await bench.tick()
    bench.set("f_we", 0)
    tables = [(0, 0, machine.cm), (1, 0, machine.om)]
    tables += [(0, k + 1, bank) for k, bank in enumerate(machine.cm_banks)]
    tables += [(2, k, machine.qm[name]) for k, name in enumerate(QM_FIELDS)]
    for sel, item, table in tables:
        for slot, row in enumerate(table):
            for name, value in (("p_we", 1), ("p_sel", sel), ("p_slot", slot), ("p_field", item)):
                bench.set(name, value)
            bench.set("p_word", pack(row, 16))
            await bench.tick()
    bench.set("p_we", 0)
    for slot, row in enumerate(machine.wb):
        bench.set("wb_we", 1)
        bench.set("wb_addr", slot)
        bench.set("p_word", pack(row, 16))
        await bench.tick()
    bench.set("wb_we", 0)


def expected_writes(machine: StandIn) -> tuple[list, list]:
    """Words and bits in the order of the results."""
    words, bits = [], []
    for w in machine.trace:
        for addr, value in zip(w.addr.tolist(), w.value, strict=True):
            if w.stream == "bit":
                bits.append((addr, pack(value, 1)))
            else:
                groups = w.mask.reshape(8, -1)
                assert (groups.all(1) == groups.any(1)).all()
                mask = sum(1 << g for g in range(8) if groups[g, 0])
                words.append((w.op, w.mem, addr, mask, tuple(value[w.mask].tolist())))
    return words, bits


class Run:
    """One program: inputs, logs and comparisons."""

    def __init__(
        self, bench: Bench, seed: int, steps: list[Step], generator: Generator, gaps: bool
    ):
        self.bench, self.rng, self.steps, self.gaps = bench, random.Random(seed), steps, gaps
        self.sources, self.norm = Sources(self.rng, steps), Norm(self.rng.randint(3, 25))
        self.goal = generator.dma, generator.ldw
        self.dma, self.ldw = (
            goal - max((goal - s.fields[wait]) & 0xFFFF for s in steps) - 1
            for goal, wait in zip(self.goal, ("wait_dma", "wait_ldw"))
        )
        # one of the two lags, so that each alone is what an instruction waits for
        rates = (0.05, 0.01) if seed % 2 else (0.01, 0.05)
        self.rates = rates if gaps else (1.0, 1.0)
        self.counts: list[tuple[int, int]] = []  # per cycle
        self.accepted, self.starts, self.ends, self.retired = [], [], [], []
        self.front: dict[int, tuple[int, int]] = {}  # instruction -> issue, delivered
        self.full_from = [0]  # cycles in which shadow_full rises
        self.norm_busy_log: list[int] = []
        self.words, self.bits = [], []
        self.pops: deque = deque()  # (cycle, pin, words) of announced results
        self.swaps: deque = deque()  # cycles in which the loader hears of a swap

    def inputs(self, cycle: int) -> None:
        bench, rng = self.bench, self.rng
        waiting = len(self.accepted)
        offer = waiting < len(self.steps) and (self.holding or not self.gaps or rng.random() < 0.7)
        self.holding = offer
        bench.set("i_valid", int(offer))
        if offer:
            bench.set("i_word", self.steps[waiting].word)
        self.dma += self.dma < self.goal[0] and rng.random() < self.rates[0]
        self.ldw += self.ldw < self.goal[1] and rng.random() < self.rates[1]
        bench.set("retired_dma", self.dma & 0xFFFF)
        bench.set("retired_ldw", self.ldw & 0xFFFF)
        self.counts.append((self.dma, self.ldw))
        bench.set("shadow_full", int(cycle >= self.full_from[-1]))
        s = self.sources
        bench.set("xf_ready", int(cycle >= s.last_fire))
        bench.set("at_ready", int(cycle >= s.next_att))
        coming = cycle + ANNOUNCED + 1
        fire = s.fires and s.fires[0][0] == coming and s.fires.popleft()[1]
        bench.set("xf_valid", int(bool(fire)))
        bench.set("xf_pattern", self.pattern)
        if fire:
            self.pattern = int(fire[1])
            self.pops.append((coming, "xf_pop", fire[0]))
        result = s.results and s.results[0][0] == coming and s.results.popleft()
        bench.set("at_valid", int(bool(result)))
        if result:
            self.pops.append((coming, "at_acc", result[1]))
        while self.pops and self.pops[0][0] == cycle:
            _, name, words = self.pops.popleft()
            bench.set(name, pack(words, 16))
        self.norm.advance(cycle)
        bench.set("nu_busy", int(cycle <= self.norm.until))
        self.norm_busy_log.append(int(cycle <= self.norm.until))
        mean2, r, shift = self.norm.read(self.index)
        bench.set("mean2", mean2 & 0x3FFFF)
        bench.set("norm_r", r)
        bench.set("nu_shift", shift)

    holding, index, count, pattern = False, 0, 0, 0

    def outputs(self, cycle: int) -> None:
        bench, s = self.bench, self.sources
        if bench.cache["i_valid"] and bench.get("i_ready"):
            self.accepted.append(cycle)
            self.holding = False
        if bench.get("t_issue_end"):
            self.ends.append(cycle)
        swap = bool(self.swaps) and self.swaps[0] == cycle
        assert bench.get("swap") == swap, f"cycle {cycle}: swap"
        if swap:
            self.swaps.popleft()
            assert bench.cache["shadow_full"]
            self.full_from.append(cycle + self.rng.choice([1, 2, 40]))
        if bench.get("t_start"):
            step = self.steps[len(self.starts)]
            if step.fields.get("swap", 0):
                self.swaps.append(cycle + SWAP_HEARD)
            if bench.get("xf_start"):
                fields = unpack_fields(bench.get("xf_fields"), XF)
                want = {k: step.fields[k] for k, _ in XF if k != "conv"}
                assert fields == mod(want | {"conv": int(step.op == "XCONV")}, XF), step
                self.front[len(self.starts)] = s.start_xnor(cycle)
            if bench.get("at_start"):
                fields = unpack_fields(bench.get("at_fields"), AT)
                assert fields == mod(step.fields | s.kappa, AT), step
                self.front[len(self.starts)] = s.start_att(cycle)
            if step.op == "SET" and step.fields["kind"] == SET_KINDS["att"]:
                s.kappa = {k: step.fields[k] for k, _ in AT if k in step.fields}
            self.starts.append(cycle)
        retired = bench.get("retired_cmp")
        while self.count != retired:
            self.count = (self.count + 1) & 0xFFFF
            self.retired.append(cycle)
        if bench.get("t_dst_valid"):
            dst, word = bench.get("t_dst"), unpack(bench.get("t_dst_word"), A, L)
            mask = dst >> 14 & 255
            lanes = np.array([mask >> (k * 8 // L) & 1 for k in range(L)], bool)
            self.words.append((dst >> 22, dst & 0x3FFF, mask, tuple(word[lanes].tolist())))
        if bench.get("t_bit_valid"):
            self.bits.append((bench.get("t_bit_addr"), bench.get("t_bit_word")))
        self.index = bench.get("nu_index")
        if bench.get("nu_reset"):
            assert not self.norm.due
            self.norm.made = 0
        if bench.get("nu_valid"):
            total = int(unpack(bench.get("acc_word"), 40, L).sum())
            self.norm.take(
                cycle, bench.get("nu_phase"), total, bench.get("nu_log2c"), bench.get("nu_scale"),
                bench.get("nu_eps"),
            )  # fmt: skip

    def check_times(self, origin: int) -> None:
        """Start, issue end and retirement of every instruction against the cycle model."""
        model, swaps = CycleModel(), iter(self.full_from)
        assert len(self.starts) == len(self.ends) == len(self.retired) == len(self.steps)
        for k, step in enumerate(self.steps):
            f = step.fields
            want = [base - ((base - f[w]) & 0xFFFF) for base, w in
                    ((self.goal[0], "wait_dma"), (self.goal[1], "wait_ldw"))]  # fmt: skip
            reached = next(
                c for c, n in enumerate(self.counts) if n[0] >= want[0] and n[1] >= want[1]
            )
            log = self.norm_busy_log
            idle = max((c + 1 for c in range(origin, self.starts[k]) if log[c - origin]), default=0)
            issue, delivered = self.front.get(k, (0, 0))
            times = model.add(
                step.op, f, self.accepted[k], reached=reached + origin, issue=issue,
                delivered=delivered, norm_idle=idle,
                shadow_full=next(swaps) if f.get("swap") else 0,
            )  # fmt: skip
            got = (self.starts[k], self.ends[k], self.retired[k])
            assert got == (times.start, times.issue_end, times.retired), (
                f"instruction {k} {step.op}: start, issue end, retired {got}, model {times} "
                f"({f}, before: {[s.op for s in self.steps[max(0, k - 3) : k]]})"
            )


def new_machine(seed: int) -> StandIn:
    rng = np.random.default_rng(seed)
    m = StandIn(
        lanes=L, act_bits=A, fm_words=FM_WORDS, tm_words=TM_WORDS, wb_words=256, cm_slots=64,
        om_slots=32, qm_slots=16, nt_words=128, bm_rows=512, kw=128,
    )  # fmt: skip
    m.rng = rng
    edge = 1 << (A - 1)
    for memory in m.feature:
        memory[:] = rng.integers(-edge, edge, memory.shape) >> rng.integers(0, 8, (len(memory), 1))
        memory[rng.random(memory.shape) < 0.02] = -edge
    for table in (m.wb, m.cm, *m.cm_banks, m.om, *m.qm.values()):
        table[:] = rng.integers(-(1 << 15), 1 << 15, table.shape)
    return m


async def begin(dut) -> Bench:
    cocotb.start_soon(Clock(dut.clk, 10, "ns").start())
    bench = Bench(dut)
    await FallingEdge(dut.clk)
    names = (
        "i_valid i_word retired_dma retired_ldw shadow_full xf_ready xf_valid xf_pattern xf_pop "
        "at_ready at_valid at_acc nu_busy nu_shift mean2 norm_r f_we f_mem f_addr f_word fr_re "
        "fr_mem fr_addr wb_we wb_addr p_we p_sel p_slot p_field p_word"
    )
    for name in names.split():
        bench.set(name, 0)
    bench.set("rst", 1)
    for _ in range(3):
        await bench.tick()
    bench.set("rst", 0)
    return bench


async def program(dut, seed: int, count: int, gaps: bool) -> None:
    bench = await begin(dut)
    machine = new_machine(seed)
    generator = Generator(machine, random.Random(seed))
    before = [m.copy() for m in machine.feature]
    steps = generator.program(count)
    after, machine.feature = machine.feature, before

    machine.cm[:, 3] ^= FAULT << 14
    await load(bench, machine)
    traffic = Traffic(bench, machine, random.Random(seed + 1))
    run = Run(bench, seed, steps, generator, gaps)
    origin, quiet = bench.cycle + 1, 0
    run.full_from = [origin]
    run.sources.next_att = run.sources.last_fire = run.norm.until = origin - 1
    while len(run.retired) < len(steps):
        run.inputs(bench.cycle + 1)
        traffic.inputs()
        await bench.settle()
        seen = len(run.retired)
        run.outputs(bench.cycle)
        traffic.outputs()
        quiet = 0 if len(run.retired) > seen else quiet + 1
        assert quiet < PATIENCE, (
            f"no retirement for {PATIENCE} cycles; {len(run.starts)} of {len(steps)} started, next "
            f"{steps[min(len(run.starts), len(steps) - 1)].op}, {len(run.retired)} retired"
        )
        await bench.end()

    words, bits = expected_writes(machine)
    for got, want in zip(run.words, words, strict=False):
        assert got == want[1:], f"write of {want[0]}: got {got}, expected {want[1:]} (seed {seed})"
    assert len(run.words) == len(words)
    assert run.bits == bits, f"bit writes (seed {seed})"
    run.check_times(origin)
    assert not bench.get("port_conflict")
    assert not bench.get("busy")
    assert min(traffic.waited) > 0, "STORE or LOADF never had to wait"

    # the memories as STORE sees them
    bench.set("f_we", 0)
    bench.set("fr_re", 1)
    for mem in (0, 1):
        used = SIZES[mem] - FREE
        after[mem][used:] = traffic.memory[mem][used:]
        for addr in range(SIZES[mem] + STORE_AT):
            bench.set("fr_mem", mem)
            bench.set("fr_addr", min(addr, SIZES[mem] - 1))
            await bench.settle()
            if addr >= STORE_AT:
                word = pack(after[mem][addr - STORE_AT], 16)
                assert bench.get("fr_word") == word, (mem, addr - STORE_AT)
            await bench.end()
    dut._log.info(f"{len(steps)} instructions, {len(words)} words, {bench.cycle - origin} cycles")


@cocotb.test()
async def random_program_with_gaps(dut):
    await program(dut, SEED, COUNT, gaps=True)


@cocotb.test()
async def random_program_at_full_speed(dut):
    await program(dut, SEED + 7, COUNT, gaps=False)


@cocotb.test()
async def two_reads_of_one_port_are_reported(dut):
    bench = await begin(dut)
    machine = new_machine(SEED)
    generator = Generator(machine, random.Random(SEED))
    step = generator.set("norm")
    fields = {
        "n0": 1,
        "n1": 1,
        "n2": 30,
        "n3": 1,
        "xd": 1,
        "src_mem": 1,
        "src_s2": 1,
        "pre_en": 1,
        "pre_mem": 1,
    }
    bench.set("xf_ready", 1)
    bench.set("at_ready", 1)
    for pre_mem in (0, 1):
        step = Step("MACV", fields | {"pre_mem": pre_mem})
        bench.set("i_word", step.word)
        bench.set("i_valid", 1)
        await bench.tick()
        bench.set("i_valid", 0)
        for _ in range(100):
            await bench.tick()
        assert bench.get("port_conflict") == pre_mem
    bench.set("rst", 1)
    await bench.tick()
    bench.set("rst", 0)
    await bench.settle()
    assert not bench.get("port_conflict")
