"""A network of the user's own: `net.py:build` or an nn.Module -> network in eval mode, and facts.

`net.py` is the user's own code and is run. Weights of a file are only read (hwgen.frontend.files).
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hwgen.errors import HwgenError
from hwgen.frontend.assumed import ASSUMED_SIZE, statistics
from hwgen.frontend.checkpoint import CheckpointInfo, check_values, fitted
from hwgen.frontend.files import read_file, weights_file
from hwgen.frontend.options import Options, own_parts
from hwgen.frontend.own_config import (
    OwnConfig,
    check_stated,
    own_statements,
    stated_channels,
    stated_size,
)
from hwgen.frontend.weights import check_kinds, choose, without_prefixes

OWN_CODE = "your own code failed", "correct it there"  # rule and way out
HOW = "for example net.py:build, where build() gives the nn.Module"


def load_own(path: Path, options: Options) -> tuple[nn.Module, CheckpointInfo]:
    """The network of `FILE.py:NAME`, with the weights of options.weights where given.

    Raises: HwgenError (one line) for a file or name that is not there or gives no nn.Module, with
    file and line where the user's code fails; CheckpointError for weights of another network.
    """
    parts = own_parts(path)
    assert parts is not None, path
    file, name = parts
    module = _built(file, name)
    digest = hashlib.sha256(file.read_bytes())
    assumed = []
    if options.weights is None:
        assumed.append(f"weights as {name} leaves them: no --weights")
    else:
        digest.update(_load_weights(module, path, options).encode())
    info = describe(module, path, options, digest.hexdigest())
    code = f"{file} is run: it is your own code"
    return module, replace(info, code=code, assumed=(*assumed, *info.assumed))


@dataclass(frozen=True)
class Asked:
    """What the network's file says about its images, where it does: size, channels; assumed: what
    to say about it. refused: of a network that fails on an image, rule and way out; None for the
    user's code."""

    size: tuple[int, int] | None = None
    channels: int | None = None
    assumed: tuple[str, ...] = ()
    refused: tuple[str, str] | None = None


def describe(
    module: nn.Module, path: Path, options: Options, sha256: str, asked: Asked = Asked()
) -> CheckpointInfo:
    """The facts about a network that is there: put in eval mode and run once on an empty image.

    path: its name. Raises: HwgenError where its image cannot be known or it fails on one;
    CheckpointError for what `--config` states otherwise.
    """
    check_values(path, dict(module.state_dict()))
    found, assumed = own_statements(path, options), list(asked.assumed)
    channels = _channels(module, path, options, asked.channels or stated_channels(path, found),
                         assumed)  # fmt: skip
    size = asked.size or options.size or stated_size(path, found)
    if size is None:
        size = (ASSUMED_SIZE, ASSUMED_SIZE)
        assumed.append(f"images of {ASSUMED_SIZE} x {ASSUMED_SIZE} (--image-size)")
    mean, std = (statistics(path, n, channels, options, {}, found) for n in ("mean", "std"))
    assumed += [values.assumed for values in (mean, std) if values.assumed]
    classes = _classes(module.eval(), path, (*size, channels), asked.refused)
    config = OwnConfig(size, channels, classes)
    check_stated(path, found, config)
    return CheckpointInfo(
        path, sha256, config, mean.values, std.values, assumed=tuple(assumed)
    )  # fmt: skip


def _channels(
    module: nn.Module, path: Path, options: Options, known: int | None, assumed: list[str]
) -> int:
    """Channels of the images: known, as many as numbers are given, those of the first convolution
    (which is assumed). Raises: HwgenError where nothing tells them."""
    given = options.mean or options.std
    if known or given:
        return known or len(given or ())
    first = next(((n, m) for n, m in module.named_modules() if isinstance(m, nn.Conv2d)), None)
    if first is None:
        raise HwgenError(
            f"{path}", "has no nn.Conv2d", "the channels of its images are not known",
            "give --mean, one number per channel",
        )  # fmt: skip
    channels = first[1].in_channels
    assumed.append(f"images of {channels} channels, as {first[0] or path} reads (--mean)")
    return channels


def weights_digest(module: nn.Module) -> str:
    """SHA-256 of names and values of a network's parameters and buffers."""
    digest = hashlib.sha256()
    for key, value in module.state_dict().items():
        digest.update(key.encode())
        digest.update(value.detach().cpu().double().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _classes(
    module: nn.Module, path: Path, image: tuple[int, int, int], refused: tuple[str, str] | None
) -> int:
    """Logits of an image. Raises: HwgenError where the network fails on it or gives no vector."""
    height, width, channels = image
    like = next(iter(module.parameters()), torch.zeros(()))
    empty = torch.zeros(2, channels, height, width).to(like)
    told = _told(path, f"on an image of {height} x {width} x {channels}", *(refused or OWN_CODE))
    with torch.no_grad(), told:
        logits = module(empty)
    if not isinstance(logits, Tensor) or logits.dim() != 2 or len(logits) != 2:
        what = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise HwgenError(
            f"{path}", f"gives {what} for two images", "a network returns its logits (B, n)",
            "return one tensor of two axes",
        )  # fmt: skip
    return logits.shape[1]


# ------------------------------------------------------------------------------ the user's code


def _built(file: Path, name: str) -> nn.Module:
    if not file.is_file():
        raise HwgenError(f"{file}", "is no file", "needs a Python file", HOW)
    spec = importlib.util.spec_from_file_location(f"hwgen_own_{file.stem}", file)
    assert spec is not None, file
    assert spec.loader is not None, file
    code = importlib.util.module_from_spec(spec)
    with _beside(file), _told(file, "when it is imported"):
        sys.modules[spec.name] = code
        spec.loader.exec_module(code)
        if not hasattr(code, name):
            there = [n for n, v in vars(code).items() if _builds(v, code)]
            way_out = f"use {', '.join(f'{file.name}:{n}' for n in there)}" if there else HOW
            raise HwgenError(f"{file}", f"has no {name}", "needs what builds the network", way_out)
        found = getattr(code, name)
    if not isinstance(found, nn.Module):
        _check_call(file, name, found)
        with _beside(file), _told(file, f"in {name}()"):
            found = found()
    if not isinstance(found, nn.Module):
        raise HwgenError(
            f"{file}:{name}", f"gives {type(found).__name__}", "needs an nn.Module", HOW
        )
    return found


def _builds(value: object, code: object) -> bool:
    """Whether it is a function or network of the file."""
    own = getattr(value, "__module__", "") == getattr(code, "__name__", None)
    return own and (inspect.isfunction(value) or isinstance(value, nn.Module))


def _check_call(file: Path, name: str, found: Any) -> None:
    if not callable(found):
        raise HwgenError(
            f"{file}:{name}", f"is {type(found).__name__}", "needs a function or an nn.Module", HOW
        )
    needed = [
        p.name for p in inspect.signature(found).parameters.values()
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]  # fmt: skip
    if needed:
        raise HwgenError(
            f"{file}:{name}", f"needs {', '.join(needed)}", "is called without arguments",
            f"add def build(): return {name}(...)",
        )  # fmt: skip


@contextmanager
def _beside(file: Path) -> Iterator[None]:
    """Modules beside the file can be imported; `sys.path` is as before afterwards."""
    before = list(sys.path)
    sys.path.insert(0, str(file.resolve().parent))
    try:
        yield
    finally:
        sys.path[:] = before


@contextmanager
def _told(
    path: Path, when: str, rule: str = OWN_CODE[0], way_out: str = OWN_CODE[1]
) -> Iterator[None]:
    """Whatever the user's code raises is one line with its place."""
    try:
        yield
    except HwgenError:
        raise
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [f for f in frames if not _inside(Path(f.filename))]
        place = f"{path}"
        if isinstance(error, SyntaxError) and error.filename:
            place = f"{error.filename}:{error.lineno}"
        elif own:
            place = f"{own[-1].filename}:{own[-1].lineno}"
        text = " ".join(str(error).split()) or "no message"
        raise HwgenError(
            place, f"{type(error).__name__} {when}: {text[:200]}", rule, way_out
        ) from None


def _inside(file: Path) -> bool:
    """Whether a file is hwgen's, PyTorch's or Python's."""
    roots = (Path(__file__).parents[1], Path(torch.__file__).parent, Path(inspect.__file__).parent)
    frozen = str(file).startswith("<frozen")
    return frozen or any(root in file.parents for root in roots)


# ------------------------------------------------------------------------------------ weights


def _load_weights(module: nn.Module, path: Path, options: Options) -> str:
    """Puts the weights of options.weights in the network; returns the file's SHA-256."""
    assert options.weights is not None
    content, sha256 = read_file(weights_file(options.weights))
    chosen = choose(content, options.weights, options.ema)
    check_kinds(options.weights, chosen.state)
    own = module.state_dict()
    state = _named_as(own, chosen.state)
    module.load_state_dict(fitted(options.weights, state, own, f"network, {path}"))
    return sha256


def _named_as(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights under the network's names: a prefix that all of its own keys share comes back."""
    inner = list(without_prefixes(own))
    prefix = next((k.removesuffix(inner[0]) for k in own if inner and k.endswith(inner[0])), "")
    return {f"{prefix}{key}": value for key, value in state.items()}
