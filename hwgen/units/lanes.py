"""Post lanes: parameters, latencies and sources of `lanes.v`.

Cycle 0 is the cycle in which a beat's words are at the lanes, its kinds and modes CONTROL before.
A residual word must be valid in cycle PRE_AT / MID_AT / OUT_AT of its `last` beat; results are
valid in cycle ACC_AT / Y_AT.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hwgen.paths import templates_dir

ACC_AT = 6
PRE_AT = 8
MID_AT = 16
OUT_AT = 21
Y_AT = 27
CONTROL = 2  # cycles before a beat's words in which its kinds, slots and modes are there

IN_KINDS = {"feature": 0, "xnor": 1, "attention": 2, "scalar": 3, "norm": 4}
MUL_KINDS = {"cm": 0, "weight": 1, "one": 2, "self": 3, "norm": 4}
P_SEL = {"cm": 0, "om": 1, "qm": 2}


@dataclass(frozen=True)
class Lanes:
    """`lanes` array: one result per lane and cycle, hwgen.ops.post.Post in hardware.

    lanes: power of two >= 8; act_bits 8..16; slots: powers of two (CM, OM up to 256, QM up to 64).
    Cost (Yosys synth_xilinx -family xc7, module by module, LUT sites with RAM and SRL): a lane 309,
    435 FF, 6 DSP (305, 419, 6 with 12 bits) and 34 LUT for its share of a table of chords. 16
    lanes with slots 64, 64, 32: 8,981 LUT, 10,321 FF, 97 DSP. Of these the three further products
    of a beat take 88 LUT and 3 DSP a lane: 32 LUT hold their weights, 40 the accumulator, which
    has no place left in a DSP.
    """

    lanes: int = 16
    act_bits: int = 16
    cm_slots: int = 64
    om_slots: int = 64
    qm_slots: int = 32

    acc_at = ACC_AT
    pre_at = PRE_AT
    mid_at = MID_AT
    out_at = OUT_AT
    y_at = Y_AT
    interval = 1  # cycles per beat
    verilog = (
        "rtl/lanes/lanes.v",
        "rtl/lanes/lane.v",
        "rtl/lanes/chord_table.v",
        "rtl/lib/param_ram.v",
        "rtl/lib/delay_line.v",
        "rtl/lib/register_copy.v",
        "rtl/lib/delay_ram.v",
    )

    def parameters(self) -> dict[str, int]:
        """Verilog parameters of `lanes`."""
        return {
            "LANES": self.lanes,
            "ACT_BITS": self.act_bits,
            "CM_SLOTS": self.cm_slots,
            "OM_SLOTS": self.om_slots,
            "QM_SLOTS": self.qm_slots,
        }

    def sources(self) -> list[Path]:
        """All Verilog files, top first."""
        return [templates_dir() / name for name in self.verilog]

    @property
    def dsp(self) -> int:
        """DSP48 slices: four products, RPReLU or chords, second affine; LayerNorm's mean."""
        return 6 * self.lanes + 1
