"""What a user can do wrong, as exceptions; the command line prints one line and exits with 2.

The line has four parts: the place (module path, file, option), the value found there, the rule
it breaks, the way out::

    blocks.3.q: lanes=48; must divide K=64; use 1, 2, 4, 8, 16, 32 or 64

`assert` and other exceptions are for our own bugs and keep their traceback.
"""

from __future__ import annotations

EXIT_CODE = 2


class HwgenError(Exception):
    """A user's fault. `HwgenError(place, value, rule, way_out)`, or one finished line."""

    exit_code = EXIT_CODE

    def __init__(self, place: str, value: object = "", rule: str = "", way_out: str = "") -> None:
        parts = [str(p).strip() for p in (value, rule, way_out) if str(p).strip()]
        line = f"{place}: {'; '.join(parts)}" if parts else str(place)
        self.line = " ".join(line.split())
        super().__init__(self.line)

    def __reduce__(self) -> tuple:
        return (type(self), (self.line,))


class CheckpointError(HwgenError):
    """The model file is missing, is no checkpoint, or does not hold what its architecture needs."""


class UnsupportedOpError(HwgenError):
    """A module or function of the network has no op in hwgen."""


class FitError(HwgenError):
    """The network does not fit the target: which resource, by how much, what would help."""


class ToolError(HwgenError):
    """An external tool is missing, too old, or refused our input."""


class SimulationError(HwgenError):
    """A simulation stopped before its end (a stall, a bus error, a wrong file)."""
