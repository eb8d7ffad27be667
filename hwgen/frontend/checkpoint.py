"""Checkpoint file -> network in eval mode. No code in the file is ever run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hwgen.errors import CheckpointError, HwgenError
from hwgen.frontend.assumed import ASSUMED_SIZE, assumed_sizes, statistics
from hwgen.frontend.consistency import FIELD, check_agreement, check_bits, stated_image_size
from hwgen.frontend.files import read_file, weights_file
from hwgen.frontend.options import Options
from hwgen.frontend.own_config import OwnConfig
from hwgen.frontend.stated import statements
from hwgen.frontend.weights import check_kinds, choose, printable, with_counters
from hwgen.zoo import NetworkConfig, build, config_from_state_dict, family_of
from hwgen.zoo.config import IMAGENET_MEAN, IMAGENET_STD
from hwgen.zoo.network import Network
from hwgen.zoo.resnet import with_released_keys

NAMED = 3  # keys spelled out in a message before it counts the rest


@dataclass(frozen=True)
class CheckpointInfo:
    """What is known of a checkpoint besides its network.

    The network's input is x = (uint8 / 255 - mean) / std, per channel. `meta` holds the plain
    values of the file's "hwgen" entry, empty for other files. weights: which were taken, where
    there was a choice. assumed: what neither keys nor entries nor options say.
    """

    path: Path
    sha256: str
    config: NetworkConfig | OwnConfig
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    class_names: tuple[str, ...] = ()
    meta: dict[str, Any] = field(default_factory=dict)
    weights: str = ""
    assumed: tuple[str, ...] = ()
    code: str = ""  # of the user's that was run
    program: str = ""  # of torch.export: what it was made from

    def lines(self) -> list[str]:
        """What the user should know, as lines of text."""
        given = (("code", self.code), ("program", self.program), ("weights", self.weights))
        taken = [f"{name:<11} {text}" for name, text in given if text]
        return taken + [f"{'assumed':<11} {text}" for text in self.assumed]


def load_checkpoint(
    path: str | Path, options: Options | None = None
) -> tuple[Network, CheckpointInfo]:
    """Load a checkpoint of a zoo network: a file of `hwgen.frontend.files`, or a folder.

    The architecture is read from keys and shapes alone, and compared with what the file states
    (`hwgen.frontend.stated`). Returns the network (float32, CPU, eval mode) and the facts about
    the file.
    Raises: CheckpointError (one line) for a missing file, a file that is no checkpoint, a pickle
    that needs code, missing, unexpected or wrongly shaped keys, NaN or infinite values, weights
    for another network, image size, class count or variant than the file states, or for one that
    hwgen does not build.
    """
    path, options = Path(path), options or Options()
    options.check_no_weights()
    file = weights_file(path)
    content, sha256 = read_file(file)
    chosen = choose(content, path, options.ema)
    check_kinds(path, chosen.state)
    meta = _hwgen_entry(path, chosen.around)
    found = statements(path, file, chosen.around, options)
    check_bits(path, found)
    state = with_released_keys(chosen.state)
    size = meta.get("config", {}).get("image_size")
    if options.image_size is not None:
        _check_option(options.side, size, "its hwgen entry states")
        size = options.side
        found = tuple(s for s in found if FIELD.get(s.name) != "image_size")
    if size is None:
        size = stated_image_size(path, found)
    try:
        config = config_from_state_dict(
            state, {"image_size": ASSUMED_SIZE if size is None else size}
        )
    except HwgenError as error:
        raise CheckpointError(f"{path}: {error}") from None
    _check_stated(path, meta, config)
    if options.image_size is not None:
        _check_option(options.side, config.image_size, "its weights are for")
    check_agreement(path, found, config)
    with torch.device("meta"):
        model = build(config)
    model.load_state_dict(fitted(path, state, model.state_dict(), config.family), assign=True)
    assumed = [] if "config" in meta else assumed_sizes(config, state, found, size)
    mean, std = (
        statistics(path, name, config.in_channels, options, meta, found) for name in ("mean", "std")
    )
    assumed += [values.assumed for values in (mean, std) if values.assumed]
    names = tuple(str(name) for name in meta.get("class_names", ()))
    info = CheckpointInfo(
        path, sha256, config, mean.values, std.values, names, meta, chosen.said, tuple(assumed)
    )  # fmt: skip
    return model.eval(), info


def fitted(
    path: Path, state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], family: str
) -> dict[str, Tensor]:
    """Copies of a file's weights, of the types that a network's state dict `wanted` has.

    Raises: CheckpointError for missing, unexpected, wrongly shaped keys, values that are no
    finite numbers. family: of the network, for the message.
    """
    state = with_counters(state, wanted)
    _check_keys(path, state, wanted, family)
    check_values(path, state)
    return {key: state[key].detach().to(slot.dtype, copy=True) for key, slot in wanted.items()}


def _check_option(given: int | None, known: object, whence: str) -> None:
    if known not in (None, given):
        raise CheckpointError("--image-size", given, f"{whence} {known}", "leave it out")


def _hwgen_entry(path: Path, around: Mapping[str, Any]) -> dict[str, Any]:
    meta = around.get("hwgen")
    meta = dict(meta) if isinstance(meta, Mapping) else {}
    for name, kind, what in (("class_names", (list, tuple), "list"), ("config", Mapping, "dict")):
        if name in meta and not isinstance(meta[name], kind):
            raise CheckpointError(
                f"{path}: hwgen.{name}", type(meta[name]).__name__, f"must be a {what}",
                "correct the checkpoint's hwgen entry",
            )  # fmt: skip
    return meta


def _count(keys: list[str], what: str) -> str:
    return f"{len(keys)} {what} key{'s' if len(keys) > 1 else ''}"


def _some(keys: list[str]) -> str:
    rest = len(keys) - NAMED
    return ", ".join(map(printable, keys[:NAMED])) + (f" and {rest} more" if rest > 0 else "")


def _check_keys(
    path: Path, state: dict[str, Tensor], wanted: Mapping[str, Tensor], family: str
) -> None:
    way_out = f"check that all parts of the checkpoint belong to one {family}"
    missing = [key for key in wanted if key not in state]
    if missing:
        raise CheckpointError(
            f"{path}", f"{_count(missing, 'missing')}: {_some(missing)}",
            f"this architecture has {len(wanted)} keys", way_out,
        )  # fmt: skip
    extra = [key for key in state if key not in wanted]
    if extra:
        raise CheckpointError(
            f"{path}", f"{_count(extra, 'unexpected')}: {_some(extra)}",
            f"this architecture has {len(wanted)} keys", way_out,
        )  # fmt: skip
    wrong = [key for key in wanted if state[key].shape != wanted[key].shape]
    if wrong:
        first = wrong[0]
        raise CheckpointError(
            f"{path}",
            f"{_count(wrong, 'wrongly shaped')}: {_some(wrong)}",
            f"{first} is {tuple(state[first].shape)}, needs {tuple(wanted[first].shape)}",
            way_out,
        )
    for key, slot in wanted.items():
        if state[key].layout != torch.strided or (
            state[key].is_floating_point() != slot.is_floating_point()
        ):
            raise CheckpointError(
                f"{path}: {key}", f"{state[key].dtype}, {state[key].layout}",
                "needs a dense tensor of real numbers", "save it as float32",
            )  # fmt: skip


def check_values(path: Path, state: Mapping[str, Tensor]) -> None:
    """Raises: CheckpointError for NaN, infinite values, negative variances."""
    bad = []
    for key, value in state.items():
        # as float32: a double may be finite and too large for it
        values = value.float() if value.is_floating_point() else value
        count = int((~torch.isfinite(values)).sum())
        if count:
            bad.append(f"{key} ({count} of {value.numel()} values)")
    if bad:
        raise CheckpointError(
            f"{path}",
            f"{_count(bad, 'NaN or infinite')}: {_some(bad)}",
            "all weights must be finite",
            "use an earlier checkpoint",
        )
    below = [k for k, v in state.items() if k.endswith(".running_var") and bool((v < 0).any())]
    if below:
        raise CheckpointError(
            f"{path}: {printable(below[0])}", f"{float(state[below[0]].min()):g}",
            "a variance is not negative", "use an earlier checkpoint",
        )  # fmt: skip


def _check_stated(path: Path, meta: dict[str, Any], config: NetworkConfig) -> None:
    """The family, image size, class count, ... that the file states are those of its weights."""
    facts = config.to_dict()
    stated = meta.get("config", {})
    way_out = "give the checkpoint that was meant, or correct the entry"
    family = family_of(stated) if isinstance(stated, Mapping) else ""
    if family not in ("", config.family):
        raise CheckpointError(
            f"{path}",
            f"its hwgen entry states a {family}",
            f"its weights are a {config.family}",
            way_out,
        )
    wrong = {}
    if isinstance(stated, Mapping):
        wrong = {key: stated[key] for key in facts if key in stated and stated[key] != facts[key]}
    names = meta.get("class_names", ())
    if names and len(names) != config.classes and "classes" not in wrong:
        wrong["classes"] = f"{len(names)} (class_names)"
    if wrong:
        raise CheckpointError(
            f"{path}",
            "its hwgen entry states " + ", ".join(f"{key} {value}" for key, value in wrong.items()),
            "its weights are for " + ", ".join(f"{key} {facts[key]}" for key in wrong),
            way_out,
        )
