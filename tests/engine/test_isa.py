"""Instruction encoding: fields do not overlap, values round-trip, RTL offsets agree."""

from __future__ import annotations

import re

import numpy as np
import pytest

from hwgen.engine import isa
from hwgen.paths import templates_dir


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
            if f.name != "op":
                low = -(1 << (f.width - 1)) if f.signed else 0
                values[f.name] = low + int(rng.integers(0, 1 << min(f.width, 62)))
        name, decoded = isa.decode(isa.encode(op, **values))
        assert name == op
        assert {k: decoded[k] for k in values} == values


def test_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match=re.escape("MACV.n2: 4096 does not fit 12 bits [0, 4095]")):
        isa.encode("MACV", n2=4096)
    with pytest.raises(ValueError, match="LDW: no field n2"):
        isa.encode("LDW", n2=1)


def header() -> dict[str, int]:
    pairs = re.findall(r"localparam (\w+) = (?:4'd)?(\d+);", isa.verilog_header())
    return {name: int(value) for name, value in pairs}


def test_rtl_uses_the_same_offsets() -> None:
    """Every localparam of the RTL that names an instruction field has the encoder's value."""
    known = header()
    checked = 0
    for path in sorted((templates_dir() / "rtl").rglob("*.v")):
        text = path.read_text()
        for name, value in re.findall(
            r"localparam\s+(?:\[[^\]]*\]\s*)?(\w+)\s*=\s*(?:\d+'d)?(\d+);", text
        ):
            if name in known and re.match(r"(OP|I|LD|LF|ST|LW|C|X|A|SET|PTAPS|PATT|PNORM)_", name):
                assert known[name] == int(value), f"{path.name}: {name}"
                checked += 1
    assert checked >= 60
