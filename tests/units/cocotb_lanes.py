"""Drives lanes.v cycle by cycle; every output cycle is compared with the reference."""

from __future__ import annotations

import os
import random

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

from hwgen.engine.chords import Chords
from hwgen.engine.isa import QM_FIELDS, c3
from hwgen.ops.post import Post
from hwgen.units.lanes import IN_KINDS, MUL_KINDS, P_SEL, Lanes
from tests.units.lanes_reference import BANKS, FIELDS, GELU, WEIGHT, Generator, pack, post

UNIT = Lanes(*(int(v) for v in os.environ["LANES_UNIT"].split()))
SEED = int(os.environ["LANES_SEED"])
PHASES = int(os.environ["LANES_PHASES"])
L, A = UNIT.lanes, UNIT.act_bits
LEAD = 2  # cycles from the kinds, slots and modes of a beat to its words
SLOTS = {"cm": UNIT.cm_slots, "om": UNIT.om_slots, "qm": UNIT.qm_slots}

assert (IN_KINDS["norm"], MUL_KINDS["norm"], P_SEL["qm"], QM_FIELDS) == (4, 4, 2, FIELDS)

WIDTHS = {
    "in_valid": 1, "in_kind": 3, "mul_kind": 3, "in_feat": L * A, "in_pop": 16 * L,
    "in_acc": 16 * L, "in_scalar": 16, "in_extra": 48, "in_stencil": 1,
    "in_words": 3 * L * A, "in_weight": 16 * L,
    "mean2": 18, "norm_r": 16,
    "cm_slot": 8, "om_slot": 8, "first": 1, "last": 1, "is_max": 1, "q_slot": 6, "sh1": 6, "rp": 1,
    "sh2": 5, "chords": 1, "aff": 1, "sh3": 5, "pool": 2, "bit_y3": 1,
    "pre_word": L * A, "mid_word": L * A, "out_word": L * A, "p_we": 1, "p_sel": 2,
    "p_slot": 8, "p_field": 3, "p_word": 16 * L,
    "table_we": 1, "table_index": 6, "table_entry": 32, "table_flat": 1,
}  # fmt: skip


def rows_of(name, params, half):
    """The slots of a half; of the banks every second one (lanes_reference.Generator.result)."""
    n = len(params[name])
    if half is None:
        return slice(0, n)
    return slice(half, n, 2) if name in BANKS else slice(half * n // 2, (half + 1) * n // 2)


def writes_of(params, half=None):
    """(sel, slot, field, row) of every parameter word; half: only the lower or upper slots."""
    for sel, name in [(0, "cm"), (1, "om"), *((0, k) for k in BANKS), *((2, f) for f in FIELDS)]:
        for slot in range(len(params[name]))[rows_of(name, params, half)]:
            field = FIELDS.index(name) if sel == 2 else random.randrange(8)
            if sel == 0:
                field = field & 4 | ("cm", *BANKS).index(name)
            yield sel, slot, field, params[name][slot]
    yield 2, 0, 6, np.zeros(L, dtype=int)  # fields 6 and 7 do not exist
    yield 2, 0, 7, np.zeros(L, dtype=int)
    yield 3, 0, 0, np.zeros(L, dtype=int)


def against_post(r):
    """Second opinion: hwgen.ops.post on the same accumulators; c3 of some b3."""
    m, q = r.modes, r.expected["q"]
    rp, aff, sh3 = m["rp"], m["aff"], m["sh3"] if m["aff"] else 13
    b3 = (q["c3"] + (q["c3_high"] << 16)) >> (sh3 - 9)
    b3 = (b3 + (1 << 15)) % (1 << 16) - (1 << 15)
    whole = c3(b3, sh3)
    assert np.array_equal(whole, b3 * 2**sh3 // 2**9 + 2 ** (sh3 - 1) // 2**9)
    q = q | {"c3": whole, "c3_high": whole >> 16}
    slope, intercept, flat = r.expected["table"]
    _, want_bits, want = post(r.expected["acc"], r, q, A, r.expected["table"])
    table = Chords("any", 12, flat, slope, intercept) if m["chords"] else None
    chain = Post(
        sh1=m["sh1"], b=q["b"], slope=q["slope"] if rp else None, sh2=m["sh2"],
        chords=table, m3=q["m3"] if aff else None, sh3=m["sh3"], b3=b3, pool=m["pool"],
        t=q["t"], bit_y3=bool(m["bit_y3"]), act_bits=A,
    )  # fmt: skip
    words, bits = chain.run(
        r.expected["acc"],
        r.pre if m["pre_en"] else None,
        r.mid if m["mid_en"] else None,
        r.out if m["out_en"] else None,
    )
    assert np.array_equal(np.tile(words, 1 << m["pool"]), want), m
    assert np.array_equal(bits, want_bits), m


class Plan:
    """Values of every input by cycle, and the outputs that must follow."""

    def __init__(self, seed, phases, per_phase, fault=None, gap=0.2):
        random.seed(seed)
        gen = Generator(L, A, SLOTS, seed)
        params = gen.params()
        self.drive, self.acc, self.y, self.results = {}, {}, {}, []
        cycle = 0
        for write in writes_of(params):
            self.write(cycle, write)
            cycle += 1
        cycle += 2
        start_of_work = cycle
        for phase in range(phases):
            half = phase % 2
            table = GELU if phase == 0 else gen.table(flat=phase % 2 == 1)
            cycle += UNIT.y_at  # no result may be in flight
            for k in range(64):
                slope, intercept = (int(values[k]) & 0xFFFF for values in table[:2])
                self.at(cycle, table_we=1, table_index=k, table_entry=slope << 16 | intercept,
                        table_flat=int(table[2]))  # fmt: skip
                cycle += 1
            start = cycle
            for _ in range(per_phase):
                r = gen.result(half, params)
                gen.finish(r, params, table, slope_error=int(fault == "chord"))
                if fault is None:
                    against_post(r)
                cycle = self.place(r, cycle, gap if phase else 0.0, fault)
            # the other half is rewritten while this one works, once its last user has left
            fresh = gen.params()
            at = start + UNIT.y_at + 2
            for write in writes_of(fresh, 1 - half):
                while random.random() < 0.3:
                    at += 1
                self.write(at, write)
                at += 1
            for name in params:
                rows = rows_of(name, params, 1 - half)
                params[name] = params[name].copy()
                params[name][rows] = fresh[name][rows]
            cycle = max(cycle, at + 1)
        self.cycles = cycle + UNIT.y_at + 4
        if fault == "weight":  # one bit of every CM word of the first load
            for c in range(SLOTS["cm"]):
                self.drive[c]["p_word"] ^= 1 << 9
        if fault == "bank":  # banks 1 and 2 swapped in the first load
            for c in range(start_of_work):
                entry = self.drive.get(c, {})
                if entry.get("p_sel") == 0 and entry["p_field"] & 3 in (1, 2):
                    entry["p_field"] ^= 3

    def write(self, cycle, write):
        sel, slot, field, row = write
        self.at(cycle, p_we=1, p_sel=sel, p_slot=slot, p_field=field, p_word=pack(row, 16))

    def at(self, cycle, **values):
        entry = self.drive.setdefault(cycle, {})
        assert not entry.keys() & values.keys()
        entry.update(values)

    def place(self, r, cycle, gap, fault):
        for i, beat in enumerate(r.beats):
            while random.random() < gap:
                cycle += 1
            end = i == len(r.beats) - 1
            # anything but the last beat may carry noise
            modes = {k: v for k, v in r.modes.items() if end and k in WIDTHS}
            self.at(
                cycle - LEAD, in_valid=1, in_kind=r.kind, mul_kind=r.mul, first=int(i == 0),
                last=int(end), is_max=int(r.is_max),
                cm_slot=beat["cm_slot"], om_slot=beat["om_slot"], **modes,
            )  # fmt: skip
            weight = beat["weight"]
            if fault == "bytes" and r.mul == WEIGHT:  # the two weights of every word swapped
                weight = (weight & 0xFF) << 8 | weight >> 8 & 0xFF
            self.at(
                cycle, in_feat=pack(beat["feat"], A), in_pop=pack(beat["pop"], 16),
                in_acc=pack(beat["acc"], 16), in_scalar=beat["scalar"] & 0xFFFF,
                in_extra=pack(beat["extra"], 16), in_stencil=int(beat["stencil"]),
                in_words=pack(np.concatenate(beat["words"]), A), in_weight=pack(weight, 16),
                mean2=beat["mean2"] & 0x3FFFF, norm_r=beat["norm_r"],
            )  # fmt: skip
            cycle += 1
        done = cycle - 1
        late = int(fault == "late")
        for name, at in (("pre", UNIT.pre_at + late), ("mid", UNIT.mid_at), ("out", UNIT.out_at)):
            word = pack(getattr(r, name), A) if r.modes[f"{name}_en"] else 0
            self.at(done + at, **{f"{name}_word": word})
        e = r.expected
        self.acc[done + UNIT.acc_at] = pack(e["acc"], 40)
        self.y[done + UNIT.y_at] = (pack(e["word"], A), pack(e["bits"], 1), len(self.results))
        self.results.append(r)
        return cycle


async def start(dut):
    cocotb.start_soon(Clock(dut.clk, 10, "ns").start())
    for name in WIDTHS:
        getattr(dut, name).value = 0
    dut.rst.value = 1
    for _ in range(3):
        await FallingEdge(dut.clk)
    dut.rst.value = 0
    await FallingEdge(dut.clk)


async def play(dut, plan):
    """Runs a plan; returns descriptions of wrong cycles. Inputs not in use carry noise."""
    pins = {name: getattr(dut, name) for name in WIDTHS}
    noise = {name: [random.getrandbits(w) for _ in range(7)] for name, w in WIDTHS.items()}
    last = {}
    bad, seen = [], 0
    for cycle in range(plan.cycles):
        now = plan.drive.get(cycle, {})
        for name, pin in pins.items():
            value = now.get(name)
            if value is None:
                value = noise[name][cycle % 7]
                if name in ("in_valid", "p_we", "table_we"):
                    value = 0
                elif name == "table_flat":
                    value = last.get(name, 0)  # it holds
            if last.get(name) != value:
                pin.value = value
                last[name] = value
        if int(dut.acc_valid.value) != (cycle in plan.acc):
            bad.append(f"cycle {cycle}: acc_valid")
        elif cycle in plan.acc and int(dut.acc_word.value) != plan.acc[cycle]:
            bad.append(f"cycle {cycle}: acc_word")
        if int(dut.y_valid.value) != (cycle in plan.y):
            bad.append(f"cycle {cycle}: y_valid")
        elif cycle in plan.y:
            word, bits, index = plan.y[cycle]
            seen += 1
            got = int(dut.y_word.value)
            if got != word or int(dut.y_bits.value) != bits:
                lane = next((i for i in range(L) if (got ^ word) >> (i * A) & ((1 << A) - 1)), "-")
                r = plan.results[index]
                what = f"kind {r.kind} mul {r.mul} max {r.is_max} beats {len(r.beats)} {r.modes}"
                bad.append(f"cycle {cycle}: result {index} lane {lane}: {what}")
        await FallingEdge(dut.clk)
    assert bad or seen == len(plan.results)
    return bad


@cocotb.test()
async def every_result_matches(dut):
    await start(dut)
    plan = Plan(SEED, PHASES, 170)
    bad = await play(dut, plan)
    assert not bad, f"{len(bad)} wrong of {len(plan.results)} (seed={SEED}); first: {bad[0]}"
    cocotb.log.info("%d results, %d cycles", len(plan.results), plan.cycles)


@cocotb.test()
async def planted_faults_are_seen(dut):
    await start(dut)
    for fault in ("weight", "late", "chord", "bank", "bytes"):
        bad = await play(dut, Plan(SEED + 1, 1, 60, fault=fault))
        assert bad, f"fault {fault!r} was not seen"
    assert not await play(dut, Plan(SEED + 1, 1, 60))


@cocotb.test()
async def reset_empties_the_pipeline(dut):
    await start(dut)
    for _ in range(UNIT.y_at - 1):
        dut.in_valid.value = dut.first.value = dut.last.value = 1
        await FallingEdge(dut.clk)
        assert int(dut.y_valid.value) == 0
    dut.in_valid.value = 0
    dut.rst.value = 1
    await FallingEdge(dut.clk)
    dut.rst.value = 0
    for _ in range(UNIT.y_at + 2):
        assert int(dut.y_valid.value) == 0
        assert int(dut.acc_valid.value) == 0
        await FallingEdge(dut.clk)
