"""Sizes of BHViT and BinaryViT networks and the rules they obey."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, asdict, dataclass
from typing import Any, ClassVar, Self

from hwgen.errors import HwgenError

VARIANTS = ("released", "paper")
MIXER_GROUPS = 4
DILATIONS = (1, 3, 5)
HEAD = 64  # channels of a BinaryViT head, or all of a narrower stage
STAGES = 4
RESNET_BLOCKS = ("bireal", "reactnet")
IMAGENET_MEAN = (0.485, 0.456, 0.406)  # of the input, red first
IMAGENET_STD = (0.229, 0.224, 0.225)
RESNET_REDUCTION = 32  # side of the image over side of the last grid


class Config:
    """What all configurations share: checks of single values, plain dicts."""

    family: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]  # every configuration is a dataclass

    def to_dict(self) -> dict[str, Any]:
        """Plain values (lists instead of tuples), for checkpoints and manifests."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Inverse of `to_dict`. Raises: HwgenError for an unknown name."""
        unknown = sorted(set(values) - set(cls.__dataclass_fields__))
        family = family_of(values)
        what = f" but of {family}" if family not in ("", cls.family) else ""
        _rule(
            "config",
            ", ".join(unknown),
            not unknown,
            f"is no field of {cls.__name__}{what}",
            f"use {', '.join(cls.__dataclass_fields__)}",
        )
        return cls(**values)

    def _whole_tuple(self, name: str, length: str) -> None:
        """Field `name`, a list or tuple of whole numbers, becomes a tuple."""
        values = getattr(self, name)
        whole = isinstance(values, list | tuple) and all(type(v) is int for v in values)
        way_out = f"give a list of {length}"
        _rule(f"config.{name}", values, whole and len(values) > 0, "must be whole numbers", way_out)
        object.__setattr__(self, name, tuple(values))

    def _positive(self, *names: str) -> None:
        for name in names:
            value = getattr(self, name)
            _rule(f"config.{name}", value, type(value) is int, "must be whole", "give a number")
            _rule(f"config.{name}", value, value > 0, "must be positive", "use 1 or more")


@dataclass(frozen=True)
class BHViTConfig(Config):
    """Everything that fixes a BHViT network; the three tuples have one entry per stage.

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
    family = "BHViT"

    def __post_init__(self) -> None:
        for name in ("channels", "depths", "expansion"):
            self._whole_tuple(name, "4")
            values = getattr(self, name)
            _rule(f"config.{name}", values, len(values) == 4, "needs four stages", "give 4 values")
            _rule(f"config.{name}", values, min(values) > 0, "must be positive", "use 1 or more")
        self._positive("image_size", "patch", "window", "head_dim", "classes", "in_channels")
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


@dataclass(frozen=True)
class BinaryViTConfig(Config):
    """Everything that fixes a BinaryViT network; the tuples have one entry per stage (1 to 4).

    Channels double and the grid halves from stage to stage; one stage is a flat network (DeiT's
    shape). Stages with a `reduction` of R > 1 average keys and values over R x R cells, always down
    to the grid of the last stage. Heads have 64 channels, narrower stages one head. The ablation
    of the paper: `class_token` (flat only) or the mean over all tokens, the `pooling` branches,
    `affine` (LayerScale after attention and MLP; the pooling branches keep theirs). `stem_norm`:
    a BN after the patch convolution (released: pyramid yes, flat no).
    Raises: HwgenError if a rule is broken.
    """

    image_size: int = 224
    patch: int = 4
    channels: tuple[int, ...] = (64, 128, 256, 512)
    depths: tuple[int, ...] = (3, 4, 8, 4)
    expansion: tuple[int, ...] = (8, 8, 4, 4)
    reduction: tuple[int, ...] = (8, 4, 1, 1)
    classes: int = 1000
    in_channels: int = 3
    binary_downsampling: bool = True
    pooling: bool = True
    affine: bool = True
    class_token: bool = False
    stem_norm: bool = True
    family = "BinaryViT"

    def __post_init__(self) -> None:
        self._whole_tuple("channels", f"1 to {STAGES}")
        stages = len(self.channels)
        for name in ("channels", "depths", "expansion", "reduction"):
            self._whole_tuple(name, str(stages))
            values = getattr(self, name)
            rule, way_out = f"needs {stages} stages as channels", f"give {stages} values"
            if name == "channels":
                rule, way_out = f"needs 1 to {STAGES} stages", f"give 1 to {STAGES} values"
            _rule(f"config.{name}", values, len(values) == min(stages, STAGES), rule, way_out)
            _rule(f"config.{name}", values, min(values) > 0, "must be positive", "use 1 or more")
        self._positive("image_size", "patch", "classes", "in_channels")
        for name in ("binary_downsampling", "pooling", "affine", "class_token", "stem_norm"):
            value = getattr(self, name)
            _rule(
                f"config.{name}", value, type(value) is bool, "is no truth value", "true or false"
            )
        self._check_shape(stages)
        self._check_flat(stages == 1)

    def _check_shape(self, stages: int) -> None:
        doubled = tuple(self.channels[0] << s for s in range(stages))
        _rule(
            "config.channels",
            self.channels,
            self.channels == doubled,
            "must double from stage to stage",
            f"use {doubled}",
        )
        for c in self.channels:
            _rule(
                "config.channels",
                c,
                c <= HEAD or c % HEAD == 0,
                f"must be at most {HEAD}, or whole heads of {HEAD}",
                f"use {c // HEAD * HEAD}",
            )
        step = self.patch << (stages - 1)
        _rule(
            "config.image_size",
            self.image_size,
            self.image_size % step == 0,
            f"must be a multiple of {step} (patch {self.patch}, {stages} stages)",
            f"use {max(1, self.image_size // step) * step}",
        )
        for stage, value in enumerate(self.reduction):
            most = 1 << (stages - 1 - stage)
            _rule(
                "config.reduction",
                self.reduction,
                value in (1, most),
                f"stage {stage + 1} keeps its grid or is reduced to that of the last stage",
                f"use 1 or {most} there" if most > 1 else "use 1 there",
            )

    def _check_flat(self, flat: bool) -> None:
        _rule(
            "config.class_token",
            self.class_token,
            not self.class_token or (flat and not self.pooling),
            "needs one stage without pooling branches: it lies on no grid",
            "use class_token=false",
        )
        _rule(
            "config.binary_downsampling",
            self.binary_downsampling,
            self.binary_downsampling or not flat,
            "one stage has no downsampling",
            "leave it out",
        )

    @property
    def grids(self) -> tuple[int, ...]:
        """Side of the token grid of each stage."""
        return tuple((self.image_size // self.patch) >> s for s in range(len(self.channels)))

    @property
    def heads(self) -> tuple[int, ...]:
        """Attention heads per stage."""
        return tuple(max(1, c // HEAD) for c in self.channels)


@dataclass(frozen=True)
class ResNetConfig(Config):
    """Everything that fixes a binary ResNet; the two tuples have one entry per stage.

    depths counts binary convolutions, each with its own shortcut: 4, 4, 4, 4 is ResNet-18. Stages
    2 to 4 start with stride 2. The stem has channels[0] channels. The image size does not show in
    the weights. Raises: HwgenError if a rule is broken.
    """

    image_size: int = 224
    channels: tuple[int, ...] = (64, 128, 256, 512)
    depths: tuple[int, ...] = (4, 4, 4, 4)
    block: str = "reactnet"
    classes: int = 1000
    in_channels: int = 3
    family = "binary ResNet"

    def __post_init__(self) -> None:
        for name in ("channels", "depths"):
            self._whole_tuple(name, str(STAGES))
            values = getattr(self, name)
            four = len(values) == STAGES
            _rule(f"config.{name}", values, four, "needs four stages", "give 4 values")
            _rule(f"config.{name}", values, min(values) > 0, "must be positive", "use 1 or more")
        self._positive("image_size", "classes", "in_channels")
        known = self.block in RESNET_BLOCKS
        way_out = f"use {' or '.join(RESNET_BLOCKS)}"
        _rule("config.block", self.block, known, "must be known", way_out)
        size, step = self.image_size, RESNET_REDUCTION
        way_out = f"use {-(-size // step) * step}"
        _rule("config.image_size", size, size % step == 0, f"must be a multiple of {step}", way_out)

    @property
    def grids(self) -> tuple[int, ...]:
        """Side of the grid of each stage."""
        return tuple(self.image_size // (4 << k) for k in range(STAGES))


NetworkConfig = BHViTConfig | BinaryViTConfig | ResNetConfig


def family_of(values: Mapping[str, Any]) -> str:
    """The family that plain values configure, by the fields only it has; "" if not clear."""
    families = (BHViTConfig, BinaryViTConfig, ResNetConfig)
    fields = [name for c in families for name in c.__dataclass_fields__]
    found = [
        c.family
        for c in families
        if any(name in values and fields.count(name) == 1 for name in c.__dataclass_fields__)
    ]
    return found[0] if len(found) == 1 else ""


def _rule(place: str, value: object, holds: bool, rule: str, way_out: str) -> None:
    if not holds:
        raise HwgenError(place, value, rule, way_out)


def _largest_divisor(number: int, limit: int) -> int:
    return max(d for d in range(1, min(number, limit) + 1) if number % d == 0)
