"""state.json: a compile that was told to stop after a step; which folders a command can use."""

from __future__ import annotations

import json
from pathlib import Path

from hwgen.errors import HwgenError
from hwgen.version import __version__

FILE = "state.json"
SCHEMA = "hwgen.state/1"
LAST = "report"  # the step that makes a folder complete


def mark(folder: Path, step: str, sha256: str) -> None:
    """Note in a folder that its compile of the model with this digest stopped after `step`."""
    body = {"schema": SCHEMA, "step": step, "sha256": sha256, "version": __version__}
    (folder / FILE).write_text(json.dumps(body, indent=1) + "\n")


def last_step(folder: Path) -> str | None:
    """The step after which a folder's compile was told to stop; None where nothing says so."""
    try:
        body = json.loads((folder / FILE).read_text())
    except (OSError, ValueError):
        return None
    ours = isinstance(body, dict) and body.get("schema") == SCHEMA
    return str(body.get("step")) if ours else None


def require_finished(
    folder: Path,
    command: str,
    takes: str = "the folder of a finished compile",
    way_out: str = "compile without --stop-after",
) -> None:
    """Raises HwgenError for a folder whose compile stopped early, which no command can use."""
    step = last_step(folder)
    if step not in (None, LAST):
        raise HwgenError(
            str(folder), f"the folder of a compile that stopped after {step}",
            f"`hwgen {command}` takes {takes}", way_out,
        )  # fmt: skip


def require_rtl(folder: Path, command: str) -> None:
    """Raises HwgenError for a folder that is not finished or of `--backend hls`, which has no
    Verilog."""
    require_finished(folder, command)
    if (folder / "hls").is_dir() and not (folder / "rtl").is_dir():
        raise HwgenError(
            str(folder), "holds HLS C++ only", f"`hwgen {command}` takes the Verilog",
            "compile with --backend both; the C++ runs with make -C DIR/hls csim",
        )  # fmt: skip
