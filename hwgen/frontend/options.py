"""What a user says about a checkpoint on the command line. Imports no PyTorch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from hwgen.errors import HwgenError


@dataclass(frozen=True)
class Options:
    """What no key shows, or what the file states wrongly; None: as the file says, or assumed.

    ema: take the averaged weights. config: a JSON or TOML file that replaces what the file states.
    image_size: side in pixels. mean, std: of the input, one number per channel, for images of 0 to
    1: x = (uint8 / 255 - mean) / std.
    """

    ema: bool = False
    config: Path | None = None
    image_size: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    @classmethod
    def parse(
        cls,
        ema: bool = False,
        config: Path | None = None,
        image_size: int | None = None,
        mean: str | None = None,
        std: str | None = None,
    ) -> Options:
        """From the texts of the command line. Raises: HwgenError for a text that is no numbers."""
        return cls(ema, config, image_size, _numbers("--mean", mean), _numbers("--std", std))


def _numbers(option: str, text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    way_out = f"for example {option} 0.5,0.5,0.5"
    try:
        values = tuple(float(word) for word in text.split(","))
    except ValueError:
        values = (math.nan,)
    if not all(map(math.isfinite, values)):
        raise HwgenError(option, repr(text), "must be numbers with commas between them", way_out)
    if max(values) > 1:
        rule = "is for images of 0 to 1, not 0 to 255"
        raise HwgenError(option, repr(text), rule, "divide it by 255")
    if option == "--std" and min(values) <= 0:
        raise HwgenError(option, repr(text), "must be positive", way_out)
    return values
