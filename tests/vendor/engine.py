"""Stand-in for Vivado without a project: reads files, takes the steps of an out-of-context build in
their order, and evaluates the constraints as the XDC reader does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.vendor import tcl
from tests.vendor.commands import COMMON, ENGINE, VIVADO, parse
from tests.vendor.tcl import TclError

ORDER = ("synth_design", "opt_design", "place_design", "phys_opt_design", "route_design")
REPORTS = ("report_timing_summary", "report_utilization")


@dataclass
class Engine:
    """One run. clocks: port -> period in ns; reports: command -> file."""

    files: list[Path] = field(default_factory=list)
    constraints: list[Path] = field(default_factory=list)
    clocks: dict[str, float] = field(default_factory=dict)
    top: str = ""
    part: str = ""
    done: list[str] = field(default_factory=list)
    reports: dict[str, Path] = field(default_factory=dict)
    commands = (*ENGINE, *REPORTS)

    def __call__(self, name: str, args: Sequence[str]) -> str:
        table = ENGINE if name in ENGINE else VIVADO
        options, rest = parse(table, name, args, COMMON)
        if name in ORDER:
            return self._step(name, options)
        if name in REPORTS:
            return self._report(name, options)
        return getattr(self, f"_{name}")(options, rest) or ""

    def _read_verilog(self, _: dict[str, str], rest: list[str]) -> None:
        self.files += self._existing(rest)

    def _read_xdc(self, options: dict[str, str], rest: list[str]) -> None:
        if options.get("-mode") != "out_of_context":
            raise TclError("read_xdc: the clock is for out_of_context only")
        self.constraints += self._existing(rest)

    def _create_clock(self, options: dict[str, str], rest: list[str]) -> None:
        if not {"-name", "-period"} <= options.keys() or len(rest) != 1:
            raise TclError("create_clock: needs a name, a period and a port")
        self.clocks[rest[0]] = float(options["-period"])

    def _get_ports(self, _: dict[str, str], rest: list[str]) -> str:
        (port,) = rest
        tops = [f for f in self.files if f.stem == self.top]
        if not any(f" {port}," in f.read_text() for f in tops):
            raise TclError(f"get_ports: no port {port}")
        return port

    def _step(self, name: str, options: dict[str, str]) -> str:
        if name in self.done or self.done != list(ORDER[: ORDER.index(name)]):
            raise TclError(f"{name}: after {self.done}")
        if name == "synth_design":
            if options.get("-mode") != "out_of_context":
                raise TclError("synth_design: more ports than pins")
            self.top, self.part = options["-top"], options["-part"]
            for path in self.constraints:
                tcl.run(path, ("create_clock", "get_ports"), self, {})
        self.done.append(name)
        return ""

    def _report(self, name: str, options: dict[str, str]) -> str:
        if not self.done:
            raise TclError(f"{name}: no design")
        path = Path(options["-file"])
        if not path.parent.is_dir():
            raise TclError(f"{name}: {path.parent}: no such folder")
        self.reports[name] = path
        return ""

    @staticmethod
    def _existing(names: list[str]) -> list[Path]:
        missing = next((n for n in names if not Path(n).is_file()), None)
        if missing:
            raise TclError(f"{missing}: no such file")
        return [Path(n) for n in names]
