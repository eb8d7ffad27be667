"""Sizes of a BHViT network and the rules they obey."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from hwgen.errors import HwgenError

VARIANTS = ("released", "paper")
MIXER_GROUPS = 4
DILATIONS = (1, 3, 5)


@dataclass(frozen=True)
class BHViTConfig:
    """Everything that fixes a BHViT network; the four tuples have one entry per stage.

    Stages 1-2 are convolutional mixers, 3-4 window attention. Stage 4 is one window and stage 3 is
    2x2 windows, as in the released network, so image_size = 8 * patch * window. `heads` follow
    from `head_dim`. variant "paper" takes the paper's equations where they differ visibly: mixer
    branches conv + X without bias (Eq. 7), merge tokens by aligned average pooling, fixed
    attention levels round(3A) (Eq. 10), uncentred weights (Eq. 4).
    Raises: HwgenError if a rule is broken.
    """

    image_size: int = 224
    patch: int = 4
    window: int = 7
    channels: tuple[int, ...] = (64, 128, 256, 512)
    depths: tuple[int, ...] = (2, 2, 6, 2)
    expansion: tuple[int, ...] = (8, 8, 4, 4)
    head_dim: int = 64
    classes: int = 1000
    in_channels: int = 3
    binary_downsampling: bool = True
    variant: str = "released"

    def __post_init__(self) -> None:
        for name in ("channels", "depths", "expansion"):
            values = getattr(self, name)
            whole = isinstance(values, list | tuple) and all(type(v) is int for v in values)
            _rule(f"config.{name}", values, whole, "must be whole numbers", "give a list of 4")
            values = tuple(values)
            object.__setattr__(self, name, values)
            _rule(f"config.{name}", values, len(values) == 4, "needs four stages", "give 4 values")
            _rule(f"config.{name}", values, min(values) > 0, "must be positive", "use 1 or more")
        for name in ("image_size", "patch", "window", "head_dim", "classes", "in_channels"):
            value = getattr(self, name)
            _rule(f"config.{name}", value, type(value) is int, "must be whole", "give a number")
            _rule(f"config.{name}", value, value > 0, "must be positive", "use 1 or more")
        _rule(
            "config.variant",
            self.variant,
            self.variant in VARIANTS,
            "must be known",
            "use released or paper",
        )
        _rule(
            "config.window",
            self.window,
            self.window % 2 == 1,
            "must be odd",
            f"use {self.window + 1}",
        )
        side = 8 * self.patch * self.window
        _rule(
            "config.image_size",
            self.image_size,
            self.image_size == side,
            f"must be 8 * patch {self.patch} * window {self.window}",
            f"use image_size={side} or another window",
        )
        first = self.channels[0]
        doubled = (first, 2 * first, 4 * first, 8 * first)
        _rule(
            "config.channels",
            self.channels,
            self.channels == doubled,
            "must double from stage to stage",
            f"use {doubled}",
        )
        _rule(
            "config.channels",
            first,
            first % MIXER_GROUPS == 0,
            f"must be divisible by the {MIXER_GROUPS} mixer groups",
            f"use {max(1, first // MIXER_GROUPS) * MIXER_GROUPS}",
        )
        _rule(
            "config.head_dim",
            self.head_dim,
            self.channels[2] % self.head_dim == 0,
            f"must divide the {self.channels[2]} channels of stage 3",
            f"use {_largest_divisor(self.channels[2], self.head_dim)}",
        )

    @property
    def grids(self) -> tuple[int, ...]:
        """Side of the token grid of each stage."""
        first = self.image_size // self.patch
        return (first, first // 2, first // 4, first // 8)

    @property
    def heads(self) -> tuple[int, ...]:
        """Attention heads per stage (0 in the mixer stages)."""
        return (0, 0, self.channels[2] // self.head_dim, self.channels[3] // self.head_dim)

    def to_dict(self) -> dict[str, Any]:
        """Plain values (lists instead of tuples), for checkpoints and manifests."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> BHViTConfig:
        """Inverse of `to_dict`. Raises: HwgenError for an unknown name."""
        unknown = sorted(set(values) - set(cls.__dataclass_fields__))
        _rule(
            "config",
            ", ".join(unknown),
            not unknown,
            "is no field of BHViTConfig",
            f"use {', '.join(cls.__dataclass_fields__)}",
        )
        return cls(**values)


def _rule(place: str, value: object, holds: bool, rule: str, way_out: str) -> None:
    if not holds:
        raise HwgenError(place, value, rule, way_out)


def _largest_divisor(number: int, limit: int) -> int:
    return max(d for d in range(1, min(number, limit) + 1) if number % d == 0)
