"""From names of mapped cells back to the RTL: registers, and the lines where they are declared."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from hwgen.emit.serial_wrapper import TOP

INSTANCE = "u_design."  # of the design in the wrapper
# Yosys names a cell after the net that it drives, `_`, its type and port: vq_q_TRELLIS_FF_Q_18.
# Signals of the RTL have no capitals. nextpnr appends `$` and what it made of the cell.
_CELL = re.compile(r"(?:_[A-Z][A-Z0-9]+_|\$).*")
_PART = re.compile(r"(?:\.\d+)+$")  # of a memory that takes several cells
_INDEX = re.compile(r"\[\d+\]|\.\d+(?=\.|$)")
_NAME = re.compile(r'^\s*"((?:[^"\\]|\\.)*)": \{$')
_SRC = re.compile(r'^\s*"src": "([^"]*)"')


def rtl_name(cell: str) -> str:
    """The signal that a cell belongs to, by its path in the design (`u_rsqrt.vq_q`); signals of the
    wrapper itself begin with its name."""
    name = _PART.sub("", _CELL.sub("", cell))
    return name.removeprefix(INSTANCE) if name.startswith(INSTANCE) else f"{TOP}.{name}"


def family(name: str) -> str:
    """The name without indices: one for all instances of a generate loop."""
    return _INDEX.sub("[]", name)


def sources(netlist: Path, cells: Iterable[str], files: Iterable[str]) -> dict[str, str]:
    """Cell -> `file.v:line` where its signal is declared, if that is in one of the `files` (names).

    Of a memory there is none: Yosys says where its own library maps it. The netlist is Yosys's
    JSON, one key per line: far too large to load for a few names.
    """
    ours = set(files)
    wanted: dict[str, set[str]] = {}
    for cell in cells:
        wanted.setdefault(cell.partition("$")[0], set()).add(cell)
        wanted.setdefault(_CELL.sub("", cell), set()).add(cell)
    found: dict[str, str] = {}
    name = ""
    with netlist.open() as lines:
        for line in lines:  # cells come before nets, so that the net's declaration wins
            if m := _NAME.match(line):
                if m[1] not in ("attributes", "parameters", "port_directions", "connections"):
                    name = m[1] if m[1] in wanted else ""
            elif name and (m := _SRC.match(line)):
                file, _, place = m[1].split("|")[0].rpartition(":")
                if Path(file).name in ours:
                    at = f"{Path(file).name}:{place.split('.')[0]}"
                    found.update(dict.fromkeys(wanted[name], at))
    return found
