"""Post lanes in plain NumPy, written from docs/architecture.md, and random work for them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

FEATURE, XNOR, ATTENTION, SCALAR, NORM = range(5)
CM, WEIGHT, ONE, SELF, NORM_R = range(5)
FIELDS = ("b", "slope", "m3", "c3", "c3_high", "t")
BANKS = ("cm1", "cm2", "cm3")  # banks of CM besides the first
BANK_SLOTS = 32
SH1, SH2, SH3 = (3, 5, 7, 9, 11, 13, 15, 17), (10, 14), (10, 13, 16, 19)


def sat(x, bits):
    return np.minimum(np.maximum(x, -(2 ** (bits - 1))), 2 ** (bits - 1) - 1)


def round_shift(x, s):
    """floor(x / 2**s + 1/2) without the formula of the package."""
    return x if s == 0 else (x >> s) + ((x >> (s - 1)) & 1)


def signed_byte(x):
    """The low 8 bits, a signed number."""
    return (x & 255) - 2 * (x & 128)


def gelu_chords():
    def exact(v):
        return v * (1 + math.erf(v / math.sqrt(2))) / 2

    slopes, intercepts = [], []
    for k in range(64):
        x0 = -4 + k / 8
        slope = (exact(x0 + 1 / 8) - exact(x0)) * 8
        line = exact(x0) + slope / 16  # the chord's value in the middle of the segment
        offset = (exact(x0 + 1 / 16) - line) / 2
        slopes.append(round(slope * 2**14))
        intercepts.append(round((exact(x0) - slope * x0 + offset) * 2**12))
    return np.array(slopes), np.array(intercepts)


GELU = (*gelu_chords(), False)  # slopes, intercepts, flat


def chords(t, table, error=0):
    slopes, intercepts, flat = table
    k = np.clip((t + 2**14) // 512, 0, 63)
    inside = round_shift(t * (slopes[k] + error), 14) + intercepts[k]
    ends = (intercepts[0], intercepts[63]) if flat else (0, t)
    return np.where(t >= 2**14, ends[1], np.where(t < -(2**14), ends[0], inside))


@dataclass
class Result:
    """One accumulation with its modes, per-beat operands and residual words."""

    kind: int
    mul: int
    is_max: bool
    modes: dict[str, int]
    beats: list[dict]
    pre: np.ndarray
    mid: np.ndarray
    out: np.ndarray
    expected: dict = field(default_factory=dict)


def accumulate(r: Result, params, act_bits: int) -> np.ndarray:
    products, inputs, extra, weight = [], [], [], None
    for beat in r.beats:
        om = params["om"][beat["om_slot"]]
        x = {
            FEATURE: beat["feat"],
            XNOR: 2 * beat["pop"] + om,
            ATTENTION: beat["acc"],
            SCALAR: np.full_like(beat["feat"], beat["scalar"]),
            NORM: 2 * beat["feat"] - beat["mean2"],
        }[r.kind]
        weight = {
            CM: params["cm"][beat["cm_slot"]],
            WEIGHT: signed_byte(beat["weight"]),
            ONE: np.ones_like(x),
            SELF: x,
            NORM_R: np.full_like(x, beat["norm_r"]),
        }[r.mul]
        inputs.append(x)
        products.append(x * weight)
        factors = [params[name][beat["cm_slot"] % BANK_SLOTS] for name in BANKS]
        if r.mul == WEIGHT:
            factors[0] = signed_byte(beat["weight"] >> 8)
        for number, own, factor in zip(beat["extra"], beat["words"], factors, strict=True):
            extra.append((number + (own if beat["stencil"] else 0)) * factor)
    if r.is_max:  # no extra products
        return np.max(inputs, axis=0) * weight
    return np.sum(products, axis=0) + np.sum(extra, axis=0)


def post(acc, r: Result, q, act_bits: int, table, slope_error=0):
    """y6 (unpooled), bits, pooled word as it appears on the lanes."""
    m = r.modes
    y1 = sat(round_shift(acc, m["sh1"]) + q["b"], 18)
    y2 = y1 + (r.pre if m["pre_en"] else 0)
    if m["rp"]:
        y3 = np.where(y2 < 0, round_shift(y2 * q["slope"], m["sh2"]), y2)
    elif m["chords"]:
        y3 = chords(y2, table, slope_error)
    else:
        y3 = y2
    y3 = sat(y3, 18)
    y4 = y3 + (r.mid if m["mid_en"] else 0)
    c3 = (q["c3"] % 2**16 + (q["c3_high"] % 2**10) * 2**16 + 2**25) % 2**26 - 2**25
    m3, sh3 = (q["m3"], m["sh3"]) if m["aff"] else (2**13, 13)
    y5 = sat((y4 * m3 + c3 * 2**9) // 2**sh3, 18)
    y6 = sat(y5 + (r.out if m["out_en"] else 0), act_bits)
    bits = (y3 if m["bit_y3"] else y6) >= q["t"]
    means = [
        math.floor(sum(group) / len(group) + 0.5)
        for group in np.reshape(y6, (-1, 1 << m["pool"])).tolist()
    ]
    return y6, bits, np.array(means * (1 << m["pool"]))


class Generator:
    """Random results; values mix uniform, small and extreme ones."""

    def __init__(self, lanes: int, act_bits: int, slots: dict[str, int], seed: int):
        self.lanes, self.act_bits, self.slots = lanes, act_bits, slots
        self.rng = np.random.default_rng(seed)

    def signed(self, bits: int, shape) -> np.ndarray:
        rng, high = self.rng, 2 ** (bits - 1)
        values = rng.integers(-high, high, shape)
        values >>= rng.integers(0, bits, shape) if rng.random() < 0.5 else 0
        edge = rng.random(shape) < (0.3 if rng.random() < 0.3 else 0.02)
        return np.where(edge, rng.choice([-high, high - 1, 0, -1, 1], shape), values)

    def params(self) -> dict:
        """All slots of all parameter memories."""
        s = self.slots
        out = {"cm": self.rows(s["cm"]), "om": self.rows(s["om"])}
        out |= {name: self.rows(min(s["cm"], BANK_SLOTS)) for name in BANKS}
        out |= {name: self.rows(s["qm"]) for name in FIELDS}
        # c3 of any size, most of them so small that y5 does not saturate
        c3 = self.rng.integers(-(2**25), 2**25, out["c3"].shape)
        c3 >>= self.rng.integers(0, 25, (s["qm"], 1))
        return out | {"c3": (c3 + 2**15) % 2**16 - 2**15, "c3_high": c3 >> 16}

    def rows(self, count: int) -> np.ndarray:
        return np.stack([self.signed(16, self.lanes) for _ in range(count)])

    def table(self, flat: bool) -> tuple:
        """Slopes, intercepts and flat of a table of chords that no function has."""
        return self.signed(16, 64), self.signed(16, 64), flat

    def slot(self, memory: str, half: int) -> int:
        size = self.slots[memory] // 2
        return int(half * size + self.rng.integers(size))

    def result(self, half: int, params: dict) -> Result:
        rng, n, a = self.rng, self.lanes, self.act_bits
        is_max = bool(rng.random() < 0.15)
        kind = FEATURE if is_max else int(rng.integers(5))
        mul = NORM_R if kind == NORM else int(rng.integers(4))
        if mul == SELF and kind != FEATURE:
            mul = CM
        quad = not is_max and bool(rng.random() < 0.4)
        plain = not is_max and not quad and mul != WEIGHT
        stencil = plain and bool(rng.random() < 0.4)
        beats = []
        for _ in range(1 if kind == NORM else int(rng.choice([1, 1, 1, 2, 3, 5, 9]))):
            pop = rng.integers(0, 2 ** int(rng.choice([7, 11, 16])), n)
            beats.append(
                {
                    "feat": self.signed(a, n), "pop": pop, "acc": self.signed(16, n),
                    "weight": self.signed(16, n), "scalar": int(self.signed(16, 1)[0]),
                    "mean2": int(self.signed(18 if rng.random() < 0.2 else a + 1, 1)[0]),
                    "norm_r": int(rng.integers(2**12, 2**15)),
                    "cm_slot": self.slot("cm", half), "om_slot": self.slot("om", half),
                    "extra": [0, 0, 0],
                    "stencil": stencil, "words": [self.signed(a, n) for _ in range(3)],
                }
            )  # fmt: skip
            if mul == WEIGHT and not is_max:
                beats[-1]["extra"][0] = int(self.signed(16, 1)[0])
            if quad or stencil:  # all slots share the banks': even ones for half 0, odd for half 1
                beats[-1]["cm_slot"] = beats[-1]["cm_slot"] & ~1 | half
            if quad:
                bits = int(rng.choice([9, 16]))
                beats[-1]["extra"] = [int(self.signed(bits, 1)[0]) for _ in range(3)]
        act = int(rng.integers(3))
        flag = {k: int(rng.random() < 0.5) for k in ("aff", "bit_y3", "pre_en", "mid_en", "out_en")}
        modes = dict(
            q_slot=self.slot("qm", half), rp=int(act == 1), chords=int(act == 2),
            sh2=int(rng.choice(SH2)), sh3=int(rng.choice(SH3)),
            pool=int(rng.choice([0, 0, 1, 2, 3])), **flag,
        )  # fmt: skip
        words = [self.signed(a, n) for _ in range(3)]
        r = Result(kind, mul, is_max, modes, beats, *words)
        acc = accumulate(r, params, a)
        size = int(np.median(np.abs(acc))).bit_length() + 1
        modes["sh1"] = int(rng.choice(SH1))
        if rng.random() < 0.75:  # leave 8 .. 19 significant bits
            want = size - int(rng.integers(8, 20))
            modes["sh1"] = min(SH1, key=lambda s: abs(s - want))
        r.expected["acc"] = acc
        return r

    def finish(self, r: Result, params: dict, table, slope_error: int = 0) -> None:
        q = {name: params[name][r.modes["q_slot"]] for name in FIELDS}
        acc = accumulate(r, params, self.act_bits)
        y6, bits, word = post(acc, r, q, self.act_bits, table, slope_error)
        r.expected = {"acc": acc, "y6": y6, "bits": bits, "word": word, "q": q, "table": table}


def pack(values, bits: int) -> int:
    """Integers to a packed word, lane 0 lowest."""
    mask = (1 << bits) - 1
    text = "".join(format(int(v) & mask, f"0{bits}b") for v in reversed(values))
    return int(text, 2)
