"""Instruction set of the engine: the one place where fields, widths and opcodes are written down.

The same tables give the encoder (this file), the Verilog decoders (hwgen/units/decode.py) and the
HLS structs (hwgen/emit/hls.py). An instruction is 512 bits, little-endian, field at [lsb +: width];
in memory it has as many lines of 128 bits as reach to its last bit that is not 0.
Units retire their instructions in order and count them; `wait_*` fields hold the count that the
other unit must have reached (modulo 2**16) before the instruction may start.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from hwgen.engine.numerics import SH3_SHIFTS

INSTR_BITS = 512
LINE_BITS = 128
LINE_BYTES = LINE_BITS // 8
TAPS = 12
SET_PAYLOAD_BITS = 384

UNITS = ("seq", "dma", "ldw", "cmp")  # the sequencer itself, and the three in-order queues
# which of these an opcode belongs to
OPCODES: dict[str, tuple[int, str]] = {
    "END": (0, "seq"),
    "LOAD": (1, "dma"),
    "LOADF": (2, "dma"),
    "STORE": (3, "dma"),
    "LDW": (4, "ldw"),
    "SET": (8, "cmp"),
    "XLIN": (9, "cmp"),
    "XCONV": (10, "cmp"),
    "MACV": (11, "cmp"),
    "MACS": (12, "cmp"),
    "ATT": (13, "cmp"),
    "LNSTAT": (14, "cmp"),
    "LNAPPLY": (15, "cmp"),
}
MEANINGS = {
    "END": "all earlier work is retired: the frame is done",
    "LOAD": "a record of parameters from DDR to WB, CM, OM and QM",
    "LOADF": "words of features, or of bytes, from DDR to FM or TM",
    "STORE": "words of FM or TM to DDR",
    "LDW": "words of WB into the shadow weights of the XNOR array",
    "SET": "its payload into a register: taps, attention or norm",
    "XLIN": "XNOR array, one chunk of activations per result",
    "XCONV": "XNOR array, a dilated 3x3 window per result",
    "MACV": "multiply-accumulate, or maximum, of feature words, each lane its own",
    "MACS": "multiply-accumulate of feature elements, each for all lanes, with words of weights",
    "ATT": "QD attention of one window and head",
    "LNSTAT": "LayerNorm statistics of tokens into the norm table",
    "LNAPPLY": "(2 x - mean2) times the reciprocal deviation, both from the norm table",
}


class Spec(NamedTuple):
    """A field without its place: fields follow each other in the order of their table."""

    name: str
    width: int
    signed: bool
    meaning: str


def _table(text: str) -> list[Spec]:
    """A field per line: name, width (s: signed), meaning."""
    lines = [line.split(None, 2) for line in text.strip().splitlines()]
    return [Spec(n, int(w.removesuffix("s")), w.endswith("s"), about) for n, w, about in lines]


# every opcode begins with HEADER
HEADER = _table("""
    op        4  opcode
    lines     2  lines of 128 bits that it has behind the first; what would be in others is 0
    wait_dma 16  instructions that dma has to have retired before this one starts, modulo 2^16
    wait_ldw 16  the same of ldw
    wait_cmp 16  the same of cmp; no meaning in the cmp queue, which is in order
""")
LOAD = _table("""
    ddr      32  byte offset from the weight base, a multiple of 16
    n_wb     16  words of LANES x 16 bits to WB, the first of the record
    wb       16  their first address
    n_cm      8  words to CM, the next of the record
    cm        8  their first slot
    n_om      8  words to OM, the next
    om        8  their first slot
    n_qm      8  slots of QM: so many words of each field, the last of the record
    qm        8  their first slot
    qm_fields 6  a bit for each field (b, slope, m3, c3, its high part, t): the record has it
    qm_words 10  words to QM, n_qm x the fields that there are
    crc      32  CRC-32 (zlib) of the record's bytes
    cm_quad   1  CM has four words a slot: word k goes to slot cm + k / 4, bank k mod 4
    keep      1  the record stays in the weight store
    store    16  its first word there
""")
LOADF = _table("""
    base_sel  2  what ddr counts from: 0 weight image, 1 input, 2 output
    ddr      32  byte offset, a multiple of 16
    words    16  words of LANES lanes
    mem       1  0 FM, 1 TM
    addr     14  first address there
    bytes     1  1: a byte a lane; 0: a signed 16-bit number
    sign      1  bytes are signed
    crc      32  CRC-32 of the bytes; with base_sel 0 only, input and output have none
""")
STORE = _table("""
    ddr      32  byte offset from the output base, a multiple of 16
    words    16  words of LANES x 16 bits
    mem       1  0 FM, 1 TM
    addr     14  first address there
""")
LDW = _table("""
    wb       16  first word of WB
    n         8  words, 16 array columns each; the columns behind them are 1
""")

QM_FIELDS = ("b", "slope", "m3", "c3", "c3_high", "t")  # words of a QM slot
C3_SHIFT = min(SH3_SHIFTS) - 1  # place of c3 in the second affine step's product


def c3(b3: np.ndarray, sh3: int) -> np.ndarray:
    """b3 and the rounding, 26 bits: (x + c3 2**9) >> sh3 = rshift_round(x, sh3) + b3."""
    return (b3 << (sh3 - C3_SHIFT)) + (1 << (sh3 - 1 - C3_SHIFT))


def _stream(name: str, what: str) -> list[Spec]:
    return _table(f"""
    {name}_en    1  {what}
    {name}_mem   1  of which memory: 0 FM, 1 TM
    {name}_base 14  address of the first result's word
    {name}_s2  14s  its step per i2
    {name}_s3  14s  its step per i3
    """)


NEST = _table("""
    drain     1  start only when the lane pipeline is empty
    swap      1  wait for the shadow weights and make them current
    n0       12  iterations of level 0, the innermost; levels 0 and 1 accumulate
    n1        8  iterations of level 1
    n2       12  iterations of level 2; levels 2 and 3 count results
    n3       12  iterations of level 3, the outermost
    xd        3  order of level 2: i2 = 0, xd, 2 xd, .., 1, 1 + xd, .. (1: plain)
""")
SLOTS = _table("""
    cm_base   8  CM slot = cm_base + i0 cm_s0 + i1 cm_s1 + (i2 & cm_mask) cm_s2, modulo 256
    cm_s0     8  step per i0
    cm_s1     6  step per i1
    cm_mask   8  2^k - 1: the part of i2 that counts
    cm_s2     8  step per masked i2
    om_base   8  OM slot; XCONV adds the border pattern
    q_base    6  QM slot = q_base + (i2 & q_mask)
    q_mask    6  2^k - 1
""")
# what most instructions leave at 0 comes last, so that they have fewer lines
STREAMS = [
    *_stream("dst", "result words (y6, averaged with pool) are written"),
    *_table("""
    bit_en    1  bits y6 >= t of the results are written to BM
    bit_y3    1  they are y3 >= t
    bit_base 16  element of the first result
    bit_s2  16s  its step per i2
    bit_s3  16s  its step per i3
    """),
    *_stream("pre", "a residual word is added to y1"),
    *_stream("mid", "a residual word is added to y3"),
    *_stream("out", "a residual word is added to y5"),
]
MODES = _table("""
    sh1       6  right shift of the accumulator (y1)
    rp        1  y3 is RPReLU of y2: a negative y2 times the slope
    sh2       5  right shift of that product
    aff       1  y5 is y4 m3 and c3; 0: y4
    sh3       5  right shift of that product
    chords    1  y3 is the activation function of y2 whose chords SET table loaded
    max       1  MACV: maximum of the words instead of their sum
    pool      2  log2 of the adjacent channels that are averaged
    pool_pos  3  part of the destination word that gets the averages
    psum_first 1 XNOR: the first part of a sum; 0: partial popcounts are added
    psum_last 1  XNOR: the last part; 0: partial popcounts are kept, there is no result
""")
# between the modes and the streams 96 bits depend on where the operands come from
SOURCE_BITS = 96
SOURCES = {
    "mac": _table("""
    src_mem   1  0 FM, 1 TM
    src_taps  1  level 0 goes through the taps of SET taps, level 2 moves by their sx
    src_base 20  word, of MACS element (word x LANES + lane), of the first beat
    src_s0  18s  step per i0
    src_s1  18s  step per i1
    src_s2  18s  step per i2
    src_s3  18s  step per i3
    quad      1  MACS: four elements a beat, weights from the banks of CM
    stencil   1  MACV: nine words around a cell, two image rows at a time
    """),
    "xnor": _table("""
    a_base   16  BM element (LANES bits) of the first result's activations
    a_s2    16s  step per i2
    a_s3    16s  step per i3
    a_elems   5  XLIN: elements of the chunk
    g_base    6  lane quadrant q takes g_len units of GU bits from unit g_base + (q >> g_qsh) g_step
    g_step    6  units from a group to the next
    g_qsh     2  log2 of the quadrants that share a group
    g_len     4  units that a quadrant takes of a tap
    y0        8  XCONV: image row of the results with i3 = 0
    height    8  rows of the image
    width     8  columns of the image
    """),
    "att": _table("""
    q_bits   16  BM element of the window's first query, first unit of the head
    k_bits   16  of its first key, likewise
    v_bits   16  of its first value, unit v_unit
    t_stride 12  elements from a token to the next
    tokens    9  keys and values
    queries  12  queries
    offset    3  first channel of the head in its first unit of 64, / 8
    v_unit    3  unit of the head that v_bits is
    """),
}
# MACS takes 8-bit weights, two a word and beat, from WB instead of CM (quad: 16-bit ones from CM):
# this field then takes the place of cm_base and cm_s0
WB_W = Spec("wb_w", 16, False, "MACS without quad: first word of WB (over cm_base and cm_s0)")
SET_KINDS = {"taps": 0, "att": 1, "norm": 2, "table": 3}
TABLE_PART = 8  # chords of a SET table
SET = _table("""
    kind      2  register: 0 taps, 1 att, 2 norm, 3 table
""")
SET_LSB = INSTR_BITS - SET_PAYLOAD_BITS
PAYLOAD = {
    "taps": [
        spec
        for k in range(TAPS)
        for spec in (
            Spec(f"off{k}", 18, True, f"tap {k}: added to the address of the word"),
            Spec(f"dx{k}", 4, True, f"tap {k}: column i2 + dx{k} is read"),
        )
    ]
    + _table("""
    width    12  columns of the image
    sx       14  words from a column to the next
    pad      14  word that is read for taps outside the image
    padded    1  1: columns outside are padding; 0: they wrap around
    out      12  padded: taps (a bit each) whose row is outside
    """),
    "att": _table("""
    kappa1   24  a level is the number of k with 2^20 EXP >= kappa_k times the sum of the row's EXP
    kappa2   24  k = 2
    kappa3   24  k = 3
    neg       1  1: <= instead of >=
    """),
    "norm": _table("""
    log2c     4  log2 of the least power of two W that is no smaller than the channels
    scale    17  floor(2^16 W / channels): the sums times this, 2^-16, are those of W channels
    eps      52  added to the variance times W^2
    reset     1  the norm table starts at entry 0 again
    """),
    "table": _table("""
    part      3  chords 8 part .. 8 part + 7 of the activation function (hwgen/engine/chords.py)
    flat      1  outside the chords: 1 the values at their ends, 0 zero and y2 itself
    """)
    + [
        spec
        for k in range(TABLE_PART)
        for spec in (
            Spec(f"slope{k}", 16, True, f"chord 8 part + {k}: slope, scale 2^-14"),
            Spec(f"intercept{k}", 16, True, f"chord 8 part + {k}: intercept, scale of y2"),
        )
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
    meaning: str = ""


Fields = MappingProxyType[str, Field]


def _place(fields: list[Spec], lsb: int, limit: int) -> dict[str, Field]:
    placed = {}
    for name, width, signed, meaning in fields:
        placed[name] = Field(name, lsb, width, signed, meaning)
        lsb += width
    assert lsb <= limit, f"instruction fields end at bit {lsb}, past {limit}"
    return placed


@cache
def layout(op: str) -> Fields:
    """Field table of an opcode, by name."""
    fields: dict[str, Field] = _place(HEADER, 0, INSTR_BITS)
    start = sum(f.width for f in HEADER)
    if op == "SET":
        fields |= _place(SET, start, SET_LSB)
    elif op in CMP_SOURCE:
        common = [*NEST, *SLOTS, *MODES]
        source = start + sum(f.width for f in common)
        fields |= _place(common, start, source)
        fields |= _place(SOURCES[CMP_SOURCE[op]], source, source + SOURCE_BITS)
        fields |= _place(STREAMS, source + SOURCE_BITS, INSTR_BITS)
        if op == "MACS":
            fields |= _place([WB_W], fields["cm_base"].lsb, INSTR_BITS)
    elif op != "END":
        fields |= _place(
            {"LOAD": LOAD, "LOADF": LOADF, "STORE": STORE, "LDW": LDW}[op], start, INSTR_BITS
        )
    return MappingProxyType(fields)


@cache
def payload_layout(kind: str) -> Fields:
    """Field table of a SET payload (offsets inside the instruction)."""
    return MappingProxyType(_place(PAYLOAD[kind], SET_LSB, INSTR_BITS))


def _kind_name(kind: int) -> str:
    return next(name for name, number in SET_KINDS.items() if number == kind)


def encode(op: str, **values: int) -> int:
    """Pack one instruction into a 512-bit integer, `lines` included. Raises ValueError for a value
    out of range."""
    fields = layout(op)
    if op == "SET":
        kind = values["kind"] = (
            SET_KINDS[values["kind"]] if isinstance(values["kind"], str) else values["kind"]
        )
        fields = MappingProxyType(fields | payload_layout(_kind_name(kind)))
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
    behind = (word.bit_length() - 1) // LINE_BITS if word else 0
    return word | behind << fields["lines"].lsb


def lines(word: int) -> int:
    """Lines of memory that an instruction takes, 1 to 4."""
    field = layout("END")["lines"]
    return (word >> field.lsb & ((1 << field.width) - 1)) + 1


def binary(words: Iterable[int]) -> bytes:
    """Instructions as they lie in memory."""
    return b"".join(word.to_bytes(lines(word) * LINE_BYTES, "little") for word in words)


def words(program: bytes) -> list[int]:
    """Inverse of `binary`."""
    found, at = [], 0
    while at < len(program):
        size = lines(program[at]) * LINE_BYTES
        found.append(int.from_bytes(program[at : at + size], "little"))
        at += size
    return found


def decode(word: int) -> tuple[str, dict[str, int]]:
    """Inverse of `encode`: opcode name and field values."""
    code = word & 15
    op = next(name for name, (c, _) in OPCODES.items() if c == code)
    fields = layout(op)
    if op == "SET":
        kind = (word >> fields["kind"].lsb) & 3
        fields = MappingProxyType(fields | payload_layout(_kind_name(kind)))
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

    def pick(op: str, table: list[Spec]) -> tuple[Field, ...]:
        fields = layout(op)
        return tuple(fields[spec.name] for spec in table)

    found = {
        "header": Group(
            "fields of every instruction", pick("END", [f for f in HEADER if f.name != "lines"])
        ),
        "lines": Group(
            "length of an instruction", pick("END", [f for f in HEADER if f.name == "lines"])
        ),
        "load": Group("fields of LOAD", pick("LOAD", LOAD)),
        "loadf": Group("fields of LOADF", pick("LOADF", LOADF)),
        "store": Group("fields of STORE", pick("STORE", STORE)),
        "ldw": Group("fields of LDW", pick("LDW", LDW)),
        "nest": Group("loop nest and conditions of compute instructions", pick("MACV", NEST)),
        "slots": Group("parameter slots of compute instructions", pick("MACS", [*SLOTS, WB_W])),
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
