"""cocotb tests of xnor_front; started by test_xnor_front.py.

One loop steps the clock: outputs are sampled and inputs driven at the falling edge. The reference
gathers every window bit by bit from a NumPy image of the bit memory.
"""

from __future__ import annotations

import os

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

from hwgen.units import xnor_front as unit

SEED = int(os.environ.get("XNOR_SEED", "1"))
ROUNDS = int(os.environ.get("XNOR_ROUNDS", "60"))
FIELDS = [
    "conv", "a_base", "a_s2", "a_s3", "a_elems", "g_base", "g_step", "g_qsh", "g_len", "y0",
    "height", "width", "n2", "n3", "xd", "psum_first", "psum_last",
]  # fmt: skip


def pack(bits: np.ndarray) -> int:
    return int.from_bytes(np.packbits(bits.astype(np.uint8), bitorder="little").tobytes(), "little")


class Bench:
    def __init__(self, dut, seed: int):
        self.dut = dut
        self.rng = np.random.default_rng([SEED, seed])
        self.lanes, self.kw = int(dut.LANES.value), int(dut.KW.value)
        self.gu, self.gs = int(dut.GU.value), int(dut.GS.value)
        self.rows, self.ps_words = int(dut.BM_ROWS.value), int(dut.PS_WORDS.value)
        self.epr = self.kw // self.lanes
        self.bm = np.zeros((self.rows * self.epr, self.lanes), dtype=np.uint8)
        self.scratch = self.rows * 3 // 4 * self.epr  # elements from here on are never fetched
        self.weights = None  # current, (L, KW)
        self.shadow = None
        self.fresh_shadow = False
        self.loader = iter(())
        self.loading = False
        self.partial = None
        self.cycle = 0
        self.expected: list[tuple[int, int, np.ndarray]] = []
        self.seen: list[tuple[int, int, np.ndarray]] = []
        self.coming: list[tuple[int, int]] = []  # (cycle, pattern) of announced results
        self.att: list[tuple[int, int]] = []
        self.noise = True
        self.named = False  # c_next, of the last cycle
        self.flip: tuple[int, int] | None = None  # planted fault in the reference

    # ---- clock
    async def open(self):
        dut = self.dut
        for name in (*FIELDS, "start", "w_fill", "w_we", "w_col", "w_data", "w_swap", "bm_we",
                     "bm_addr", "bm_data", "att_re", "att_addr"):  # fmt: skip
            getattr(dut, name).value = 0
        cocotb.start_soon(Clock(dut.clk, 10, "ns").start())
        dut.rst.value = 1
        for _ in range(3):
            await FallingEdge(dut.clk)
        dut.rst.value = 0
        await self.step()
        for e in range(self.rows * self.epr):
            self.bm[e] = self.rng.integers(0, 2, self.lanes)
            self.dut.bm_we.value, self.dut.bm_addr.value = 1, e
            self.dut.bm_data.value = pack(self.bm[e])
            await self.step(noise=False)
        self.dut.bm_we.value = 0

    async def step(self, noise: bool = True):
        """To the next cycle's middle: sample what it shows, drive the side inputs."""
        dut = self.dut
        await FallingEdge(dut.clk)
        self.cycle += 1
        if self.named:
            self.coming.append((self.cycle + unit.ANNOUNCED - 1, int(dut.c_pattern.value)))
        self.named = dut.c_next.value == 1
        if self.coming and self.coming[0][0] == self.cycle:
            word = int(dut.r_pop.value).to_bytes(2 * self.lanes, "little")
            self.seen.append((*self.coming.pop(0), np.frombuffer(word, "<u2").copy()))
        if self.att and self.att[0][0] == self.cycle:
            _, e = self.att.pop(0)
            row = self.bm[e // self.epr * self.epr :][: self.epr]
            behind = np.zeros_like(row[: e % self.epr])
            want = pack(np.concatenate([row[e % self.epr :], behind]).ravel())
            assert int(dut.att_row.value) == want, f"att_row of element {e}"
        action = next(self.loader, None)
        fill, write = action == "fill", isinstance(action, tuple)
        dut.w_fill.value, dut.w_we.value = int(fill), int(write)
        dut.w_col.value = action[0] if write else int(self.rng.integers(256))
        if write:
            dut.w_data.value = action[1]
        if action == "done":
            self.loading, self.fresh_shadow = False, True
        if noise and self.noise:
            busy = self.rng.random() < 0.3
            dut.bm_we.value = int(busy)
            if busy:
                e = int(self.rng.integers(self.scratch, len(self.bm)))
                self.bm[e] = self.rng.integers(0, 2, self.lanes)
                dut.bm_addr.value, dut.bm_data.value = e, pack(self.bm[e])

    def load(
        self, weights: np.ndarray | None = None, columns: int | None = None, gaps=True, wait=0
    ):
        """Begins a weight load: columns (multiple of 16) of weights, the others 1."""
        rng = self.rng
        columns = int(rng.integers(1, self.kw // 16 + 1)) * 16 if columns is None else columns
        new = rng.integers(0, 2, (self.lanes, self.kw)) if weights is None else weights.copy()
        new[:, columns:] = 1
        self.shadow, self.loading = new, True

        def actions():
            yield from [None] * wait
            yield "fill"
            yield from [None] * (unit.FILL_TO_WRITE - 1)
            for k in range(columns // 16):
                if gaps:
                    yield from [None] * int(rng.integers(0, 3))
                yield k, pack(new[:, 16 * k : 16 * k + 16].ravel())
            yield None
            yield "done"

        self.loader = actions()

    # ---- reference
    def results(self, f: dict) -> list[tuple[np.ndarray, int]]:
        lanes, kw, gu, gs = self.lanes, self.kw, self.gu, self.gs
        weights = self.weights.copy()
        if self.flip:
            weights[self.flip] ^= 1
        flat = self.bm.ravel()
        out = []
        for i3 in range(f["n3"]):
            for i2 in sorted(range(f["n2"]), key=lambda x: (x % f["xd"], x)):
                vectors = np.zeros((4, kw), dtype=np.uint8)
                pattern = 0
                if not f["conv"]:
                    at = (f["a_base"] + i2 * f["a_s2"] + i3 * f["a_s3"]) * lanes
                    vectors[:, : f["a_elems"] * lanes] = flat[at : at + f["a_elems"] * lanes]
                for dx in (-1, 0, 1) if f["conv"] else ():
                    for dy in (-1, 0, 1):
                        x, y = i2 + dx * f["xd"], f["y0"] + i3 + dy * f["xd"]
                        pattern |= (
                            (x < 0)
                            | (x >= f["width"]) << 1
                            | (y < 0) << 2
                            | (y >= f["height"]) << 3
                        )
                        if not (0 <= x < f["width"] and 0 <= y < f["height"]):
                            continue
                        e = f["a_base"] + x * f["a_s2"] + (i3 + dy * f["xd"]) * f["a_s3"]
                        for q in range(4):
                            bit = e * lanes + (f["g_base"] + (q >> f["g_qsh"]) * f["g_step"]) * gu
                            slot = (3 * (dx + 1) + dy + 1) * gs
                            vectors[q, slot : slot + f["g_len"] * gu] = flat[
                                bit : bit + f["g_len"] * gu
                            ]
                quadrant = np.arange(lanes) // (lanes // 4)
                out.append(((vectors[quadrant] == weights).sum(1), pattern))
        return out

    # ---- instructions
    async def issue(self, f: dict, swap: bool = False, early_swap: bool = False, gap: int = 0):
        """Starts one instruction as soon as the unit is ready (gap cycles later)."""
        dut = self.dut
        while swap and not self.fresh_shadow:
            await self.step()
        if swap and early_swap:
            dut.w_swap.value = 1
            await self.step()
            dut.w_swap.value = 0
        while dut.ready.value != 1:
            await self.step()
        for _ in range(gap):
            await self.step()
        for name in FIELDS:
            getattr(dut, name).value = f[name] & ((1 << len(getattr(dut, name))) - 1)
        await self.step()
        if swap:
            self.weights, self.shadow, self.fresh_shadow = self.shadow, None, False
            if not early_swap:
                dut.w_swap.value = 1
        at = self.cycle
        dut.start.value = 1
        values = self.results(f)
        if not f["psum_first"]:
            values = [(p + old, pattern) for (p, pattern), (old, _) in zip(values, self.partial)]
        shape = [f[k] for k in ("conv", "n2", "n3", "xd", "width")]
        shape.append(unit.column_cycles(f["a_s3"], f["xd"], self.epr))
        if f["psum_last"]:
            cycles = unit.result_cycles(*shape)
            self.expected += [(at + c, t, p) for c, (p, t) in zip(cycles, values)]
        else:
            self.partial = values
        if swap:
            self.load(wait=unit.SWAP_TO_FILL - 1 + int(self.rng.integers(0, 3)))
        await self.step()
        dut.start.value = dut.w_swap.value = 0
        for name in FIELDS:  # fields count only with start
            getattr(dut, name).value = int(self.rng.integers(1 << len(getattr(dut, name))))
        return at + unit.issue_cycles(*shape)

    async def finish(self):
        for _ in range(40):
            await self.step()
        while self.dut.ready.value != 1:
            await self.step()
        for _ in range(20):
            await self.step()

    def wrong(self) -> str | None:
        for i, (got, want) in enumerate(zip(self.seen, self.expected)):
            if got[1] != want[1]:
                return f"result {i}: pattern {got[1]:04b}, golden {want[1]:04b} (seed {SEED})"
            bad = np.flatnonzero(got[2] != want[2])
            if len(bad):
                k = bad[0]
                return f"result {i} lane {k}: got {got[2][k]}, golden {want[2][k]} (seed {SEED})"
            if got[0] != want[0]:
                return f"result {i}: cycle {got[0]}, predicted {want[0]} (seed {SEED})"
        if len(self.seen) != len(self.expected):
            return f"{len(self.seen)} results, golden {len(self.expected)} (seed {SEED})"
        return None

    def random(self, conv: bool, results: int = 40, **fixed) -> dict:
        """A random legal instruction whose tokens lie below the scratch elements."""
        rng, epr = self.rng, self.epr
        f = dict.fromkeys(FIELDS, 0) | {"psum_first": 1, "psum_last": 1, "conv": int(conv)}
        f["xd"] = int(rng.integers(1, 8)) if conv or rng.random() < 0.3 else 1
        while True:
            f["n2"], f["n3"] = int(rng.integers(1, 11)), int(rng.integers(1, 6))
            if "n2" in fixed or "n3" in fixed or f["n2"] * f["n3"] <= results:
                break
        f |= fixed
        f["width"] = max(f["width"], f["n2"]) + (
            int(rng.integers(0, 4)) if rng.random() < 0.3 else 0
        )
        f["height"] = int(rng.integers(f["n3"], f["n3"] + 8))
        f["y0"] = int(rng.integers(0, f["height"] - f["n3"] + 1))
        # tokens of `size` elements, aligned, so that none crosses a row
        size = 1 << int(rng.integers(0, epr.bit_length()))
        stride = size
        row = stride * f["width"]
        if row * f["height"] > self.scratch:
            size = stride = 1
            row = f["width"]
        assert row * f["height"] <= self.scratch, "shape does not fit the bit memory"
        if rng.random() < 0.4 and epr * f["width"] * f["height"] <= self.scratch:
            stride, row = epr, epr * f["width"]  # padded tokens
        if rng.random() < 0.7:  # image rows of whole memory rows, mostly an odd number of them
            rows = -(-row // epr)
            rows += (rows + 1) % 2 if rng.random() < 0.8 else rows % 2
            if rows * epr * f["height"] <= self.scratch:
                row = rows * epr
        origin = int(rng.integers(0, (self.scratch - row * f["height"]) // size + 1)) * size
        f["a_base"] = origin + f["y0"] * row
        f["a_s2"], f["a_s3"] = stride, row
        if not conv:
            f["a_elems"] = int(rng.integers(1, size + 1))
            f["a_base"] += int(rng.integers(0, size - f["a_elems"] + 1))
            if rng.random() < 0.3:  # backwards
                f["a_base"] += (f["n2"] - 1) * stride + (f["n3"] - 1) * row
                f["a_s2"], f["a_s3"] = -stride, -row
        else:
            f |= self.slices(size)
        return f

    def slices(self, size: int) -> dict:
        """Random group slices of a token of `size` elements: in two neighbouring elements of it."""
        rng, per = self.rng, self.lanes // self.gu
        units = size * per
        length = int(rng.integers(1, min(self.gs // self.gu, units) + 1))
        shift = int(rng.integers(0, 3))
        base = int(rng.integers(0, min(63, units - length) + 1))
        room = min(units, (base // per + 2) * per) - base - length
        last = 3 >> shift
        step = int(rng.integers(0, (room // last if last else 31) + 1))
        return {"g_len": length, "g_qsh": shift, "g_base": base, "g_step": step}


async def bench_of(dut, seed: int) -> Bench:
    bench = Bench(dut, seed)
    await bench.open()
    bench.load(columns=bench.kw)
    return bench


@cocotb.test()
async def program(dut):
    """Random instructions, swaps, partial-sum chains, gaps, with writes and loads going on."""
    b = await bench_of(dut, 1)
    rng = b.rng
    swap = True
    for _ in range(ROUNDS):
        chain = 1 if rng.random() < 0.6 else int(rng.integers(2, 5))
        shape = {}
        if chain > 1:
            kind = rng.random()
            shape = {"n2": 1, "n3": 1} if kind < 0.4 else {"n2": 2, "n3": 1} if kind < 0.6 else {}
        conv = bool(rng.random() < 0.5)
        shape["xd"] = int(rng.integers(1, 8)) if conv or rng.random() < 0.3 else 1
        for part in range(chain):
            f = b.random(conv, results=min(40, b.ps_words), **shape)
            shape |= {k: f[k] for k in ("n2", "n3")}
            f |= {"psum_first": int(part == 0), "psum_last": int(part == chain - 1)}
            gap = 0 if rng.random() < 0.6 else int(rng.integers(0, 12))
            end = await b.issue(f, swap=swap, early_swap=bool(rng.random() < 0.4), gap=gap)
            swap = bool(rng.random() < 0.5)
            if rng.random() < 0.5:  # else a swap may come before this instruction has issued
                while dut.ready.value != 1:
                    await b.step()
                assert b.cycle == end, f"ready in cycle {b.cycle}, predicted {end}: {f}"
    await b.finish()
    assert len(b.expected) > 100
    assert b.wrong() is None, b.wrong()


@cocotb.test()
async def shapes(dut):
    """Every small width, dilation and right margin back to back; exact cycles of every result."""
    b = await bench_of(dut, 2)
    b.noise = False
    first = True
    for n2 in range(1, 9):
        for xd in (1, 2, 3, 5, 7):
            for margin in (0, 1, 4):
                f = b.random(True, n2=n2, n3=1 + (n2 + xd) % 2, xd=xd)
                shift = f["width"] - (n2 + margin)
                if shift < 0:
                    continue
                f["width"] = n2 + margin  # narrower than the layout: the rest is outside
                await b.issue(f, swap=first)
                first = False
                while dut.ready.value != 1:
                    await b.step()
    await b.finish()
    assert b.wrong() is None, b.wrong()


@cocotb.test()
async def images(dut):
    """Strips of a whole image: top, middle, bottom; two chunks each.

    Image rows take an odd number of memory rows, so that an odd dilation costs a cycle per result.
    """
    b = await bench_of(dut, 6)
    for xd in (1, 3, 5, 2):
        width, size = (56, 2) if b.epr == 8 and b.rows >= 300 else (14, 1)
        pitch = -(-width * size // b.epr) // 2 * 2 + 1
        height = min(b.scratch // (pitch * b.epr), 20)
        count = min(b.ps_words // width, height // 3)
        for y0 in (0, height // 2, height - count):
            f = dict.fromkeys(FIELDS, 0) | {
                "conv": 1, "a_base": y0 * pitch * b.epr, "a_s2": size, "a_s3": pitch * b.epr,
                "y0": y0, "height": height, "width": width, "n2": width, "n3": count, "xd": xd,
            }  # fmt: skip
            for part in range(2):
                f |= b.slices(size) | {"psum_first": 1 - part, "psum_last": part}
                begin = b.cycle
                end = await b.issue(f, swap=True)
                if xd % 2:
                    assert end - (b.cycle - 1) == width * count + 1, f"cycles from {begin}: {f}"
    await b.finish()
    assert b.wrong() is None, b.wrong()


@cocotb.test()
async def extremes(dut):
    """All columns agree, none agree, one bit of one lane and column."""
    b = Bench(dut, 3)
    await b.open()
    b.noise = False
    for weights, element in ((0, 0), (0, 1), (1, 0), (1, 1)):
        for e in range(b.epr):
            b.bm[e] = element
            dut.bm_we.value, dut.bm_addr.value, dut.bm_data.value = 1, e, pack(b.bm[e])
            await b.step(noise=False)
        dut.bm_we.value = 0
        while b.loading:
            await b.step()
        b.fresh_shadow = False
        b.load(np.full((b.lanes, b.kw), weights), columns=b.kw)
        f = dict.fromkeys(FIELDS, 0) | {
            "psum_first": 1, "psum_last": 1, "a_elems": b.epr,
            "n2": 3, "n3": 1, "xd": 1, "width": 3,
        }  # fmt: skip
        await b.issue(f, swap=True)
        assert set(b.expected[-1][2]) == {b.kw if weights == element else 0}
        await b.finish()
    for _ in range(4):
        lane, column = int(b.rng.integers(b.lanes)), int(b.rng.integers(b.kw))
        one = np.ones((b.lanes, b.kw), dtype=np.int64)
        one[lane, column] = 0
        while b.loading:
            await b.step()
        b.fresh_shadow = False
        b.load(one, columns=b.kw)
        await b.issue(f, swap=True)
        assert sorted(set(b.expected[-1][2])) == [b.kw - 1, b.kw]
        await b.finish()
    assert b.wrong() is None, b.wrong()


@cocotb.test()
async def attention_reads(dut):
    """Rotated rows ATT_LATENCY cycles after att_re, between XNOR instructions and back to back."""
    b = await bench_of(dut, 4)
    for turn in range(12):
        await b.issue(b.random(bool(turn % 2)), swap=turn == 0)
        while dut.ready.value != 1:
            await b.step()
        for _ in range(2):  # the address of the last beat is on its way
            await b.step()
        for _ in range(int(b.rng.integers(1, 12))):
            if b.rng.random() < 0.8:
                e = int(b.rng.integers(b.scratch))
                dut.att_re.value, dut.att_addr.value = 1, e
                b.att.append((b.cycle + unit.ATT_LATENCY, e))
            else:
                dut.att_re.value = 0
            await b.step()
        dut.att_re.value = 0
    await b.finish()
    assert not b.att
    assert b.wrong() is None, b.wrong()


@cocotb.test()
async def planted_fault(dut):
    """One flipped weight bit in the reference must show."""
    b = await bench_of(dut, 5)
    f = b.random(False)
    while not b.fresh_shadow:
        await b.step()
    b.flip = (int(b.rng.integers(b.lanes)), int(b.rng.integers(b.kw)))
    await b.issue(f, swap=True)
    await b.finish()
    assert f"lane {b.flip[0]}:" in (b.wrong() or "")
