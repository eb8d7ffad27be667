"""Collects the instructions of a program: parameter records, buffer slots, waits, hazards.

A step (op) asks for parameter blocks and adds compute instructions; the builder places the blocks
in the weight image and in the ring buffers WB, CM, OM, QM, inserts LOAD and LDW instructions, and
fills in the `wait_*`, `drain` and `swap` fields.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

import numpy as np

from hwgen.engine import isa
from hwgen.engine.chords import CHORDS, Chords
from hwgen.engine.sizing import Sizing
from hwgen.ops.types import ImageRows, TensorType
from hwgen.schedule.beside import Beside
from hwgen.schedule.buffers import COUNTS, Block, Buffer, Record
from hwgen.schedule.hazards import IN_FLIGHT, Instruction, Issue, Writes, nest_order
from hwgen.schedule.layout import Place

Array = np.ndarray


class Builder:
    """Program under construction."""

    def __init__(
        self,
        s: Sizing,
        places: dict[str, Place],
        types: dict[str, TensorType],
        image_rows: ImageRows,
        kept: dict[str, int] | None = None,
    ) -> None:
        """kept: byte offset from the output base of every tensor that is kept in DDR."""
        self.s, self.places, self.types, self.image_rows = s, dict(places), types, image_rows
        self.kept = kept or {}
        # dma count after the last STORE, until an instruction of the queue waits for it
        self.after_store = {"dma": 0, "cmp": 0}
        self.instructions: list[Instruction] = []
        self.counts = {"dma": 0, "ldw": 0, "cmp": 0, "seq": 0}
        self.image = bytearray()
        self.records: dict[bytes, int] = {}  # record -> its place in the image
        self.buffers = {
            "wb": Buffer("wb", "wb_words", s.wb_words), "cm": Buffer("cm", "cm_slots", s.cm_slots),
            "om": Buffer("om", "om_slots", s.om_slots), "qm": Buffer("qm", "qm_slots", s.qm_slots),
        }  # fmt: skip
        self.resident: dict[Record, Block] = {}
        self.again: set[str] = set()  # steps of which a later piece has the same parameters
        self.step = ""
        self.beside = Beside(iter(()))  # what runs beside the step
        self.held: list[Block] = []  # whose parameters instructions to come read
        self.taps: dict[str, int] = {}  # of the last SET
        self.table = b""  # key of the chords that are loaded
        self.recent: list[Issue] = []  # compute instructions that may still be in flight
        self.attended: set[str] = set()  # written by ATT instructions, the last since a drain
        self.tensor_load: dict[str, int] = {}  # tensors brought by LOADF: dma count to wait for
        # by memory: (lo, hi, cmp count) of reads and writes
        self.region_cmp: dict[int, list[tuple[int, int, int]]] = {0: [], 1: []}

    # ---- instructions -----------------------------------------------------------------------
    def emit(self, op: str, **values: int) -> Instruction:
        queue = isa.OPCODES[op][1]
        if op != "SET" and self.after_store.get(queue):
            values["wait_dma"] = max(values.get("wait_dma", 0), self.after_store[queue])
            self.after_store[queue] = 0
        ins = Instruction(op, queue, self.counts[queue], dict(values), self.step)
        self.counts[queue] += 1
        self.instructions.append(ins)
        return ins

    def load(
        self,
        wb: Array | None = None,
        cm: Array | None = None,
        om: Array | None = None,
        qm: Mapping[str, Array] | None = None,
        cm_quad: bool = False,
    ) -> Block:
        """Bring parameter words (n, L) int16 (qm: of each field) from DDR into the buffers, unless
        they lie there.

        cm_quad: four words of `cm` share a slot, in the four banks of CM.
        """
        (block,) = self.bring(Record.of(wb, cm, om, qm, cm_quad))
        return block

    def bring(self, *records: Record, again: bool = False) -> list[Block]:
        """The blocks of records for different buffers; one LOAD brings those that lie nowhere.

        again: this piece wants them once more."""
        missing = [r for r in records if r not in self.resident or not self.resident[r].there]
        self.resident |= zip(missing, self._load(missing))
        blocks = [self.resident[record] for record in records]
        for record, block in zip(records, blocks):
            wanted = again or self.step in self.again
            for k in record.slots:
                self.buffers[k].use(block, record.words * wanted)
        return blocks

    def _load(self, records: Sequence[Record]) -> list[Block]:
        """The LOAD of records."""
        if not records:
            return []
        load = self.counts["dma"] + 1
        values = {"keep": 0, "store": 0}  # `keep_on_chip` decides when all records are known
        values |= {"wait_cmp": 0, "wait_ldw": 0} | dict.fromkeys(COUNTS, 0)
        blocks: list[Block] = []
        for record in records:
            block = Block(load)
            for k, n in record.slots.items():
                buffer = self.buffers[k]
                limit = self.s.quad_slots if k == "cm" and record.cm_quad else None
                first = buffer.choose(n, self.step, [*self.held, *blocks, block], limit)
                for old in buffer.owners(first, n):
                    for other in old.sizes:  # what is left of it is no use
                        self.buffers[other].free(old)
                buffer.give(block, first, n)
                slots = block.span(k)
                values["wait_cmp"] = max(values["wait_cmp"], int(buffer.cmp[slots].max()))
                values["wait_ldw"] = max(values["wait_ldw"], int(buffer.ldw[slots].max()))
                assert k not in values, f"{self.step}: two records for {k}"
                values[k] = first
            values |= record.counts
            blocks.append(block)
        data = b"".join(r.data[k] for k in self.buffers for r in records if k in r.data)
        self.emit("LOAD", ddr=self._store(data), crc=zlib.crc32(data), **values)
        return blocks

    def load_words(self, place: Place, base: int, data: Array, narrow: bool = False) -> None:
        """LOADF of constant words (n, L) to an address in a tensor's region; narrow: signed bytes,
        else int16."""
        record = data.astype("i1" if narrow else "<i2").tobytes()
        self.loadf(
            place, base, len(data),
            base_sel=0, ddr=self._store(record), crc=zlib.crc32(record),
            bytes=int(narrow), sign=int(narrow),
        )  # fmt: skip

    def loadf(self, place: Place, base: int, words: int, **values: int) -> None:
        """LOADF to an address in a tensor's region; waits for who reads or writes it now."""
        users = [
            c for lo, hi, c in self.region_cmp[place.memory] if lo < base + words and base < hi
        ]
        self.emit("LOADF", words=words, mem=place.memory, addr=base,
                  wait_cmp=max(users, default=0), **values)  # fmt: skip
        self.tensor_load[place.tensor] = self.counts["dma"]

    def reload_rows(self, tensor: str, place: Place, token: int, row: int, words: int) -> None:
        """LOADF of words of a tensor that is kept in DDR, from word `row` of it on, to a token."""
        ddr = self.kept[tensor] + row * self.s.word_bytes
        self.loadf(place, place.address(token), words, base_sel=2, ddr=ddr, bytes=0, crc=0)

    def store_rows(self, tensor: str, token: int, words: int) -> None:
        """STORE of words of a tensor, from a token on, to its place in DDR.

        Nothing computes meanwhile and no read of DDR is on its way: the rows are complete, and the
        next to read them finds them written.
        """
        place = self.places[tensor]
        self.emit(
            "STORE", ddr=self.kept[tensor] + token * place.stride * self.s.word_bytes, words=words,
            mem=place.memory, addr=place.address(token), wait_cmp=self.counts["cmp"],
        )  # fmt: skip
        self.after_store = dict.fromkeys(self.after_store, self.counts["dma"])

    def _store(self, record: bytes) -> int:
        """Byte offset of a record in the weight image; equal records are kept once."""
        if record not in self.records:
            self.records[record] = len(self.image)
            self.image += record
        return self.records[record]

    def weights(self, block: Block, first: int, columns: int) -> None:
        """LDW of an array tile, from a block's word `first` on; the next compute instruction with
        swap uses it."""
        n = -(-columns // 16)
        ldw = self.emit("LDW", wb=block.wb + first, n=n, wait_dma=block.load)
        self.buffers["wb"].ldw[block.span("wb")] = ldw.index + 1

    def config(self, kind: str, **values: int) -> None:
        """SET of taps, attention or norm constants; the same taps again need none."""
        if kind == "taps":
            if values == self.taps:
                return
            self.taps = values
        self.emit("SET", kind=isa.SET_KINDS[kind], **values)

    def use_chords(self, chords: Chords | None) -> None:
        """SET of the table of an activation function, unless it is the one that is loaded."""
        if chords is None or chords.key == self.table:
            return
        self.table = chords.key
        for part in range(CHORDS // isa.TABLE_PART):
            values = {"part": part, "flat": int(chords.flat)}
            for k in range(isa.TABLE_PART):
                chord = part * isa.TABLE_PART + k
                values[f"slope{k}"] = int(chords.slope[chord])
                values[f"intercept{k}"] = int(chords.intercept[chord])
            self.config("table", **values)

    def compute(
        self,
        op: str,
        blocks: Block | tuple[Block, ...],
        sources: list[str],
        streams: dict[str, str],
        dst: Writes | None,
        bit: Writes | None,
        **values: int,
    ) -> Instruction:
        """Add a compute instruction; derives waits and drain from what it reads."""
        ins = self.emit(op, **({"n0": 1, "n1": 1, "xd": 1} | values))
        assert all(ins.fields[k] > 0 for k in ("n0", "n1", "n2", "n3", "xd")), (
            f"{self.step}: empty nest"
        )
        done = ins.index + 1
        blocks = (blocks,) if isinstance(blocks, Block) else blocks
        for block in blocks:
            assert block.there, f"{self.step}: its parameters are no longer there"
            for k in block.sizes:
                if k != "wb" or op == "MACS":
                    self.buffers[k].cmp[block.span(k)] = done
        waits = [
            ins.fields.get("wait_dma", 0),
            *(block.load for block in blocks),
            *(self.tensor_load.get(t, 0) for t in (*sources, *streams.values())),
        ]
        ins.fields["wait_dma"] = max(waits)
        ins.dst, ins.bit = dst, bit
        self._check_addresses(ins)
        for memory, low, high in self._touched(ins, sources):
            self.region_cmp[memory].append((low, high, done))
        issue = Issue.of(ins, sources, streams, self.places)
        conflict = any(issue.conflicts(e, self.places) for e in self.recent)
        if op == "ATT":  # reads while the one before computes, however long that takes
            conflict = conflict or not self.attended.isdisjoint(sources)
        ins.fields["drain"] = int(conflict)
        if ins.fields["drain"]:
            self.recent.clear()
        if op != "ATT" or ins.fields["drain"]:
            self.attended.clear()
        if op == "ATT":
            self.attended |= issue.written
        self.recent.append(issue)
        total = 0
        for oldest in range(len(self.recent) - 1, -1, -1):
            total += self.recent[oldest].beats
            if total > IN_FLIGHT:
                del self.recent[:oldest]
                break
        return ins

    def _touched(self, ins: Instruction, sources: list[str]) -> list[tuple[int, int, int]]:
        """(memory, first word, last word + 1) of the feature words that it reads or writes."""
        f, found = ins.fields, []

        def span(prefix: str, levels: str) -> tuple[int, int]:
            ends = [(f[f"n{k}"] - 1) * f.get(f"{prefix}_s{k}", 0) for k in levels]
            first = f[f"{prefix}_base"]
            return first + sum(min(e, 0) for e in ends), first + sum(max(e, 0) for e in ends)

        for name in ("pre", "mid", "out", "dst"):
            if f.get(f"{name}_en"):
                low, high = span(name, "23")
                found.append((f[f"{name}_mem"], low, high + 1))
        if isa.CMP_SOURCE[ins.op] == "mac":
            if f.get("src_taps"):  # offsets are in a register
                found += [(p.memory, *p.region) for p in (self.places[t] for t in sources)]
            else:
                low, high = span("src", "0123")
                if ins.op == "MACS":
                    low, high = low // self.s.lanes, (high + 3 * f.get("quad", 0)) // self.s.lanes
                found.append((f["src_mem"], low, high + 1))
        return found

    def _check_addresses(self, ins: Instruction) -> None:
        """The addresses that the nest produces are those of the tokens and words meant."""
        f = ins.fields
        i2, i3 = nest_order(f["n2"], f["n3"], f.get("xd", 1))
        for prefix, writes in (("dst", ins.dst), ("bit", ins.bit)):
            if writes is None:
                continue
            made = (
                f[f"{prefix}_base"] + i2 * f.get(f"{prefix}_s2", 0) + i3 * f.get(f"{prefix}_s3", 0)
            )
            meant = self.places[writes.tensor].address(writes.token, writes.word)
            assert np.array_equal(made, meant), (
                f"{ins.step}: {prefix} addresses differ from {writes.tensor}"
            )
