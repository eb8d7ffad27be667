"""Delay of nets: a model, since nothing was placed.

    delay = base + slope log2(fan-out), at most `limit`

and 0 on connections inside a slice or between neighbours that no placement can lengthen: a carry
chain's next block, a lookup table into the wide multiplexer beside it, a DSP's cascade.
The defaults are for 7-series, -1: 0.50 ns for a net with one sink, 0.77 ns for eight, and never more
than 2.2 ns, since tools copy what drives more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Kinds of dedicated connections: a sink of a kind is one only behind a driver of the same kind.
GENERAL, CARRY, WIDE7, WIDE8, CASCADE = range(5)
_SINKS = {
    ("CARRY4", "CI"): CARRY,
    ("MUXF7", "I0"): WIDE7, ("MUXF7", "I1"): WIDE7,
    ("MUXF8", "I0"): WIDE8, ("MUXF8", "I1"): WIDE8,
    ("DSP48E1", "PCIN"): CASCADE, ("DSP48E1", "ACIN"): CASCADE, ("DSP48E1", "BCIN"): CASCADE,
}  # fmt: skip
_DRIVERS = {
    ("MUXF7", "O"): WIDE8,
    ("DSP48E1", "PCOUT"): CASCADE, ("DSP48E1", "ACOUT"): CASCADE, ("DSP48E1", "BCOUT"): CASCADE,
}  # fmt: skip


def sink_kind(cell: str, port: str) -> int:
    """Kind of an input of a cell."""
    return _SINKS.get((cell, port), GENERAL)


def driver_kind(cell: str, port: str, bit: int) -> int:
    """Kind of an output of a cell."""
    if cell.startswith("LUT"):
        return WIDE7
    if cell == "CARRY4":
        return CARRY if (port, bit) == ("CO", 3) else GENERAL
    return _DRIVERS.get((cell, port), GENERAL)


@dataclass(frozen=True)
class NetModel:
    """base and slope in ns, limit in ns (see the head of this file)."""

    base: float = 0.50
    slope: float = 0.09
    limit: float = 2.2

    def delay(self, fanout: np.ndarray) -> np.ndarray:
        """ns of nets with these numbers of sinks (at least 1)."""
        return np.minimum(self.base + self.slope * np.log2(np.maximum(fanout, 1)), self.limit)

    def __str__(self) -> str:
        return f"{self.base:.2f} + {self.slope:.2f} log2(fan-out) ns, at most {self.limit:.1f} ns"
