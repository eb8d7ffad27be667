"""A `.pt2` file -> its graph as JSON values and its tensors. No code in the file is ever run.

`torch.export.load` runs what pickles in the file ask for and evaluates expressions; nothing of it
is used here. The graph is JSON, weights and constants are raw bytes with their type and sizes;
where a file holds pickles (sample inputs, older or unusual tensors) they are read as tensors and
plain values, and refused if they ask for more.
"""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import warnings
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hwgen.errors import CheckpointError
from hwgen.frontend.pickles import refused_name

SCHEMA = 8  # major version of the graph's JSON
DTYPES = {
    1: torch.uint8, 2: torch.int8, 3: torch.int16, 4: torch.int32, 5: torch.int64,
    6: torch.float16, 7: torch.float32, 8: torch.float64, 9: torch.complex32, 10: torch.complex64,
    11: torch.complex128, 12: torch.bool, 13: torch.bfloat16, 28: torch.uint16,
    29: torch.float8_e4m3fn, 30: torch.float8_e5m2, 31: torch.float8_e4m3fnuz,
    32: torch.float8_e5m2fnuz, 33: torch.float8_e8m0fnu, 34: torch.uint32, 35: torch.uint64,
}  # fmt: skip
AGAIN = "export it again with torch.export.save"
OLD = "serialized_exported_program.json"  # of files before torch 2.8
COMPILED = "data/aotinductor/"
SAMPLES, WEIGHTS, CONSTANTS = "data/sample_inputs/", "data/weights/", "data/constants/"


@dataclass(frozen=True)
class Archive:
    """graph: models/NAME.json. weights: the state dict of the network that was exported;
    constants: tensors that it held besides. All are views of the file's bytes."""

    path: Path
    sha256: str
    graph: dict[str, Any]
    weights: dict[str, Tensor] = field(default_factory=dict)
    constants: dict[str, Tensor] = field(default_factory=dict)

    @property
    def tensors(self) -> dict[str, Tensor]:
        """All of them, by name."""
        return self.weights | self.constants

    @property
    def torch_version(self) -> str:
        """Of the PyTorch that wrote it."""
        return str(self.graph.get("torch_version", "an unknown version"))

    def damaged(self, what: str) -> CheckpointError:
        """The error for a graph or table that is not what a torch.export program has."""
        return CheckpointError(
            f"{self.path}", f"{what} (written by PyTorch {self.torch_version})",
            "needs a program of torch.export", f"{AGAIN} of PyTorch {torch.__version__}",
        )  # fmt: skip


def is_program(path: Path) -> bool:
    """Whether a file is a `torch.export` archive, whatever its name."""
    try:
        with zipfile.ZipFile(path) as file:
            return any(n.split("/")[-1] in ("archive_format", OLD) for n in file.namelist())
    except (zipfile.BadZipFile, OSError, ValueError):
        return False


def read_archive(path: Path) -> Archive:
    """Graph and tensors of a program (on the CPU), and the file's SHA-256 as hex.

    Raises: CheckpointError (one line) for a damaged file, one of another PyTorch, a compiled
    program, pickles that need code, tensors that are no dense ones.
    """
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    try:
        with zipfile.ZipFile(path) as file:
            members = {name.split("/", 1)[-1]: name for name in file.namelist()}
            return _Reader(path, file, members).archive(sha256)
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError):
        raise CheckpointError(
            f"{path}", f"{path.stat().st_size} bytes that cannot be read or fail their checksum",
            "needs a program of torch.export", "check that the file is complete",
        ) from None  # fmt: skip


class _Reader:
    """members: names without the archive's folder -> names."""

    def __init__(self, path: Path, file: zipfile.ZipFile, members: dict[str, str]) -> None:
        self.path, self.file, self.members = path, file, members

    def archive(self, sha256: str) -> Archive:
        name = self._model()
        archive = Archive(self.path, sha256, self._graph(f"models/{name}.json"))
        if self._text("byteorder") not in ("", "little"):
            raise archive.damaged("its weights are big-endian")
        for member in self._under(SAMPLES):
            self._plain(member)  # not used: the graph tells the sizes
        try:
            weights = self._tensors(WEIGHTS, f"{name}_weights_config.json", f"{name}.pt")
            constants = self._tensors(CONSTANTS, f"{name}_constants_config.json", f"{name}.pt")
        except (KeyError, TypeError, AttributeError, ValueError, RuntimeError) as error:
            raise archive.damaged("its tables of weights are damaged") from error
        return Archive(self.path, sha256, archive.graph, weights, constants)

    def _model(self) -> str:
        names = [n.split("/")[-1].removesuffix(".json") for n in self._under("models/")]
        if OLD in self.file.namelist():
            raise self._refused("is a program of PyTorch before 2.8", "", AGAIN)
        if not names and self._under(COMPILED):
            raise self._refused(
                "is compiled code (AOTInductor)", "needs the program itself",
                "save what torch.export.export gives with torch.export.save",
            )  # fmt: skip
        if len(names) != 1:
            what = f"holds {len(names)} programs"
            raise self._refused(what, "needs one network", "save it alone with torch.export.save")
        return names[0]

    def _graph(self, member: str) -> dict[str, Any]:
        graph = self._json(member)
        version = graph.get("schema_version")
        major = version.get("major") if isinstance(version, dict) else None
        if major != SCHEMA:
            raise self._refused(
                f"was written by PyTorch {graph.get('torch_version', 'of an unknown version')}, "
                f"export schema {major}", f"schema {SCHEMA} is read",
                f"{AGAIN} of PyTorch {torch.__version__}",
            )  # fmt: skip
        return graph

    def _tensors(self, folder: str, table: str, pickled: str) -> dict[str, Tensor]:
        """By name. Of PyTorch 2.8 they are one pickle."""
        if folder + pickled in self.members:
            content = self._plain(folder + pickled)
            found = dict(content) if isinstance(content, dict) else {"": content}
            for name, value in found.items():
                self._require_tensor(folder + pickled, name, value)
            return found
        found = {}
        for name, entry in self._json(folder + table)["config"].items():
            member = folder + entry["path_name"]
            if entry["path_name"].startswith(("custom_obj", "opaque_obj")):
                raise self._refused(
                    f"holds an object of its own, {name}", "may hold tensors only; nothing was run",
                    "export the network without it",
                )  # fmt: skip
            if entry["use_pickle"]:
                found[name] = self._require_tensor(member, name, self._plain(member))
            else:
                found[name] = _tensor(self._bytes(member), entry["tensor_meta"])
        return found

    # ------------------------------------------------------------------------------ members

    def _under(self, folder: str) -> list[str]:
        return [m for m in self.members if m.startswith(folder) and m != folder]

    def _bytes(self, member: str) -> bytes:
        if member not in self.members:
            raise self._refused(f"has no {member}", "needs all of its parts", AGAIN)
        return self.file.read(self.members[member])

    def _text(self, member: str) -> str:
        return self._bytes(member).decode(errors="replace") if member in self.members else ""

    def _json(self, member: str) -> dict[str, Any]:
        try:
            values = json.loads(self._bytes(member))
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, dict):
            raise self._refused(f"{member} is no JSON table", "needs a graph", AGAIN)
        return values

    def _plain(self, member: str) -> Any:
        """What a pickle holds, tensors and plain values; nothing that it asks for is run."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return torch.load(
                    io.BytesIO(self._bytes(member)), map_location="cpu", weights_only=True
                )
        except CheckpointError:
            raise
        except Exception as error:  # torch reports damaged files with many exception types
            name = refused_name(str(error)) if isinstance(error, pickle.UnpicklingError) else ""
            if not name:
                what, rule = f"{member} cannot be read", "needs all of its parts"
                raise self._refused(what, rule, AGAIN) from None
            raise self._refused(
                f"{member} asks for {name}",
                "a program may hold tensors and plain values only; nothing was run",
                "export it with tensors as its inputs, weights and constants",
            ) from None  # fmt: skip

    def _require_tensor(self, member: str, name: str, value: object) -> Tensor:
        if not isinstance(value, Tensor):
            what = f"{member} holds {type(value).__name__} as {name or 'its content'}"
            raise self._refused(what, "needs a tensor", AGAIN)
        return value

    def _refused(self, what: str, rule: str, way_out: str) -> CheckpointError:
        return CheckpointError(f"{self.path}", what, rule, way_out)


def _tensor(data: bytes, meta: dict[str, Any]) -> Tensor:
    """The tensor of raw bytes. Raises: KeyError, TypeError, RuntimeError where they do not fit."""
    dtype = DTYPES[meta["dtype"]]
    sizes, strides = ([int(n["as_int"]) for n in meta[key]] for key in ("sizes", "strides"))
    if not data:
        return torch.zeros(sizes, dtype=dtype)
    flat = torch.frombuffer(bytearray(data), dtype=dtype)
    return flat.as_strided(sizes, strides, int(meta["storage_offset"]["as_int"]))
