"""Training recipes: a TOML file, checked field by field."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hwgen.errors import HwgenError


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelSection(_Section):
    """A network of the zoo and the fields of its configuration that differ from the preset."""

    name: str
    overrides: dict[str, Any] = Field(default_factory=dict)


class DataSection(_Section):
    """Data set and what happens to its images; `root` is ignored by digits."""

    name: Literal["digits", "cifar10", "imagenet"]
    root: str = ""
    seed: int = 1
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    workers: int = Field(default=0, ge=0)
    limit: int = Field(default=0, ge=0, description="use this many images, evenly spaced; 0 = all")
    rotate_degrees: float = Field(default=0.0, ge=0)
    shift: float = Field(default=0.0, ge=0, description="largest shift, part of the image side")
    zoom: float = Field(default=0.0, ge=0, lt=1)
    flip: bool = False


class OptimSection(_Section):
    """AdamW with cosine decay, stepped once per epoch."""

    epochs: int = Field(gt=0)
    batch: int = Field(gt=0, description="per process")
    lr: float = Field(gt=0)
    min_lr: float = Field(default=1e-8, ge=0)
    weight_decay: float = Field(default=0.0, ge=0)
    eval_every: int = Field(default=1, ge=0, description="epochs between evaluations; 0 = at end")
    save_every: int = Field(default=1, gt=0, description="epochs between saved states")


class LossSection(_Section):
    """Weights of Eq. 14: (1 - lambda - beta) CE + lambda distillation + beta regulariser."""

    distillation: float = Field(default=0.0, ge=0, le=1)
    regulariser: float = Field(default=0.1, ge=0, le=1)
    regulariser_from: float = Field(default=0.9, ge=0, le=1)


class TeacherSection(_Section):
    """kind "cnn", "resnet9": a float network trained first in the same run; "torchscript": a
    file."""

    kind: Literal["none", "cnn", "resnet9", "torchscript"] = "none"
    epochs: int = Field(default=10, gt=0)
    lr: float = Field(default=2e-3, gt=0)
    path: str = ""


class OutputSection(_Section):
    """Files: `checkpoint`.pt, .json and .calib.npz share one stem.

    packed: one bit per binary weight and half floats for the rest (`hwgen.frontend.packed`).
    calibration: from the training images, or from scikit-learn's two photographs, where the
    licence of the training images does not let them be passed on.
    """

    checkpoint: str
    packed: bool = False
    calibration: Literal["training", "photographs"] = "training"
    calibration_images: int = Field(default=64, ge=0)


class Recipe(_Section):
    """One training run."""

    seed: int = 0
    model: ModelSection
    data: DataSection
    optim: OptimSection
    loss: LossSection = LossSection()
    teacher: TeacherSection = TeacherSection()
    output: OutputSection


def load_recipe(path: str | Path, **replace: Any) -> Recipe:
    """Read and check a recipe; `replace` overrides fields by dotted name ("optim.epochs").

    Raises: HwgenError naming the first field that breaks a rule.
    """
    path = Path(path)
    if not path.is_file():
        raise HwgenError(f"{path}", "not found", "needs a TOML recipe", "see models/recipes")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise HwgenError(f"{path}", "is no TOML", str(error), "correct the line") from None
    for dotted, value in replace.items():
        *sections, field = dotted.split(".")
        node = values
        for section in sections:
            node = node.setdefault(section, {})
        node[field] = value
    return parse_recipe(values, str(path))


def parse_recipe(values: dict[str, Any], place: str) -> Recipe:
    """Check plain values. Raises: HwgenError naming the first field that breaks a rule."""
    try:
        recipe = Recipe.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        value = "" if first["type"] == "missing" else f"{field}={first['input']!r}"
        raise HwgenError(f"{place}: {field}", value, first["msg"], "correct the recipe") from None
    if recipe.loss.distillation and recipe.teacher.kind == "none":
        raise HwgenError(
            f"{place}: loss.distillation",
            recipe.loss.distillation,
            "needs a teacher",
            "set teacher.kind or loss.distillation=0",
        )
    if recipe.loss.distillation + recipe.loss.regulariser > 1.0:
        raise HwgenError(
            f"{place}: loss",
            recipe.loss.distillation + recipe.loss.regulariser,
            "distillation + regulariser must not exceed 1",
            "lower one of them",
        )
    return recipe
