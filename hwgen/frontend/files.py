"""A model file of any kind -> what it holds. No code in it is ever run.

Read: torch.save's files (zip and old style), the weights of programs of torch.export, safetensors,
folders as Hugging Face's libraries write them. Files that are something else are refused by what
they are.
"""

from __future__ import annotations

import hashlib
import itertools
import pickle
import pickletools
import re
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import torch

from hwgen.errors import CheckpointError
from hwgen.frontend.exported.archive import is_program, read_archive
from hwgen.frontend.pickles import refused_name
from hwgen.frontend.plain import SAFE

HEAD = 1024  # bytes in which a file shows what it is
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")  # of a folder, in this order
VALUE_MODULES = ("argparse", "collections", "datetime")  # their objects are no networks
TORCHSCRIPT = "a TorchScript archive, a compiled network"


def weights_file(path: Path) -> Path:
    """The file itself, or the file with the weights of a folder.

    Raises: CheckpointError if a folder has none.
    """
    if not path.is_dir():
        return path
    for name in WEIGHT_FILES:
        if (path / name).is_file():
            return path / name
    parts = sorted(p.name for p in path.glob("*.index.json"))
    raise CheckpointError(
        f"{path}",
        f"a folder with weights in several files ({parts[0]})" if parts else "is a folder",
        f"needs {' or '.join(WEIGHT_FILES)} in it",
        "save the weights in one file" if parts else "give the checkpoint file",
    )


def read_file(path: Path) -> tuple[Any, str]:
    """What a file holds (tensors on the CPU), and its SHA-256 as hex.

    Raises: CheckpointError (one line) for a missing or damaged file, another kind of file, a
    pickle that needs code, safetensors without the library.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(HEAD)
            stream.seek(0)
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(
            f"{path}", error.strerror or "unreadable", "needs a file", "give a checkpoint (.pt)"
        ) from None
    _refuse_other_kinds(path, head)
    if is_program(path):
        return read_archive(path).weights, sha256
    if path.suffix == ".safetensors" or head[8:10] == b'{"':
        return _read_safetensors(path), sha256
    return _read_pickle(path), sha256


# ----------------------------------------------------------------------------- other kinds


def _refuse_other_kinds(path: Path, head: bytes) -> None:
    """Raises: CheckpointError for a file that is known not to be a checkpoint."""
    if not head:
        raise CheckpointError(
            f"{path}", "is empty (0 bytes)", "needs trained weights", "download or save it again"
        )
    if head.startswith(b"version https://git-lfs"):
        size = re.search(rb"size (\d+)", head)
        what = f" of {int(size[1])} bytes" if size else ""
        raise CheckpointError(
            f"{path}", f"is a Git LFS pointer, not the file{what} itself", "needs trained weights",
            "run git lfs pull",
        )  # fmt: skip
    if head.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        raise CheckpointError(
            f"{path}", "is a web page (HTML)", "needs trained weights",
            "download the file that the page links to",
        )  # fmt: skip
    kind = _other_kind(path, head)
    if kind:
        raise _other(path, kind)


def _other(path: Path, kind: str) -> CheckpointError:
    return CheckpointError(
        f"{path}", f"is {kind}", "needs the state dict of a PyTorch network",
        "save model.state_dict() with torch.save where the network was trained",
    )  # fmt: skip


def _other_kind(path: Path, head: bytes) -> str:
    """ "an ONNX model", ...; "" if it may be a checkpoint."""
    # an ONNX file starts with the fields ir_version (a small number) and producer_name (a string)
    starts = len(head) > 3 and head[0] == 0x08 and head[1] < 0x20 and head[2] == 0x12
    if path.suffix == ".onnx" or (starts and head[4 : 4 + head[3]].isascii()):
        return "a QONNX model" if b"qonnx" in head.lower() else "an ONNX model"
    for magic, kind in ((b"\x89HDF", "an HDF5 file (Keras)"), (b"\x93NUMPY", "a NumPy array")):
        if head.startswith(magic):
            return kind
    if not head.startswith(b"PK"):
        return ""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return ""
    if any(name.endswith("/constants.pkl") for name in names):
        return TORCHSCRIPT
    if names and all(name.endswith(".npy") for name in names):
        return "a NumPy archive (.npz)"
    return ""


# ------------------------------------------------------------------------------- reading


def _read_safetensors(path: Path) -> Any:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError:
        raise CheckpointError(
            f"{path}", "is a safetensors file", "needs the safetensors library",
            "pip install 'hwgen[safetensors]'",
        ) from None  # fmt: skip
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError, AttributeError):
        raise _no_checkpoint(path, "safetensors") from None


def _read_pickle(path: Path) -> Any:
    try:
        damaged = zipfile.ZipFile(path).testzip() if zipfile.is_zipfile(path) else None
        if damaged is not None:
            raise _no_checkpoint(path)
        with torch.serialization.safe_globals(SAFE), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise _refused_pickle(path, str(error)) from None
    except CheckpointError:
        raise
    except Exception:  # torch reports damaged files with many exception types
        raise _no_checkpoint(path) from None


def _refused_pickle(path: Path, message: str) -> CheckpointError:
    """The error for a pickle that a weights-only load refused with this message."""
    name, whole = _first_global(path)
    if name.startswith("__torch__."):
        return _other(path, TORCHSCRIPT)
    if whole and name.split(".")[0] not in VALUE_MODULES:
        return CheckpointError(
            f"{path}", f"is a whole pickled network ({name})",
            "a checkpoint may hold tensors and plain values only; nothing was run",
            "load it where its code is and save model.state_dict() with torch.save",
        )  # fmt: skip
    name = refused_name(message) or name
    if not name:
        return _no_checkpoint(path)
    return CheckpointError(
        f"{path}", f"its pickle asks for {name}",
        "a checkpoint may hold tensors and plain values only; nothing was run",
        "save it again as torch.save(model.state_dict(), ...)",
    )  # fmt: skip


def _first_global(path: Path) -> tuple[str, bool]:
    """The first name that the pickle would import, found without running it ("" if none), and
    whether the whole content is an object of that class."""
    for pickled in _pickles(path):
        strings: list[str] = []
        name, alone = "", True
        for opcode, argument in pickled:
            if name and opcode not in ("BINPUT", "LONG_BINPUT", "MEMOIZE", "EMPTY_TUPLE"):
                return name, alone and opcode == "NEWOBJ"
            if opcode == "STACK_GLOBAL":
                name = ".".join(strings[-2:])
            elif opcode == "GLOBAL":
                name = ".".join(str(argument).split())
            elif isinstance(argument, str):
                strings.append(argument)
            elif not name and opcode not in ("PROTO", "FRAME", "MEMOIZE", "BINPUT"):
                alone = False  # a list or dict around it
    return "", False


def _pickles(path: Path) -> Iterator[Iterator[tuple[str, Any]]]:
    """Opcode names and arguments of every pickle in a file: one in a zip, up to 4 in others."""

    def opcodes(stream: IO[bytes]) -> Iterator[tuple[str, Any]]:
        try:
            for opcode, argument, _ in pickletools.genops(stream):
                yield opcode.name, argument
        except (ValueError, EOFError, UnicodeDecodeError, zipfile.BadZipFile):
            return

    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    if name.endswith("data.pkl"):
                        with archive.open(name) as member:
                            yield opcodes(member)
        else:
            with path.open("rb") as stream:  # old files: a magic number and two more come first
                yield from (opcodes(stream) for _ in itertools.repeat(None, 4))
    except (zipfile.BadZipFile, OSError):
        return


def _no_checkpoint(path: Path, kind: str = "torch.save") -> CheckpointError:
    with path.open("rb") as stream:
        cut = stream.read(4) == b"PK\x03\x04" and not zipfile.is_zipfile(path)
    size = path.stat().st_size
    if cut:
        return CheckpointError(
            f"{path}", f"{size} bytes, its end is missing", f"needs a file written by {kind}",
            "download or copy it again",
        )  # fmt: skip
    return CheckpointError(
        f"{path}", f"{size} bytes that cannot be read or fail their checksum",
        f"needs a file written by {kind}", "check that the file is complete",
    )  # fmt: skip
