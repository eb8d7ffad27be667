"""Delays of mapped cells: arcs through them, clock to output, setup.

7-series: the `specify` blocks of Yosys's cells_sim.v, whose numbers are those of Project X-Ray for
the -1 speed grade (slow corner), elaborated by Yosys for the parameters of each cell; what they
leave out is in xc7.toml. A pin that neither has is an error where a signal reaches it.
"""

from __future__ import annotations

import json
import tempfile
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from hwgen.errors import HwgenError
from hwgen.tools.yosys import run_yosys

Pin = tuple[str, int]  # port, bit
Parameters = tuple[tuple[str, str], ...]  # as in a netlist, sorted
Kind = tuple[str, Parameters]

FOLDER = Path(__file__).resolve().parent
LIBRARY = "+/xilinx/cells_sim.v"


DERATING = {"xc7": 1.0}  # of cells and nets, by Yosys's family


def known(family: str) -> bool:
    """Whether a family has delays."""
    return family in DERATING


def derating(family: str) -> float:
    """What all delays of a family are multiplied with.

    Raises: HwgenError for a family without delays.
    """
    if not known(family):
        raise HwgenError(
            "timing", family, f"cell delays are known of {', '.join(DERATING)}",
            "`hwgen place` gives the clock of an ECP5",
        )  # fmt: skip
    return DERATING[family]


@dataclass
class CellModel:
    """Delays of one cell type with its parameters, in ps.

    arcs: (input, output) -> delay; launches: output -> clock to output; setups: input -> setup
    time before the clock edge; clocks: ports that are clocks.
    """

    arcs: dict[tuple[Pin, Pin], int] = field(default_factory=dict)
    launches: dict[Pin, int] = field(default_factory=dict)
    setups: dict[Pin, int] = field(default_factory=dict)
    clocks: set[str] = field(default_factory=set)

    def knows(self, pin: Pin) -> bool:
        """Whether a signal at the input `pin` has a delay."""
        return pin in self.setups or any(source == pin for source, _ in self.arcs)


def models(kinds: Collection[Kind]) -> dict[Kind, CellModel]:
    """A model of each kind of cell; those that the library lacks are missing in the result."""
    order = sorted(kinds)
    with tempfile.TemporaryDirectory(prefix="hwgen_sta_") as tmp:
        top, out = Path(tmp) / "top.v", Path(tmp) / "cells.json"
        top.write_text(_instances(order))
        script = [f"read_verilog -specify -defer {LIBRARY}", f'read_verilog "{top}"']
        script += ["hierarchy -top hwgen_cells", "proc", f'write_json "{out}"']
        run_yosys(script)
        written = json.loads(out.read_text())["modules"]
    found = {}
    for n, kind in enumerate(order):
        module = written.get(written["hwgen_cells"]["cells"][f"c{n}"]["type"])
        if module is not None:
            found[kind] = _model(module)
            _supplement(found[kind], kind[0], module["ports"])
    return found


def _supplement(model: CellModel, cell: str, ports: Mapping[str, dict]) -> None:
    """Adds what the library leaves out."""
    more = supplement().get(cell, {})
    for port, ps in more.get("setup", {}).items():
        for k in range(len(ports[port]["bits"])):
            model.setups.setdefault((port, k), ps)
    for port, other in more.get("like", {}).items():
        model.setups |= {(port, k): ps for (p, k), ps in model.setups.items() if p == other}
        model.arcs |= {((port, k), b): ps for ((p, k), b), ps in model.arcs.items() if p == other}
    for port, ps in more.get("launches", {}).items():
        for k in range(len(ports[port]["bits"])):
            model.launches.setdefault((port, k), ps)
    for ends, ps in more.get("arcs", {}).items():
        source, target = map(_pin, ends.split())
        model.arcs.setdefault((source, target), ps)


def _pin(text: str) -> Pin:
    """`ADDRA[5]` -> ("ADDRA", 5); without a bit, bit 0."""
    port, _, bit = text.rstrip("]").partition("[")
    return port, int(bit or 0)


@cache
def supplement() -> Mapping[str, Mapping[str, Mapping[str, int]]]:
    """xc7.toml: cell type -> "setup" (port -> ps) and "arcs" ("INPUT[BIT] OUTPUT[BIT]" -> ps)."""
    return tomllib.loads((FOLDER / "xc7.toml").read_text())


def _instances(kinds: list[Kind]) -> str:
    """A module with one instance of each kind."""
    lines = []
    for n, (cell, parameters) in enumerate(kinds):
        values = ", ".join(f".{name}({_value(value)})" for name, value in parameters)
        lines.append(f"{cell} #({values}) c{n} ();" if values else f"{cell} c{n} ();")
    return "module hwgen_cells;\n" + "\n".join(lines) + "\nendmodule\n"


def _value(text: str) -> str:
    bits = text and set(text) <= set("01xz")
    return f"{len(text)}'b{text}" if bits else f'"{text}"'


def _model(module: dict) -> CellModel:
    """The delays of an elaborated module, from Yosys's cells for its specify blocks."""
    pins: dict[object, list[Pin]] = {}
    for port, value in module["ports"].items():
        for k, bit in enumerate(value["bits"]):
            pins.setdefault(bit, []).append((port, k))

    def at(cell: dict, port: str) -> list[list[Pin]]:
        return [pins.get(bit, []) for bit in cell["connections"][port]]

    model = CellModel()
    for cell in module["cells"].values():
        parameters = cell["parameters"]
        if cell["type"] in ("$specify2", "$specify3"):
            ps = _largest(parameters, "T_RISE_MAX", "T_FALL_MAX")
            source, target = at(cell, "SRC"), at(cell, "DST")
            if cell["type"] == "$specify3":
                model.clocks |= {port for pin in source for port, _ in pin}
                for pin in (p for many in target for p in many):
                    _keep(model.launches, pin, ps)
                continue
            full = int(parameters["FULL"], 2) or len(source) != len(target)
            pairs = [(a, b) for a in source for b in target] if full else zip(source, target)
            for a, b in pairs:
                for pair in ((x, y) for x in a for y in b):
                    _keep(model.arcs, pair, ps)
        elif cell["type"] == "$specrule" and parameters["TYPE"] == "$setup":
            model.clocks |= {port for pin in at(cell, "DST") for port, _ in pin}
            ps = _largest(parameters, "T_LIMIT_MAX")
            for pin in (p for many in at(cell, "SRC") for p in many):
                _keep(model.setups, pin, ps)
    return model


def _largest(parameters: Mapping[str, str], *names: str) -> int | None:
    """The largest of some times; None where one has no value for the cell's parameters."""
    values = [parameters[name] for name in names]
    if any(set(v) - set("01") for v in values):
        return None
    return max(int(v, 2) for v in values)


def _keep(table: dict, key: object, ps: int | None) -> None:
    """Conditions are not looked at: the largest of all times counts."""
    if ps is not None:
        table[key] = max(ps, table.get(key, 0))
