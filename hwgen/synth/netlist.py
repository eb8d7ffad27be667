"""Mapped netlists of units: what Yosys writes (write_json), less what timing does not ask for.

A netlist file is gzipped JSON, {module: {"ports", "cells", "names"}}:

* ports: {port: [direction, bits]};
* cells: {instance: [type, {parameter: value}, {port: [direction, bits]}]}; the contents of
  memories and lookup tables (INIT*) are left out;
* names: {signal: bits}, those that the Verilog has, `instance.signal` of flattened modules.

A bit is a number (a net of that module) or "0", "1", "x" (constant).
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path

Bit = int | str
Modules = dict[str, dict[str, dict]]

# Cells without a function.
IDLE = frozenset(["$scopeinfo"])


def compact(written: dict, top: str) -> Modules:
    """What `write_json` wrote (parsed), as in the head of this file: `top` and all below it."""
    found: Modules = {}
    todo = [top.removeprefix("\\")]
    while todo:
        name = todo.pop()
        module = written["modules"].get(name)
        boxed = module is None or {"blackbox", "whitebox"} & module["attributes"].keys()
        if name in found or boxed:
            continue
        cells = {
            instance: [
                cell["type"],
                {k: v for k, v in sorted(cell["parameters"].items()) if not k.startswith("INIT")},
                {p: [cell["port_directions"][p], b] for p, b in cell["connections"].items()},
            ]
            for instance, cell in module["cells"].items()
            if cell["type"] not in IDLE
        }
        names = {k: v["bits"] for k, v in module["netnames"].items() if not v["hide_name"]}
        ports = {k: [v["direction"], v["bits"]] for k, v in module["ports"].items()}
        todo += [kind for kind, *_ in cells.values()]
        found[name] = {"ports": ports, "cells": cells, "names": names}
    return found


def save(path: Path, modules: Modules) -> None:
    """Writes a netlist file; equal netlists give equal bytes."""
    path.write_bytes(gzip.compress(json.dumps(modules).encode(), 3, mtime=0))


def load(path: Path) -> Modules:
    """Reads a netlist file. Raises OSError or ValueError where it is none."""
    return json.loads(gzip.decompress(path.read_bytes()))
