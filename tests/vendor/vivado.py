"""Stand-in for Vivado: projects, block designs with pins that exist, nets, addresses, runs.

A pin, interface, property or address segment that the part's cells do not have is refused;
`validate_bd_design` refuses a pin or interface that is not connected, a clock that is not the
processing system's, a reset that is not the reset block's, a register port without its address.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from tests.vendor.commands import COMMON, VIVADO, parse
from tests.vendor.tcl import TclError

VERSIONS = {  # IP of the catalogue -> a version
    "xilinx.com:ip:processing_system7": "5.5",
    "xilinx.com:ip:zynq_ultra_ps_e": "3.5",
    "xilinx.com:ip:proc_sys_reset": "5.0",
    "xilinx.com:ip:smartconnect": "1.0",
}
RULES = {"processing_system7": ("make_external", "Master", "Slave", "apply_board_preset"),
         "zynq_ultra_ps_e": ("apply_board_preset",)}  # fmt: skip
DESIGN_ENDS = ("synth_1", "impl_1")
STEPS = ("opt_design", "place_design", "route_design", "write_bitstream")

# property -> (value without it, pins and interfaces that it shows). i in, o out, m master, s slave
ZYNQ7 = {
    "PCW_USE_M_AXI_GP0": ("1", "i:M_AXI_GP0_ACLK m:M_AXI_GP0"),
    "PCW_USE_FABRIC_INTERRUPT": ("0", ""),
    "PCW_IRQ_F2P_INTR": ("0", "i:IRQ_F2P"),
    "PCW_FPGA0_PERIPHERAL_FREQMHZ": ("50", "o:FCLK_CLK0 o:FCLK_RESET0_N"),
} | {
    f"PCW_USE_S_AXI_HP{k}": ("0", f"i:S_AXI_HP{k}_ACLK s:S_AXI_HP{k}") for k in range(4)
}  # fmt: skip
ZYNQ_ULTRA = {
    "PSU__USE__M_AXI_GP0": ("1", "i:maxihpm0_fpd_aclk m:M_AXI_HPM0_FPD"),
    "PSU__USE__M_AXI_GP1": ("1", "i:maxihpm1_fpd_aclk m:M_AXI_HPM1_FPD"),
    "PSU__USE__M_AXI_GP2": ("0", "i:maxihpm0_lpd_aclk m:M_AXI_HPM0_LPD"),
    "PSU__USE__IRQ0": ("0", "i:pl_ps_irq0"),
    "PSU__FPGA_PL0_ENABLE": ("0", "o:pl_clk0 o:pl_resetn0"),
    "PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ": ("100", ""),
} | {
    f"PSU__USE__S_AXI_GP{k + 2}": ("0", f"i:saxihp{k}_fpd_aclk s:S_AXI_HP{k}_FPD")
    for k in range(4)
}  # fmt: skip
SEGMENTS = {  # of a memory interface -> its segments below 4 GB
    **{f"S_AXI_HP{k}": f"S_AXI_HP{k}/HP{k}_DDR_LOWOCM" for k in range(4)},
    **{f"S_AXI_HP{k}_FPD": f"SAXIGP{k + 2}/HP{k}_DDR_LOW" for k in range(4)},
}
PARTS = {"xc7z": "processing_system7", "xczu": "zynq_ultra_ps_e", "xck": "zynq_ultra_ps_e"}
CLOCKS = ("FCLK_CLK0", "pl_clk0")
RESETS = ("FCLK_RESET0_N", "pl_resetn0")


@dataclass
class Cell:
    """kind: name of the IP, or "module"; ports: name -> i, o, m or s."""

    kind: str
    fixed: dict[str, str]
    properties: dict[str, str] = field(default_factory=dict)

    def ports(self) -> dict[str, str]:
        shown = dict(self.fixed)
        if self.kind == "smartconnect":
            shown |= {f"S{k:02d}_AXI": "s" for k in range(int(self.properties["NUM_SI"]))}
            shown |= {f"M{k:02d}_AXI": "m" for k in range(int(self.properties["NUM_MI"]))}
        for key, (_, names) in (PS_TABLES.get(self.kind) or {}).items():
            if self.properties[key] != "0":
                shown |= {n[2:]: n[0] for n in names.split()}
        return shown


PS_TABLES = {"processing_system7": ZYNQ7, "zynq_ultra_ps_e": ZYNQ_ULTRA}


@dataclass
class Vivado:
    """One run of a script. `hls_ip`: {vlnv: ports} of the IP in `repository`, if there is one."""

    repository: Path | None = None
    hls_ip: dict[str, dict[str, str]] = field(default_factory=dict)
    project: tuple[str, str] = ("", "")  # name, folder
    part: str = ""
    properties: dict[str, str] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    cells: dict[str, Cell] = field(default_factory=dict)
    nets: list[set[str]] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)  # interface -> interface, both ways
    addresses: dict[str, tuple[str, str]] = field(default_factory=dict)  # segment: offset, range
    done: list[str] = field(default_factory=list)
    opened: str = ""
    reports: list[str] = field(default_factory=list)
    commands = tuple(VIVADO)

    def __call__(self, name: str, args: Sequence[str]) -> str:
        options, rest = parse(VIVADO, name, args, COMMON)
        if name != "create_project" and not self.part:
            raise TclError(f"{name}: no project is open")
        return getattr(self, f"_{name}")(options, rest) or ""

    # Project and files

    def _create_project(self, options: dict[str, str], rest: list[str]) -> None:
        self.project, self.part = (rest[0], rest[1]), options["-part"]

    def _close_project(self, _: dict[str, str], __: list[str]) -> None:
        self.part = ""

    def _current_project(self, *_: object) -> str:
        return "project"

    def _current_fileset(self, *_: object) -> str:
        return "fileset"

    def _add_files(self, _: dict[str, str], rest: list[str]) -> None:
        for name in rest:
            if not Path(name).is_file():
                raise TclError(f"add_files: {name}: no such file")
            self.files.append(Path(name))

    def _update_compile_order(self, options: dict[str, str], _: list[str]) -> None:
        self._one_of("-fileset", options.get("-fileset", "sources_1"), ("sources_1", "sim_1"))

    def _update_ip_catalog(self, *_: object) -> None:
        self.done.append("catalog")

    def _get_files(self, _: dict[str, str], rest: list[str]) -> str:
        (name,) = rest
        if name != f"{self.properties.get('design', '')}.bd":
            raise TclError(f"get_files: no file {name}")
        return name

    def _get_ipdefs(self, _: dict[str, str], rest: list[str]) -> str:
        (pattern,) = rest
        found = [f"{k}:{v}" for k, v in VERSIONS.items() if fnmatchcase(f"{k}:{v}", pattern)]
        if not found:
            raise TclError(f"get_ipdefs: no IP matches {pattern}")
        return " ".join(found)

    # Properties

    def _get_property(self, _: dict[str, str], rest: list[str]) -> str:
        name, of = rest
        if name == "VLNV":
            return of
        if of in DESIGN_ENDS and name in ("PROGRESS", "STATUS", "STATS.WNS"):
            ended = of in self.done
            return {"PROGRESS": "100%" if ended else "0%", "STATUS": "?", "STATS.WNS": "0.1"}[name]
        raise TclError(f"get_property: {of} has no property {name}")

    def _set_property(self, options: dict[str, str], rest: list[str]) -> None:
        if "-dict" in options:
            words = [w.strip("{}") for w in options["-dict"].split()]
            pairs, of = list(zip(words[::2], words[1::2], strict=True)), rest[0]
        else:
            pairs, of = [(rest[0], rest[1])], rest[2]
        for key, value in pairs:
            self._set(key, value, of)

    def _set(self, key: str, value: str, of: str) -> None:
        cell = self.cells.get(of)
        if cell is not None and key.startswith("CONFIG."):
            name = key.removeprefix("CONFIG.")
            if name not in cell.properties:
                raise TclError(f"set_property: {of} has no property {key}")
            cell.properties[name] = value
        elif key == "CONFIG.ASSOCIATED_BUSIF":
            owner, port = self._split(of)
            if port != "aclk" or owner.kind != "module":
                raise TclError(f"set_property: {of} takes no {key}")
            faces = {n for n, kind in owner.ports().items() if kind in "ms"}
            if set(value.split(":")) != faces:
                raise TclError(f"set_property: {key} is {value}, the interfaces are {faces}")
            self.properties[key] = value
        elif of == "project" and key in ("board_part", "ip_repo_paths"):
            self.properties[key] = value
        elif of == "fileset" and key == "top":
            if value != self.properties.get("wrapper"):
                raise TclError(f"set_property: no module {value}")
            self.properties[key] = value
        else:
            raise TclError(f"set_property: {of} has no property {key}")

    # Block design

    def _create_bd_design(self, _: dict[str, str], rest: list[str]) -> None:
        (self.properties["design"],) = rest

    def _create_bd_cell(self, options: dict[str, str], rest: list[str]) -> str:
        (name,) = rest
        if "design" not in self.properties or name in self.cells:
            raise TclError(f"create_bd_cell: {name}: no design, or a cell of that name")
        self._one_of("-type", options["-type"], ("ip", "module", "hier"))
        if options["-type"] == "module":
            self.cells[name] = Cell("module", self._module_ports(options["-reference"]))
            return name
        vlnv = options["-vlnv"]
        base, _, version = vlnv.rpartition(":")
        if VERSIONS.get(base) == version:
            kind = base.split(":")[-1]
            self.cells[name] = self._catalogue(kind)
        elif vlnv in self.hls_ip:
            paths = self.properties.get("ip_repo_paths", "")
            if Path(paths) != self.repository or "catalog" not in self.done:
                raise TclError(f"create_bd_cell: {vlnv} is not in the catalogue ({paths})")
            self.cells[name] = Cell("ip", self.hls_ip[vlnv])
        else:
            raise TclError(f"create_bd_cell: no IP {vlnv}")
        return name

    def _catalogue(self, kind: str) -> Cell:
        if kind in PS_TABLES:
            if not self.part.startswith(tuple(p for p, k in PARTS.items() if k == kind)):
                raise TclError(f"create_bd_cell: {self.part} has no {kind}")
            return Cell(kind, {}, {k: value for k, (value, _) in PS_TABLES[kind].items()})
        if kind == "smartconnect":
            return Cell(kind, {"aclk": "i", "aresetn": "i"}, {"NUM_SI": "2", "NUM_MI": "1"})
        ports = {"slowest_sync_clk": "i", "ext_reset_in": "i", "peripheral_aresetn": "o"}
        return Cell(kind, ports)

    def _module_ports(self, module: str) -> dict[str, str]:
        """Pins and AXI interfaces that Vivado finds in the Verilog module by their names."""
        for file in self.files:
            text = file.read_text()
            if not re.search(rf"^module {module}\b", text, re.M):
                continue
            found = re.findall(r"^ *(input|output) +wire +(?:\[[^]]*\] *)?(\w+)", text, re.M)
            faces = {n.removesuffix("_awvalid"): d for d, n in found if n.endswith("_awvalid")}
            ports = {n: "ms"[d == "input"] for n, d in faces.items()}
            pins = [(n, d) for d, n in found if not n.startswith(tuple(f"{f}_" for f in faces))]
            return ports | {n: d[0] for n, d in pins}
        raise TclError(f"create_bd_cell: no module {module} in the project")

    def _apply_bd_automation(self, options: dict[str, str], rest: list[str]) -> None:
        (name,) = rest
        kind = self.cells[name].kind
        if options["-rule"] != f"xilinx.com:bd_rule:{kind}":
            raise TclError(f"apply_bd_automation: {options['-rule']} is no rule for {kind}")
        keys = re.sub(r"\{[^}]*\}", "x", options["-config"]).split()[::2]
        for key in keys:
            self._one_of("-config", key, RULES[kind])

    def _get_bd_cells(self, _: dict[str, str], rest: list[str]) -> str:
        (name,) = rest
        if name not in self.cells:
            raise TclError(f"get_bd_cells: no cell {name}")
        return name

    def _get_bd_pins(self, _: dict[str, str], rest: list[str]) -> str:
        return self._port("get_bd_pins", rest, "io")

    def _get_bd_intf_pins(self, _: dict[str, str], rest: list[str]) -> str:
        return self._port("get_bd_intf_pins", rest, "ms")

    def _port(self, command: str, rest: list[str], kinds: str) -> str:
        (path,) = rest
        cell, port = self._split(path)
        if cell.ports().get(port, " ") not in kinds:
            raise TclError(f"{command}: no pin {path}")
        return path

    def _split(self, path: str) -> tuple[Cell, str]:
        name, _, port = path.partition("/")
        if name not in self.cells:
            raise TclError(f"no cell {name}")
        return self.cells[name], port

    def _kind(self, path: str) -> str:
        cell, port = self._split(path)
        return cell.ports()[port]

    def _connect_bd_net(self, _: dict[str, str], rest: list[str]) -> None:
        net = set(rest)
        for other in [n for n in self.nets if n & net]:
            self.nets.remove(other)
            net |= other
        drivers = [p for p in net if self._kind(p) == "o"]
        if len(net) < 2 or len(drivers) != 1:
            raise TclError(f"connect_bd_net: {sorted(net)} has drivers {drivers}")
        self.nets.append(net)

    def _connect_bd_intf_net(self, _: dict[str, str], rest: list[str]) -> None:
        one, other = rest
        if {self._kind(one), self._kind(other)} != {"m", "s"} or {one, other} & set(self.links):
            raise TclError(f"connect_bd_intf_net: {one} and {other}")
        self.links |= {one: other, other: one}

    # Addresses

    def _get_bd_addr_segs(self, _: dict[str, str], rest: list[str]) -> str:
        (pattern,) = rest
        found = [s for s in self._segments() if fnmatchcase(s, pattern)]
        if not found:
            raise TclError(f"get_bd_addr_segs: no segment {pattern}")
        return " ".join(found)

    def _segments(self) -> list[str]:
        out = []
        for name, cell in self.cells.items():
            for port, kind in cell.ports().items():
                if kind == "s" and cell.kind in PS_TABLES:
                    out.append(f"{name}/{SEGMENTS[port]}")
                elif kind == "s" and cell.kind != "smartconnect":
                    out.append(f"{name}/{port}/{'reg0' if cell.kind == 'module' else 'Reg'}")
        return out

    def _assign_bd_address(self, options: dict[str, str], rest: list[str]) -> None:
        named = (
            rest[0].split() if rest else [s for s in self._segments() if s not in self.addresses]
        )
        for segment in named:
            if not any(self._segment_of(path) == segment for path in self.links):
                raise TclError(f"assign_bd_address: {segment} is not connected")
            self.addresses[segment] = (options.get("-offset", ""), options.get("-range", ""))

    def _segment_of(self, path: str) -> str:
        cell, port = self._split(path)
        name = path.partition("/")[0]
        if cell.kind in PS_TABLES:
            return f"{name}/{SEGMENTS.get(port, '')}"
        return f"{name}/{port}/{'reg0' if cell.kind == 'module' else 'Reg'}"

    def _validate_bd_design(self, *_: object) -> None:
        joined = set().union(*self.nets)
        for name, cell in self.cells.items():
            for port, kind in cell.ports().items():
                path = f"{name}/{port}"
                if path not in (joined if kind == "i" else self.links) and kind != "o":
                    raise TclError(f"validate_bd_design: {path} is not connected")
                if kind == "i":
                    self._check_driver(path)
        for segment in self._segments():
            if segment not in self.addresses:
                raise TclError(f"validate_bd_design: {segment} has no address")
        if any(c.kind == "module" for c in self.cells.values()):
            self._one_of("clock", "CONFIG.ASSOCIATED_BUSIF", tuple(self.properties))
        self.done.append("validated")

    def _check_driver(self, path: str) -> None:
        net = next(n for n in self.nets if path in n)
        driver = next(p for p in net if self._kind(p) == "o")
        port = path.partition("/")[2].lower()
        if port.endswith("clk"):
            good = driver.startswith("ps/") and driver[3:] in CLOCKS
        elif port == "ext_reset_in":
            good = driver.startswith("ps/") and driver[3:] in RESETS
        elif "rst" in port or "reset" in port:
            good = driver == "rst/peripheral_aresetn"
        else:
            good = driver in ("engine/irq", "engine/interrupt")
        if not good:
            raise TclError(f"validate_bd_design: {path} is driven by {driver}")

    def _save_bd_design(self, *_: object) -> None:
        self.done.append("saved")

    # Runs

    def _generate_target(self, _: dict[str, str], rest: list[str]) -> None:
        self._one_of("generate_target", rest[0], ("all", "synthesis", "simulation"))
        self._after("generate_target", "validated")

    def _make_wrapper(self, options: dict[str, str], _: list[str]) -> None:
        self._after("make_wrapper", "saved")
        if {"-files", "-top", "-import"} - set(options):
            raise TclError("make_wrapper: needs -files, -top and -import")
        self.properties["wrapper"] = f"{self.properties['design']}_wrapper"

    def _get_runs(self, _: dict[str, str], rest: list[str]) -> str:
        self._one_of("get_runs", rest[0], DESIGN_ENDS)
        return rest[0]

    def _launch_runs(self, options: dict[str, str], rest: list[str]) -> None:
        if self.properties.get("top") != self.properties.get("wrapper", ""):
            raise TclError("launch_runs: the wrapper is not the top")
        self._one_of("launch_runs", rest[0], DESIGN_ENDS)
        self._one_of("-to_step", options.get("-to_step", STEPS[-1]), STEPS)
        if not options.get("-jobs", "1").isdigit():
            raise TclError("launch_runs: -jobs is no number")
        self.done.append(f"launched {rest[0]} {options.get('-to_step', '')}".strip())

    def _wait_on_run(self, _: dict[str, str], rest: list[str]) -> None:
        if not any(d.startswith(f"launched {rest[0]}") for d in self.done):
            raise TclError(f"wait_on_run: {rest[0]} was not launched")
        self.done += list(DESIGN_ENDS[: DESIGN_ENDS.index(rest[0]) + 1])

    def _open_run(self, _: dict[str, str], rest: list[str]) -> None:
        self._after("open_run", rest[0])
        self.opened = rest[0]

    def _close_design(self, *_: object) -> None:
        self.opened = ""

    def _report_utilization(self, options: dict[str, str], _: list[str]) -> None:
        self._report("report_utilization", options)

    def _report_timing_summary(self, options: dict[str, str], _: list[str]) -> None:
        self._report("report_timing_summary", options)

    def _report_power(self, options: dict[str, str], _: list[str]) -> None:
        self._report("report_power", options)

    def _report(self, command: str, options: dict[str, str]) -> None:
        if not self.opened:
            raise TclError(f"{command}: no design is open")
        self.reports.append(options["-file"])

    def _write_hw_platform(self, options: dict[str, str], rest: list[str]) -> None:
        self._after("write_hw_platform", "launched impl_1 write_bitstream")
        if not rest[0].endswith(".xsa") or "-include_bit" not in options:
            raise TclError("write_hw_platform: no .xsa, or without the bitstream")
        self.reports.append(rest[0])

    def _after(self, command: str, needed: str) -> None:
        if needed not in self.done:
            raise TclError(f"{command}: needs {needed} first")

    @staticmethod
    def _one_of(what: str, value: str, valid: Sequence[str]) -> None:
        if value not in valid:
            raise TclError(f"{what}: {value} is not one of {', '.join(valid)}")
