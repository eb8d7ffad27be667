"""Steps grouped by layer, so that a program of a thousand steps is still one readable chart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hwgen.report.schema import Step

# What follows the module path in a step's name: an instruction's suffix or number.
_SUFFIX = re.compile(r"[/:#@\[ ].*$")


def module_path(name: str) -> tuple[str, ...]:
    """`stages.0.1.q/xlin[3]` -> ("stages", "0", "1", "q")."""
    return tuple(part for part in _SUFFIX.sub("", name).split(".") if part) or (name,)


def block_labels(names: Sequence[str], limit: int = 40) -> list[str]:
    """For each name the longest module-path prefix that leaves at most `limit` groups.

    Prefixes of one length are used for all names, so groups are comparable.
    """
    paths = [module_path(name) for name in names]
    deepest = max((len(path) for path in paths), default=1)
    best = [path[:1] for path in paths]
    for depth in range(2, deepest + 1):
        cut = [path[:depth] for path in paths]
        if len(set(cut)) > limit:
            break
        best = cut
    return [".".join(path) for path in best]


@dataclass(frozen=True)
class StepGroup:
    """Steps of one layer, with their cycles added up (None when one is unknown)."""

    name: str
    steps: tuple[Step, ...]
    predicted: int | None
    simulated: int | None

    @property
    def units(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(step.unit for step in self.steps))


def _total(values: Iterable[int | None]) -> int | None:
    found = list(values)
    known = [v for v in found if v is not None]
    return sum(known) if known and len(known) == len(found) else None


def _grouped(steps: Sequence[Step], labels: Sequence[str]) -> list[StepGroup]:
    groups: dict[str, list[Step]] = {}
    for step, label in zip(steps, labels):
        groups.setdefault(label, []).append(step)
    return [
        StepGroup(
            name,
            tuple(members),
            _total(step.predicted for step in members),
            _total(step.simulated for step in members),
        )
        for name, members in groups.items()
    ]


def by_layer(steps: Sequence[Step], limit: int = 40) -> list[StepGroup]:
    """Groups in program order, by module path."""
    return _grouped(steps, block_labels([step.name for step in steps], limit))


def by_unit(steps: Sequence[Step]) -> list[StepGroup]:
    """Groups by hardware unit, the busiest first."""
    groups = _grouped(steps, [step.unit for step in steps])
    return sorted(groups, key=lambda g: -(g.simulated or g.predicted or 0))
