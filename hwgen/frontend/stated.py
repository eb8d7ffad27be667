"""What a checkpoint states beside its weights: arguments of its training, configurations.

Nothing of it builds the network, whose keys and shapes do; it is compared with them, so that no
other network than the trained one is compiled in silence.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwgen.errors import CheckpointError
from hwgen.frontend.options import Options
from hwgen.frontend.weights import printable

ENTRIES = ("args", "config", "cfg", "hparams", "hyper_parameters", "model_args", "opt")
NESTED = (*ENTRIES, "model", "network", "model_config")  # entries of entries that are read too
DEPTH = 3
CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"  # of Hugging Face's folders
MOST_BYTES = 1 << 20  # of a configuration
LARGEST = 1 << 62  # no size is larger; Python refuses to print very long integers


@dataclass(frozen=True)
class Statement:
    """`name` has `value` (plain), says `source` ("its args", "config.json")."""

    name: str
    value: Any
    source: str

    def __str__(self) -> str:
        return f"{printable(self.name)} {printable(str(self.value))}"


def statements(path: Path, file: Path, around: Mapping[str, Any], options: Options) -> tuple[
    Statement, ...
]:  # fmt: skip
    """All that is stated: in the file and beside it, or by `--config` alone.

    path, file: the model as given, and the file with its weights. around: what lies beside them.
    Raises: CheckpointError for a configuration that cannot be read.
    """
    if options.config is not None:
        return tuple(_flat(_read(options.config), str(options.config)))
    found: list[Statement] = []
    for entry in ENTRIES:
        found += _flat(around.get(entry), f"its {entry}")
    found += [s for s in _flat(around, "it") if s.name not in NESTED]
    beside = file.parent / CONFIG
    if beside.is_file():
        found += _flat(_read(beside), CONFIG)
    pictures = path / PREPROCESSOR
    if pictures.is_file():
        wanted = ("image_mean", "image_std")
        found += [s for s in _flat(_read(pictures), PREPROCESSOR) if s.name in wanted]
    return tuple(found)


def _flat(values: object, source: str, depth: int = DEPTH) -> Iterator[Statement]:
    """The named plain values of an entry, and of entries within it."""
    if isinstance(values, argparse.Namespace):
        values = vars(values)
    if not isinstance(values, Mapping) or depth == 0:
        return
    for name, value in values.items():
        if isinstance(value, Mapping | argparse.Namespace):
            if name in NESTED and source != "it":
                yield from _flat(value, source, depth - 1)
            elif name == "id2label" and value:
                yield Statement("num_labels", len(vars(value) if isinstance(
                    value, argparse.Namespace) else value), source)  # fmt: skip
        elif isinstance(name, str) and (plain := _plain(value)) is not None:
            yield Statement(name, plain, source)


def _plain(value: object) -> Any:
    """A number, text or list of them; None for anything else. Whole floats become integers."""
    if isinstance(value, list | tuple):
        values = [_plain(v) for v in value]
        return None if None in values else values
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and value.isdecimal() and value.isascii() and len(value) < 10:
        return int(value)
    if isinstance(value, int) and abs(value) > LARGEST:
        return None
    return value if isinstance(value, bool | int | float | str) else None


def _read(path: Path) -> dict[str, Any]:
    """A JSON or TOML file. Raises: CheckpointError unless it holds a table."""
    kind, parse = ("TOML", tomllib.loads) if path.suffix == ".toml" else ("JSON", json.loads)
    way_out = "correct it, or give another one as --config"
    try:
        data = path.read_bytes()
        values = parse(data.decode()) if len(data) <= MOST_BYTES else None
    except OSError as error:
        raise CheckpointError(
            f"{path}", error.strerror or "unreadable", "needs a file", "give a .json or .toml"
        ) from None
    except (ValueError, RecursionError):  # of UTF-8, JSON and TOML
        values = None
    if not isinstance(values, dict):
        raise CheckpointError(f"{path}", f"is no {kind} table", "states a configuration", way_out)
    return values
