"""The wrapped design as one netlist of device cells, by Yosys; kept under its sources' hash."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from hwgen.emit.serial_wrapper import TOP
from hwgen.synth.run import command
from hwgen.targets import Target
from hwgen.tools.arguments import ToolPaths
from hwgen.tools.versions import require
from hwgen.tools.yosys import run_yosys

FILE, STAMP, LOG = "netlist.json", "netlist.sha256", "yosys.log"


def steps(target: Target) -> list[str]:
    """Yosys commands from the read sources to mapped cells of the flattened design.

    LUT4 families: `keep_hierarchy` goes, since the modules that have it were cut for LUT6.
    """
    if target.lut_inputs == 4:
        unset = "setattr -mod -unset keep_hierarchy A:keep_hierarchy"
        return [f"hierarchy -check -top {TOP}", unset, f"{command(target)} -top {TOP}"]
    # nextpnr-xilinx knows no $scopeinfo; autoname, which synth_ecp5 runs itself, names the cells
    return [f"{command(target)} -flatten -top {TOP}", "delete t:$scopeinfo", "autoname"]


def synthesise(files: Sequence[Path], target: Target, folder: Path) -> Path:
    """netlist.json (Yosys) of `files`, whose top is the wrapper, in `folder`; log in yosys.log.

    Nothing is done where the folder's netlist was made of the same sources by the same Yosys.
    Raises: ToolError with Yosys's error line.
    """
    out, stamp = folder / FILE, folder / STAMP
    script = steps(target)
    parts = [require("pyosys"), script, *(p.read_bytes() for p in files)]
    key = hashlib.sha256(b"\0".join(str(p).encode() for p in parts)).hexdigest()
    if out.is_file() and stamp.is_file() and stamp.read_text() == f"{key}\n":
        return out
    stamp.unlink(missing_ok=True)
    with ToolPaths() as plain:
        part = plain(folder) / f"{FILE}.part"
        read = [f'read_verilog "{plain(f)}"' for f in files]
        log = run_yosys([*read, *script, "stat", f'write_json "{part}"'])
    (folder / LOG).write_text(log)
    os.replace(folder / f"{FILE}.part", out)
    stamp.write_text(f"{key}\n")
    return out
