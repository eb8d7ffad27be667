"""A `.pt2` file -> network in eval mode, and facts. No code in the file is ever run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from hwgen.errors import HwgenError, UnsupportedOpError
from hwgen.frontend.agreement import close
from hwgen.frontend.checkpoint import CheckpointInfo, load_checkpoint
from hwgen.frontend.exported.archive import read_archive
from hwgen.frontend.exported.network import ExportedNetwork, as_network
from hwgen.frontend.exported.program import Program, parse
from hwgen.frontend.keep import lent
from hwgen.frontend.options import Options
from hwgen.frontend.own import Asked, describe
from hwgen.frontend.own_config import own_statements, stated_size
from hwgen.frontend.weights import check_kinds

SCALES = ((1.0, 0.0), (0.5, 0.25))  # of the images on which results are compared
FAILED = "the program must run on its images", "export it with this size, or with free sizes"


def load_exported(path: Path, options: Options) -> tuple[nn.Module, CheckpointInfo]:
    """The network of a program of `torch.export`.

    Where its keys are those of a network that hwgen builds, and that network gives its results, it
    is that network; else it is the program itself, as a network of the user's own.
    Raises: CheckpointError, UnsupportedOpError (one line) for a file or program that cannot be
    read; HwgenError for options that contradict it.
    """
    options.check_no_weights()
    if options.ema:
        raise HwgenError("--ema", path, "a program has one set of weights", "leave --ema out")
    archive = read_archive(path)
    check_kinds(path, archive.tensors)
    program = parse(archive)
    network = as_network(program, archive.tensors)
    size = _size(path, program, options)
    origin = f"exported from {program.name} by PyTorch {archive.torch_version}"
    known, why = _known(path, network, options, size)
    if known is not None:
        module, info = known
        name = type(module).__name__
        return module, replace(info, program=f"{origin}; gives what hwgen's {name} gives")
    if network.layers:
        _check_layers(path, network, as_network(program, archive.tensors, whole=False), size)
    asked = Asked(size, program.image_shape[1], tuple(_free(program, options, size)), FAILED)
    info = describe(network, path, options, archive.sha256, asked)
    return network, replace(info, program=f"{origin}{why}")


def _size(path: Path, program: Program, options: Options) -> tuple[int, int]:
    """Height and width: given, stated, or those that it was exported with.

    Raises: HwgenError where the program has others in it.
    """
    own = program.image_shape[2], program.image_shape[3]
    given, place = options.size, "--image-size"
    if given is None and options.config is not None:
        given, place = stated_size(path, own_statements(path, options)), f"{options.config}"
    if given is None:
        return own
    if any(fixed and a != b for fixed, a, b in zip(program.fixed[2:], given, own)):
        raise HwgenError(
            place, f"{given[0]}x{given[1]}",
            f"{path} was exported for images of {own[0]} x {own[1]}",
            "leave it out, or export it for this size",
        )  # fmt: skip
    return given


def _free(program: Program, options: Options, size: tuple[int, int]) -> list[str]:
    """What is assumed of sizes that the program leaves free."""
    own = (program.image_shape[2], program.image_shape[3])
    if options.size is not None or options.config is not None or all(program.fixed[2:]):
        return []
    assert size == own, size
    return [f"images of {own[0]} x {own[1]}, as it was exported with (--image-size)"]


def _known(
    path: Path, network: ExportedNetwork, options: Options, size: tuple[int, int]
) -> tuple[tuple[nn.Module, CheckpointInfo] | None, str]:
    """The network of the zoo with its keys and its results, or None; and what to say of one with
    its keys and other results."""
    square = size[0] == size[1]
    asked = replace(options, image_size=size[0]) if square else options
    try:
        module, info = load_checkpoint(path, asked)
    except HwgenError:
        return None, ""
    if square and not network.unknown and _same(module, network, size):
        return (module, info), ""
    return None, f"; has the keys of hwgen's {type(module).__name__}, but other results"


def _check_layers(
    path: Path, network: ExportedNetwork, plain: ExportedNetwork, size: tuple[int, int]
) -> None:
    """Raises: UnsupportedOpError where layers of `hwgen.nn` do not give what the calls give."""
    if any(a is not None and b is not None and not close(a, b)
           for a, b in _results(network, plain, size)):  # fmt: skip
        names = dict.fromkeys(type(a.module).__name__ for a in network.layers.values())
        first = next(iter(network.layers.values())).place
        raise UnsupportedOpError(
            f"{path}: {first}", f"{' or '.join(names)} that gives other results than hwgen.nn's",
            "a program has these layers as they are",
            "compile the network itself, FILE.py:NAME",
        )  # fmt: skip


def _same(module: nn.Module, network: ExportedNetwork, size: tuple[int, int]) -> bool:
    """Whether two networks give the same results."""
    pairs = _results(network, module, size)
    return all(a is not None and b is not None and close(a, b) for a, b in pairs)


def _results(
    network: ExportedNetwork, other: nn.Module, size: tuple[int, int]
) -> Iterator[tuple[Tensor | None, Tensor | None]]:
    """What two networks give on random images, in double precision."""
    channels = network.program.image_shape[1]
    generator = torch.Generator().manual_seed(channels)
    for times, plus in SCALES:
        image = times * torch.randn(2, channels, *size, generator=generator) + plus
        with torch.no_grad(), lent(other), lent(network):
            yield _result(network, image.double()), _result(other, image.double())


def _result(module: nn.Module, image: Tensor) -> Tensor | None:
    """What a network gives; None where it fails."""
    try:
        result = module(image)
    except Exception:
        return None
    return result if isinstance(result, Tensor) else None
