"""Command lines of nextpnr for a target, and what they need besides the netlist."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from hwgen.emit.serial_wrapper import CLOCK, PINS
from hwgen.errors import HwgenError
from hwgen.place.netlist import FILE as NETLIST
from hwgen.targets import Target
from hwgen.tools import nextpnr

SDF, LOG, XDC = "delays.sdf", "nextpnr.log", "serial_wrapper.xdc"
_ECP5 = re.compile(r"LFE5(UM5G|UM|U)-(12|25|45|85)F-([678])([A-Z]{2})(\d+)[A-Z]$")
_DEVICE = {"U": "", "UM": "um-", "UM5G": "um5g-"}
_PACKAGE = {"BG": "CABGA", "MG": "CSFBGA", "TG": "TQFP"}

# Pins of the clg400 package for nextpnr-xilinx: a clock input and three of the same side. Which
# they are does not matter to paths between registers.
XILINX_PINS = dict(zip(PINS, ("H16", "D19", "D20", "M14"), strict=True))


@dataclass(frozen=True)
class Tool:
    """A place and route tool: its name and version, its command up to the files of a design."""

    name: str
    version: str
    command: tuple[str, ...]
    constraints: str = ""  # an XDC file's text

    def arguments(self, goal_mhz: float, seed: int) -> list[str]:
        """The whole command line, run in the folder of the netlist."""
        return [
            *self.command, "--json", NETLIST, "--freq", f"{goal_mhz:g}", "--seed", str(seed),
            "--timing-allow-fail", "--sdf", SDF,
        ]  # fmt: skip


def tool(target: Target, goal_mhz: float, chipdb: Path | None = None) -> Tool:
    """The tool for a target. Raises: HwgenError where none exists, ToolError if it is missing."""
    if target.family == "ecp5":
        command = nextpnr.ecp5_command()
        return Tool(
            "nextpnr", nextpnr.version(command),
            # with the defaults, heap and router1, the wires of a whole engine are a third longer
            (*command, *ecp5_device(target.part), "--lpf-allow-unconstrained",
             "--placer", "static", "--router", "router2", "--report", "nextpnr.json"),
        )  # fmt: skip
    if target.family == "xc7":
        command = nextpnr.xilinx_command()
        database = nextpnr.chip_database(chipdb)
        return Tool(
            "nextpnr-xilinx", nextpnr.version(command),
            (*command, "--chipdb", str(database), "--xdc", XDC, "--fasm", "design.fasm"),
            xdc_text(goal_mhz),
        )  # fmt: skip
    raise HwgenError(
        "hwgen place", f"{target.name} ({target.family})",
        "no open tool places and routes this family",
        "use a target of ecp5, or of xc7 with nextpnr-xilinx; Vivado: vendor/build_vivado.tcl",
    )  # fmt: skip


def ecp5_device(part: str) -> list[str]:
    """nextpnr-ecp5's options of a part: `LFE5UM5G-85F-8BG381C`."""
    found = _ECP5.match(part)
    assert found is not None, f"{part}: no ECP5 part"
    series, size, speed, package, balls = found.groups()
    return [
        f"--{_DEVICE[series]}{size}k", "--speed", speed,
        "--package", f"{_PACKAGE[package]}{balls}",
    ]  # fmt: skip


def xdc_text(goal_mhz: float) -> str:
    """Pins and clock of the wrapper, in the commands that nextpnr-xilinx reads."""
    lines = [f"create_clock -name {CLOCK} -period {1000 / goal_mhz:.3f} [get_ports {CLOCK}]"]
    for port, pin in XILINX_PINS.items():
        lines.append(f"set_property LOC {pin} [get_ports {port}]")
        lines.append(f"set_property IOSTANDARD LVCMOS33 [get_ports {port}]")
    return "\n".join(lines) + "\n"
