"""Direct executor of the instruction set on NumPy memories, written from docs/architecture.md.

`Machine.run(op, fields)` executes one decoded instruction completely; a program is executed in
program order (a topological order). It shares only the tables and scalar functions of
hwgen.engine.numerics with the package. All values are int64; memories are arrays of words x lanes,
BM one bit per byte, addressed in elements of `lanes` bits.

An instruction reads all its operands before it writes. Where the engine could see a difference
(a result reads what an earlier result of the same instruction wrote), Hazard is raised.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from hwgen.engine.isa import CMP_SOURCE, SET_KINDS, TAPS, decode
from hwgen.engine.numerics import exp_table, rsqrt_fixed

Array = np.ndarray
QM_FIELDS = ("b", "slope", "m3", "c3", "c3_high", "t")
NORM_SHIFTS = (17, 15, 13, 11, 9, 7, 5, 3)  # shifts of y1 that the lanes have


class Hazard(Exception):
    """The program depends on an order that the engine does not keep."""


class Fault(Exception):
    """The engine would stop with an error."""


def norm_gain(r: int, shift: int) -> tuple[int, int]:
    """The gain r 2**-shift with a shift that the lanes have: fewer bits of r, rounded."""
    have = next(s for s in NORM_SHIFTS if s <= shift)
    return int(shift_round(np.int64(r), shift - have)), have


def shift_round(x: Array, s: Array | int) -> Array:
    """x / 2**s, halves up."""
    s = np.asarray(s)
    return np.where(s > 0, (x + (np.int64(1) << np.maximum(s - 1, 0))) >> s, x)


def sat(x: Array, bits: int) -> Array:
    return np.clip(x, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


@dataclass
class Write:
    """Results of one instruction, in order: words (R, lanes) or bits (R, lanes) at addr (R,)."""

    op: str
    stream: str  # dst or bit
    mem: int
    addr: Array
    mask: Array  # lanes written
    value: Array


@dataclass
class Machine:
    """The engine's state. Sizes as in docs/architecture.md; memories start at 0."""

    lanes: int = 16
    act_bits: int = 16
    kw: int = 128
    gu: int = 4
    gs: int = 8
    fm_words: int = 1024
    tm_words: int = 1024
    bm_rows: int = 512
    wb_words: int = 1024
    ps_words: int = 4096
    cm_slots: int = 64
    om_slots: int = 64
    qm_slots: int = 32
    nt_words: int = 64
    store_words: int = 0
    host_weights: bytes = b""
    host_input: bytes = b""
    host_output: bytearray = field(default_factory=bytearray)
    trace: list[Write] = field(default_factory=list)

    def __post_init__(self) -> None:
        lanes = self.lanes
        self.feature = [self._zeros(self.fm_words, lanes), self._zeros(self.tm_words, lanes)]
        self.bm = np.zeros(self.bm_rows * self.kw, np.uint8)
        self.wb = self._zeros(self.wb_words, lanes)
        self.cm = self._zeros(self.cm_slots, lanes)
        # banks 1, 2, 3 of CM, which quad MACS reads besides: 32 slots at most
        self.cm_banks = self._zeros(3, min(self.cm_slots, 32), lanes)
        self.om = self._zeros(self.om_slots, lanes)
        self.qm = {name: self._zeros(self.qm_slots, lanes) for name in QM_FIELDS}
        self.shadow: Array | None = None
        self.weights = np.ones((lanes, self.kw), np.uint8)
        self.partial = self._zeros(self.ps_words, lanes)
        self.taps = (np.zeros(TAPS, np.int64), np.zeros(TAPS, np.int64), 1, 0)
        self.pad: tuple[int, int] | None = None  # word and mask of taps outside the image
        self.kappa, self.neg = (0, 0, 0), 0
        self.chords, self.flat = np.zeros((64, 2), np.int64), False  # slope, intercept
        self.log2c, self.scale, self.eps = 1, 1 << 16, 1
        self.norm: list[tuple[int, int, int]] = []  # a reset keeps what is in the table
        self.made = self.applied = self.shared = 0
        self.store = self._zeros(self.store_words, lanes)
        self.warm = False

    @staticmethod
    def _zeros(*shape: int) -> Array:
        return np.zeros(shape, np.int64)

    # ---- programs

    def run_words(self, words: list[int]) -> None:
        """Executes instructions as encoded, up to END."""
        for index, word in enumerate(words):
            op, fields = decode(word)
            if op == "END":
                self.warm = self.store_words > 0
                return
            try:
                self.run(op, fields)
            except (Hazard, Fault, IndexError) as error:
                raise type(error)(f"instruction {index} ({op}): {error}") from error

    def run(self, op: str, f: Mapping[str, int]) -> None:
        """Executes one instruction."""
        if op in CMP_SOURCE:
            self._compute(op, f)
        else:
            getattr(self, f"_{op.lower()}")(f)

    # ---- memory side

    def _lane_words(self, data: bytes, count: int, dtype: str = "<i2") -> Array:
        return np.frombuffer(data, dtype, count * self.lanes).astype(np.int64).reshape(count, -1)

    def _load(self, f: Mapping[str, int]) -> None:
        counts = [f["n_wb"], f["n_cm"], f["n_om"], f["qm_words"]]
        stored = range(f["store"], f["store"] + sum(counts)) if f["keep"] else range(0)
        if f["keep"] and stored.stop > self.store_words:
            raise Hazard(f"record past the {self.store_words} words of the store")
        if f["keep"] and self.warm:
            words = self.store[stored]
        else:
            data = self.host_weights[f["ddr"] : f["ddr"] + sum(counts) * self.lanes * 2]
            if zlib.crc32(data) != f["crc"]:
                raise Fault("CRC of the record")
            words = self._lane_words(data, sum(counts))
            self.store[stored] = words[: len(stored)]
        wb, cm, om, qm = np.split(words, np.cumsum(counts)[:-1])
        self.wb[f["wb"] : f["wb"] + len(wb)] = wb
        if f["cm_quad"]:
            for k, word in enumerate(cm):
                self._bank(k % 4)[f["cm"] + k // 4] = word
        else:
            self.cm[f["cm"] : f["cm"] + len(cm)] = cm
        self.om[f["om"] : f["om"] + len(om)] = om
        there = [name for k, name in enumerate(QM_FIELDS) if f["qm_fields"] >> k & 1]
        for k, name in enumerate(there):
            words = qm[k * f["n_qm"] : (k + 1) * f["n_qm"]]
            self.qm[name][f["qm"] : f["qm"] + f["n_qm"]] = words

    def _bank(self, k: int) -> Array:
        return self.cm_banks[k - 1] if k else self.cm

    @staticmethod
    def _kind(f: Mapping[str, int]) -> str:
        return ("i1" if f["sign"] else "u1") if f["bytes"] else "<i2"

    def _loadf(self, f: Mapping[str, int]) -> None:
        source = (self.host_weights, self.host_input, bytes(self.host_output))[f["base_sel"]]
        size = f["words"] * self.lanes * (1 if f["bytes"] else 2)
        data = source[f["ddr"] : f["ddr"] + size]
        if f["base_sel"] == 0 and zlib.crc32(data) != f["crc"]:
            raise Fault("CRC of the record")
        words = self._lane_words(data, f["words"], self._kind(f))
        cut = 1 << self.act_bits
        words = (words + cut // 2) % cut - cut // 2  # truncated to A bits
        self.feature[f["mem"]][f["addr"] : f["addr"] + f["words"]] = words

    def _store(self, f: Mapping[str, int]) -> None:
        words = self.feature[f["mem"]][f["addr"] : f["addr"] + f["words"]]
        data = words.astype("<i2").tobytes()
        end = f["ddr"] + len(data)
        self.host_output.extend(bytes(max(0, end - len(self.host_output))))
        self.host_output[f["ddr"] : end] = data

    def _ldw(self, f: Mapping[str, int]) -> None:
        if self.shadow is not None:
            raise Hazard("LDW while the shadow weights are full: the engine would wait for ever")
        self.shadow = np.ones((self.lanes, self.kw), np.uint8)
        for k in range(f["n"]):
            word = self.wb[f["wb"] + k] & 0xFFFF
            for j in range(16):
                self.shadow[:, 16 * k + j] = word >> j & 1

    # ---- SET

    def _set(self, f: Mapping[str, int]) -> None:
        if f["kind"] == SET_KINDS["taps"]:
            offsets = np.array([f[f"off{k}"] for k in range(TAPS)])
            dx = np.array([f[f"dx{k}"] for k in range(TAPS)])
            self.taps = (offsets, dx, f["width"], f["sx"])
            self.pad = (f["pad"], f["out"]) if f["padded"] else None
        elif f["kind"] == SET_KINDS["att"]:
            self.kappa, self.neg = (f["kappa1"], f["kappa2"], f["kappa3"]), f["neg"]
        elif f["kind"] == SET_KINDS["table"]:
            for k in range(8):
                self.chords[8 * f["part"] + k] = f[f"slope{k}"], f[f"intercept{k}"]
            self.flat = bool(f["flat"])
        else:
            self.log2c, self.scale, self.eps = f["log2c"], f["scale"], f["eps"]
            if f["reset"]:
                self.made = self.applied = self.shared = 0

    # ---- compute

    def _compute(self, op: str, f: Mapping[str, int]) -> None:
        if f["swap"]:
            if self.shadow is None:
                raise Hazard("swap without shadow weights: the engine would wait for ever")
            self.weights, self.shadow = self.shadow, None
        i2, i3 = self.result_order(f)
        if op == "LNSTAT":
            self._lnstat(f, i2, i3)
            return
        sh1: Array | int = f["sh1"]
        if op in ("XLIN", "XCONV"):
            count, pattern = self.popcounts(op, f, i2, i3)
            slots = np.arange(len(i2))
            if not f["psum_first"]:
                count = count + self.partial[slots]
            if not f["psum_last"]:
                self.partial[slots] = count
                return
            acc = (2 * count + self.om[f["om_base"] + pattern]) * self.cm[self._cm_slot(f, i2)]
        elif op == "ATT":
            acc = self.context(f) * self.cm[self._cm_slot(f, i2)]
        elif op == "MACV":
            acc = self._macv(f, i2, i3)
        elif op == "MACS":
            acc = self._macs(f, i2, i3)
        else:
            acc, sh1 = self._lnapply(f, i2, i3)
        if np.abs(acc).max(initial=0) >= 1 << 39:
            raise Hazard("accumulator overflow")
        self._post(op, f, acc, sh1, i2, i3)

    @staticmethod
    def result_order(f: Mapping[str, int]) -> tuple[Array, Array]:
        """(i2, i3) of every result in order."""
        row = [x for phase in range(f["xd"]) for x in range(phase, f["n2"], f["xd"])]
        return np.tile(row, f["n3"]), np.repeat(np.arange(f["n3"]), f["n2"])

    @staticmethod
    def _cm_slot(f: Mapping[str, int], i2: Array, i0: int = 0, i1: int = 0) -> Array:
        slot = f["cm_base"] + i0 * f["cm_s0"] + i1 * f["cm_s1"] + (i2 & f["cm_mask"]) * f["cm_s2"]
        return slot & 255

    def _source(self, f: Mapping[str, int], i0: int, i1: int, i2: Array, i3: Array) -> Array:
        if f["src_taps"]:
            return self._tap(i0, i2, f["src_base"] + i3 * f["src_s3"])
        return (
            f["src_base"] + i0 * f["src_s0"] + i1 * f["src_s1"] + i2 * f["src_s2"]
            + i3 * f["src_s3"]
        )  # fmt: skip

    def _tap(self, k: Array | int, step: Array, base: Array | int) -> Array:
        """Address of tap k at a column: around the image, or the pad word outside it."""
        offset, dx, width, sx = self.taps
        column = step + dx[k]
        address = base + offset[k] + column % width * sx
        if self.pad is None:
            return address
        pad, out = self.pad
        outside = (column < 0) | (column >= width) | (out >> np.asarray(k) & 1 == 1)
        return np.where(outside, pad, address)

    def _word(self, f: Mapping[str, int], address: Array) -> Array:
        self._used.append((f["src_mem"], address))
        return self.feature[f["src_mem"]][self._check(address)]

    @staticmethod
    def _check(address: Array) -> Array:
        if address.min() < 0:
            raise IndexError(f"address {address.min()}")
        return address

    def _macv(self, f: Mapping[str, int], i2: Array, i3: Array) -> Array:
        self._used = []
        if f["stencil"]:
            return self._stencil(f, i2, i3)
        total = None
        for i1 in range(f["n1"]):
            for i0 in range(f["n0"]):
                word = self._word(f, self._source(f, i0, i1, i2, i3))
                m = self.cm[self._cm_slot(f, i2, i0, i1)]
                if f["max"]:
                    total = word if total is None else np.maximum(total, word)
                else:
                    total = word * m if total is None else total + word * m
        return total * m if f["max"] else total

    def _stencil(self, f: Mapping[str, int], row: Array, x: Array) -> Array:
        """Cross of nine words around column x of rows 0 and 1 of an image, offsets in the taps."""

        def word(k: Array | int, step: Array) -> Array:
            """Word of tap k (its image row) at the column that comes in step `step`."""
            return self._word(f, self._tap(k, step, f["src_base"]))

        taps = {0: 0, -2: 1, -1: 2, 1: 3, 2: 4, 3: 5}  # image row, from row 0 on -> tap

        def at(dy: int, dx: int) -> Array:
            k = np.array([taps[r + dy] for r in (0, 1)])[row]
            return word(k, x + 2 + dx)

        cross = [
            [(0, 2), (0, 1), (0, 0), (0, -1)],
            [None, (0, -2), (-2, 0), (-1, 0)],
            [None, (1, 0), (2, 0), (2, 0)],
        ]
        total = np.zeros((), np.int64)
        for beat, cells in enumerate(cross):
            for bank, cell in enumerate(cells):
                value = at(*cell) if cell else word(3 * row + beat, x + 4)
                slot = self._cm_slot(f, row, beat) + row * f["cm_s1"] & 255
                total = total + value * self._bank(bank)[slot]
        return total

    def _macs(self, f: Mapping[str, int], i2: Array, i3: Array) -> Array:
        self._used = []
        total, count = 0, 0
        for i1 in range(f["n1"]):
            for i0 in range(f["n0"]):
                element = self._source(f, i0, i1, i2, i3)
                if f["quad"]:
                    total = total + self._four(f, element, self._cm_slot(f, i2, i0, i1))
                    continue
                word = self._word(f, element // self.lanes)
                scalar = word[np.arange(len(i2)), element % self.lanes]
                second = word[np.arange(len(i2)), element % self.lanes | 1]
                weight = self.wb[(f["wb_w"] + count) & 0xFFFF]
                low, high = ((weight >> s & 255 ^ 128) - 128 for s in (0, 8))
                total = total + scalar[:, None] * low + second[:, None] * high
                count += 1
        return total

    def _four(self, f: Mapping[str, int], element: Array, slot: Array) -> Array:
        """Elements element .. element + 3, each times the slot of its own bank."""
        if (element % 4).any():
            raise Hazard("four elements that do not begin at a multiple of 4")
        total = 0
        for k in range(4):
            place = element + k
            scalar = self._word(f, place // self.lanes)[np.arange(len(place)), place % self.lanes]
            total = total + scalar[:, None] * self._bank(k)[slot]
        return total

    def _lnstat(self, f: Mapping[str, int], i2: Array, i3: Array) -> None:
        self._used = []
        s1 = sum(self._word(f, self._source(f, i0, 0, i2, i3)).sum(-1) for i0 in range(f["n0"]))
        s2 = sum(
            (self._word(f, self._source(f, i0, 1, i2, i3)) ** 2).sum(-1) for i0 in range(f["n0"])
        )
        for a, b in zip(s1.tolist(), s2.tolist(), strict=True):
            a, b = ((v * self.scale + 0x8000) >> 16 for v in (a, b))
            v = (b << self.log2c) - a * a + self.eps
            r, h = rsqrt_fixed(min(max(v, 1), (1 << 52) - 1))
            mean2 = int(shift_round(np.int64(a), self.log2c - 1))
            entry = (mean2, *norm_gain(r, max(3, h + 3 - self.log2c)))
            self.norm[self.made : self.made + 1] = [entry]
            self.made += 1

    def _lnapply(self, f: Mapping[str, int], i2: Array, i3: Array) -> tuple[Array, Array]:
        self._used = []
        entries = []
        for _ in i2:
            entries.append(self.norm[self.applied])
            if self.shared == f["q_mask"]:
                self.shared, self.applied = 0, self.applied + 1
            else:
                self.shared += 1
        mean2, r, shift = (np.array(column)[:, None] for column in zip(*entries, strict=True))
        total = 0
        for i1 in range(f["n1"]):
            for i0 in range(f["n0"]):
                word = self._word(f, self._source(f, i0, i1, i2, i3))
                total = total + (2 * word - mean2) * r
        return total, shift

    # ---- XNOR

    def bits(self, element: Array, count: int) -> Array:
        """(R, count) bits of BM from the first bit of `element` on."""
        return self.bm[self._check(element)[:, None] * self.lanes + np.arange(count)]

    def popcounts(self, op: str, f: Mapping[str, int], i2: Array, i3: Array) -> tuple[Array, Array]:
        """popcount(xnor(activations, weights)) (R, lanes) without PS, and the patterns (R,)."""
        act = np.zeros((4, len(i2), self.kw), np.uint8)  # per lane quadrant
        pattern = np.zeros(len(i2), np.int64)
        if op == "XLIN":
            n = f["a_elems"] * self.lanes
            act[:, :, :n] = self.bits(f["a_base"] + i2 * f["a_s2"] + i3 * f["a_s3"], n)
        else:
            xd = f["xd"]
            self._check_slices(f)
            for bit, dy, dx in ((0, 0, -1), (1, 0, 1), (2, -1, 0), (3, 1, 0)):
                pattern |= np.where(self._inside(f, i2, i3, dy * xd, dx * xd), 0, 1 << bit)
            for dy in (-1, 0, 1):
                for dx in (-1, 0, 1):
                    inside = self._inside(f, i2, i3, dy * xd, dx * xd)
                    token = f["a_base"] + (i2 + dx * xd) * f["a_s2"] + (i3 + dy * xd) * f["a_s3"]
                    first = (3 * (dx + 1) + dy + 1) * self.gs
                    n = f["g_len"] * self.gu
                    for q in range(4):
                        skip = (f["g_base"] + (q >> f["g_qsh"]) * f["g_step"]) * self.gu
                        tap = np.zeros((len(i2), n), np.uint8)
                        if inside.any():
                            tap[inside] = self.bits(token[inside], skip + n)[:, skip:]
                        act[q, :, first : first + n] = tap
        quadrant = np.arange(self.lanes) // (self.lanes // 4)
        dot = np.empty((len(i2), self.lanes), np.int64)
        for q in range(4):
            mine = quadrant == q
            a, w = (2.0 * x.astype(np.float32) - 1 for x in (act[q], self.weights[mine]))
            dot[:, mine] = np.rint(a @ w.T)
        return (dot + self.kw) // 2, pattern

    def _check_slices(self, f: Mapping[str, int]) -> None:
        """A token's slices lie in two elements: the one where the first begins and the next."""
        first = f["g_base"] * self.gu
        last = first + ((3 >> f["g_qsh"]) * f["g_step"] + f["g_len"]) * self.gu - 1
        if last // self.lanes - first // self.lanes > 1:
            raise Hazard(f"bits {first} to {last} of a token: slices lie in two elements")

    @staticmethod
    def _inside(f: Mapping[str, int], i2: Array, i3: Array, dy: int, dx: int) -> Array:
        x, y = i2 + dx, f["y0"] + i3 + dy
        return (x >= 0) & (x < f["width"]) & (y >= 0) & (y < f["height"])

    # ---- attention

    def context(self, f: Mapping[str, int]) -> Array:
        """sum of level x value bit: (queries * 64 / lanes, lanes)."""
        rows = (("q_bits", "queries"), ("k_bits", "tokens"), ("v_bits", "tokens"))
        q, k, v = (
            self.bits(f[base] + np.arange(f[number]) * f["t_stride"], 64).astype(np.int64)
            for base, number in rows
        )
        score = (q[:, None, :] == k[None, :, :]).sum(-1)
        weight = exp_table()[score]
        row = weight.sum(-1, keepdims=True)
        level = np.zeros_like(score)
        for kappa in self.kappa:
            # EXP 2**20 against row kappa; both sides below 2**63
            assert int(row.max()) * kappa < 1 << 63
            left, right = weight << 20, row * kappa
            level += (left <= right) if self.neg else (left >= right)
        return (level @ (2 * v - 1)).reshape(-1, self.lanes)

    # ---- post chain and writes

    def _stream(self, f: Mapping[str, int], name: str, i2: Array, i3: Array) -> Array:
        return self._check(f[f"{name}_base"] + i2 * f[f"{name}_s2"] + i3 * f[f"{name}_s3"])

    def _residual(self, f: Mapping[str, int], name: str, i2: Array, i3: Array) -> Array | int:
        if not f[f"{name}_en"]:
            return 0
        address = self._stream(f, name, i2, i3)
        self._used.append((f[f"{name}_mem"], address))
        return self.feature[f[f"{name}_mem"]][address]

    def _post(
        self, op: str, f: Mapping[str, int], acc: Array, sh1: Array | int, i2: Array, i3: Array
    ) -> None:
        if CMP_SOURCE[op] != "mac":
            self._used = []
        q = f["q_base"] + (i2 & f["q_mask"]) & 63
        p = {name: table[q] for name, table in self.qm.items()}
        y = sat(shift_round(acc, sh1) + p["b"], 18)
        y = y + self._residual(f, "pre", i2, i3)
        if f["rp"]:
            y = np.where(y >= 0, y, shift_round(y * p["slope"], f["sh2"]))
        elif f["chords"]:
            y = self._follow_chords(y)
        y3 = sat(y, 18)
        y = y3 + self._residual(f, "mid", i2, i3)
        c3 = (p["c3"] & 0xFFFF) | (p["c3_high"] & 0x3FF) << 16
        c3 = np.where(c3 >= 1 << 25, c3 - (1 << 26), c3)
        m3, sh3 = (p["m3"], f["sh3"]) if f["aff"] else (1 << 13, 13)
        y = sat((y * m3 + c3 * 512) >> sh3, 18)
        y6 = sat(y + self._residual(f, "out", i2, i3), self.act_bits)
        bits = ((y3 if f["bit_y3"] else y6) >= p["t"]).astype(np.uint8)

        if f["dst_en"]:
            address = self._stream(f, "dst", i2, i3)
            part = self.lanes >> f["pool"]
            mask = np.zeros(self.lanes, bool)
            first = f["pool_pos"] * part % self.lanes
            mask[first : first + part] = True
            word = np.zeros_like(y6)
            word[:, mask] = shift_round(y6.reshape(len(y6), part, -1).sum(-1), f["pool"])
            self._check_order(f["dst_mem"], address)
            memory = self.feature[f["dst_mem"]]
            for a, w in zip(address.tolist(), word, strict=True):
                memory[a, mask] = w[mask]
            self.trace.append(Write(op, "dst", f["dst_mem"], address, mask, word))
        if f["bit_en"]:
            address = self._stream(f, "bit", i2, i3)
            for a, b in zip(address.tolist(), bits, strict=True):
                self.bm[a * self.lanes : (a + 1) * self.lanes] = b
            everything = np.ones(self.lanes, bool)
            self.trace.append(Write(op, "bit", 0, address, everything, bits))

    def _follow_chords(self, t: Array) -> Array:
        """Chord k covers 512 values from 512 k - 2**14 on; outside: flat ends, or 0 and t."""
        slope, intercept = self.chords.T
        k = np.clip(t // 512 + 32, 0, 63)
        line = shift_round(t * slope[k], 14) + intercept[k]
        low, high = (intercept[0], intercept[63]) if self.flat else (0, t)
        return np.where(t < -(1 << 14), low, np.where(t >= 1 << 14, high, line))

    def _check_order(self, mem: int, written: Array) -> None:
        """No result may read what an earlier result of the same instruction writes."""
        first = np.full(len(self.feature[mem]), len(written))
        np.minimum.at(first, written, np.arange(len(written)))
        for read_mem, address in self._used:
            if read_mem == mem:
                late = first[address] < np.arange(len(address))
                if late.any():
                    raise Hazard(f"result {np.argmax(late)} reads a word written before it")
