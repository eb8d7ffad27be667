"""Stand-in for Vitis HLS: the order of a project's commands, its files, what it exports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.vendor.commands import HLS, parse
from tests.vendor.tcl import TclError

VALUES = {
    ("open_solution", "-flow_target"): ("vivado", "vitis"),
    ("export_design", "-format"): ("ip_catalog", "xo", "syn_dcp", "sysgen"),
    ("export_design", "-rtl"): ("verilog", "vhdl"),
    ("export_design", "-flow"): ("syn", "impl"),
    ("config_interface", "-m_axi_addr64"): ("true", "false"),
}
SOURCES = (".c", ".cc", ".cpp", ".h", ".hpp")


@dataclass
class VitisHls:
    """One run of a script. `vlnv`: name of the exported IP, in `repository` below the project."""

    project: str = ""
    solution: str = ""
    top: str = ""
    part: str = ""
    period_ns: float = 0.0
    files: list[Path] = field(default_factory=list)
    testbench: list[Path] = field(default_factory=list)
    done: list[str] = field(default_factory=list)  # csim, csynth, export
    argv: str = ""
    vlnv: str = ""
    commands = tuple(HLS)

    def __call__(self, name: str, args: Sequence[str]) -> str:
        options, rest = parse(HLS, name, args)
        for key, value in options.items():
            valid = VALUES.get((name, key))
            if valid and value not in valid:
                raise TclError(f"{name}: {key} {value} is not one of {', '.join(valid)}")
        if name != "open_project" and not self.project:
            raise TclError(f"{name}: no project is open")
        getattr(self, f"_{name}")(options, rest)
        return ""

    def _open_project(self, _: dict[str, str], rest: list[str]) -> None:
        (self.project,) = rest

    def _close_project(self, _: dict[str, str], __: list[str]) -> None:
        self.project = ""

    def _set_top(self, _: dict[str, str], rest: list[str]) -> None:
        (self.top,) = rest

    def _add_files(self, options: dict[str, str], rest: list[str]) -> None:
        for name in rest:
            path = Path(name)
            if not path.is_file():
                raise TclError(f"add_files: {name}: no such file")
            if "-tb" not in options and path.suffix not in SOURCES:
                raise TclError(f"add_files: {name} is no source")
            (self.testbench if "-tb" in options else self.files).append(path)

    def _open_solution(self, _: dict[str, str], rest: list[str]) -> None:
        (self.solution,) = rest

    def _set_part(self, _: dict[str, str], rest: list[str]) -> None:
        self._needs(self.solution, "set_part", "a solution")
        (self.part,) = rest

    def _create_clock(self, options: dict[str, str], _: list[str]) -> None:
        self._needs(self.part, "create_clock", "a part")
        self.period_ns = float(options["-period"].removesuffix("ns"))

    def _config_interface(self, _: dict[str, str], __: list[str]) -> None:
        self._needs(self.solution, "config_interface", "a solution")

    def _csim_design(self, options: dict[str, str], _: list[str]) -> None:
        self._needs(any(p.suffix == ".cpp" for p in self.testbench), "csim_design", "a test bench")
        self.argv = options.get("-argv", "")
        self.done.append("csim")

    def _csynth_design(self, _: dict[str, str], __: list[str]) -> None:
        self._needs(
            self.top and self.files and self.period_ns, "csynth_design", "top, files, clock"
        )
        self.done.append("csynth")

    def _export_design(self, options: dict[str, str], _: list[str]) -> None:
        self._needs("csynth" in self.done, "export_design", "csynth_design")
        self.vlnv = ":".join(options[f"-{k}"] for k in ("vendor", "library", "ipname", "version"))
        self.repository = f"{self.project}/{self.solution}/impl/ip"
        self.done.append("export")

    @staticmethod
    def _needs(what: object, name: str, needed: str) -> None:
        if not what:
            raise TclError(f"{name}: needs {needed} first")
