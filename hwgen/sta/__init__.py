"""Static timing of the emitted RTL: the clock that the mapped netlist allows, estimated.

Every unit is synthesised alone (hwgen.synth), their netlists are joined into the whole engine.
Cells have the delays that Yosys knows of them (cells.py), nets a modelled one (nets.py). Nothing is
placed: the result is an estimate, and says so.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import MutableMapping, Sequence
from pathlib import Path

import numpy as np

from hwgen.emit.rtl import TOP
from hwgen.report.schema import Timing, TimingPath, TimingStage, TimingUnit
from hwgen.sta.blocks import blocks
from hwgen.sta.cells import derating
from hwgen.sta.graph import Graph, build, capture_times, launched, propagate, wires
from hwgen.sta.nets import NetModel
from hwgen.sta.paths import TimedPath, Tracer
from hwgen.sta.source import Sources
from hwgen.synth import output_files
from hwgen.synth.run import description, flow, netlists
from hwgen.synth.units import REST, elaborate_with_lines, split, top_module
from hwgen.targets import Target
from hwgen.tools.versions import require

__all__ = ["NetModel", "analyse", "analyse_rtl"]

PATHS = 10  # in the report
STEP_NS = 0.25  # of the histogram


def analyse(
    folder: Path,
    target: Target,
    *,
    nets: NetModel | None = None,
    factor: float | None = None,
    cache: Path | None = None,
    jobs: int | None = None,
    kept: MutableMapping[str, Timing] | None = None,
) -> Timing:
    """Timing of an output folder of `hwgen compile`, the `timing` section of its report.

    factor: what delays of 7-series, cells and nets, are multiplied with; None: hwgen's own for the
    target's family (cells.py). kept: timing of engines by their content; a folder with one of them
    is not analysed again.
    Raises: HwgenError where the folder is no such output, the family has no delays or the factor is
    none; ToolError for a cell without a delay, or a loop without a register.
    """
    files, model = output_files(folder), nets or NetModel()
    kept = {} if kept is None else kept
    key = engine_key(files, target, model, factor)
    if key not in kept:
        kept[key] = analyse_rtl(
            files, TOP, target, nets=model, factor=factor, cache=cache, jobs=jobs
        )
    return kept[key]


def engine_key(
    files: Sequence[Path], target: Target, nets: NetModel, factor: float | None = None
) -> str:
    """Hash of all that the timing of an engine depends on; its network is no part of it."""
    parts: list[object] = [target.family, target.clock_mhz, flow(target), nets, factor]
    parts += [(path.name, path.read_text()) for path in files]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def analyse_rtl(
    files: Sequence[Path],
    top: str,
    target: Target,
    *,
    nets: NetModel | None = None,
    factor: float | None = None,
    parameters: dict[str, int] | None = None,
    cache: Path | None = None,
    jobs: int | None = None,
) -> Timing:
    """Timing of the design `top`; the rest as `analyse`."""
    model, scale = nets or NetModel(), derating(target.family, factor)
    with tempfile.TemporaryDirectory(prefix="hwgen_sta_") as tmp:
        modules, lines = elaborate_with_lines(files, top, Path(tmp), parameters)
    units = split(modules, top)
    mapped = netlists(modules, units, target, cache=cache, jobs=jobs)
    inside = {name: module for unit in mapped.values() for name, module in unit.items()}
    root = top_module(modules, top)
    bases = {u.top.removeprefix("\\"): modules[u.top].base for u in units if u.top != root}
    graph = build(blocks(inside, target.family), root.removeprefix("\\"), bases)
    sources = Sources(modules, lines, root)
    version = ".".join(map(str, require("pyosys")))
    derated = f"by a derating of {scale:g} from 7-series, " if scale != 1 else ""
    tool = f"Yosys {version} {description(target)}, unit by unit"
    source = f"{derated}estimated, no placement ({tool})"
    return _timing(graph, bases, target, model, scale, sources, source)


def _timing(
    graph: Graph,
    bases: dict[str, str],
    target: Target,
    model: NetModel,
    scale: float,
    sources: Sources,
    source: str,
) -> Timing:
    wire, fanout = wires(graph, model, scale)
    start = launched(graph, scale)
    everything = np.arange(len(graph.arcs))
    arrival = propagate(graph, wire, start, everything, scale)
    ends = capture_times(graph, wire, arrival, scale)
    own = _inside(graph)
    alone = propagate(graph, wire, start, everything[own[graph.arcs[:, 0]]], scale)
    ends_alone = np.where(
        own[graph.captures[:, 0]], capture_times(graph, wire, alone, scale), -np.inf
    )
    critical = float(ends.max())
    period = 1000 / target.clock_mhz
    found = ends[ends > -np.inf]
    edges = np.arange(0, critical + STEP_NS, STEP_NS)
    counts, _ = np.histogram(found, bins=np.append(edges, edges[-1] + STEP_NS))
    paths = Tracer(graph, arrival, wire, fanout, scale).slowest(ends, PATHS)
    return Timing(
        source=source,
        nets=f"{model}{f', all delays x {scale:g}' if scale != 1 else ''}",
        clock_mhz=target.clock_mhz,
        fmax_mhz=1000 / critical,
        critical_ns=critical,
        endpoints=len(found),
        failing=int((found > period).sum()),
        histogram_step_ns=STEP_NS,
        histogram=[int(n) for n in counts],
        units=_units(graph, bases, ends, ends_alone),
        paths=[_path(path, period, sources) for path in paths],
    )


def _inside(graph: Graph) -> np.ndarray:
    """Of every pin: its net is driven in the same unit instance."""
    names: dict[str, int] = {}
    unit = np.array([names.setdefault(p.unit, len(names)) for p in graph.places])
    place = np.full(graph.nets, -1)
    live = graph.launches[graph.launches[:, 0] >= 0]
    place[live[:, 0]] = live[:, 3]
    driven = graph.arcs[graph.arcs[:, 1] >= 0]
    place[driven[:, 1]] = graph.pins[driven[:, 0], 3]
    net = graph.pins[:, 0]
    known = (net >= 0) & (place[net] >= 0)
    return known & (unit[place[net]] == unit[graph.pins[:, 3]])


def _units(
    graph: Graph, bases: dict[str, str], ends: np.ndarray, alone: np.ndarray
) -> list[TimingUnit]:
    """Every kind of unit: how many, its slowest path from any register and inside one instance."""
    kind_of = {"": REST}
    kind_of |= {p.unit: bases[p.module] for p in graph.places if p.path == p.unit != ""}
    kinds = sorted(set(kind_of.values()))
    place = graph.pins[graph.captures[:, 0], 3]
    index = np.array([kinds.index(kind_of[p.unit]) for p in graph.places])[place]
    rows = []
    for k, kind in enumerate(kinds):
        mine = index == k
        if mine.any() and ends[mine].max() > -np.inf:
            rows.append(
                TimingUnit(
                    name=kind,
                    instances=sum(value == kind for value in kind_of.values()),
                    ns=float(ends[mine].max()),
                    inside_ns=max(float(alone[mine].max()), 0.0),
                )
            )
    return sorted(rows, key=lambda row: -row.ns)


def _path(path: TimedPath, period: float, sources: Sources) -> TimingPath:
    return TimingPath(
        ns=path.ns,
        slack_ns=period - path.ns,
        levels=path.levels,
        start=path.start,
        start_line=sources.line(path.start),
        end=path.end,
        end_line=sources.line(path.end),
        stages=[TimingStage(cell=s.cell, net=s.net, fanout=s.fanout, ns=s.ns) for s in path.stages],
    )
