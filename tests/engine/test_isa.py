"""Instruction encoding: fields do not overlap, values round-trip, nothing copies the tables."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from hwgen.engine import isa
from hwgen.paths import CHECKOUT, templates_dir
from hwgen.tools.verilator import verilate
from hwgen.units.decode import decoders


@pytest.mark.parametrize("op", isa.OPCODES)
def test_fields_do_not_overlap(op: str) -> None:
    used = 0
    for f in isa.layout(op).values():
        if op == "MACS" and f.name in ("cm_base", "cm_s0"):
            continue  # wb_w lies there
        mask = ((1 << f.width) - 1) << f.lsb
        assert not used & mask, f.name
        used |= mask
    assert used < 1 << isa.INSTR_BITS


@pytest.mark.parametrize("op", [op for op in isa.OPCODES if op not in ("SET", "MACS")])
def test_round_trip(op: str) -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        values = {}
        for f in isa.layout(op).values():
            if f.name not in ("op", "lines"):
                low = -(1 << (f.width - 1)) if f.signed else 0
                values[f.name] = low + int(rng.integers(0, 1 << min(f.width, 62)))
        name, decoded = isa.decode(isa.encode(op, **values))
        assert name == op
        assert {k: decoded[k] for k in values} == values


def test_a_program_has_no_more_lines_than_its_instructions_need() -> None:
    words = [
        isa.encode("LDW", wb=7, n=3),
        isa.encode("LOAD", ddr=16, crc=1 << 31),
        isa.encode("XLIN", n0=1, n1=1, n2=5, n3=1, xd=1, a_elems=1),
        isa.encode("XLIN", n0=1, n1=1, n2=5, n3=1, xd=1, dst_en=1, bit_en=1, bit_s3=-1),
        isa.encode("XLIN", n0=1, n1=1, n2=5, n3=1, xd=1, pre_en=1, pre_s3=-1),
        isa.encode("SET", kind="norm", reset=1),
        isa.encode("END"),
    ]
    assert [isa.lines(word) for word in words] == [1, 2, 2, 3, 4, 2, 1]
    assert len(isa.binary(words)) == 15 * isa.LINE_BYTES
    assert isa.words(isa.binary(words)) == words


def test_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match=re.escape("MACV.n2: 4096 does not fit 12 bits [0, 4095]")):
        isa.encode("MACV", n2=4096)
    with pytest.raises(ValueError, match="LDW: no field n2"):
        isa.encode("LDW", n2=1)


# Names of the hand-written tables that were there, and of anything like them.
PREFIXES = "OP|I|LD|LF|ST|LW|C|X|A|SET|P|PTAPS|PATT|PNORM"
WORDS = "i_word|i_full|cur|cur_q|a_q|b_q|b_word|q_word"  # nets that hold an instruction


def fields() -> list[isa.Field]:
    return [f for group in isa.groups().values() for f in group.fields]


def copies(text: str) -> list[str]:
    """localparams that repeat a field's position or an opcode, and parts taken out of a word."""
    names = {f.name.upper() for f in fields()} | set(isa.OPCODES) | {"KIND"}
    values = {f.lsb for f in fields()} - set(range(16))
    found = []
    for name, value in re.findall(
        r"localparam\s+(?:\[[^\]]*\]\s*)?(\w+)\s*=\s*(?:\d+'d)?(\d+);", text
    ):
        prefix, _, field = name.partition("_")
        prefixed = re.fullmatch(PREFIXES, prefix) and field in names
        if prefixed or (int(value) in values and {name, field} & names):
            found.append(f"{name} = {value}")
    # whole words and the low bits that a queue keeps may pass
    part = rf"\b(?:{WORDS})\s*\[\s*(?!511:|\w+_BITS-1:0)\w[^\]]*\]"
    return found + re.findall(part, text)


def test_no_verilog_repeats_a_position() -> None:
    folders = [templates_dir() / "rtl", CHECKOUT / "tests"]
    for path in (p for folder in folders for p in folder.rglob("*.v")):
        assert copies(path.read_text()) == [], path.name


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("localparam LD_N_WB = 84;", ["LD_N_WB = 84"]),
        ("localparam [3:0] OP_SET = 4'd8;", ["OP_SET = 8"]),
        ("localparam PTAPS_OFF0 = 128;", ["PTAPS_OFF0 = 128"]),
        ("localparam STORE_ADDR = 103;", ["STORE_ADDR = 103"]),
        ("assign n = i_word[84 +: 16];", ["i_word[84 +: 16]"]),
        ("assign swap = cur[C_SWAP];", ["cur[C_SWAP]"]),
        ("cur_q <= {f_data, cur_q[511:AXI_BITS]};", []),
        ("assign s_data = q_word[DMA_BITS-1:0];", []),
        ("localparam WIDTH = 8;", []),
    ],
)
def test_copies_are_found(line: str, found: list[str]) -> None:
    assert copies(line) == found


BENCH = """#include <cstdio>
#include "Vbench.h"
int main() {
    Vbench top;
    for (;;) {
        for (int k = 0; k < 16; ++k)
            if (std::scanf("%8x", &top.word[k]) != 1) return 0;
        top.eval();
        for (int k = 0; k < WORDS; ++k) std::printf("%08x", top.result[k]);
        std::printf("\\n");
    }
}
"""
Output = tuple[str, str]  # module, port


class Decoders:
    """All decoders in one simulation; with a fault, beside them, in a copy of one."""

    def __init__(self, folder: Path, texts: dict[str, str]):
        self.outputs: list[tuple[Output, int]] = []
        lines = []
        for module, text in texts.items():
            (folder / f"{module}.v").write_text(text)
            ports = re.findall(r"output wire (?:signed )?(?:\[(\d+):0\])? *(\w+)", text)
            pins = []
            for msb, port in ports:
                width = int(msb or 0) + 1
                self.outputs.append(((module, port), width))
                lines.append(f"wire [{width - 1}:0] {module}_{port};")
                pins.append(f".{port}({module}_{port})")
            lines.append(f"{module} u_{module} (.word(word), {', '.join(pins)});")
        total = sum(width for _, width in self.outputs)
        parts = ", ".join(f"{module}_{port}" for (module, port), _ in reversed(self.outputs))
        head = f"module bench (input wire [511:0] word, output wire [{total - 1}:0] result);"
        code = [head, *lines, f"assign result = {{{parts}}};", "endmodule", ""]
        (folder / "bench.v").write_text("\n".join(code))
        (folder / "bench.cpp").write_text(BENCH.replace("WORDS", str(-(-total // 32))))
        files = [folder / f"{name}.v" for name in ("bench", *texts)]
        self.exe = verilate("bench", files, folder / "obj", folder / "bench.cpp", cflags="-O1")

    def run(self, words: list[int]) -> list[dict[Output, int]]:
        """Every output, for every word."""

        def chunks(word: int) -> str:
            return " ".join(f"{word >> 32 * k & 0xFFFFFFFF:08x}" for k in range(16))

        text = "\n".join(map(chunks, words))
        done = subprocess.run([self.exe], input=text, capture_output=True, text=True, check=True)
        found = []
        for line in done.stdout.split():
            low_first = [line[k : k + 8] for k in range(0, len(line), 8)]
            value, values = int("".join(reversed(low_first)), 16), {}
            for output, width in self.outputs:
                values[output] = value & (1 << width) - 1
                value >>= width
            found.append(values)
        assert len(found) == len(words)
        return found


GROUPS = {  # group of fields -> the instructions that have it
    "header": list(isa.OPCODES),
    "lines": list(isa.OPCODES),
    "load": ["LOAD"],
    "loadf": ["LOADF"],
    "store": ["STORE"],
    "ldw": ["LDW"],
    **{key: list(isa.CMP_SOURCE) for key in ("nest", "slots", "streams", "modes")},
    **{s: [op for op, have in isa.CMP_SOURCE.items() if have == s] for s in isa.SOURCES},
    **{f"set_{kind}": ["SET"] for kind in isa.SET_KINDS},
}


def examples() -> list[tuple[str, dict[str, int]]]:
    """Instructions with values for all their fields: the ends of each range, then random ones."""
    rng = np.random.default_rng(11)
    found = []
    kinds = [(op, None) for op in isa.OPCODES if op != "SET"] + [("SET", k) for k in isa.SET_KINDS]
    for op, kind in kinds:
        table = isa.layout(op) | (isa.payload_layout(kind) if kind else {})
        for n in range(12):
            values = {}
            for f in table.values():
                low = -(1 << f.width - 1) if f.signed else 0
                span = (1 << f.width) - 1
                values[f.name] = low + (n * span if n < 2 else int(rng.integers(0, span + 1)))
            values["op"] = isa.OPCODES[op][0]
            del values["lines"]  # `encode` counts them
            if kind:
                values["kind"] = isa.SET_KINDS[kind]
            if op == "MACS":  # wb_w lies over these
                del values["cm_base"], values["cm_s0"]
            values["lines"] = isa.lines(encoded(op, values)) - 1
            found.append((op, values))
    return found


def encoded(op: str, values: dict[str, int]) -> int:
    return isa.encode(op, **{k: v for k, v in values.items() if k not in ("op", "lines")})


def differences(module: str, group: str, found: list[dict[Output, int]]) -> int:
    """Outputs of `module` that are not the fields which the examples of `group` were made of."""
    wrong = seen = 0
    for (op, values), outputs in zip(examples(), found, strict=True):
        kind = {code: f"set_{name}" for name, code in isa.SET_KINDS.items()}.get(values.get("kind"))
        if op not in GROUPS[group] or (group.startswith("set_") and group != kind):
            continue
        for f in isa.groups()[group].fields:
            if f.name in values:
                seen += 1
                wrong += outputs[module, f.name] != values[f.name] & (1 << f.width) - 1
    assert seen
    return wrong


def test_decoders_are_the_inverse_of_encode(tmp_path) -> None:
    texts = decoders()
    sound, wrong = "word[86 +: 16]", "word[87 +: 16]"
    assert texts["decode_load"].count(sound) == 1
    fault = texts["decode_load"].replace(sound, wrong).replace("decode_load", "wrong_load")
    bench = Decoders(tmp_path, texts | {"wrong_load": fault})
    words = [encoded(op, values) for op, values in examples()]
    found = bench.run(words)
    for group in isa.groups():
        assert differences(f"decode_{group}", group, found) == 0, group
    assert differences("wrong_load", "load", found) > 0

    for code, outputs in enumerate(bench.run([*range(16)])):
        op, unit = {c: (op, u) for op, (c, u) in isa.OPCODES.items()}.get(code, ("", ""))
        assert outputs["decode_queue", "op"] == code
        for other in isa.UNITS:
            assert outputs["decode_queue", f"to_{other}"] == (other == unit), (code, other)
        for name, (_, queue) in isa.OPCODES.items():
            if queue in ("dma", "cmp"):
                port = (f"decode_{queue}_op", f"is_{name.lower()}")
                assert outputs[port] == (name == op), (code, name)
    lsb = isa.layout("SET")["kind"].lsb
    for code, outputs in enumerate(bench.run([k << lsb for k in range(4)])):
        for kind, own in isa.SET_KINDS.items():
            assert outputs["decode_set", f"is_{kind}"] == (code == own), (code, kind)


def test_decoders_have_every_field_once() -> None:
    for op in isa.OPCODES:
        groups = [isa.groups()[g] for g, ops in GROUPS.items() if op in ops and g[:4] != "set_"]
        names = [f.name for g in groups for f in g.fields]
        assert len(names) == len(set(names))
        assert set(names) | {"kind", "wb_w"} >= set(isa.layout(op))
    for name, group in isa.groups().items():
        text = decoders()[f"decode_{name}"]
        for f in group.fields:
            sign = r"signed +" if f.signed else ""
            assert re.search(rf"output wire {sign}(\[{f.width - 1}:0\])? *{f.name}\b", text), f.name


def test_queues_keep_all_that_their_units_read() -> None:
    assert isa.queue_bits("ldw") == max(f.lsb + f.width for f in isa.layout("LDW").values())
    ends = {op: max(f.lsb + f.width for f in isa.layout(op).values()) for op in ("LOAD", "LOADF")}
    assert isa.queue_bits("dma") == max(ends.values())
    assert isa.queue_bits("dma", store=False) == isa.layout("LOAD")["keep"].lsb
    assert isa.INSTR_BITS - 8 < isa.queue_bits("cmp") <= isa.INSTR_BITS
