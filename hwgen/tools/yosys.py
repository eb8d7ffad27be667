"""Yosys, in a child process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from hwgen.errors import ToolError
from hwgen.tools.arguments import first_error
from hwgen.tools.versions import require

_YOSYS_CHILD = """
import sys
from pyosys import libyosys as ys
design = ys.Design()
for line in sys.stdin.read().splitlines():
    if line.strip():
        ys.run_pass(line.strip(), design)
"""


def run_yosys(script: str | Sequence[str], *, timeout: float | None = None) -> str:
    """Runs Yosys commands, one per line, in a child process; returns the log.

    Raises ToolError with Yosys's error line.
    """
    log, error = try_yosys(script, timeout)
    if error:
        raise ToolError("yosys", error, "the script must pass", "see the RTL at that line")
    return log


def try_yosys(script: str | Sequence[str], timeout: float | None) -> tuple[str, str]:
    require("pyosys")
    text = script if isinstance(script, str) else "\n".join(script)
    try:
        done = subprocess.run(
            [sys.executable, "-c", _YOSYS_CHILD],
            input=text,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        return "", f"no end after {timeout:g} s"
    log = done.stdout + done.stderr
    return log, first_error(log, "ERROR:") if done.returncode != 0 else ""
