"""Quick resource estimate of an engine from its sizes, to refuse early what cannot fit.

Coefficients are fitted to Yosys counts of the units (`hwgen synth` gives the counts themselves);
an estimate is never reported as synthesis.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from hwgen.errors import FitError
from hwgen.schedule.sizing import Sizing
from hwgen.targets import Target

RESOURCES = ("lut", "ff", "bram36", "dsp")
HELP = {
    "lut": "--set array_bits= or lanes= smaller",
    "ff": "--set array_bits= or lanes= smaller",
    "bram36": "use smaller images or fewer channels",
    "dsp": "--set lanes= smaller",
}


def _blocks(width: int, depth: int) -> float:
    """BRAM36 of a simple dual-port memory, in 512 x 36 or 1024 x 18 halves."""
    wide = ceil(width / 36) * ceil(depth / 512)
    deep = ceil(width / 18) * ceil(depth / 1024)
    return min(wide, deep) / 2


def estimate(s: Sizing) -> dict[str, float]:
    """Estimated lut, ff, bram36, dsp of the whole engine."""
    lanes = s.lanes
    banks = 48 * 32  # of CM: no LUT RAM is shallower
    slots = 16 * s.cm_slots + banks + 16 * s.om_slots + 90 * max(32, s.qm_slots)  # bits of a lane
    lut_lane = (
        332 + 38 + slots / 48 + 46 + 1.22 * s.kw + 27 + 27 + 88
    )  # arithmetic, pooling, parameters .. address and DMA muxes
    lut_rest = 730 + 12 * s.kw + 3700 + 92 * s.pk + 4000 + 600 + 1300 + 2150
    ff_lane = 485 + 2 * s.kw + 0.9 * s.kw + 120
    return {
        "lut": lanes * lut_lane + lut_rest,
        "ff": lanes * ff_lane + 10200 + 3.3 * s.kw,
        "bram36": 8
        * (
            _blocks(lanes * s.act_bits // 8, s.fm_words)
            + _blocks(lanes * s.act_bits // 8, s.tm_words)
        )
        + 4 * ceil(s.kw / 64) * ceil(s.bm_rows / 2048)  # byte writes: 64 of 72 bits
        + _blocks(16 * lanes, s.wb_words)
        + _blocks(16 * lanes, s.ps_words),
        "dsp": 6 * lanes + 8,
    }


@dataclass(frozen=True)
class Excess:
    """The resource of which an engine needs most beyond a target's budget."""

    resource: str
    need: int
    have: int
    target: str

    @property
    def ratio(self) -> float:
        return self.need / self.have

    def __str__(self) -> str:
        return f"needs about {self.need:,} {self.resource.upper()} of {self.have:,}"


def excess(s: Sizing, target: Target) -> Excess | None:
    """What the estimate exceeds the target's budget by most; None when the engine fits."""
    need = estimate(s)
    budget = {name: getattr(target.budget, name) for name in RESOURCES}
    budget["bram36"] += 8 * target.budget.uram  # a 288-kbit block holds eight of 36 kbit
    over = [Excess(n, round(need[n]), budget[n], target.name) for n in RESOURCES]
    worst = max(over, key=lambda e: e.ratio)
    return worst if worst.need > worst.have else None


def check_fit(s: Sizing, target: Target, network: str) -> None:
    """Raises FitError when the estimate exceeds the target: what, by how much, what helps."""
    over = excess(s, target)
    if over:
        raise FitError(
            network,
            f"needs about {over.need:,} {over.resource.upper()}",
            f"{over.target} has {over.have:,}, {over.need - over.have:,} too few",
            f"{HELP[over.resource]}, or take a larger target",
        )
