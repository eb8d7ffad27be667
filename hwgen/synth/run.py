"""Yosys on units: each in a process of its own, results kept by content.

A unit is flattened inside; the units that it instantiates are black boxes. It is synthesised from a
fresh state of Yosys (child.py), so its result depends on the unit alone. The cache folder keeps it
under the hash of its RTLIL, the commands and the version of Yosys.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwgen.errors import ToolError
from hwgen.synth import netlist
from hwgen.synth.netlist import Modules
from hwgen.synth.units import Module, Unit
from hwgen.targets import Target
from hwgen.tools.versions import cpu_jobs, require

FORMAT = 3  # of the kept results
CHILD = Path(__file__).with_name("child.py")
DSP48E2 = Path(__file__).with_name("dsp48e2.v")
NETLIST = ".net.json.gz"


@dataclass(frozen=True)
class Flow:
    """Yosys commands for a target: once, then for every unit before, at and after its memories.

    files: (name, text) of files in the folder that Yosys runs in.
    """

    setup: tuple[str, ...]
    before: tuple[str, ...]
    memory: str
    after: str
    files: tuple[tuple[str, str], ...] = ()


def command(target: Target) -> str:
    """The synthesis command of Yosys."""
    return "synth_ecp5" if target.family == "ecp5" else f"synth_xilinx -family {target.family}"


def description(target: Target) -> str:
    """The synthesis command, as the report names it: what `flow` does differently beside it."""
    packed = f"; map_dsp of xc7, then {DSP48E2.name}"
    return command(target) + (packed if _packs(target) else "")


def _packs(target: Target) -> bool:
    """Whether `flow` packs DSPs as for 7-series: Yosys packs nothing into DSP48E2."""
    return target.family in ("xcu", "xcup")


def flow(target: Target) -> Flow:
    """The steps of `description(target)`, elaborated RTLIL to mapped cells, without I/O buffers.

    UltraScale: multipliers are mapped by the step `map_dsp` of 7-series, which packs registers,
    pre-adders and post-adders into DSP48E1; dsp48e2.v makes each a DSP48E2 of the same function.
    One that it cannot is an error.
    """
    if target.family == "ecp5":
        run = command(target)
        return Flow(
            ("read_verilog -lib -specify +/lattice/cells_sim_ecp5.v +/lattice/cells_bb_ecp5.v",),
            (f"{run} -run coarse:map_ram",),
            f"{run} -run map_ram:map_ffram",
            f"{run} -run map_ffram:check",
        )
    library, options = "+/xilinx/cells_sim.v", "-flatten -noiopad -noclkbuf"
    run = f"{command(target)} {options}"
    if target.uram and target.family == "xcup":
        run += " -uram"  # ultra RAM only where the device has it
    before: tuple[str, ...] = (f"{run} -run prepare:map_memory",)
    files: tuple[tuple[str, str], ...] = ()
    if _packs(target):
        library += " +/xilinx/cells_xtra.v"  # DSP48E2; a cell that is not known loses its outputs
        before = (
            f"{run} -run prepare:map_dsp",
            f"synth_xilinx -family xc7 {options} -run map_dsp:coarse",
            f"techmap -map {DSP48E2.name}",
            "select -assert-none t:DSP48E1",
            f"{run} -run coarse:map_memory",
        )
        files = ((DSP48E2.name, DSP48E2.read_text()),)
    return Flow(
        (f"read_verilog -lib -specify {library}",),
        before,
        f"{run} -run map_memory:map_ffram",
        f"{run} -run map_ffram:check",
        files,
    )


@dataclass(frozen=True)
class Mapped:
    """A synthesised unit, without the units inside it: cell type -> number, and its netlist."""

    cells: dict[str, int]
    modules: Modules


def cell_counts(
    modules: dict[str, Module],
    units: Sequence[Unit],
    target: Target,
    *,
    cache: Path | None = None,
    jobs: int | None = None,
) -> dict[str, dict[str, int]]:
    """Unit (its `top`) -> cell type -> number, without the units inside it.

    `cache` is a folder; None means the user's cache folder.
    """
    return _kept(modules, units, target, cache, jobs, ".json", _load_cells, lambda m: m.cells)


def netlists(
    modules: dict[str, Module],
    units: Sequence[Unit],
    target: Target,
    *,
    cache: Path | None = None,
    jobs: int | None = None,
) -> dict[str, Modules]:
    """Unit (its `top`) -> its mapped netlist; the units inside it are cells of it."""
    return _kept(modules, units, target, cache, jobs, NETLIST, _load_net, lambda m: m.modules)


def _kept(
    modules: dict[str, Module],
    units: Sequence[Unit],
    target: Target,
    cache: Path | None,
    jobs: int | None,
    suffix: str,
    load_kept: Callable[[Path], Any | None],
    part: Callable[[Mapped], Any],
) -> dict[str, Any]:
    """One part of every unit's result, from the cache folder or synthesised now."""
    folder = cache_dir() if cache is None else cache
    keys = {u.top: key(modules, u, target) for u in units}
    found = {u.top: r for u in units if (r := load_kept(folder / f"{keys[u.top]}{suffix}"))}
    todo = [u for u in units if u.top not in found]
    if todo:
        for top, mapped in _synthesise(modules, todo, target, jobs or cpu_jobs()).items():
            _save(folder, keys[top], mapped)
            found[top] = part(mapped)
    return found


def key(modules: dict[str, Module], unit: Unit, target: Target) -> str:
    """Hash of all that a unit's result depends on."""
    parts = [FORMAT, require("pyosys"), flow(target), rtlil(modules, unit)]
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()


def rtlil(modules: dict[str, Module], unit: Unit) -> str:
    """The unit as a design: its modules, and black boxes for the units that it instantiates."""
    inside = [modules[m].text for m in unit.inside]
    return "".join(inside + [modules[m].shell for m in unit.borders])


def _synthesise(
    modules: dict[str, Module], units: Sequence[Unit], target: Target, jobs: int
) -> dict[str, Mapped]:
    require("pyosys")
    texts = {u.top: rtlil(modules, u) for u in units}
    steps = flow(target)
    with tempfile.TemporaryDirectory(prefix="hwgen_synth_") as tmp:
        for name, text in steps.files:
            (Path(tmp) / name).write_text(text)
        folders = {u.top: Path(tmp) / str(n) for n, u in enumerate(units)}
        designs = []
        # The longest first, so that no long one is left for the end.
        for top in sorted(texts, key=lambda t: (-len(texts[t]), t)):
            at = folders[top]
            at.mkdir()
            (at / "unit.il").write_text(texts[top])
            read = [f'read_rtlil "{at}/unit.il"', "hierarchy -check -auto-top", *steps.before]
            stat = f'tee -q -o "{at}/cells.json" stat -json'
            designs.append(
                {"name": top, "folder": str(at), "before": read, "memory": [steps.memory],
                 "after": [steps.after, stat, f'write_json -selected "{at}/netlist.json"']}
            )  # fmt: skip
        job = {"jobs": jobs, "setup": steps.setup, "designs": designs}
        done = subprocess.run(
            [sys.executable, str(CHILD)],
            input=json.dumps(job),
            capture_output=True,
            text=True,
            cwd=tmp,
        )
        failed = [top for top in done.stdout.splitlines() if top in folders]
        if failed or done.returncode:
            raise _failure(modules, failed, folders, done.stderr)
        found = {}
        for unit in units:
            stat = json.loads((folders[unit.top] / "cells.json").read_text())["modules"]
            cells = {m: v["num_cells_by_type"] for m, v in stat.items()}
            total = dict(sorted(_total(cells, unit.top, set(unit.borders)).items()))
            written = json.loads((folders[unit.top] / "netlist.json").read_text())
            found[unit.top] = Mapped(total, netlist.compact(written, unit.top))
        return found


def _failure(
    modules: dict[str, Module], failed: list[str], folders: dict[str, Path], log: str
) -> ToolError:
    place = "yosys"
    if failed:
        place = f"yosys {modules[failed[0]].base}"
        with contextlib.suppress(OSError):
            log = (folders[failed[0]] / "yosys.log").read_text(errors="replace")
    lines = [x.strip() for x in log.splitlines() if x.strip()]
    errors = [x for x in lines if "ERROR" in x] or lines[-1:] or ["ended without a message"]
    return ToolError(place, errors[0], "the RTL must be synthesisable", "see the RTL at that line")


def _total(stat: dict[str, dict[str, int]], top: str, borders: set[str]) -> dict[str, int]:
    """Cells of a unit, modules that kept their hierarchy inside it included."""
    total: dict[str, int] = {}
    for kind, n in stat[top].items():
        module = kind if kind.startswith("$") else f"\\{kind}"
        if module in borders:
            continue
        below = _total(stat, module, borders) if module in stat else {kind: 1}
        for cell, m in below.items():
            total[cell] = total.get(cell, 0) + n * m
    return total


def cache_dir() -> Path:
    """Folder of kept results: $XDG_CACHE_HOME/hwgen/synth or ~/.cache/hwgen/synth."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "hwgen" / "synth"


def _load_cells(path: Path) -> dict[str, int] | None:
    try:
        cells = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    good = isinstance(cells, dict) and all(isinstance(n, int) for n in cells.values())
    return cells if good else None


def _load_net(path: Path) -> Modules | None:
    try:
        return netlist.load(path)
    except (OSError, ValueError, EOFError, zlib.error):
        return None


def _save(folder: Path, name: str, mapped: Mapped) -> None:
    """Whole files or none; a cache that cannot be written is no error."""
    with contextlib.suppress(OSError), tempfile.TemporaryDirectory(dir=_made(folder)) as tmp:
        (Path(tmp) / f"{name}.json").write_text(json.dumps(mapped.cells))
        netlist.save(Path(tmp) / f"{name}{NETLIST}", mapped.modules)
        for path in Path(tmp).iterdir():
            os.replace(path, folder / path.name)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
