"""One module of a mapped netlist as arrays: nets, input pins, arcs, launches, captures.

A net is a number from 0; -1 is a constant. Every input pin of a cell that a net reaches has a row
(`pins`: net, kind of connection); arcs and captures start at a row. `Blocks` makes each module's
arrays once, however many instances it has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from hwgen.errors import ToolError
from hwgen.sta.cells import models
from hwgen.sta.like import CellModel, Kind
from hwgen.sta.nets import driver_kinds, sink_kind
from hwgen.synth.netlist import Bit, Modules


@dataclass(frozen=True, eq=False)
class Block:
    """A module's timing arrays (see the head of this file); times in ps.

    pins (P, 3): net, kind, cell; arcs (A, 3): pin, output net, ps; launches (L, 3): net, ps, cell;
    captures (C, 2): pin, ps; drivers (D, 2): net, kinds. `cells` are instance names, `types` their
    types; children: (module, instance, {port: nets}); names: net -> signal.
    """

    nets: int
    ports: dict[str, tuple[str, list[int]]]
    pins: np.ndarray
    arcs: np.ndarray
    launches: np.ndarray
    captures: np.ndarray
    drivers: np.ndarray
    cells: list[str]
    types: list[str]
    children: list[tuple[str, str, dict[str, list[int]]]]
    names: dict[int, str]


def blocks(modules: Modules, family: str = "xc7") -> dict[str, Block]:
    """The arrays of every module.

    Raises: ToolError where a signal reaches a pin without a delay, or a cell has no model.
    """
    kinds = {
        (kind, _parameters(values))
        for module in modules.values()
        for kind, values, _ in module["cells"].values()
        if kind not in modules
    }
    known = models(kinds, family)
    return {name: _block(name, module, modules, known, family) for name, module in modules.items()}


def _parameters(values: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(values.items())


def _block(
    name: str,
    module: Mapping[str, dict],
    modules: Modules,
    known: Mapping[Kind, CellModel],
    family: str,
) -> Block:
    index: dict[Bit, int] = {}

    def net(bit: Bit) -> int:
        return -1 if isinstance(bit, str) else index.setdefault(bit, len(index))

    ports = {p: (way, [net(b) for b in bits]) for p, (way, bits) in module["ports"].items()}
    pins: list[tuple[int, int, int]] = []
    arcs: list[tuple[int, int, int]] = []
    launches: list[tuple[int, int, int]] = []
    captures: list[tuple[int, int]] = []
    drivers: list[tuple[int, int]] = []
    cells: list[str] = []
    types: list[str] = []
    children = []
    for instance, (kind, values, connections) in module["cells"].items():
        if kind in modules:
            ends = {p: [net(b) for b in bits] for p, (_, bits) in connections.items()}
            children.append((kind, instance, ends))
            continue
        model = known.get((kind, _parameters(values)))
        if model is None:
            raise _unknown(family, name, f"{kind} {instance}")
        at, row_of = len(cells), {}
        cells.append(instance)
        types.append(kind)
        outputs: dict[tuple[str, int], int] = {}
        for port, (way, bits) in connections.items():
            # Yosys connects wires to block RAMs of UltraScale+ that are wider than the ports.
            for k, bit in enumerate(bits[: model.widths[port]]):
                end = net(bit)
                if end < 0 or port in model.clocks:
                    continue
                if way == "output":
                    outputs[port, k] = end
                    drivers.append((end, driver_kinds(kind, port, k)))
                    continue
                if not model.knows((port, k)):
                    raise _unknown(family, name, f"{kind}.{port}[{k}] of {instance}")
                row_of[port, k] = len(pins)
                pins.append((end, sink_kind(kind, port), at))
        for (source, target), ps in model.arcs.items():
            if source in row_of and target in outputs:
                arcs.append((row_of[source], outputs[target], ps))
        captures += [(row_of[p], ps) for p, ps in model.setups.items() if p in row_of]
        launches += [(outputs[p], ps, at) for p, ps in model.launches.items() if p in outputs]
        driven = {target for _, target in model.arcs} | model.launches.keys()
        odd = next((p for p in outputs if p not in driven), None)
        if odd is not None:
            raise _unknown(family, name, f"{kind}.{odd[0]}[{odd[1]}] of {instance}")
    names: dict[int, str] = {}
    for signal, bits in sorted(module["names"].items(), key=lambda item: _plainness(item[0])):
        for k, bit in enumerate(bits):
            if isinstance(bit, int) and bit in index:
                wide = f"[{k}]" if len(bits) > 1 else ""
                names.setdefault(index[bit], f"{signal}{wide}")
    return Block(
        len(index), ports, _array(pins, 3), _array(arcs, 3), _array(launches, 3),
        _array(captures, 2), _array(drivers, 2), cells, types, children, names,
    )  # fmt: skip


def _plainness(signal: str) -> tuple[int, int, str]:
    """Registers first, then the signal nearest to where it is made: of many names of a net, the
    first is shown."""
    last = signal.rsplit(".", 1)[-1]
    return (not last.endswith("_q"), -signal.count("."), signal)


def _array(rows: Iterable[tuple[int, ...]], width: int) -> np.ndarray:
    return np.array(list(rows), dtype=np.int64).reshape(-1, width)


def _unknown(family: str, module: str, what: str) -> ToolError:
    return ToolError(
        module, what, "has no delay",
        f"add it to hwgen/sta/{family}.toml: a path never counts as 0 ns",
    )  # fmt: skip
