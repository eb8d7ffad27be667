"""Cells whose delays are those of another cell of the same function, pin by pin.

xcup.toml says which: the head of that file has its form. This module makes a cell's model from the
models of the cells that it is like; what those do not have, it does not have either.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

Pin = tuple[str, int]  # port, bit
Parameters = tuple[tuple[str, str], ...]  # as in a netlist, sorted
Kind = tuple[str, Parameters]
Ports = Mapping[str, dict]  # of a cell: port -> {"direction", "bits"}, as Yosys writes them

FOLDER = Path(__file__).resolve().parent


@dataclass
class CellModel:
    """Delays of one cell type with its parameters, in ps.

    arcs: (input, output) -> delay; launches: output -> clock to output; setups: input -> setup
    time before the clock edge; clocks: ports that are clocks; widths: port -> bits.
    """

    arcs: dict[tuple[Pin, Pin], int] = field(default_factory=dict)
    launches: dict[Pin, int] = field(default_factory=dict)
    setups: dict[Pin, int] = field(default_factory=dict)
    clocks: set[str] = field(default_factory=set)
    widths: dict[str, int] = field(default_factory=dict)

    def knows(self, pin: Pin) -> bool:
        """Whether a signal at the input `pin` has a delay."""
        return pin in self.setups or any(source == pin for source, _ in self.arcs)


@dataclass(frozen=True)
class Part:
    """A part of a cell: it is like `kind`. pins: our range of bits -> its (see xcup.toml)."""

    kind: Kind
    pins: tuple[tuple[str, str], ...]
    times: float
    plus: int


@dataclass(frozen=True)
class Recipe:
    """What a cell with its parameters is made of. registered: port -> clock to output, ps."""

    parts: tuple[Part, ...]
    registered: tuple[tuple[str, int], ...]


@cache
def _table(family: str) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """The variants of every cell of a family; none for a family with delays of its own."""
    path = FOLDER / f"{family}.toml"
    return tomllib.loads(path.read_text()) if family == "xcup" else {}


def recipe(family: str, kind: Kind) -> Recipe | None:
    """How a cell of a family is like others; None where it has a model of its own, or where it is
    used in a way that no variant is for."""
    cell, given = kind
    variants = _table(family).get(cell, ())
    known = {name: _plain(value) for name, value in given}
    for variant in variants:
        values = variants[0].get("only", {}) | known
        if all(values.get(name) == value for name, value in variant.get("only", {}).items()):
            registered = {
                port: ps
                for name, ports in variant.get("registered", {}).items()
                if known.get(name, 0) not in (0, "FALSE")
                for port, ps in ports.items()
            }
            parts = tuple(_part(part, dict(given)) for part in variant["part"])
            return Recipe(parts, tuple(registered.items()))
    return None


def mapped(family: str, cell: str) -> bool:
    """Whether a cell of a family has the delays of others."""
    return cell in _table(family)


def _plain(value: str) -> int | str:
    """A parameter as the table has it: a number, or text."""
    return int(value, 2) if value and set(value) <= set("01") else value.strip()


def _part(part: Mapping[str, Any], given: Mapping[str, str]) -> Part:
    handed = {name: given[name] for name in part.get("parameters", ()) if name in given}
    parameters = tuple(sorted((handed | part.get("set", {})).items()))
    pins = {port: port for port in part.get("same", ())} | part.get("pins", {})
    kind = (part["of"], parameters)
    return Part(kind, tuple(pins.items()), part.get("times", 1.0), part.get("plus", 0))


def assemble(
    recipe: Recipe, ports: Ports, of: Callable[[Kind], tuple[CellModel, Ports] | None]
) -> CellModel | None:
    """The model of a cell with `ports`; `of` gives the model and the ports of another cell. None
    where one of those has no model."""
    made = CellModel(widths=widths(ports))
    for part in recipe.parts:
        found = of(part.kind)
        if found is None:
            return None
        _add(made, part, ports, *found)
    for port, ps in recipe.registered:
        made.launches |= {(port, k): ps for k in range(len(ports[port]["bits"]))}
    return made


def _add(made: CellModel, part: Part, ports: Ports, model: CellModel, its_ports: Ports) -> None:
    """Adds the delays of a part; inputs that an earlier part drives are joined to it."""
    ours: dict[Pin, list[Pin]] = {}
    for here, there in part.pins:
        bits = pins_of(there, its_ports)
        for k, pin in enumerate(pins_of(here, ports)):
            ours.setdefault(bits[min(k, len(bits) - 1)], []).append(pin)

    def slower(ps: int, plus: int = 0) -> int:
        return round(ps * part.times) + plus

    for pin, many in ours.items():
        made.clocks |= {port for port, _ in many if pin[0] in model.clocks}
    for pin, ps in model.setups.items():
        for end in ours.get(pin, ()):
            keep(made.setups, end, slower(ps))
    for pin, ps in model.launches.items():
        for end in ours.get(pin, ()):
            keep(made.launches, end, slower(ps, part.plus))
    before = dict(made.arcs)
    for (a, b), ps in model.arcs.items():
        for source in ours.get(a, ()):
            for end in ours.get(b, ()):
                if ports[source[0]]["direction"] == "input":
                    keep(made.arcs, (source, end), slower(ps, part.plus))
                    continue
                for (first, middle), until in before.items():
                    if middle == source:
                        keep(made.arcs, (first, end), until + slower(ps, part.plus))


def pins_of(text: str, ports: Ports) -> list[Pin]:
    """`PORT`, `PORT[BIT]` or `PORT[HIGH:LOW]`, the lowest bit first."""
    found = re.fullmatch(r"(\w+)(?:\[(\d+)(?::(\d+))?\])?", text)
    assert found, text
    port, high, low = found.groups()
    if high is None:
        return [(port, k) for k in range(len(ports[port]["bits"]))]
    return [(port, k) for k in range(int(low or high), int(high) + 1)]


def widths(ports: Ports) -> dict[str, int]:
    """Bits of every port."""
    return {port: len(value["bits"]) for port, value in ports.items()}


def keep(table: dict, key: object, ps: int | None) -> None:
    """Of several times the largest counts; conditions are not looked at."""
    if ps is not None:
        table[key] = max(ps, table.get(key, 0))
