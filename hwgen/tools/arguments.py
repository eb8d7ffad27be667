"""Arguments, paths and first errors of command-line tools."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from hwgen.errors import ToolError
from hwgen.tools.plain import PlainPaths


def first_error(text: str, *markers: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for marker in markers:
        for line in lines:
            if marker in line:
                return line
    return lines[-1] if lines else "no output"


def parameter_args(parameters: Mapping[str, str | int] | None) -> list[str]:
    args = []
    for name, value in sorted((parameters or {}).items()):
        args.append(f'-G{name}="{value}"' if isinstance(value, str) else f"-G{name}={int(value)}")
    return args


def define_args(defines: Mapping[str, object] | Iterable[str] | None) -> list[str]:
    if defines is None:
        return []
    if isinstance(defines, Mapping):
        return [f"-D{k}" if v in (None, True) else f"-D{k}={v}" for k, v in sorted(defines.items())]
    return [f"-D{name}" for name in sorted(defines)]


class ToolPaths(PlainPaths):
    """Paths for the tools; ToolError where no temporary folder serves."""

    def _new(self, suffix: str) -> Path:
        try:
            return super()._new(suffix)
        except OSError as error:
            raise ToolError(str(error)) from error
