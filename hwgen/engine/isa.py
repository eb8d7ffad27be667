"""Instruction set of the engine: the one place where fields, widths and opcodes are written down.

The same tables give the encoder (this file), the Verilog decoders (hwgen/units/decode.py) and the
HLS structs (hwgen/emit/hls.py). An instruction is 512 bits, little-endian, field at [lsb +: width].
Units retire their instructions in order and count them; `wait_*` fields hold the count that the
other unit must have reached (modulo 2**16) before the instruction may start.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.engine.numerics import SH3_SHIFTS

INSTR_BITS = 512
INSTR_BYTES = INSTR_BITS // 8
TAPS = 12
SET_PAYLOAD_BITS = 384

UNITS = ("seq", "dma", "ldw", "cmp")  # the sequencer itself, and the three in-order queues
# unit: which of these an opcode belongs to
OPCODES: dict[str, tuple[int, str]] = {
    "END": (0, "seq"),  # all earlier work retired -> done
    "LOAD": (1, "dma"),  # DDR record -> WB, CM, OM, QM
    "LOADF": (2, "dma"),  # DDR -> FM or TM (16-bit features, or bytes)
    "STORE": (3, "dma"),  # FM -> DDR
    "LDW": (4, "ldw"),  # WB -> shadow weights of the XNOR array
    "SET": (8, "cmp"),  # payload -> configuration register (taps, attention, norm)
    "XLIN": (9, "cmp"),  # XNOR array, one activation chunk per result
    "XCONV": (10, "cmp"),  # XNOR array, 3x3 dilated window
    "MACV": (11, "cmp"),  # per-lane multiply-accumulate (or max) of feature words
    "MACS": (12, "cmp"),  # scalar x weight-vector multiply-accumulate (stem, classifier)
    "ATT": (13, "cmp"),  # QD attention of one window and head
    "LNSTAT": (14, "cmp"),  # LayerNorm statistics into the norm table
    "LNAPPLY": (15, "cmp"),  # (2x - mean2) * rstd of the norm table
}

# (name, width, signed); every opcode begins with HEADER
HEADER = [
    ("op", 4, False),
    ("wait_dma", 16, False),
    ("wait_ldw", 16, False),
    ("wait_cmp", 16, False),
]

LOAD = [
    ("ddr", 32, False),  # byte offset from the weight base, multiple of 16
    ("n_wb", 16, False), ("wb", 16, False),  # words of LANES x 16 bits (as all words of a record)
    ("n_cm", 8, False), ("cm", 8, False),
    ("n_om", 8, False), ("om", 8, False),
    ("n_qm", 8, False), ("qm", 8, False),  # slots of 8 words: QM_FIELDS
    ("crc", 32, False),  # CRC-32 (zlib) over the record's bytes
    ("cm_quad", 1, False),  # four CM words a slot: word k to slot cm + k / 4, bank k % 4
    ("keep", 1, False), ("store", 16, False),  # stays in the weight store, from this word on
]  # fmt: skip
LOADF = [
    ("base_sel", 2, False),  # 0 weight image, 1 input, 2 output
    ("ddr", 32, False), ("words", 16, False),  # words of LANES lanes
    ("mem", 1, False), ("addr", 14, False),  # 0 FM, 1 TM
    ("bytes", 1, False),  # 1: one uint8 per lane (zero-extended), 0: int16 per lane
    ("crc", 32, False),  # of the bytes, as LOAD's; base_sel 0 only, input and output have none
]  # fmt: skip
STORE = [("ddr", 32, False), ("words", 16, False), ("mem", 1, False), ("addr", 14, False)]
LDW = [("wb", 16, False), ("n", 8, False)]  # n words = 16 n array columns; the rest is 1


QM_FIELDS = ("b", "slope", "m3", "c3", "c3_high", "t")  # words of a QM slot; two are unused
C3_SHIFT = min(SH3_SHIFTS) - 1  # place of c3 in the second affine step's product


def c3(b3: np.ndarray, sh3: int) -> np.ndarray:
    """b3 and the rounding, 26 bits: (x + c3 2**9) >> sh3 = rshift_round(x, sh3) + b3."""
    return (b3 << (sh3 - C3_SHIFT)) + (1 << (sh3 - 1 - C3_SHIFT))


def _stream(name: str) -> list[tuple[str, int, bool]]:
    return [
        (f"{name}_en", 1, False), (f"{name}_mem", 1, False), (f"{name}_base", 14, False),
        (f"{name}_s2", 14, True), (f"{name}_s3", 14, True),
    ]  # fmt: skip


NEST = [
    ("drain", 1, False),  # start only when the lane pipeline is empty
    ("swap", 1, False),  # wait for shadow weights, then make them current
    ("n0", 12, False), ("n1", 8, False), ("n2", 12, False), ("n3", 12, False),
    ("xd", 3, False),  # level-2 order: 0, xd, 2 xd, ..., 1, 1 + xd, ... (1 = plain)
]  # fmt: skip
SLOTS = [
    ("cm_base", 8, False), ("cm_s0", 8, False), ("cm_s1", 6, False), ("cm_mask", 8, False),
    ("cm_s2", 8, False),  # cm slot = cm_base + i0 cm_s0 + i1 cm_s1 + (i2 & cm_mask) cm_s2
    ("om_base", 8, False),
    ("q_base", 6, False), ("q_mask", 6, False),  # q slot = q_base + (i2 & q_mask)
]  # fmt: skip
STREAMS = [
    *_stream("pre"), *_stream("mid"), *_stream("out"), *_stream("dst"),
    ("bit_en", 1, False), ("bit_y3", 1, False),  # binarise y3 instead of y6
    ("bit_base", 16, False), ("bit_s2", 16, True), ("bit_s3", 16, True),
]  # fmt: skip
MODES = [
    ("sh1", 6, False), ("rp", 1, False), ("sh2", 5, False), ("aff", 1, False), ("sh3", 5, False),
    ("chords", 1, False), ("max", 1, False),
    ("pool", 2, False), ("pool_pos", 3, False),  # log2 of adjacent channels averaged; lane part
    ("psum_first", 1, False), ("psum_last", 1, False),
]  # fmt: skip
COMPUTE = [*NEST, *SLOTS, *STREAMS, *MODES]
# the last 96 bits of a compute instruction depend on where its operands come from
SOURCE_LSB = INSTR_BITS - 96
SOURCES = {
    "mac": [  # MACV, MACS, LNSTAT, LNAPPLY; word units (MACS: element units = word * LANES + lane)
        ("src_mem", 1, False), ("src_taps", 1, False),
        ("src_base", 20, False), ("src_s0", 18, True), ("src_s1", 18, True),
        ("src_s2", 18, True), ("src_s3", 18, True),
        ("quad", 1, False),  # MACS: four elements a beat, weights from the banks of CM
        ("stencil", 1, False),  # MACV: nine words around a cell, two image rows at a time
    ],
    "xnor": [  # BM element units (LANES bits)
        ("a_base", 16, False), ("a_s2", 16, True), ("a_s3", 16, True),
        ("a_elems", 5, False),  # XLIN: elements of the chunk
        ("g_base", 6, False), ("g_step", 6, False), ("g_qsh", 2, False),  # in units of GU bits
        ("g_len", 4, False),  # units per tap
        ("y0", 8, False), ("height", 8, False), ("width", 8, False),
    ],
    "att": [  # BM element units; token t of the window at base + t * t_stride
        ("q_bits", 16, False), ("k_bits", 16, False), ("v_bits", 16, False),
        ("t_stride", 12, False), ("tokens", 9, False),  # keys and values
        ("queries", 12, False),
    ],
}  # fmt: skip
# MACS takes 8-bit weights, two a word and beat, from WB instead of CM (quad: 16-bit ones from CM):
# wb_w overlays cm_base and cm_s0
SET_KINDS = {"taps": 0, "att": 1, "norm": 2, "table": 3}
TABLE_PART = 8  # chords of a SET table
SET = [("kind", 2, False)]
SET_LSB = INSTR_BITS - SET_PAYLOAD_BITS
PAYLOAD = {
    "taps": [f for k in range(TAPS) for f in ((f"off{k}", 18, True), (f"dx{k}", 4, True))]
    + [("width", 12, False), ("sx", 14, False)]
    # padded: taps outside the image's columns, and those of the mask out, read word pad
    + [("pad", 14, False), ("padded", 1, False), ("out", 12, False)],
    "att": [("kappa1", 24, False), ("kappa2", 24, False), ("kappa3", 24, False), ("neg", 1, False)],
    "norm": [("log2c", 4, False), ("eps", 52, False), ("reset", 1, False)],
    # chords 8 part .. 8 part + 7 of the activation function's table (hwgen/engine/chords.py)
    "table": [
        ("part", 3, False),
        ("flat", 1, False),
        *((f"slope{k}", 16, True) for k in range(TABLE_PART)),
        *((f"intercept{k}", 16, True) for k in range(TABLE_PART)),
    ],
}

CMP_SOURCE = {
    "XLIN": "xnor", "XCONV": "xnor", "MACV": "mac", "MACS": "mac", "ATT": "att",
    "LNSTAT": "mac", "LNAPPLY": "mac",
}  # fmt: skip


@dataclass(frozen=True)
class Field:
    """One bit field: value at word[lsb +: width]."""

    name: str
    lsb: int
    width: int
    signed: bool


def _place(fields: list[tuple[str, int, bool]], lsb: int, limit: int) -> dict[str, Field]:
    placed = {}
    for name, width, signed in fields:
        placed[name] = Field(name, lsb, width, signed)
        lsb += width
    assert lsb <= limit, f"instruction fields end at bit {lsb}, past {limit}"
    return placed


def layout(op: str) -> dict[str, Field]:
    """Field table of an opcode, by name."""
    fields = _place(HEADER, 0, INSTR_BITS)
    start = sum(w for _, w, _ in HEADER)
    if op == "SET":
        fields |= _place(SET, start, SET_LSB)
    elif op in CMP_SOURCE:
        fields |= _place(COMPUTE, start, SOURCE_LSB)
        fields |= _place(SOURCES[CMP_SOURCE[op]], SOURCE_LSB, INSTR_BITS)
        if op == "MACS":
            fields["wb_w"] = Field("wb_w", fields["cm_base"].lsb, 16, False)
    elif op != "END":
        fields |= _place(
            {"LOAD": LOAD, "LOADF": LOADF, "STORE": STORE, "LDW": LDW}[op], start, INSTR_BITS
        )
    return fields


def payload_layout(kind: str) -> dict[str, Field]:
    """Field table of a SET payload (offsets inside the instruction)."""
    return _place(PAYLOAD[kind], SET_LSB, INSTR_BITS)


def encode(op: str, **values: int) -> int:
    """Pack one instruction into a 512-bit integer. Raises ValueError for a value out of range."""
    fields = layout(op)
    if op == "SET":
        kind = values["kind"] = (
            SET_KINDS[values["kind"]] if isinstance(values["kind"], str) else values["kind"]
        )
        fields |= payload_layout(next(k for k, v in SET_KINDS.items() if v == kind))
    word = 0
    for name, value in {"op": OPCODES[op][0], **values}.items():
        if name not in fields:
            raise ValueError(f"{op}: no field {name}")
        f = fields[name]
        low, high = (
            (-(1 << f.width - 1), (1 << f.width - 1) - 1) if f.signed else (0, (1 << f.width) - 1)
        )
        if not low <= int(value) <= high:
            raise ValueError(f"{op}.{name}: {value} does not fit {f.width} bits [{low}, {high}]")
        word |= (int(value) & ((1 << f.width) - 1)) << f.lsb
    return word


def decode(word: int) -> tuple[str, dict[str, int]]:
    """Inverse of `encode`: opcode name and field values."""
    code = word & 15
    op = next(name for name, (c, _) in OPCODES.items() if c == code)
    fields = layout(op)
    if op == "SET":
        kind = (word >> fields["kind"].lsb) & 3
        fields |= payload_layout(next(k for k, v in SET_KINDS.items() if v == kind))
    out = {}
    for f in fields.values():
        v = (word >> f.lsb) & ((1 << f.width) - 1)
        out[f.name] = v - (1 << f.width) if f.signed and v >> (f.width - 1) else v
    return op, out


@dataclass(frozen=True)
class Group:
    """Fields that are decoded together, and what they are."""

    about: str
    fields: tuple[Field, ...]


def groups() -> dict[str, Group]:
    """The groups of fields by name; every field of every instruction is in one but SET's kind."""

    def pick(op: str, table: list[tuple[str, int, bool]], *more: str) -> tuple[Field, ...]:
        fields = layout(op)
        return tuple(fields[name] for name in (*(n for n, _, _ in table), *more))

    found = {
        "header": Group("fields of every instruction", pick("END", HEADER)),
        "load": Group("fields of LOAD", pick("LOAD", LOAD)),
        "loadf": Group("fields of LOADF", pick("LOADF", LOADF)),
        "store": Group("fields of STORE", pick("STORE", STORE)),
        "ldw": Group("fields of LDW", pick("LDW", LDW)),
        "nest": Group("loop nest and conditions of compute instructions", pick("MACV", NEST)),
        "slots": Group("parameter slots of compute instructions", pick("MACS", SLOTS, "wb_w")),
        "streams": Group("result streams of compute instructions", pick("MACV", STREAMS)),
        "modes": Group("post chain and partial sums of compute instructions", pick("MACV", MODES)),
        "mac": Group("source of MACV, MACS, LNSTAT and LNAPPLY", pick("MACV", SOURCES["mac"])),
        "xnor": Group("source of XLIN and XCONV", pick("XLIN", SOURCES["xnor"])),
        "att": Group("source of ATT", pick("ATT", SOURCES["att"])),
    }
    for kind in PAYLOAD:
        fields = tuple(payload_layout(kind).values())
        found[f"set_{kind}"] = Group(f"payload of SET {kind}", fields)
    return found


def queue_bits(unit: str, store: bool = True) -> int:
    """Low bits of an instruction that the queue of `unit` has to keep; store: with a weight store
    in the engine, without which `keep` and `store` of LOAD are not read."""
    dropped = () if store else ("keep", "store")
    return max(
        f.lsb + f.width
        for op, (_, queue) in OPCODES.items()
        for f in layout(op).values()
        if queue == unit and f.name not in dropped
    )
