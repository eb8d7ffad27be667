"""The design that is placed: any module behind four pins (templates/place/serial_wrapper.v.j2)."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hwgen.emit.rtl import render
from hwgen.tools.arguments import ToolPaths
from hwgen.tools.yosys import run_yosys

TOP = "serial_wrapper"
CLOCK = "clk"  # pin of the wrapper
PINS = (CLOCK, "serial_in", "load", "serial_out")


@dataclass(frozen=True)
class Port:
    """A port of the wrapped module."""

    name: str
    bits: int
    is_input: bool


def read_ports(
    files: Sequence[Path], module: str, parameters: Mapping[str, int] | None = None
) -> list[Port]:
    """The ports of a Verilog module in their order, widths resolved for its `parameters`.

    `files` are all that its widths depend on; modules inside may be missing.
    """
    chparam = " ".join(f"-chparam {k} {v}" for k, v in sorted((parameters or {}).items()))
    with tempfile.TemporaryDirectory(prefix="hwgen_ports_") as tmp, ToolPaths() as plain:
        out = Path(tmp) / "ports.json"
        script = [f'read_verilog "{plain(f)}"' for f in files]
        script += [f"hierarchy -top {module} {chparam}", "proc"]  # write_json takes no processes
        script.append(f'write_json "{plain(out.parent)}/{out.name}"')
        run_yosys(script)
        modules = json.loads(out.read_text())["modules"]
    (body,) = (m for m in modules.values() if int(m["attributes"].get("top", "0"), 2))
    found = []
    for name, port in body["ports"].items():
        assert port["direction"] in ("input", "output"), f"{module}.{name}: {port['direction']}"
        found.append(Port(name, len(port["bits"]), port["direction"] == "input"))
    return found


def wrapper_text(
    module: str, clock: str, ports: Sequence[Port], parameters: Mapping[str, int] | None = None
) -> str:
    """Verilog of the wrapper around `module`, whose clock is the port `clock`."""
    used = {True: 0, False: 0}
    pins = []
    for port in ports:
        if port.name == clock:
            continue
        low = used[port.is_input]
        used[port.is_input] += port.bits
        bits = f"{low + port.bits - 1}:{low}" if port.bits > 1 else str(low)
        bus = "inputs_q" if port.is_input else "outputs"
        pins.append({"name": port.name, "bus": bus, "bits": bits})
    assert min(used.values()) > 1, f"{module}: shift registers need two inputs and outputs"
    return render(
        "place/serial_wrapper.v.j2",
        top=TOP,
        design=module,
        clock=clock,
        parameters=dict(parameters or {}),
        pins=pins,
        in_bits=used[True],
        out_bits=used[False],
    )
