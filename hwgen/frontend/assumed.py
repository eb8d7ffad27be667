"""What no key of a checkpoint shows: stated, given as an option, or assumed, which is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from hwgen.errors import CheckpointError
from hwgen.frontend.consistency import FIELD
from hwgen.frontend.options import Options
from hwgen.frontend.stated import Statement
from hwgen.frontend.weights import printable
from hwgen.zoo import BHViTConfig, BinaryViTConfig, NetworkConfig, ResNetConfig
from hwgen.zoo.config import HEAD, IMAGENET_MEAN, IMAGENET_STD

ASSUMED_SIZE = 224  # pixels, of a ResNet
LARGEST = 1e6  # of a mean or standard deviation; also no NaN, no infinity
DEFAULTS = {"mean": IMAGENET_MEAN, "std": IMAGENET_STD}


@dataclass(frozen=True)
class Statistic:
    """The mean or standard deviation of the input, one number per channel; assumed: what to say,
    "" if it is known."""

    values: tuple[float, ...]
    assumed: str = ""


def assumed_sizes(
    config: NetworkConfig, state: Mapping[str, Tensor], found: Sequence[Statement], size: object
) -> list[str]:
    """What is assumed of the network. size: the image's side that is stated or given, or None."""
    lines = []
    if isinstance(config, ResNetConfig) and size is None:
        side = config.image_size
        lines.append(f"images of {side} x {side}: no key shows it (--image-size)")
    stated = any(FIELD.get(s.name) == "heads" for s in found)
    if isinstance(config, BinaryViTConfig) and config.channels[-1] > HEAD and not stated:
        lines.append(f"attention heads of {HEAD} channels: no key shows them")
    shown = any(key.endswith(".att_prob_quantizer.alpha") for key in state)
    if isinstance(config, BHViTConfig) and not shown and not stated:
        lines.append(f"attention heads of {config.head_dim} channels: no key shows them")
    return lines


def statistics(
    path: Path,
    name: str,
    channels: int,
    options: Options,
    meta: Mapping[str, Any],
    found: Sequence[Statement],
) -> Statistic:
    """The "mean" or "std" of the input: the option, the hwgen entry, what is stated, ImageNet's.

    Raises: CheckpointError unless there is one number per channel, positive for std.
    """
    given = options.mean if name == "mean" else options.std
    stated = [s.value for s in found if s.name in (name, f"image_{name}")]
    stated = [value for value in stated if isinstance(value, list)]
    values: Any
    place, values, way_out, assumed = f"{path}", DEFAULTS[name], f"give --{name}", ""
    if given is not None:
        place, values, way_out = f"--{name}", given, "give as many"
    elif name in meta:
        place, values = f"{path}: hwgen.{name}", meta[name]
        way_out = "correct the checkpoint's hwgen entry"
    elif stated:
        place, values = f"{path}: {name}", stated[0]
    else:
        assumed = f"{name} {', '.join(map(str, values))}, ImageNet's (--{name})"
    good = isinstance(values, list | tuple) and len(values) == channels
    good = good and all(isinstance(v, int | float) and abs(v) <= LARGEST for v in values)
    if assumed and not good:
        numbers = f"{channels} number{'' if channels == 1 else 's'}"
        raise CheckpointError(place, f"states no {name}", f"its images need {numbers}", way_out)
    if not good or (name == "std" and min(values) <= 0):
        positive = "positive " if name == "std" else ""
        rule = f"needs {channels} {positive}numbers, one per channel"
        raise CheckpointError(place, printable(str(values)), rule, way_out)
    return Statistic(tuple(float(v) for v in values), assumed)
