"""The emitted HLS C++: the engine of docs/architecture.md for Vitis HLS, and its C simulation.

The sources depend on the sizing only, as the RTL does; program and weight image are the RTL's.
`data/` holds what the C simulation compares with:

- steps.txt: a line per instruction and kind of write (dst, bit), between tabs: kind, compute
  instruction, opcode, step, tensor, number of writes
- dst.places, bit.places: int32 (token, word) of every write, in program order
- result.txt: bytes behind the result's port, features that are kept in DDR included
- N.input, N.output: image N and its STOREd result; N.dst, N.bit: `Program.expected`
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from hwgen.emit.rtl import render
from hwgen.engine import isa
from hwgen.engine.numerics import TOP_SCORE, exp_table, head_units, rsqrt_table, score_offset
from hwgen.engine.sizing import Sizing
from hwgen.paths import templates_dir
from hwgen.schedule.program import Program

Array = np.ndarray
TOP = "hwgen_top"
IMAGES = 16  # at most; fewer where their expected writes take more than DATA_BYTES
DATA_BYTES = 64 << 20
NOT_HLS = (
    "store_words",
    "ultra",
    "dma_bits",
    "ldw_bits",
)  # sizes that the C++ has no use for
# numbered fields that are arrays in the C++, and their sizes
ARRAYS = {"off": "TAPS", "dx": "TAPS", "slope": isa.TABLE_PART, "intercept": isa.TABLE_PART}


def write_hls(folder: Path, program: Program, images: Array) -> int:
    """Write sources, test bench, Makefile and data for `images` (N, H, W, 3) uint8 into `folder`.

    Returns how many images the C simulation runs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    count = write_data(folder / "data", program, images)
    for name, text in sources(program.sizing).items():
        (folder / name).write_text(text)
    (folder / "Makefile").write_text(render("hls/Makefile.j2", images=count))
    return count


def sources(s: Sizing) -> dict[str, str]:
    """File name -> text of every C++ file: those for the engine and the test bench csim.cpp."""
    templates = templates_dir() / "hls"
    texts = {p.name: p.read_text() for p in templates.glob("*.[ch]pp")}
    values = {"sizes.hpp": size_values(s), "isa.hpp": isa_values(), "tables.hpp": table_values(s)}
    for name, context in values.items():
        texts[name] = render(f"hls/{name}.j2", **context)
    return dict(sorted(texts.items()))


def size_values(s: Sizing) -> dict[str, object]:
    """What sizes.hpp.j2 shows."""
    sizes = [(k, v) for k, v in s.parameters().items() if k.lower() not in NOT_HLS]
    return {
        "sizes": sizes,
        "instr_bits": isa.INSTR_BITS,
        "line_bits": isa.LINE_BITS,
        "quad_slots": s.quad_slots,
        "taps": isa.TAPS,
        "head_units": head_units(s.head),
        "score_offset": score_offset(s.head),
        "top_score": TOP_SCORE,
    }


def isa_values() -> dict[str, object]:
    """What isa.hpp.j2 shows: opcodes, and a struct per instruction with its fields."""
    header = {f.name for f in isa.HEADER}
    op, behind = (isa.layout("END")[name] for name in ("op", "lines"))

    def fields(ops: Iterable[str]) -> list[isa.Field]:
        found = {f.name: f for op in ops for f in isa.layout(op).values()}
        return [f for f in found.values() if f.name not in header]

    groups = [
        _struct("Load", "LOAD: a record of parameters from the weight image.", fields(["LOAD"])),
        _struct("Loadf", "LOADF: words of features to FM or TM.", fields(["LOADF"])),
        _struct("Store", "STORE: words of FM or TM to the result.", fields(["STORE"])),
        _struct("Ldw", "LDW: WB into the shadow weights.", fields(["LDW"])),
        _struct("Set", "SET: which register.", fields(["SET"])),
    ]
    for kind in isa.PAYLOAD:
        about = f"SET {kind}: the payload."
        groups.append(_struct(f"Set{kind.title()}", about, isa.payload_layout(kind).values()))
    about = "Compute instructions: the fields of all, then those of their operands (overlapping)."
    groups.append(_struct("Compute", about, fields(isa.CMP_SOURCE)))
    return {
        "opcode": {"type": _type(op), "part": _part(op)},
        "behind": {"type": _type(behind), "part": _part(behind)},
        "opcodes": [(name, code) for name, (code, _) in isa.OPCODES.items()],
        "kinds": [(name.upper(), code) for name, code in isa.SET_KINDS.items()],
        "groups": groups,
    }


def _type(f: isa.Field) -> str:
    return f"ap_{'' if f.signed else 'u'}int<{f.width}>" if f.width > 1 else "bool"


def _part(f: isa.Field) -> str:
    return f"word.range({f.lsb + f.width - 1}, {f.lsb})" if f.width > 1 else f"word[{f.lsb}]"


def _struct(name: str, about: str, fields: Iterable[isa.Field]) -> dict[str, object]:
    """Members and decoding of a struct; off0, off1, .. become an array off[TAPS] (ARRAYS)."""
    members, decode = [], []
    for f in fields:
        base = f.name.rstrip("0123456789")
        array = ARRAYS.get(base)
        kind = _type(f)
        if array is None:
            members.append(f"{kind} {f.name};")
        elif f.name == f"{base}0":
            members.append(f"{kind} {base}[{array}];")
        target = f"{base}[{f.name[len(base) :]}]" if array is not None else f.name
        decode.append(f"{target} = {_part(f)};")
    return {"name": name, "about": about, "members": members, "decode": decode}


def table_values(s: Sizing) -> dict[str, object]:
    """What tables.hpp.j2 shows."""

    def table(name: str, about: str, kind: str, values: Array) -> dict[str, object]:
        rows = [
            " ".join(f"{v}," for v in values[k : k + 8].tolist()) for k in range(0, len(values), 8)
        ]
        return {"name": name, "about": about, "type": kind, "size": len(values), "rows": rows}

    return {
        "tables": [
            table(
                "EXP",
                "EXP[p]: the softmax numerator of score p (numerics.exp_table), 24 bits.",
                "ap_uint<24>",
                exp_table(s.head),
            ),
            table(
                "RSQRT", "First guess of 2**14 / sqrt(v / 2**16) for v >> 8 = 64 .. 255.",
                "ap_uint<16>", rsqrt_table(),
            ),
        ]
    }  # fmt: skip


def write_data(folder: Path, program: Program, images: Array) -> int:
    """What the C simulation reads beside the memory image; returns the number of images."""
    write_places(folder, program)
    count = 0
    for image in images[:IMAGES]:
        size = write_frame(folder, count, program, image, program.graph.run(image[None]))
        count += 1
        if (count + 1) * size > DATA_BYTES:
            break
    return count


def write_places(folder: Path, program: Program) -> None:
    """steps.txt, dst.places, bit.places: where every write of a frame belongs; result.txt: bytes of
    the memory behind the result's port."""
    folder.mkdir(parents=True, exist_ok=True)
    lines: list[str] = []
    places: dict[str, list[Array]] = {"dst": [], "bit": []}
    for k, i in enumerate(program.compute):
        for kind, writes in (("dst", i.dst), ("bit", i.bit)):
            if writes is not None:
                row = (kind, k, i.op, i.step, writes.tensor, len(writes.address))
                lines.append("\t".join(map(str, row)) + "\n")
                places[kind].append(np.stack([writes.token, writes.word], axis=1))
    (folder / "steps.txt").write_text("".join(lines))
    (folder / "result.txt").write_text(f"{program.output_bytes}\n")
    for kind, parts in places.items():
        data = np.concatenate(parts) if parts else np.empty((0, 2))
        (folder / f"{kind}.places").write_bytes(data.astype("<i4").tobytes())


def write_frame(
    folder: Path, number: int, program: Program, image: Array, values: dict[str, Array]
) -> int:
    """Files of one image (H, W, 3) with its golden values; returns their bytes."""
    dst, bit = program.expected(values)
    files = {
        "input": program.input_bytes(image), "dst": dst, "bit": bit,
        "output": result_bytes(program, values[program.graph.output]),
    }  # fmt: skip
    for kind, data in files.items():
        (folder / f"{number}.{kind}").write_bytes(data)
    return sum(map(len, files.values()))


def result_bytes(program: Program, logits: Array) -> bytes:
    """The STOREd words of the result: int16, channels that do not exist are 0."""
    data = logits.reshape(-1).astype("<i2").tobytes()
    return data.ljust(program.output_words * program.sizing.word_bytes, b"\0")
