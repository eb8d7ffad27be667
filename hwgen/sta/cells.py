"""Delays of mapped cells: arcs through them, clock to output, setup.

7-series: the `specify` blocks of Yosys's cells_sim.v, whose numbers are those of Project X-Ray for
the -1 speed grade (slow corner), elaborated by Yosys for the parameters of each cell; what they
leave out is in xc7.toml. UltraScale+: the same, for cells that 7-series lacks those of the 7-series
cell of the same function (like.py, xcup.toml), all of it times a derating. A pin that none of them
has is an error where a signal reaches it.
"""

from __future__ import annotations

import json
import tempfile
import tomllib
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path

from hwgen.errors import HwgenError
from hwgen.sta.like import (
    FOLDER,
    CellModel,
    Kind,
    Pin,
    Ports,
    assemble,
    keep,
    mapped,
    recipe,
    widths,
)
from hwgen.tools.yosys import run_yosys

LIBRARY = "+/xilinx/cells_sim.v"
BLACK_BOXES = "+/xilinx/cells_xtra.v"

# What the delays of 7-series, cells and nets, are multiplied with, by Yosys's family. xcup: 16 nm
# against 28 nm; docs/timing.md says where 0.72 comes from and how far it can be off.
DERATING = {"xc7": 1.0, "xcup": 0.72}
LARGEST = 10.0  # factor that a user may give


def known(family: str) -> bool:
    """Whether a family has delays."""
    return family in DERATING


def derating(family: str, given: float | None = None) -> float:
    """What all delays of a family are multiplied with: `given`, else DERATING.

    Raises: HwgenError for a family without delays; as `checked_derating`.
    """
    if not known(family):
        raise HwgenError(
            "timing", family, f"cell delays are known of {', '.join(DERATING)}",
            "`hwgen place` gives the clock of an ECP5",
        )  # fmt: skip
    checked_derating(given)
    return DERATING[family] if given is None else given


def checked_derating(given: float | None) -> None:
    """Raises: HwgenError for a factor that is not above 0 and at most LARGEST."""
    if given is not None and not 0 < given <= LARGEST:  # NaN is neither
        raise HwgenError(
            "--derating", f"{given:g}", f"must be above 0 and at most {LARGEST:g}",
            f"without it: {', '.join(f'{f:g} for {name}' for name, f in DERATING.items())}",
        )  # fmt: skip


def models(kinds: Collection[Kind], family: str = "xc7") -> dict[Kind, CellModel]:
    """A model of each kind of cell, in ps of 7-series; those that the library lacks, and those used
    in a way that it has no delays for, are missing in the result."""
    recipes = {kind: r for kind in kinds if (r := recipe(family, kind)) is not None}
    own = {kind for kind in kinds if not mapped(family, kind[0])}
    own |= {part.kind for r in recipes.values() for part in r.parts}
    modules = _elaborated(own | {(cell, ()) for cell, _ in recipes}, xtra=bool(recipes))
    known = {}
    for kind in own & modules.keys():
        known[kind] = _model(modules[kind])
        _supplement(known[kind], kind[0], modules[kind]["ports"])

    def of(kind: Kind) -> tuple[CellModel, Ports] | None:
        return (known[kind], modules[kind]["ports"]) if kind in known else None

    made = {
        kind: model
        for kind, r in recipes.items()
        if (model := assemble(r, modules[kind[0], ()]["ports"], of)) is not None
    }
    return {kind: known[kind] for kind in kinds if kind in known} | made


def _elaborated(kinds: Collection[Kind], *, xtra: bool) -> dict[Kind, dict]:
    """Yosys's module of every kind of cell that its library has; xtra: and its black boxes."""
    order = sorted(kinds)
    with tempfile.TemporaryDirectory(prefix="hwgen_sta_") as tmp:
        top, out = Path(tmp) / "top.v", Path(tmp) / "cells.json"
        top.write_text(_instances(order))
        script = [f"read_verilog -lib {BLACK_BOXES}"] if xtra else []
        script += [f"read_verilog -specify -defer {LIBRARY}", f'read_verilog "{top}"']
        script += ["hierarchy -top hwgen_cells", "proc", f'write_json "{out}"']
        run_yosys(script)
        written = json.loads(out.read_text())["modules"]
    used = written["hwgen_cells"]["cells"]
    types = {kind: used[f"c{n}"]["type"] for n, kind in enumerate(order)}
    return {kind: written[name] for kind, name in types.items() if name in written}


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

    model = CellModel(widths=widths(module["ports"]))
    for cell in module["cells"].values():
        parameters = cell["parameters"]
        if cell["type"] in ("$specify2", "$specify3"):
            ps = _largest(parameters, "T_RISE_MAX", "T_FALL_MAX")
            source, target = at(cell, "SRC"), at(cell, "DST")
            if cell["type"] == "$specify3":
                model.clocks |= {port for pin in source for port, _ in pin}
                for pin in (p for many in target for p in many):
                    keep(model.launches, pin, ps)
                continue
            full = int(parameters["FULL"], 2) or len(source) != len(target)
            pairs = [(a, b) for a in source for b in target] if full else zip(source, target)
            for a, b in pairs:
                for pair in ((x, y) for x in a for y in b):
                    keep(model.arcs, pair, ps)
        elif cell["type"] == "$specrule" and parameters["TYPE"] == "$setup":
            model.clocks |= {port for pin in at(cell, "DST") for port, _ in pin}
            ps = _largest(parameters, "T_LIMIT_MAX")
            for pin in (p for many in at(cell, "SRC") for p in many):
                keep(model.setups, pin, ps)
    return model


def _largest(parameters: Mapping[str, str], *names: str) -> int | None:
    """The largest of some times; None where one has no value for the cell's parameters."""
    values = [parameters[name] for name in names]
    if any(set(v) - set("01") for v in values):
        return None
    return max(int(v, 2) for v in values)
