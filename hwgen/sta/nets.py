"""Delay of nets: a model, since nothing was placed.

    delay = base + slope log2(fan-out), at most `limit`

and 0 on connections that no placement can lengthen: a carry chain's next block, a lookup table into
the wide multiplexer beside it, a DSP's cascade; and, where it is the only sink, a lookup table into
the carry chain behind it (`S` has no other way in) and what the flip-flop of a slice takes from
the slice's own logic.
The defaults are for 7-series, -1: 0.50 ns for a net with one sink, 0.77 ns for eight, and never
more than 2.2 ns, since tools copy what drives more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Kinds of dedicated connections. A sink is of one kind; a driver may serve several (a bit each).
GENERAL, CARRY, WIDE7, WIDE8, WIDE9, CASCADE, SUM, DATA = range(8)
ALONE = (SUM, DATA)  # only where the net has no other sink
_SINKS = {
    **{(carry, "CI"): CARRY for carry in ("CARRY4", "CARRY8")},
    **{(carry, "S"): SUM for carry in ("CARRY4", "CARRY8")},
    ("MUXF7", "I0"): WIDE7, ("MUXF7", "I1"): WIDE7,
    ("MUXF8", "I0"): WIDE8, ("MUXF8", "I1"): WIDE8,
    ("MUXF9", "I0"): WIDE9, ("MUXF9", "I1"): WIDE9,
    **{(f"DSP48E{n}", f"{bus}CIN"): CASCADE for n in "12" for bus in "PAB"},
    **{(ff, "D"): DATA for ff in ("FDRE", "FDSE", "FDCE", "FDPE")},
}  # fmt: skip
_DRIVERS = {
    ("MUXF7", "O"): (WIDE8, DATA), ("MUXF8", "O"): (WIDE9, DATA), ("MUXF9", "O"): (DATA,),
    **{(carry, bus): (DATA,) for carry in ("CARRY4", "CARRY8") for bus in ("O", "CO")},
    **{(f"DSP48E{n}", f"{bus}COUT"): (CASCADE,) for n in "12" for bus in "PAB"},
}  # fmt: skip


def sink_kind(cell: str, port: str) -> int:
    """Kind of an input of a cell."""
    return _SINKS.get((cell, port), GENERAL)


def driver_kinds(cell: str, port: str, bit: int) -> int:
    """Kinds that an output of a cell serves, as a bit mask."""
    kinds = (WIDE7, SUM, DATA) if cell.startswith("LUT") else _DRIVERS.get((cell, port), ())
    if (cell, port, bit) in (("CARRY4", "CO", 3), ("CARRY8", "CO", 7)):
        kinds = (CARRY, DATA)
    return sum(1 << kind for kind in kinds)


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
