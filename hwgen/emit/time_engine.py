"""Vivado on the engine alone: its clock as an XDC file, and a script that places and routes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hwgen.emit.rtl import TOP, render
from hwgen.targets import Target

CLOCK = "aclk"  # of the engine


def xdc_text(target: Target) -> str:
    """engine.xdc: the clock that is planned for the target, to the picosecond."""
    return render(
        "vendor/engine.xdc.j2",
        top=TOP,
        part=target.part,
        clock=CLOCK,
        clock_mhz=target.clock_mhz,
        period_ns=f"{1000 / target.clock_mhz:.3f}",
    )


def script_text(target: Target, files: Sequence[str]) -> str:
    """time_engine.tcl for the Verilog `files` of rtl/."""
    return render(
        "vendor/time_engine.tcl.j2",
        top=TOP,
        part=target.part,
        clock_mhz=target.clock_mhz,
        files=files,
    )


def write_time_engine(folder: Path, target: Target) -> list[Path]:
    """Write vendor/engine.xdc and vendor/time_engine.tcl into an output folder with rtl/."""
    vendor = folder / "vendor"
    vendor.mkdir(exist_ok=True)
    files = (folder / "rtl" / "files.f").read_text().split()
    texts = {"engine.xdc": xdc_text(target), "time_engine.tcl": script_text(target, files)}
    for name, text in texts.items():
        (vendor / name).write_text(text)
    return [vendor / name for name in texts]
