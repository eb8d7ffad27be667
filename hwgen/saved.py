"""Results of the steps of a compile (`hwgen.steps`) as files, for people and tests.

JSON with a line for every node, chain or value; the program as text. Arrays are told by type and
shape. Reading a file back gives what it shows, not a compile that goes on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hwgen.emit.image import memory_map
from hwgen.schedule.listing import listing

if TYPE_CHECKING:
    from hwgen.floats.graph import FloatGraph
    from hwgen.floats.kinds.base import Node
    from hwgen.passes.fuse import Chain
    from hwgen.steps import State

FOLDER = "steps"  # of a compile with --save-steps
SHORT = 80  # characters that stay on one line


def save(folder: Path, step: str, state: State, prefix: str = "") -> tuple[Path, ...]:
    """Write the result of the step that `state` comes from; the files."""
    folder.mkdir(exist_ok=True)
    files = []
    for suffix, text in CONTENT[step](state).items():
        files.append(folder / f"{prefix}{step}{suffix}")
        files[-1].write_text(text)
    return tuple(files)


def rows(body: Mapping[str, Any]) -> str:
    """JSON of an object; what is long in it, a list or an object, with a line for each value."""

    def value(v: Any) -> str:
        if len(json.dumps(v)) <= SHORT:
            return json.dumps(v)
        if isinstance(v, list):
            return "[\n  " + ",\n  ".join(map(json.dumps, v)) + "\n ]"
        if isinstance(v, dict):
            items = (f"{json.dumps(k)}: {json.dumps(x)}" for k, x in v.items())
            return "{\n  " + ",\n  ".join(items) + "\n }"
        return json.dumps(v)

    return "{\n " + ",\n ".join(f"{json.dumps(k)}: {value(v)}" for k, v in body.items()) + "\n}\n"


def plain(value: Any) -> Any:
    """A value as JSON has it: an array by type and shape."""
    if isinstance(value, np.ndarray):
        return {"dtype": str(value.dtype), "shape": list(value.shape)}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, tuple | list):
        return [plain(v) for v in value]
    return value


def node_row(node: Node) -> dict[str, Any]:
    """A node of the float graph, its parameters by type and shape where they are arrays."""
    return {
        "name": node.name, "kind": node.kind.name, "inputs": list(node.inputs),
        "shape": list(node.layout.shape), "grid": list(node.layout.grid),
        "params": {k: plain(v) for k, v in node.params.items()},
    }  # fmt: skip


def graph_body(graph: FloatGraph) -> dict[str, Any]:
    nodes = [node_row(node) for node in graph.nodes.values()]
    return {"image": graph.image, "output": graph.output, "nodes": nodes}


def chain_row(chain: Chain) -> dict[str, Any]:
    """A chain; the nodes that it takes by name."""
    values = {f.name: getattr(chain, f.name) for f in fields(chain)}
    for name in ("anchor", "act", "sign"):
        values[name] = values[name] and values[name].name
    return {k: plain(v) for k, v in values.items()}


def _load(state: State) -> dict[str, str]:
    info = state.info
    body = {
        "name": info.path.stem, "sha256": info.sha256, "network": info.config.to_dict(),
        "mean": list(info.mean), "std": list(info.std), "class_names": list(info.class_names),
        "calibration": {
            "images": len(state.images), "labels": state.labels is not None,
            "noise": not state.calibrated,
        },
        "parameters": {k: list(v.shape) for k, v in state.network.state_dict().items()},
    }  # fmt: skip
    return {".json": rows(body)}


def _trace(state: State) -> dict[str, str]:
    return {".json": rows(graph_body(state.traced))}


def _lower(state: State) -> dict[str, str]:
    chains = [chain_row(chain) for chain in state.chains]
    return {".json": rows(graph_body(state.float_graph) | {"chains": chains})}


def _calibrate(state: State) -> dict[str, str]:
    largest = state.prepared.largest
    noise = not state.calibrated
    return {".json": rows({"images": len(state.images), "noise": noise, "largest": largest})}


def _search(state: State) -> dict[str, str]:
    reasons = list(state.reasons)
    return {".json": rows({"sizing": asdict(state.sizing), "reasons": reasons})}


def _schedule(state: State) -> dict[str, str]:
    return {".txt": listing(state.program), ".json": rows(memory_map(state.program))}


def _emit(state: State) -> dict[str, str]:
    paths = sorted(p for p in state.folder.rglob("*") if p.is_file())
    names = {p.relative_to(state.folder).as_posix(): p for p in paths}
    digests = {
        name: hashlib.sha256(p.read_bytes()).hexdigest()
        for name, p in names.items()
        if not name.startswith(f"{FOLDER}/")
    }
    return {".json": rows({"sha256": digests})}


def _report(state: State) -> dict[str, str]:
    assert state.report is not None, "the last step makes it"
    return {".json": state.report.to_json()}


CONTENT: dict[str, Callable[[State], dict[str, str]]] = {  # suffix -> text, by step
    "load": _load, "trace": _trace, "lower": _lower, "calibrate": _calibrate,
    "search": _search, "schedule": _schedule, "emit": _emit, "report": _report,
}  # fmt: skip
