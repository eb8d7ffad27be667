"""The weights among what a checkpoint holds: which entry, without prefixes and leftovers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hwgen.errors import CheckpointError
from hwgen.frontend.packed import unpacked

PLAIN = ("state_dict", "model", "model_state_dict", "net")  # entries that hold the weights
AVERAGED = ("model_ema", "state_dict_ema", "ema")  # their moving average (EMA)
# torch.compile, DataParallel, Lightning and wrapping modules put these before every key
PREFIXES = ("module.", "_orig_mod.", "model.", "net.")
# profilers (thop) register these in every module; torch's AveragedModel counts its updates
LEFTOVERS = ("total_ops", "total_params", "n_averaged")
# of a BatchNorm, and of attention steps that have been set: nothing but training reads them
COUNTERS = {"num_batches_tracked": 0.0, "init_state": 1.0}
DEPTH = 3  # containers within containers
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
# values that lie in no file: a tensor may repeat one stored value; checks make real copies
MOST_REPEATED = 1 << 26


@dataclass(frozen=True)
class Chosen:
    """The weights of a file.

    around: what lies beside them, entries of outer containers first replaced by inner ones.
    said: which entry was taken, where there was a choice; "" otherwise.
    """

    state: dict[str, Tensor]
    around: dict[str, Any]
    said: str = ""


def choose(content: object, path: Path, ema: bool = False) -> Chosen:
    """The state dict in a file's content. ema: the averaged weights, not the plain ones.

    Raises: CheckpointError if there is none, more than one, or no averaged one to take.
    """
    around: dict[str, Any] = {}
    inner, said, averaged = content, "", False
    for _ in range(DEPTH):
        if not isinstance(inner, Mapping):
            break
        plain = [key for key in PLAIN if _holds_tensors(inner.get(key))]
        means = [key for key in AVERAGED if _holds_tensors(inner.get(key))]
        names = (means if ema and means else plain) or means
        if not names or _is_state(inner):
            break
        if len(names) > 1:
            raise CheckpointError(
                f"{path}", f"holds weights under {' and '.join(map(repr, names))}",
                "needs one network", "save the one that is meant as model.state_dict()",
            )  # fmt: skip
        averaged = averaged or names == means
        said = _said(names[0], plain, means) or said
        around |= {key: value for key, value in inner.items() if key != names[0]}
        inner = inner[names[0]]
    if ema and not averaged:
        raise CheckpointError(
            f"{path}", "holds no averaged weights",
            f"--ema needs them under {', '.join(map(repr, AVERAGED[:-1]))} or {AVERAGED[-1]!r}",
            "leave --ema out",
        )  # fmt: skip
    state = without_leftovers(without_prefixes(_tensors(inner, path)))
    return Chosen(unpacked(state, path), around, said)


def _said(name: str, plain: list[str], means: list[str]) -> str:
    if name in plain and means:
        return f"{name!r}; averaged ones lie under {means[0]!r} (--ema takes them)"
    if name in means and plain:
        return f"the averaged ones, {name!r} (--ema), not {plain[0]!r}"
    return f"the averaged ones, {name!r}: there are no others" if name in means else ""


def _holds_tensors(value: object, depth: int = DEPTH) -> bool:
    if not isinstance(value, Mapping) or depth == 0:
        return False
    if any(isinstance(v, Tensor) for v in value.values()):
        return True
    return any(_holds_tensors(value.get(key), depth - 1) for key in PLAIN + AVERAGED)


def _is_state(value: Mapping[Any, Any]) -> bool:
    return all(isinstance(v, Tensor) for v in value.values())


def _tensors(inner: object, path: Path) -> dict[str, Tensor]:
    """Raises: CheckpointError unless `inner` is a dict of strings to tensors with values."""
    tensors = {}
    if isinstance(inner, Mapping):
        tensors = {key: value for key, value in inner.items() if isinstance(value, Tensor)}
    if not isinstance(inner, Mapping) or not tensors or len(tensors) != len(inner):
        raise CheckpointError(
            f"{path}",
            f"holds {type(inner).__name__} with {len(tensors)} tensors",
            "needs a dict of tensors, or one under " + ", ".join(map(repr, PLAIN[:-1]))
            + f" or {PLAIN[-1]!r}",
            "save model.state_dict()",
        )  # fmt: skip
    strange = [key for key in tensors if not isinstance(key, str)]
    if strange:
        raise CheckpointError(
            f"{path}", f"has the key {strange[0]!r}", "the keys of a state dict are strings",
            "save model.state_dict()",
        )  # fmt: skip
    return tensors


def without_prefixes(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict without the wrappers' prefixes that all of its keys share, in any nesting."""
    state = {k: v for k, v in state.items() if k not in LEFTOVERS}  # of the outermost module
    found = True
    while state and found:
        found = False
        for prefix in PREFIXES:
            if all(key.startswith(prefix) and key != prefix for key in state):
                state = {key.removeprefix(prefix): value for key, value in state.items()}
                state = {k: v for k, v in state.items() if k not in LEFTOVERS}
                found = True
    return state


def without_leftovers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict without the counts that profilers leave in every module."""
    return {k: v for k, v in state.items() if k.rsplit(".", 1)[-1] not in LEFTOVERS}


def with_counters(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict with a finite number of the right type and shape in every `COUNTERS` entry.

    wanted: the state dict of the network, on any device.
    """
    state = dict(state)
    for key, slot in wanted.items():
        name = key.rsplit(".", 1)[-1]
        if name in COUNTERS:
            value = state.get(key)
            count = float(value) if value is not None and value.numel() == 1 else math.nan
            count = count if math.isfinite(count) else COUNTERS[name]
            state[key] = torch.full(slot.shape, count).to(slot.dtype)
    return state


def check_kinds(path: Path, state: Mapping[str, Tensor]) -> None:
    """Every tensor is a dense one of real numbers, with its values in the file.

    Raises: CheckpointError for the first that is not.
    """
    repeated = 0
    for key, value in state.items():
        kind = _strange_kind(value)
        if kind:
            raise CheckpointError(
                f"{path}: {printable(key)}", kind, "needs a dense tensor of real numbers",
                "save it as float32",
            )  # fmt: skip
        stored = value.untyped_storage().nbytes() // max(1, value.element_size())
        repeated += max(0, value.numel() - stored)
        if repeated > MOST_REPEATED:
            raise CheckpointError(
                f"{path}: {printable(key)}",
                f"{tuple(value.shape)} of {stored} stored value{'s' if stored != 1 else ''}",
                "the values of a weight lie in the file", "save tensor.contiguous()",
            )  # fmt: skip


def _strange_kind(value: Tensor) -> str:
    """What makes a tensor no weight; "" if nothing does."""
    if value.is_nested:
        return "a nested tensor"
    if value.layout != torch.strided:
        return f"a sparse tensor ({value.layout})"
    if value.device.type != "cpu":
        return f"a tensor on the {value.device.type} device, without values"
    if value.is_quantized:
        return f"a quantized tensor ({value.dtype})"
    if value.dtype in DTYPES:
        return ""
    if value.is_floating_point() or value.is_complex():
        return f"{value.dtype}"
    return ""


def printable(key: str) -> str:
    """A key in one short line, whatever it is made of."""
    text = key if key.isprintable() and key.strip() else repr(key)
    return text if len(text) <= 100 else f"{text[:97]}..."
