"""What is known of a network of the user's own, and what `--config` states about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from hwgen.errors import CheckpointError
from hwgen.frontend.consistency import FIELD, check_bits, states
from hwgen.frontend.options import Options
from hwgen.frontend.stated import Statement, statements

STATISTICS = ("mean", "image_mean", "std", "image_std")
WAY_OUT = "correct it, or leave it out"
Size = tuple[int, int]


@dataclass(frozen=True)
class OwnConfig:
    """Its image (height, width) in pixels, its channels, and its classes."""

    image_size: Size
    in_channels: int
    classes: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


def own_statements(path: Path, options: Options) -> tuple[Statement, ...]:
    """What `--config` states: names of `docs/own-networks.md`, others are not looked at; nothing
    without it. A mean or std of one channel may be a number.

    Raises: CheckpointError for a file that cannot be read, bits other than 1.
    """
    if options.config is None:
        return ()
    found = tuple(
        replace(s, value=[s.value]) if s.name in STATISTICS and _number(s.value) else s
        for s in statements(path, path, {}, options)
    )
    check_bits(path, found)
    return found


def stated_size(path: Path, found: Sequence[Statement]) -> Size | None:
    """Height and width that are stated: N, [H, W] or [channels, H, W].

    Raises: CheckpointError for anything else, and if two differ.
    """
    sizes: dict[Size, Statement] = {}
    for s in found:
        if FIELD.get(s.name) != "image_size":
            continue
        sides = s.value if isinstance(s.value, list) else [s.value, s.value]
        if len(sides) not in (2, 3) or not all(type(n) is int and n > 0 for n in sides):
            raise CheckpointError(
                f"{path}", states(s), "needs pixels: N, [H, W] or [channels, H, W]", WAY_OUT
            )
        sizes.setdefault((sides[-2], sides[-1]), s)
    if len(sizes) > 1:
        first, second = list(sizes.values())[:2]
        raise CheckpointError(
            f"{path}", f"{states(first)}, and {states(second)}", "needs one image size", WAY_OUT
        )
    return next(iter(sizes), None)


def stated_channels(path: Path, found: Sequence[Statement]) -> int | None:
    """The image's channels that are stated. Raises: CheckpointError for what is no number."""
    for s in found:
        if FIELD.get(s.name) == "in_channels":
            if type(s.value) is not int or s.value < 1:
                raise CheckpointError(f"{path}", states(s), "needs a number of channels", WAY_OUT)
            return s.value
    return None


def check_stated(path: Path, found: Sequence[Statement], config: OwnConfig) -> None:
    """Raises: CheckpointError for channels or classes that the network does not have."""
    for s in found:
        field = FIELD.get(s.name)
        if field == "image_size" and isinstance(s.value, list) and len(s.value) == 3:
            field, value = "in_channels", s.value[0]
        else:
            value = s.value
        if field in ("classes", "in_channels") and value != getattr(config, field):
            rule = f"the network has {field} {getattr(config, field)}"
            raise CheckpointError(f"{path}", states(s), rule, WAY_OUT)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
