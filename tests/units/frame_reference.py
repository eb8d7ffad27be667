"""Random programs for the engine around a stand-in compute unit, and what they must do.

`rtl/stub/compute_unit.v` says what its compute instructions mean here. The reference executes the
program one instruction after the other on NumPy memories; the waits of the program are the least
that keep this meaning, so the units overlap as far as they ever may.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from pathlib import Path

import numpy as np

from hwgen.engine import isa
from hwgen.sim.harness import bit_records, dst_records
from hwgen.units.decode import write_decoders

STUB = Path(__file__).parent / "rtl" / "stub" / "compute_unit.v"
WB_BLOCK, FM_BLOCK, SLOT_BLOCK = 64, 32, 8
OUT_WORDS = 16
STORE_USED = 200  # words of the weight store that a random program may fill


def stub_sources(folder: Path) -> list[Path]:
    """The stand-in and all decoders, rendered into `folder`."""
    return [STUB, *write_decoders(folder)]


class Program:
    """Builds a program; `need` names what an instruction reads and writes, for its waits."""

    def __init__(self, lanes: int, act_bits: int, seed: int):
        self.lanes, self.act_bits = lanes, act_bits
        self.rng = np.random.default_rng(seed)
        self.words: list[int] = []
        self.steps: list[tuple[str, dict]] = []
        self.weights = b""
        self.stored = self.store_words = 0
        self.kept_words = 0  # of LOADs, which a warm frame does not read from DDR
        self.count = {"dma": 0, "ldw": 0, "cmp": 0}
        self.users: dict[str, list[tuple[str, int, bool]]] = defaultdict(list)

    def add(
        self, op: str, reads=(), writes=(), record: np.ndarray | None = None, **fields: int
    ) -> None:
        """Append an instruction that waits for earlier users of what it touches."""
        unit = isa.OPCODES[op][1]
        waits = {"dma": 0, "ldw": 0, "cmp": 0}
        for name, is_write in [*((r, False) for r in reads), *((w, True) for w in writes)]:
            for other, index, wrote in self.users[name]:
                # A queue keeps its own order, but reads of DDR run ahead of its writes.
                if (is_write or wrote) and (other != unit or name == "out"):
                    waits[other] = max(waits[other], index)
        self.count[unit] += 1
        for name in reads:
            self.users[name].append((unit, self.count[unit], False))
        for name in writes:
            self.users[name].append((unit, self.count[unit], True))
        if record is not None:
            data = record.astype("<i2").tobytes()
            fields |= {"ddr": len(self.weights), "crc": zlib.crc32(data)}
            self.weights += data
            if self.stored + len(record) <= self.store_words and self.rng.integers(3):
                fields |= {"keep": 1, "store": self.stored}
                self.stored += len(record)
                self.kept_words += len(record)
        fields |= {f"wait_{u}": w for u, w in waits.items()}
        self.words.append(isa.encode(op, **fields))
        self.steps.append((op, fields))

    def block(self, size: int, blocks: int, limit: int) -> tuple[int, int, int]:
        """Random (block, first, count) inside one block of `size`; the count is 0 at times."""
        n = int(self.rng.integers(0, limit + 1))
        block = int(self.rng.integers(blocks))
        return block, block * size + int(self.rng.integers(0, size - n + 1)), n

    def random(self, length: int, input_words: int, store_words: int = 0) -> Program:
        """`length` random steps, then STORE of something and END. The last words of the store are
        used."""
        self.store_words, self.stored = store_words, max(0, store_words - STORE_USED)
        loaded = False
        self.add("SET", kind=1)  # the stand-in stalls the DMA from here on
        # LOADF of the output region finds only what was stored
        self.add("STORE", ("mem0.0",), ("out",), ddr=0, words=OUT_WORDS, mem=0, addr=0)
        for _ in range(length):
            kind = self.rng.choice(["LOAD", "LOADF", "STORE", "MACV", "MACS", "LDW", "XLIN", "PAR"])
            if kind == "XLIN" and not loaded:
                kind = "LDW"
            if kind == "LDW" and loaded:
                kind = "XLIN"
            for _ in range(6 if kind in ("MACV", "MACS") and self.rng.random() < 0.3 else 1):
                self.step(kind, input_words)
            loaded = {"LDW": True, "XLIN": False}.get(kind, loaded)
        if loaded:
            self.step("XLIN", input_words)
        self.words.append(isa.encode("END"))
        self.steps.append(("END", {}))
        return self

    def step(self, kind: str, input_words: int) -> None:
        rng = self.rng
        fm, base, n = self.block(FM_BLOCK, 6, 12)
        mem = int(rng.integers(2))
        dst = {
            "n0": 1, "n1": 1, "n2": n, "n3": 1, "xd": 1, "dst_en": 1,
            "dst_mem": mem, "dst_base": base,
            "bit_en": int(rng.integers(2)), "bit_base": int(rng.integers(1 << 15)),
        }  # fmt: skip
        memory = f"mem{mem}.{fm}"
        if kind == "LOAD":
            wb, wb_base, n_wb = self.block(WB_BLOCK, 4, 40)
            slots, slot, n_cm = self.block(SLOT_BLOCK, 4, 8)
            n_om, n_qm = (int(rng.integers(0, 4)) for _ in range(2))
            qm_fields = int(rng.integers(64))
            qm_words = n_qm * qm_fields.bit_count()
            count = n_wb + n_cm + n_om + qm_words
            record = rng.integers(-(1 << 15), 1 << 15, (count, self.lanes))
            self.add(
                "LOAD", (), (f"wb{wb}", f"slots{slots}"), record,
                n_wb=n_wb, wb=wb_base, n_cm=n_cm, cm=slot,
                cm_quad=int(rng.integers(2)),
                n_om=n_om, om=slots * SLOT_BLOCK, n_qm=n_qm, qm=slots * SLOT_BLOCK + 1,
                qm_fields=qm_fields, qm_words=qm_words,
            )  # fmt: skip
        elif kind == "LOADF":
            source = int(rng.integers(3))
            as_bytes, sign = int(rng.integers(2)), int(rng.integers(2))
            word = self.lanes * (1 if as_bytes else 2)
            room = {
                0: len(self.weights),
                1: input_words * self.lanes,
                2: OUT_WORDS * 2 * self.lanes,
            }[source]
            n = min(n, room // word)
            ddr = int(rng.integers(0, (room - n * word) // 16 + 1)) * 16
            crc = 0 if source else zlib.crc32(self.weights[ddr : ddr + n * word])
            self.add(
                "LOADF", ("out",) if source == 2 else (), (memory,), base_sel=source, ddr=ddr,
                words=n, mem=mem, addr=base, bytes=as_bytes, sign=sign, crc=crc,
            )  # fmt: skip
        elif kind == "STORE":
            ddr = int(rng.integers(0, 4)) * 2 * self.lanes
            self.add("STORE", (memory,), ("out",), ddr=ddr, words=n, mem=mem, addr=base)
        elif kind == "MACV":
            source, start, _ = self.block(FM_BLOCK, 6, n)
            start = min(start, (source + 1) * FM_BLOCK - n)
            src = int(rng.integers(2))
            if (src, source) == (mem, fm):
                return
            self.add("MACV", (f"mem{src}.{source}",), (memory,), src_mem=src, src_base=start, **dst)
        elif kind == "MACS":
            wb, start, _ = self.block(WB_BLOCK, 4, 40)
            start = min(start, (wb + 1) * WB_BLOCK - n)
            self.add("MACS", (f"wb{wb}",), (memory,), wb_w=start, **dst)
        elif kind == "LDW":
            wb, start, _ = self.block(WB_BLOCK, 4, 40)
            k = int(rng.integers(1, 9))
            self.add("LDW", (f"wb{wb}",), (), wb=min(start, (wb + 1) * WB_BLOCK - k), n=k)
        elif kind == "XLIN":
            self.add("XLIN", (), (memory,), swap=1, **dst)
        else:
            slots = int(rng.integers(4))
            sel = int(rng.integers(3))
            address = (sel << 11) + (slots * SLOT_BLOCK << 3) + int(rng.integers(0, 64 - n))
            self.add("LNAPPLY", (f"slots{slots}",), (memory,), src_base=address, **dst)

    def binary(self) -> bytes:
        return isa.binary(self.words)


class Reference:
    """Memories of the engine; they keep their contents from frame to frame."""

    def __init__(self, lanes: int, act_bits: int):
        self.lanes, self.act_bits = lanes, act_bits
        self.wb = np.zeros((1 << 16, lanes), np.int64)
        self.par = np.zeros((1 << 13, lanes), np.int64)
        self.mem = np.zeros((2, 1 << 14, lanes), np.int64)
        self.shadow = np.zeros((256, lanes), np.int64)
        self.current = self.shadow.copy()

    def run(self, program: Program, image: bytes) -> tuple[bytes, bytes, bytes]:
        """(expected_dst, expected_bit, output) of one frame."""
        self.out = bytearray()
        self.dst: list[tuple[int, int, np.ndarray]] = []
        self.bit: list[tuple[int, np.ndarray]] = []
        for op, f in program.steps:
            execute = getattr(self, op.lower(), lambda *_: None)
            execute(defaultdict(int, f), program.weights, image)
        mems, addresses, words = zip(*self.dst)
        records = dst_records(np.array(mems), np.array(addresses), np.array(words))
        bits = b""
        if self.bit:
            where, values = zip(*self.bit)
            bits = bit_records(np.array(where), np.array(values)).tobytes()
        return records.tobytes(), bits, bytes(self.out)

    def load(self, f, weights, _image):
        n = f["n_wb"] + f["n_cm"] + f["n_om"] + f["qm_words"]
        words = np.frombuffer(weights, "<i2", n * self.lanes, f["ddr"]).reshape(n, self.lanes)
        wb, cm, om, qm = np.split(words, np.cumsum([f["n_wb"], f["n_cm"], f["n_om"]]))
        self.wb[f["wb"] : f["wb"] + len(wb)] = wb
        for k, word in enumerate(cm):
            slot, bank = (k // 4, k % 4) if f["cm_quad"] else (k, 0)
            self.par[(f["cm"] + slot) << 3 | bank] = word
        for k, word in enumerate(om):
            self.par[1 << 11 | (f["om"] + k) << 3] = word
        there = [field for field in range(6) if f["qm_fields"] >> field & 1]
        for k, word in enumerate(qm):
            field = there[k // f["n_qm"]]
            self.par[2 << 11 | (f["qm"] + k % f["n_qm"]) << 3 | field] = word

    def loadf(self, f, weights, image):
        source = (weights, image, bytes(self.out))[f["base_sel"]]
        kind = ("i1" if f["sign"] else "u1") if f["bytes"] else "<i2"
        words = np.frombuffer(source, kind, f["words"] * self.lanes, f["ddr"])
        self.mem[f["mem"], f["addr"] : f["addr"] + f["words"]] = words.reshape(-1, self.lanes)

    def store(self, f, *_):
        data = self.mem[f["mem"], f["addr"] : f["addr"] + f["words"]].astype("<i2").tobytes()
        if data:
            end = f["ddr"] + len(data)
            self.out.extend(bytes(max(0, end - len(self.out))))
            self.out[f["ddr"] : end] = data

    def results(self, f, values):
        for k in range(f["n2"]):
            word = ((values[k] + (1 << 15)) & 0xFFFF) - (1 << 15)
            self.mem[f["dst_mem"], f["dst_base"] + k] = word
            half = 1 << (self.act_bits - 1)
            self.dst.append(
                (f["dst_mem"], f["dst_base"] + k, ((word + half) & (2 * half - 1)) - half)
            )
            if f["bit_en"]:
                self.bit.append(((f["bit_base"] + k) & 0xFFFF, word >= 0))

    def macv(self, f, *_):
        start = f["src_base"]
        self.results(f, self.mem[f["src_mem"], start : start + f["n2"]] + 1)

    def macs(self, f, *_):
        self.results(f, self.wb[f["wb_w"] :])

    def lnapply(self, f, *_):
        self.results(f, self.par[f["src_base"] :])

    def ldw(self, f, *_):
        self.shadow[:] = -1
        self.shadow[: f["n"]] = self.wb[f["wb"] : f["wb"] + f["n"]]

    def xlin(self, f, *_):
        if f.get("swap"):
            self.current = self.shadow.copy()
        self.results(f, self.current)
