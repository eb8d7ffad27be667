"""Whether an engine fits a target, by the quick estimate of `hwgen.engine.resources`."""

from __future__ import annotations

from collections.abc import Iterable
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
    """A resource of which an engine needs more than a target's budget."""

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
    return next(iter(shortages(s, target)), None)


def shortages(s: Sizing, target: Target) -> list[Excess]:
    """All resources that are short, the one that lacks most first."""
    need = estimate(s, target.family)
    found = [
        Excess(name, round(n), getattr(target.budget, name), target.name)
        for name, n in need.items()
        if n
    ]
    return sorted((e for e in found if e.need > e.have), key=lambda e: -e.ratio)


def named(s: Sizing) -> str:
    """The sizes of an engine that a user knows."""
    strips = f", strips of {s.strip_tokens} tokens" if s.strip_tokens else ""
    spilled = f", those of {s.spill_words} words or more in DDR" if s.spill_words else ""
    return f"{s.lanes} lanes x {s.kw} bits, {s.act_bits}-bit features{spilled}{strips}"


def check_fit(s: Sizing, target: Target, network: str, tried: str = "") -> None:
    """Raises FitError when the estimate exceeds the target: of all resources that are short how
    much, and what helps. tried: among which engines this one lacks least."""
    over = shortages(s, target)
    if over:
        needs = _and(f"{e.need:,} {e.resource.upper()}" for e in over)
        have, lacking = (_and(f"{n:,}" for n in numbers) for numbers in (
            [e.have for e in over], [e.need - e.have for e in over]
        ))  # fmt: skip
        helps = " and ".join(dict.fromkeys(HELP[e.resource] for e in over))
        raise FitError(
            network, f"needs about {needs} with {named(s)}",
            f"{target.name} has {have}, {lacking} too few",
            f"{helps}, or take a larger target" + (f"; tried: {tried}" if tried else ""),
        )  # fmt: skip


def _and(items: Iterable[str]) -> str:
    *first, last = items
    return f"{', '.join(first)} and {last}" if first else last
