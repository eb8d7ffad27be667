"""Resources of the emitted RTL, counted by Yosys unit by unit (estimates: engine.resources)."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hwgen.emit.rtl import TOP, emitted_rtl, not_an_output
from hwgen.engine.sizing import Sizing
from hwgen.synth.count import Count, count
from hwgen.synth.run import cell_counts, description
from hwgen.synth.units import elaborate, split
from hwgen.targets import Target
from hwgen.tools.versions import require

__all__ = ["count_rtl", "output_files", "synthesise"]


def synthesise(
    folder: Path, target: Target, *, cache: Path | None = None, jobs: int | None = None
) -> dict:
    """Resources of an output folder of `hwgen compile`, the `resources` section of the report.

    Keys: source (who counted), lut, ff, bram36, uram, dsp (the engine), by_unit {unit: those five
    of all its instances, instances}, fits (None of the five above the target's budget). The sizes
    are those of the wrapper in rtl/. Raises: HwgenError when the folder is no such output.
    """
    files = output_files(folder)
    total, by_unit = count_rtl(files, TOP, target, cache=cache, jobs=jobs)
    version = ".".join(map(str, require("pyosys")))
    return {
        "source": f"Yosys {version} {description(target)}, unit by unit",
        **total.numbers(),
        "by_unit": by_unit,
        "fits": not total.over(target),
    }


def output_files(folder: Path) -> list[Path]:
    """The Verilog files of an output folder of `hwgen compile`, all there and of the sizes that the
    folder says. Raises: HwgenError."""
    files = emitted_rtl(folder)
    try:
        sizes = json.loads((Path(folder) / "image" / "memory_map.json").read_text())["sizing"]
        sizing = Sizing(**sizes).parameters()
        wrapper = files[-1].read_text()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise not_an_output(folder, error) from error
    changed = next((k for k, v in sizing.items() if f".{k}({v})" not in wrapper), None)
    if changed:
        raise not_an_output(folder, f"{changed}={sizing[changed]} is not the size in {TOP}.v")
    return files


def count_rtl(
    files: Sequence[Path],
    top: str,
    target: Target,
    *,
    parameters: dict[str, int] | None = None,
    cache: Path | None = None,
    jobs: int | None = None,
) -> tuple[Count, dict[str, dict]]:
    """(resources of `top`, unit -> resources of all its instances and `instances`)."""
    with tempfile.TemporaryDirectory(prefix="hwgen_synth_") as tmp:
        modules = elaborate(files, top, Path(tmp), parameters)
    units = split(modules, top)
    cells = cell_counts(modules, units, target, cache=cache, jobs=jobs)
    parts: dict[str, tuple[Count, int]] = {}
    for unit in units:
        for name, instances in unit.names.items():
            have, n = parts.get(name, (Count(), 0))
            parts[name] = (have + count(cells[unit.top]) * instances, n + instances)
    total = sum((c for c, _ in parts.values()), Count())
    return total, {k: {**c.numbers(), "instances": n} for k, (c, n) in sorted(parts.items())}
