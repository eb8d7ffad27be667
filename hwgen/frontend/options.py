"""What a user says about a checkpoint on the command line. Imports no PyTorch."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from hwgen.errors import HwgenError


@dataclass(frozen=True)
class Options:
    """What no key shows, or what the file states wrongly; None: as the file says, or assumed.

    ema: take the averaged weights. config: a JSON or TOML file that replaces what the file states.
    image_size: side in pixels, or (height, width) of a network of the user's own. mean, std: of the
    input, one number per channel, for images of 0 to 1: x = (uint8 / 255 - mean) / std. weights: a
    file with the weights of a network of the user's own.
    """

    ema: bool = False
    config: Path | None = None
    image_size: int | tuple[int, int] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    weights: Path | None = None

    @classmethod
    def parse(
        cls,
        ema: bool = False,
        config: Path | None = None,
        image_size: str | None = None,
        mean: str | None = None,
        std: str | None = None,
        weights: Path | None = None,
    ) -> Options:
        """From the texts of the command line. Raises: HwgenError for a text that is no numbers."""
        numbers = _numbers("--mean", mean), _numbers("--std", std)
        return cls(ema, config, _size(image_size), *numbers, weights)

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width, of a network of the user's own."""
        size = self.image_size
        return (size, size) if isinstance(size, int) else size

    @property
    def side(self) -> int | None:
        """Of square images. Raises: HwgenError for others."""
        size = self.image_size
        if isinstance(size, tuple):
            if size[0] != size[1]:
                raise HwgenError(
                    "--image-size", f"{size[0]}x{size[1]}", "this network's images are square",
                    "give one number",
                )  # fmt: skip
            return size[0]
        return size

    def check_no_weights(self) -> None:
        """Raises: HwgenError for --weights beside a checkpoint, which has its own."""
        if self.weights is not None:
            raise HwgenError(
                "--weights", self.weights, "is for a network of your own, FILE.py:NAME",
                "give this file as MODEL",
            )  # fmt: skip


def own_parts(model: Path) -> tuple[Path, str] | None:
    """File and name of `FILE.py:NAME`; None for what is no such model.

    Raises: HwgenError for a Python file without a name.
    """
    found = re.fullmatch(r"(.+\.py):(\w+)", str(model))
    if found:
        return Path(found[1]), found[2]
    if model.suffix == ".py":
        raise HwgenError(
            f"{model}", "is Python code", "needs the name of what builds the network",
            f"give {model}:NAME",
        )  # fmt: skip
    return None


def _size(text: str | None) -> int | tuple[int, int] | None:
    if text is None:
        return None
    found = re.fullmatch(r"([1-9]\d{0,4})(?:x([1-9]\d{0,4}))?", text)
    if not found:
        raise HwgenError(
            "--image-size", repr(text), "must be a side, or HEIGHTxWIDTH, in pixels",
            "for example --image-size 224",
        )  # fmt: skip
    return (int(found[1]), int(found[2])) if found[2] else int(found[1])


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
