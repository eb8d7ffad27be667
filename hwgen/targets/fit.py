"""Whether an engine fits a target, by the quick estimate of `hwgen.engine.resources`."""

from __future__ import annotations

from dataclasses import dataclass

from hwgen.engine.resources import estimate
from hwgen.engine.sizing import Sizing
from hwgen.errors import FitError
from hwgen.targets import Target

HELP = {
    "lut": "--set array_bits= or lanes= smaller",
    "ff": "--set array_bits= or lanes= smaller",
    "bram36": "use smaller images or fewer channels",
    "uram": "--set store_words= smaller",
    "dsp": "--set lanes= smaller",
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
        return self.need / max(self.have, 1)

    def __str__(self) -> str:
        return f"needs about {self.need:,} {self.resource.upper()} of {self.have:,}"


def excess(s: Sizing, target: Target) -> Excess | None:
    """What the estimate exceeds the target's budget by most; None when the engine fits."""
    need = estimate(s, target.family)
    over = [
        Excess(name, round(n), getattr(target.budget, name), target.name)
        for name, n in need.items()
        if n
    ]
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
