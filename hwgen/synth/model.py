"""Quick resource estimate of an engine from its sizes, to refuse early what cannot fit.

Coefficients are fitted to Yosys counts of the units (`hwgen synth` gives the counts themselves);
an estimate is never reported as synthesis.
"""

from __future__ import annotations

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
    lut_lane = (
        720 + 70 + 118 + 46 + 1.22 * s.kw + 27 + 27 + 50
    )  # arithmetic .. address and DMA muxes
    lut_rest = 730 + 12 * s.kw + 3700 + 92 * s.pk + 4000 + 600 + 1300 + 2150
    ff_lane = 520 + 2 * s.kw + 0.9 * s.kw + 120
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
        "dsp": 3 * lanes + 7,
    }


def check_fit(s: Sizing, target: Target, network: str) -> None:
    """Raises FitError when the estimate exceeds the target: what, by how much, what helps."""
    need = estimate(s)
    budget = {name: getattr(target.budget, name) for name in RESOURCES}
    budget["bram36"] += 8 * target.budget.uram  # a 288-kbit block holds eight of 36 kbit
    over = {n: need[n] / budget[n] for n in RESOURCES if need[n] > budget[n]}
    if over:
        worst = max(over, key=over.get)
        raise FitError(
            network,
            f"needs about {round(need[worst]):,} {worst.upper()}",
            f"{target.name} has {budget[worst]:,}, {round(need[worst] - budget[worst]):,} too few",
            f"{HELP[worst]}, or take a larger target",
        )
