"""From Yosys cells to device resources.

A LUT is one site of the device's function generators: LUT RAM and shift registers take LUT sites
too. Carry chains and wide multiplexers (MUXF7, PFUMX) lie beside the LUTs and are not counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from hwgen.targets import Target

# LUT sites of each cell. UG474, UG574: RAM32M, RAM64M and RAM128X1D take the four LUTs of a slice
# (half of one on UltraScale); an inverter that stays takes a LUT. ECP5 (TN1264): a 16 x 4 RAM takes
# two slices and the write port's slice, a CCU2C two LUTs.
LUTS = {
    **{f"LUT{n}": 1 for n in range(1, 7)},
    "LUT6_2": 1, "INV": 1, "CFGLUT5": 1,
    "SRL16E": 1, "SRLC16E": 1, "SRLC32E": 1, "SRL16": 1, "SRLC16": 1,
    "RAM32X1S": 1, "RAM64X1S": 1, "RAM128X1S": 2, "RAM256X1S": 4, "RAM512X1S": 8,
    "RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4, "RAM256X1D": 8,
    "RAM32M": 4, "RAM64M": 4, "RAM32M16": 8, "RAM64M8": 8, "RAM32X16DR8": 8, "RAM64X8SW": 8,
    "CCU2C": 2, "TRELLIS_DPR16X4": 6,
}  # fmt: skip
FFS = {
    **dict.fromkeys(("FDRE", "FDSE", "FDCE", "FDPE", "FDRE_1", "FDSE_1", "FDCE_1", "FDPE_1"), 1),
    "TRELLIS_FF": 1,
}
# Halves: an 18-kbit block is half of one of 36 kbit.
BRAMS = {"RAMB36E1": 1.0, "RAMB36E2": 1.0, "RAMB18E1": 0.5, "RAMB18E2": 0.5, "DP16KD": 0.5}
URAMS = {"URAM288": 1, "URAM288_BASE": 1}
DSPS = {"DSP48E1": 1, "DSP48E2": 1, "MULT18X18D": 1}
# Cells that take none of the five.
FREE = frozenset(
    [
        "CARRY4",
        "CARRY8",
        "MUXF7",
        "MUXF8",
        "MUXF9",
        "GND",
        "VCC",
        "BUFG",
        "L6MUX21",
        "PFUMX",
        "ALU54B",
        "$scopeinfo",
    ]
)


@dataclass(frozen=True)
class Count:
    """Resources; `a + b` and `a * n`."""

    lut: float = 0
    ff: float = 0
    bram36: float = 0
    uram: float = 0
    dsp: float = 0

    def __add__(self, other: Count) -> Count:
        return Count(*(getattr(self, k) + getattr(other, k) for k in RESOURCES))

    def __mul__(self, times: float) -> Count:
        return Count(*(getattr(self, k) * times for k in RESOURCES))

    def numbers(self) -> dict[str, int | float]:
        """Whole numbers as int, half block RAMs as float."""
        rounded = {k: round(getattr(self, k), 1) for k in RESOURCES}
        return {k: int(v) if v == int(v) else v for k, v in rounded.items()}

    def over(self, target: Target) -> dict[str, tuple[float, int]]:
        """Resources that the target lacks: name -> (needed, there)."""
        there = target.budget.model_dump()
        return {k: (getattr(self, k), there[k]) for k in RESOURCES if getattr(self, k) > there[k]}


RESOURCES = tuple(f.name for f in fields(Count))


def count(cells: Mapping[str, int]) -> Count:
    """Resources of Yosys cells (type -> number). ValueError for a cell that no table names."""
    known = (LUTS, FFS, BRAMS, URAMS, DSPS)
    odd = sorted(c for c in cells if c not in FREE and not any(c in table for table in known))
    if odd:
        raise ValueError(f"cells without a resource: {', '.join(odd)}")
    return Count(*(sum(table.get(c, 0) * n for c, n in cells.items()) for table in known))
