"""What all text reports of Vivado have in common: a header of `| key : value`, titled sections."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from hwgen.errors import HwgenError

_FIELD = re.compile(r"^\|\s*([A-Z][A-Za-z ]*?)\s*:\s*(.*?)\s*$")
_HEADER_LINES = 40  # no header is longer
_DIE = re.compile(r"(?:xc)?(7[a-z]\d+|zu\d+[a-z]{2}|[a-z]+\d+)")
COMMANDS = {  # Vivado's command -> the option of hwgen that takes its report
    "report_timing_summary": "--vivado",
    "report_utilization": "--utilization",
}


@dataclass(frozen=True)
class Header:
    """The head of a report; None where the report does not say (`-no_header`).

    device: as written, with or without `xc` and speed grade. state: for example Routed.
    """

    path: str
    command: str | None
    tool: str | None
    date: str | None
    design: str | None
    device: str | None
    speed: str | None
    state: str | None

    def require_part(self, part: str) -> None:
        """Raises HwgenError if the report is of another die than `part`, or does not say."""
        if self.device is None or die(self.device) != die(part):
            raise HwgenError(
                self.path, f"device {self.device or 'not stated'}",
                f"must be the report of {part}", "give the report of this target's build",
            )  # fmt: skip


def die(part: str) -> str:
    """`7z020` of xc7z020clg400-1 and of 7z020-clg400; `zu3eg`, `k26`."""
    found = _DIE.match(part.lower())
    return found[1] if found else part.lower()


def read_report(path: Path | str, command: str) -> tuple[Header, list[str]]:
    """(header, lines) of a report that Vivado's `command` wrote.

    Raises: HwgenError for a file that is missing, no text, or the report of another command.
    """
    what = f"must be the text that Vivado's {command} wrote"
    way = f"give the file of {command} -file"
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise HwgenError(str(path), error.strerror or error, what, way) from error
    if b"\0" in data:
        raise HwgenError(str(path), "is no text", what, f"{way}, not .rpx, .pb or .dcp")
    lines = data.decode("utf-8", errors="replace").splitlines()
    fields: dict[str, str] = {}
    for line in lines[:_HEADER_LINES]:
        if found := _FIELD.match(line):
            fields.setdefault(found[1], found[2])
    written = fields.get("Command")
    if written is not None and written.split()[:1] != [command]:
        name = (written.split() or ["nothing"])[0]
        option = COMMANDS.get(name)
        raise HwgenError(
            str(path), f"written by {name}", what, f"give it to {option}" if option else way
        )
    speed = fields.get("Speed File")
    header = Header(
        path=str(path),
        command=written,
        tool=fields.get("Tool Version"),
        date=fields.get("Date"),
        design=fields.get("Design"),
        device=fields.get("Device"),
        speed=speed.split()[0] if speed else None,
        state=fields.get("Design State"),
    )
    return header, lines


def truncated(path: str, missing: str, command: str) -> HwgenError:
    """The error of a report that ends, or is cut, before `missing`."""
    return HwgenError(
        path, f"no {missing}", f"must be the whole report of Vivado's {command}",
        f"write it again with {command} -file",
    )  # fmt: skip
