"""Integer graph -> program: instructions, weight image, and the writes each instruction must do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import prod

import numpy as np

from hwgen.engine import isa
from hwgen.engine.sizing import Sizing
from hwgen.errors import FitError
from hwgen.ir.graph import Graph
from hwgen.ops.base import Op
from hwgen.ops.types import TensorType
from hwgen.schedule.builder import Builder
from hwgen.schedule.hazards import Instruction, Writes
from hwgen.schedule.keep import keep_on_chip
from hwgen.schedule.layout import Place
from hwgen.schedule.placement import place
from hwgen.schedule.plan import Piece, Plan
from hwgen.schedule.spill import arranged
from hwgen.schedule.steps import run_beside, run_step
from hwgen.schedule.steps.image import load_image
from hwgen.schedule.waits import recent_waits
from hwgen.units.compute_unit import busy_end

Array = np.ndarray
REGION = 4096  # bytes of a plane (templates/rtl/host/axi_read.v), of every region of host memory
MAX_LINES = (1 << 24) - 1  # PROG_LINES


@dataclass(frozen=True, eq=False)
class Program:
    """A scheduled network."""

    graph: Graph
    sizing: Sizing
    places: dict[str, Place]
    instructions: tuple[Instruction, ...]
    weights: bytes
    output_words: int
    kept: dict[str, int]  # tensor that is kept in DDR -> byte offset from the output base
    store_words: int  # words of the weight store that hold records
    beside: dict[str, str]  # op -> the op that it runs beside

    def words(self) -> list[int]:
        """Every instruction as a number."""
        return [isa.encode(i.op, **wrapped(i.fields)) for i in self.instructions]

    @cached_property
    def lines(self) -> list[int]:
        """Lines of 128 bits of every instruction."""
        return [isa.lines(word) for word in self.words()]

    @property
    def program_bytes(self) -> int:
        """Length of `binary`."""
        return sum(self.lines) * isa.LINE_BYTES

    def binary(self) -> bytes:
        """The program as it lies in memory, 16 to 64 bytes an instruction, little-endian."""
        return isa.binary(self.words())

    @property
    def kept_bytes(self) -> int:
        """Bytes of the tensors that are kept in DDR, from the first one's offset on."""
        types, s = self.graph.types(), self.sizing
        return sum(types[name].words(s.lanes) for name in self.kept) * s.word_bytes

    @property
    def output_bytes(self) -> int:
        """Bytes behind the output base: the result, and behind it what is kept in DDR."""
        if not self.kept:
            return self.output_words * self.sizing.word_bytes
        return min(self.kept.values()) + self.kept_bytes

    @property
    def compute(self) -> list[Instruction]:
        """Instructions of the compute queue, in order."""
        return [i for i in self.instructions if i.queue == "cmp"]

    def input_bytes(self, image: Array) -> bytes:
        """Input image (H, W, 3) uint8 as laid out in DDR, padded to whole words."""
        rows = image.astype(np.uint8).reshape(image.shape[0], -1)
        rest = np.array(self.row_padding, dtype=np.uint8)
        rows = np.concatenate([rows, np.tile(rest, (len(rows), 1))], 1)
        return rows.tobytes().ljust(self.image_bytes, b"\0")

    @property
    def row_padding(self) -> tuple[int, ...]:
        """Bytes behind every image row in DDR, where windows overlap or pad and the lanes do not
        divide the row."""
        ((name, image),) = self.graph.inputs.items()
        reader = next(op for op in self.graph.ops if name in op.inputs)
        lanes = self.sizing.lanes
        rows = reader.image_rows(image.shape[0], None, lanes)
        return rows.filled(prod(image.shape[1:]), lanes)

    @property
    def image_bytes(self) -> int:
        """Bytes of the input image in DDR: whole words."""
        (image,) = self.graph.inputs.values()
        size = image.shape[0] * (prod(image.shape[1:]) + len(self.row_padding))
        return -(-size // self.sizing.lanes) * self.sizing.lanes

    def output_values(self, data: bytes) -> Array:
        """Integer logits of a STOREd result."""
        return np.frombuffer(data, dtype="<i2")[: self.graph.meta["classes"]].astype(np.int64)

    def expected(self, values: dict[str, Array], index: int = 0) -> tuple[bytes, bytes]:
        """Expected feature and bit writes of frame `index` of golden `values`, in program order.

        Feature record: u8 memory, u8 lane-group mask, u16 address, L x int16. Bit record: u16
        address, L bits. Both little-endian.
        """
        dst, bit = [], []
        for i in self.compute:
            if i.dst is not None:
                dst.append(self._feature_records(i.dst, values[i.dst.tensor][index]))
            if i.bit is not None:
                bit.append(self._bit_records(i.bit, values[i.bit.tensor][index]))
        return b"".join(dst), b"".join(bit)

    def write_counts(self) -> list[tuple[int, int]]:
        """(feature writes, bit writes) of every compute instruction."""
        return [
            (0 if i.dst is None else len(i.dst.address), 0 if i.bit is None else len(i.bit.address))
            for i in self.compute
        ]

    def _feature_records(self, w: Writes, tensor: Array) -> bytes:
        lanes = self.sizing.lanes
        flat = tensor.reshape(-1, tensor.shape[-1])
        flat = np.pad(flat, ((0, 0), (0, -flat.shape[1] % lanes)))
        data = flat.reshape(len(flat), -1, lanes)[w.token, w.word]
        if w.pool:  # the averages of this instruction's part, repeated over the word
            n = lanes >> w.pool
            data = np.tile(data[:, w.part * n : (w.part + 1) * n], (1, 1 << w.pool))
        record = np.zeros(
            len(data), dtype=[("m", "u1"), ("k", "u1"), ("a", "<u2"), ("d", "<i2", (lanes,))]
        )
        record["m"], record["k"], record["a"], record["d"] = w.memory, w.mask, w.address, data
        return record.tobytes()

    def _bit_records(self, w: Writes, tensor: Array) -> bytes:
        lanes = self.sizing.lanes
        flat = tensor.reshape(-1, tensor.shape[-1])
        data = np.packbits(
            flat.reshape(len(flat), -1, lanes)[w.token, w.word], axis=-1, bitorder="little"
        )
        record = np.zeros(len(data), dtype=[("a", "<u2"), ("d", "u1", (lanes // 8,))])
        record["a"], record["d"] = w.address, data
        return record.tobytes()


def wrapped(fields: dict[str, int]) -> dict[str, int]:
    """Wait counts are compared modulo 2**16."""
    return {k: int(v) & 0xFFFF if k.startswith("wait_") else int(v) for k, v in fields.items()}


def schedule(graph: Graph, s: Sizing) -> Program:
    """Program of a graph on an engine of sizes `s`. Raises HwgenError when it does not fit."""
    graph, order = arranged(graph, s)
    places, types = place(graph, s, order), graph.types()
    out = places[graph.output]
    kept = _kept(graph, order, s, out.size)
    b = Builder(s, places, types, order.image, kept)
    ops = {op.name: op for op in graph.ops}
    to_come = Counter(piece.name for piece in order.pieces if not piece.store)
    b.again = set(to_come)
    for piece in order.pieces:
        if not piece.store:
            to_come[piece.name] -= 1
            if not to_come[piece.name]:
                b.again.discard(piece.name)
        if piece.store:
            b.step = piece.name
            _store(b, piece, types[piece.name])
            continue
        _show_windows(b, ops.get(piece.name), piece, places)
        if piece.beside:
            b.beside = run_beside(b, ops[piece.name], piece.part)
        elif piece.name in ops:
            run_step(b, ops[piece.name], piece.part)
        else:
            b.step = "input"
            load_image(b, piece.name, order.image, piece.part.strip if piece.part else 0)
    b.step = "output"
    b.emit("STORE", ddr=0, words=out.size, mem=out.memory, addr=out.base, wait_cmp=b.counts["cmp"])
    b.emit("END")
    recent_waits(b.instructions)
    on_chip = keep_on_chip(b.instructions, s.store_words)
    pairs = pairwise(order.pieces)
    beside = {guest.name: host.name for guest, host in pairs if guest.beside}
    image = bytes(b.image)
    made = Program(graph, s, places, tuple(b.instructions), image, out.size, kept, on_chip, beside)
    _check_length(made)
    return made


def _check_length(program: Program) -> None:
    """Raises: FitError for more lines than the sequencer counts."""
    most = len(program.instructions) * isa.INSTR_BITS // isa.LINE_BITS
    if most > MAX_LINES and (lines := sum(program.lines)) > MAX_LINES:
        raise FitError(
            "program", f"{lines:,} lines of instructions",
            f"the sequencer counts up to {MAX_LINES:,}",
            "--set strip_tokens= or kw= larger",
        )  # fmt: skip


def _kept(graph: Graph, order: Plan, s: Sizing, output_words: int) -> dict[str, int]:
    """Byte offset from the output base of every tensor that is kept in DDR: behind the result."""
    align, types, out = REGION * s.axi_ports, graph.types(), {}
    at = -(-output_words * s.word_bytes // align) * align
    for name in order.stored:
        out[name] = at
        at += types[name].words(s.lanes) * s.word_bytes
    return out


def _store(b: Builder, piece: Piece, t: TensorType) -> None:
    """The rows of a piece to DDR."""
    assert piece.part is not None, f"{piece.name} is not by strips"
    width, place = t.rows[1], b.places[piece.name]
    tokens = piece.part.count * width
    b.store_rows(piece.name, piece.part.first * width, tokens * place.stride)


def _show_windows(b: Builder, op: Op | None, piece: Piece, places: dict[str, Place]) -> None:
    """What is reloaded lies where the piece's strip of it does."""
    if op is None or piece.part is None:
        return
    for tensor in (*op.inputs, *op.outputs()):
        if places[tensor].first and not places[tensor].rows:
            _, width = b.types[tensor].rows
            b.places[tensor] = places[tensor].window(piece.part.strip, width)


def program_steps(program: Program) -> list[tuple[str, str, int]]:
    """(op name, unit, compute instructions) of every op, in the order of their first."""
    units = {op.name: op.UNIT for op in program.graph.ops}
    counts = Counter(i.step for i in program.compute)  # keeps that order
    return [(name, units[name], count) for name, count in counts.items()]


def step_cycles(program: Program, ends: Iterable[tuple[int, int]], total: int) -> list[int]:
    """Cycles of every op, then the rest: from where the instruction before an instruction of the op
    ends (`busy_end`) to its own end (from 0 for the first), summed. ends: (issue end, retired) as
    `Times` has them."""
    spent: Counter[str] = Counter()
    before = 0
    for i, (issue_end, retired) in zip(program.compute, ends, strict=True):
        end = max(before, busy_end(i.op, issue_end, retired))
        spent[i.step] += end - before
        before = end
    return [*(spent[name] for name, _, _ in program_steps(program)), total - before]
