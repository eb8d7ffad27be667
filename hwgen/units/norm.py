"""LayerNorm statistics: parameters, latency and sources of `norm_unit.v`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hwgen.paths import templates_dir

RSQRT_LATENCY = 10


@dataclass(frozen=True)
class NormUnit:
    """`norm_unit`: one token per two beats, entries in order.

    lanes: power of two >= 8; words: table entries (tokens), a power of two.

    Yosys, xc7, LUT RAM among them: lanes 16, words 64: 1,006 LUT, 1,150 FF, 7 DSP; lanes 32:
    1,451 LUT, 1,694 FF; lanes 64: 2,319 LUT, 2,752 FF.
    """

    lanes: int = 16
    words: int = 64

    verilog = (
        "rtl/lanes/norm_unit.v",
        "rtl/lib/adder_tree.v",
        "rtl/lib/adder_eight.v",
        "rtl/lib/count5.v",
        "rtl/lib/rsqrt.v",
        "rtl/lib/rsqrt_rom.v",
    )
    dsp = 7
    read_latency = 1

    def sources(self) -> list[Path]:
        """All Verilog files, top first."""
        return [templates_dir() / name for name in self.verilog]

    def parameters(self) -> dict[str, int]:
        """Verilog parameters of `norm_unit`."""
        return {"LANES": self.lanes, "NT_WORDS": self.words}

    @property
    def write_at(self) -> int:
        """Cycles from the second beat of a token to the cycle that writes its entry.

        `busy` is high up to that cycle (from the cycle after the first beat); an index given in a
        later cycle reads the entry.
        """
        return (self.lanes.bit_length() - 1) + 4 + 6 + RSQRT_LATENCY
