"""Random programs for the compute queue, free of hazards, with what the engine must do."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np

from hwgen.engine.isa import SET_KINDS, TABLE_PART, TAPS, encode
from tests.units.isa_reference import Machine

FREE = 32  # words at the end of FM and TM for DMA traffic
PAIRS = ("pre", "mid", "out")


class StandIn(Machine):
    """The reference machine with random popcounts and contexts instead of BM."""

    rng: np.random.Generator
    given: list[tuple[np.ndarray, np.ndarray]]  # (values, patterns) of each result

    def popcounts(self, op, f, i2, i3):
        pattern = self.rng.integers(0, 16 if op == "XCONV" else 1, len(i2))
        return self.rng.integers(0, 2048, (len(i2), self.lanes)), pattern

    def context(self, f):
        count = f["n2"] * f["n3"]
        return self.rng.integers(-900, 900, (count, self.lanes))


@dataclass
class Step:
    """One instruction and what its source returns."""

    op: str
    fields: dict[str, int]
    values: np.ndarray | None = None  # r_pop, r_acc
    patterns: np.ndarray | None = None

    @property
    def word(self) -> int:
        return encode(self.op, **self.fields)


@dataclass
class Generator:
    """Instructions that read nothing unfinished and use every read port at one stage only."""

    machine: StandIn
    random: random.Random
    dma: int = 65500
    ldw: int = 65520
    role: list = field(default_factory=lambda: [None, None])  # stage that uses the read port
    dirty: list = field(default_factory=lambda: [set(), set()])  # written, maybe in flight

    def pick(self, chance: float) -> int:
        return int(self.random.random() < chance)

    def nest(self, beats: int, levels: bool) -> dict[str, int]:
        r = self.random
        while True:
            n0, n1 = (r.randint(1, 5), r.randint(1, 3)) if levels else (1, 1)
            n2, n3 = (
                r.choice([1, 2, *(2 * [r.randint(1, 14)])]),
                r.choice([1, *(2 * [r.randint(1, 6)])]),
            )
            if n0 * n1 * n2 * n3 <= beats:
                return {
                    "n0": n0,
                    "n1": n1,
                    "n2": n2,
                    "n3": n3,
                    "xd": r.choice([1, 1, 1, 2, 3, 5, 7]),
                }

    def strides(self, f, limit: int, low: int = 0, high: int = 0, scale: int = 1):
        """base, s2, s3 with every address in [0, limit); low, high: reach of the other levels."""
        i2, i3 = self.machine.result_order(f)
        while True:
            s2, s3 = (self.random.randint(-4, 5) * scale, self.random.randint(-14, 15) * scale)
            offset = i2 * s2 + i3 * s3
            first, span = int(offset.min()) + low, int(offset.max()) + high
            if span - min(first, 0) < limit:
                base = self.random.randint(max(0, -first), limit - 1 - span)
                return base, s2, s3, base + offset

    def memory_limit(self, mem: int) -> int:
        return len(self.machine.feature[mem]) - FREE

    def head(self) -> dict[str, int]:
        r = self.random
        self.dma += self.pick(0.15)
        self.ldw += self.pick(0.15)
        return {
            "wait_dma": (self.dma - r.choice([0, 0, 3])) & 0xFFFF,
            "wait_ldw": (self.ldw - r.choice([0, 0, 9])) & 0xFFFF,
            "wait_cmp": r.randrange(1 << 16),
        }

    def post(self) -> dict[str, int]:
        r = self.random
        return {
            "sh1": r.randrange(3, 18, 2), "rp": self.pick(0.4), "sh2": r.choice([10, 14]),
            "aff": self.pick(0.4), "sh3": r.choice([10, 13, 16, 19]), "chords": self.pick(0.3),
            "bit_y3": self.pick(0.4), "pool": r.choice([0, 0, 1, 2, 3]),
        }  # fmt: skip

    def compute(self, op: str, beats: int) -> Step:
        """A random instruction `op` of at most `beats` beats."""
        while True:
            f = self.head() | self.nest(beats, op in ("MACV", "MACS", "LNSTAT")) | self.post()
            f["pool_pos"] = self.random.randrange(1 << f["pool"])
            f |= {
                "drain": self.pick(0.05),
                "swap": self.pick(0.08),
                "psum_first": 1,
                "psum_last": 1,
            }
            f |= {
                "bit_en": self.pick(0.5),
                "dst_en": self.pick(0.8),
                "om_base": self.random.randrange(16),
            }
            used: list[tuple[int, str, set[int]]] = []  # mem, stage, addresses
            if op in ("XLIN", "XCONV"):
                self.xnor(f)
            elif op == "ATT":
                self.att(f)
            else:
                reads = self.mac(op, f)
                if reads is None:
                    continue
                used.append((f["src_mem"], "src", reads))
            if not self.slots(op, f):
                continue
            self.streams(op, f, used)
            return self.finish(op, f, used)

    def xnor(self, f) -> None:
        r = self.random
        f |= {
            "a_base": r.randrange(1 << 16), "a_s2": r.randint(-99, 99),
            "a_s3": r.randint(-999, 999), "a_elems": r.randint(1, 16),
            "g_base": r.randrange(64), "g_step": r.randrange(64),
            "g_qsh": r.randrange(4), "g_len": r.randrange(16), "y0": r.randrange(256),
            "height": r.randrange(256), "width": r.randrange(256), "psum_first": self.pick(0.7),
            "psum_last": self.pick(0.7),
        }  # fmt: skip

    def att(self, f) -> None:
        r = self.random
        f |= {
            "q_bits": r.randrange(1 << 16), "k_bits": r.randrange(1 << 16),
            "v_bits": r.randrange(1 << 16), "t_stride": r.randrange(1 << 12),
            "tokens": r.randrange(1, 257), "queries": r.randrange(1, 4096),
        }  # fmt: skip
        # nothing that is drawn: what the programs of a seed reach stays as it was
        f |= {"offset": f["q_bits"] % 8, "v_unit": f["k_bits"] % 8}

    def mac(self, op: str, f) -> set[int] | None:
        """Source fields; the words that it reads, or None if the nest does not fit."""
        r, m = self.random, self.machine
        mem = r.randrange(2)
        scale = m.lanes if op == "MACS" and self.pick(0.5) else 1
        limit = self.memory_limit(mem) * (m.lanes if op == "MACS" else 1)
        f |= {
            "src_mem": mem,
            "src_taps": 0,
            "src_s0": r.randint(-5, 9),
            "src_s1": r.randint(-30, 30),
        }
        i2, i3 = m.result_order(f)
        if op == "LNSTAT":
            f |= {"n0": r.choice([1, 2, 4]), "n1": 2, "src_s1": 0}
        elif op == "LNAPPLY":
            f["q_mask"] = r.choice([0, 1, 3, 7])
            f["n2"] *= f["q_mask"] + 1
            i2, i3 = m.result_order(f)
            left = (m.made - m.applied) * (f["q_mask"] + 1) - m.shared
            if len(i2) > left or (m.shared and f["q_mask"] != self.last_share):
                return None
            self.last_share = f["q_mask"]
        elif op == "MACV":
            f |= {"max": self.pick(0.3), "stencil": self.pick(0.25)}
            if f["stencil"]:
                return self.stencil(f)
        elif op == "MACS":
            f["quad"] = self.pick(0.5)
            if f["quad"]:
                f["src_s0"], f["src_s1"], scale = 4 * f["src_s0"], 4 * f["src_s1"], 4 * scale
            else:
                f["wb_w"] = r.randrange(256 - f["n0"] * f["n1"])
        if op == "MACV" and self.pick(0.4):
            width = m.taps[2]
            f |= {
                "src_taps": 1,
                "n0": r.randint(1, 12),
                "src_s2": r.randint(-9, 9),
                "n1": r.choice([1, 1, 2]),
            }
            f["n2"] = min(f["n2"], width)
            i2, i3 = m.result_order(f)
            f |= {"src_base": 0, "src_s3": r.randint(-15, 15)}
        else:
            reach = [0, (f["n0"] - 1) * f["src_s0"]]
            reach = [a + b for a in reach for b in (0, (f["n1"] - 1) * f["src_s1"])]
            if max(reach) - min(reach) >= limit // 2:
                return None
            if f.get("quad"):
                # base multiple of 4, element 3 of the last four inside
                base, s2, s3, _ = self.strides(
                    f, limit // 4, min(reach) // 4, max(reach) // 4, scale // 4
                )
                base, s2, s3 = 4 * base, 4 * s2, 4 * s3
            else:
                base, s2, s3, _ = self.strides(f, limit, min(reach), max(reach), scale)
            f |= {"src_base": base, "src_s2": s2, "src_s3": s3}
        nest = [(i0, i1) for i0 in range(f["n0"]) for i1 in range(f["n1"])]
        pad, m.pad = m.pad, None  # the other words first
        reads = [m._source(f, i0, i1, i2, i3) for i0, i1 in nest]
        m.pad = pad
        if f["src_taps"]:
            low, high = min(x.min() for x in reads), max(x.max() for x in reads)
            if high - min(low, 0) >= limit:
                return None
            f["src_base"] = base = r.randint(max(0, int(-low)), int(limit - 1 - high))
            reads = [x + base for x in reads]
        words = np.concatenate(reads) // (m.lanes if op == "MACS" else 1)
        return set(words.tolist()) | self.pad_word(f)

    def pad_word(self, f) -> set[int]:
        pad = self.machine.pad
        return {pad[0]} if f["src_taps"] and pad else set()

    def stencil(self, f) -> set[int] | None:
        """Source of a MACV stencil: the rows and columns of the taps' image."""
        r, m = self.random, self.machine
        offset, dx, width, _ = m.taps
        if width < 4:
            return None
        f |= {"n0": 3, "n1": 2, "n2": r.randint(1, 2), "n3": r.randint(1, width), "xd": 1}
        f |= {"max": 0, "src_taps": 1, "src_base": 0, "src_s2": 0, "src_s3": 0}
        steps = np.arange(f["n3"] + 4)
        if steps[-1] + max(dx[:6]) >= 2 * width:
            return None
        columns = [(steps + dx[k]) % width * m.taps[3] + offset[k] for k in range(6)]
        low, high = int(np.min(columns)), int(np.max(columns))
        limit = self.memory_limit(f["src_mem"])
        if high - min(low, 0) >= limit:
            return None
        f["src_base"] = r.randint(max(0, -low), limit - 1 - high)
        return set((np.concatenate(columns) + f["src_base"]).tolist()) | self.pad_word(f)

    def slots(self, op: str, f) -> bool:
        r, m = self.random, self.machine
        f["q_base"] = r.randrange(m.qm_slots)
        f.setdefault("q_mask", r.choice([0, 1, 2, 3, 5, 7]))
        i2, _ = m.result_order(f)
        if (f["q_base"] + (i2 & f["q_mask"])).max() >= m.qm_slots:
            return False
        f |= {"cm_s1": r.randrange(8), "cm_mask": r.choice([0, 1, 3, 7, 15, 255])}
        f["cm_s2"] = r.choice([1, 2, r.randrange(8), 255])
        if op == "MACS" and not f["quad"]:
            return True
        banks = op == "MACS" or f.get("stencil")
        limit = 32 if banks else m.cm_slots  # only these slots have banks
        f |= {"cm_base": r.randrange(limit), "cm_s0": r.choice([0, 1, 2, 254])}
        nest = [(i0, i1) for i0 in range(f["n0"]) for i1 in range(f["n1"])]
        return max(m._cm_slot(f, i2, i0, i1).max() for i0, i1 in nest) < limit

    def streams(self, op: str, f, used) -> None:
        """Residual streams on ports that are still free, and destinations that nobody reads."""
        r = self.random
        for name in PAIRS:
            mem = r.randrange(2)
            free = all(mem != u[0] for u in used)
            f[f"{name}_mem"] = mem
            f[f"{name}_en"] = int(free and self.pick(0.5))
            if op == "LNSTAT":
                f[f"{name}_en"] = self.pick(0.5)  # means nothing there
            base, s2, s3, address = self.strides(f, self.memory_limit(mem))
            f |= {f"{name}_base": base, f"{name}_s2": s2, f"{name}_s3": s3}
            if f[f"{name}_en"] and op != "LNSTAT":
                used.append((mem, name, set(address.tolist())))
        for _ in range(50):
            mem = r.randrange(2)
            base, s2, s3, address = self.strides(f, self.memory_limit(mem))
            written = set(address.tolist())
            f |= {"dst_mem": mem, "dst_base": base, "dst_s2": s2, "dst_s3": s3}
            if all(u[0] != mem or not (u[2] & written) for u in used):
                break
        else:
            f["dst_en"] = 0
        base, s2, s3, _ = self.strides(f, 2000)
        f |= {"bit_base": base, "bit_s2": s2, "bit_s3": s3}

    def finish(self, op: str, f, used) -> Step:
        clash = any(self.role[mem] not in (None, stage) for mem, stage, _ in used)
        if clash or any(reads & self.dirty[mem] for mem, _, reads in used):
            f["drain"] = 1
        if f["drain"]:
            self.role, self.dirty = [None, None], [set(), set()]
        for mem, stage, _ in used:
            self.role[mem] = stage
        if f["dst_en"] and op != "LNSTAT" and f["psum_last"]:
            addresses = self.machine._stream(f, "dst", *self.machine.result_order(f))
            self.dirty[f["dst_mem"]] |= set(addresses.tolist())
        return self.execute(op, f)

    def execute(self, op: str, f) -> Step:
        """Runs the instruction on the reference and keeps what the sources must return."""
        m = self.machine
        step = Step(op, dict(f))
        if f.get("swap"):
            m.shadow = m.weights
        if op in ("XLIN", "XCONV"):
            values, patterns = m.popcounts(op, f, *m.result_order(f))
            step.patterns = patterns
            before = 0 if f["psum_first"] else m.partial[: len(values)]
            step.values = values + before
            m.popcounts, original = (lambda *_: (values, patterns)), m.popcounts
            m.run(op, f)
            m.popcounts = original
            if not f["psum_last"]:
                step.values = None
        elif op == "ATT":
            step.values = m.context(f)
            m.context, original = (lambda _: step.values), m.context
            m.run(op, f)
            m.context = original
        else:
            m.run(op, f)
        return step

    def set(self, kind: str, **values: int) -> Step:
        r = self.random
        f = self.head() | {"kind": SET_KINDS[kind]}
        if kind == "taps":
            width = r.randint(1, 14)
            reach = min(width, 7)
            for k in range(TAPS):
                f |= {f"off{k}": r.randint(-25, 25), f"dx{k}": r.randint(-reach, reach)}
            f |= {"width": width, "sx": r.randint(0, 6)}
            pad = r.randrange(min(self.memory_limit(memory) for memory in (0, 1)))
            f |= {"padded": r.randrange(2), "pad": pad, "out": r.randrange(1 << TAPS)}
        elif kind == "att":
            f |= {
                "kappa1": r.randrange(1 << 24), "kappa2": r.randrange(1 << 24),
                "kappa3": r.randrange(1 << 24), "neg": r.randrange(2),
            }  # fmt: skip
        elif kind == "table":
            f |= {"part": r.randrange(8), "flat": r.randrange(2)}
            for k in range(TABLE_PART):
                f |= {f"slope{k}": r.randint(-(1 << 15), (1 << 15) - 1)}
                f |= {f"intercept{k}": r.randint(-(1 << 15), (1 << 15) - 1)}
        else:
            f |= {"log2c": r.randint(4, 7), "eps": r.randrange(1 << 40), "reset": 1}
            f["scale"] = 1 << 16 | f["eps"] & 0xFFFF
        return self.execute("SET", f | values)

    last_share = 0

    def program(self, count: int) -> list[Step]:
        """Runs of one kind of op (so that they overlap) between mixed ones."""
        steps = [self.set("taps"), self.set("att"), self.set("norm")]
        steps += [self.set("table", part=part) for part in range(8)]
        kinds = ["XLIN", "XCONV", "MACV", "MACS", "ATT", "LNSTAT", "LNAPPLY", *SET_KINDS]
        weights = [4, 3, 6, 4, 3, 2, 3, 1, 1, 0.4, 0.6]
        while len(steps) < count:
            op = self.random.choices(kinds, weights)[0]
            beats = self.random.choice([1, 3, 20, 120])
            for _ in range(self.random.choice([1, 1, 3, 12])):
                m = self.machine
                if op in SET_KINDS:
                    steps.append(self.set(op))
                elif op == "LNSTAT" and len(m.norm) + 60 > m.nt_words:
                    steps.append(self.set("norm"))
                elif op == "LNAPPLY" and m.made - m.applied < 8:
                    break
                else:
                    steps.append(self.compute(op, beats))
        return steps
