"""Place and route of the emitted engine by open tools, for a clock that was reached, not planned.

The engine has more ports than the package has pins, so a wrapper feeds and reads it serially
(`hwgen.emit.serial_wrapper`); Yosys maps both to device cells (`netlist`), nextpnr places and
routes them (`flow`), and the delays that it wrote give the slowest paths (`sdf`). docs/place.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from hwgen.emit.rtl import TOP, emitted_rtl
from hwgen.emit.serial_wrapper import TOP as WRAPPER
from hwgen.emit.serial_wrapper import read_ports, wrapper_text
from hwgen.emit.time_engine import CLOCK
from hwgen.place import flow, netlist
from hwgen.place.log import read_log
from hwgen.place.names import family, rtl_name, sources
from hwgen.place.sdf import Arrivals, Route, read_sdf
from hwgen.report.schema import Place, PlacedPath, PlacedStep, UsedOf
from hwgen.targets import Target
from hwgen.tools.nextpnr import run_nextpnr

__all__ = ["place_design", "place_engine"]

FOLDER = "place"  # below an output folder
WORST = 10  # paths in the report


def place_engine(
    folder: Path,
    target: Target,
    *,
    goal_mhz: float | None = None,
    seed: int = 1,
    chipdb: Path | None = None,
) -> Place:
    """Place and route the engine of an output folder; files go to its place/.

    goal_mhz: what the tool aims at; None is the target's clock. Equal folders, seeds and tools give
    equal results. Raises: HwgenError where no tool serves the target, ToolError where it is missing
    or the design does not fit or route.
    """
    return place_design(
        emitted_rtl(folder), TOP, CLOCK, target, Path(folder) / FOLDER,
        goal_mhz=goal_mhz, seed=seed, chipdb=chipdb,
    )  # fmt: skip


def place_design(
    files: Sequence[Path],
    module: str,
    clock: str,
    target: Target,
    out: Path,
    *,
    parameters: Mapping[str, int] | None = None,
    goal_mhz: float | None = None,
    seed: int = 1,
    chipdb: Path | None = None,
) -> Place:
    """As `place_engine`, of any module with one clock, in the folder `out`."""
    goal = goal_mhz or target.clock_mhz
    tool = flow.tool(target, goal, chipdb)
    out.mkdir(parents=True, exist_ok=True)
    wrapper = out / f"{WRAPPER}.v"
    ports = read_ports(files, module, parameters)
    wrapper.write_text(wrapper_text(module, clock, ports, parameters))
    if tool.constraints:
        (out / flow.XDC).write_text(tool.constraints)
    mapped = netlist.synthesise([*files, wrapper], target, out)
    (out / flow.SDF).unlink(missing_ok=True)
    text = run_nextpnr(tool.arguments(goal, seed), out, out / flow.LOG)
    summary = read_log(text)
    arrivals = Arrivals(read_sdf(out / flow.SDF))
    ends = arrivals.endpoints()
    return Place(
        source=f"placed and routed ({tool.name} {tool.version})",
        part=target.part,
        seed=seed,
        goal_mhz=summary.goal_mhz,
        fmax_mhz=summary.fmax_mhz,
        endpoints=len(ends),
        failing=sum(ps > 1e6 / summary.goal_mhz for ps, _ in ends),
        used={k: UsedOf(used=n, available=there) for k, (n, there) in summary.used.items()},
        paths=_described(_worst(arrivals), mapped, [f.name for f in (*files, wrapper)]),
    )


def _worst(arrivals: Arrivals) -> list[Route]:
    """The slowest routes, one for each pair of registers whose names differ beyond indices."""
    found: dict[tuple[str, str], Route] = {}
    for _, end in arrivals.endpoints():
        route = arrivals.route(end)
        pair = (family(rtl_name(route.start[0])), family(rtl_name(route.end[0])))
        found.setdefault(pair, route)
        if len(found) == WORST:
            break
    return list(found.values())


def _described(routes: Sequence[Route], mapped: Path, files: Sequence[str]) -> list[PlacedPath]:
    lines = sources(mapped, {pin[0] for r in routes for pin in (r.start, r.end)}, files)
    return [
        PlacedPath(
            start=rtl_name(route.start[0]),
            end=rtl_name(route.end[0]),
            start_src=lines.get(route.start[0]),
            end_src=lines.get(route.end[0]),
            delay_ns=round(route.total(), 3),
            logic_ns=round(route.total("clk-to-q", "logic", "setup"), 3),
            routing_ns=round(route.total("routing"), 3),
            levels=route.levels,
            steps=[
                PlacedStep(kind=s.kind, at=rtl_name(s.pin[0]), cell=s.cell, delay_ns=s.delay_ns)
                for s in route.steps
            ],
        )
        for route in routes
    ]
