"""What nextpnr's log says at its end, the same for every architecture."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hwgen.errors import ToolError

_FMAX = re.compile(
    r"^(?:Info|Warning|ERROR): Max frequency for clock\s+'(.*)': ([\d.]+) MHz "
    r"\((?:PASS|FAIL) at ([\d.]+) MHz\)",
    re.M,
)
_USED = re.compile(r"^Info:\s+(\w+):\s*(\d+)/\s*(\d+)\s+\d+%", re.M)


@dataclass(frozen=True)
class Summary:
    """Fmax of the slowest clock after routing, the one asked for, sites (used, available)."""

    fmax_mhz: float
    goal_mhz: float
    used: dict[str, tuple[int, int]]


def read_log(text: str) -> Summary:
    """The summary of a run that ended well. Raises: ToolError where a log has no clock."""
    routed = {m[1]: (float(m[2]), float(m[3])) for m in _FMAX.finditer(text)}  # the last counts
    used = {m[1]: (int(m[2]), int(m[3])) for m in _USED.finditer(text)}
    if not routed or not used:
        raise ToolError(
            "nextpnr", "no clock in its log" if used else "no utilisation in its log",
            "the log must be of place and route", "use the version that docs/place.md names",
        )  # fmt: skip
    fmax, goal = min(routed.values())
    return Summary(fmax, goal, {k: v for k, v in used.items() if v[0]})
