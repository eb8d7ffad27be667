"""Scripts for the vendor's tools: `hls/run_hls.tcl` and `vendor/build_vivado.tcl`.

Everything that depends on the target or the back end is decided here; the templates only print it.
The scripts follow the vendor's documentation (UG835, UG994, UG1399; processing systems: UG585,
UG1085, PG201, PG267) and have not been run under the vendor's tools: tests/emit/test_vendor.py
executes them in a Tcl interpreter with stand-ins for the vendor's commands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hwgen.emit.hls import TOP as HLS_TOP
from hwgen.emit.hls import sources
from hwgen.emit.rtl import TOP as RTL_TOP
from hwgen.emit.rtl import masters, render
from hwgen.emit.time_engine import CLOCK, write_time_engine
from hwgen.engine.sizing import Sizing
from hwgen.targets import Target

HLS_PROJECT, HLS_SOLUTION = "project", "solution"
TESTBENCH = "csim.cpp"
HLS_CFLAGS = "-std=c++14"
VIVADO_PROJECT, DESIGN = "engine", "system"
CONTROL_RANGE = "4K"  # the smallest segment of a block design; the registers take less


@dataclass(frozen=True)
class MemoryPort:
    """A slave port of the processing system on DDR: its clock, the property that shows it (`use`)
    and the segment of its address map below 4 GB."""

    name: str
    clock: str
    use: str
    segment: str


@dataclass(frozen=True)
class ProcessingSystem:
    """The hard processor of a part as IP integrator knows it; pin names without the cell's.

    automation: of apply_bd_automation; properties: CONFIG.* of the cell; control: master of the
    register port, whose segment starts at control_base; memory: ports in the order they are used.
    """

    title: str
    parts: tuple[str, ...]  # how names of its parts begin
    vlnv: str
    rule: str
    automation: tuple[tuple[str, str], ...]
    properties: tuple[tuple[str, str], ...]
    clock_property: str  # MHz
    clock: str
    reset: str
    irq: str
    control: str
    control_clock: str
    control_base: str
    memory: tuple[MemoryPort, ...]
    board_example: str


ZYNQ7 = ProcessingSystem(
    title="Zynq-7000 processing system",
    parts=("xc7z",),
    vlnv="xilinx.com:ip:processing_system7",
    rule="xilinx.com:bd_rule:processing_system7",
    automation=(
        ("make_external", "{FIXED_IO, DDR}"),
        ("Master", "Disable"),
        ("Slave", "Disable"),
    ),
    properties=(
        ("PCW_USE_M_AXI_GP0", "1"),
        ("PCW_USE_FABRIC_INTERRUPT", "1"),
        ("PCW_IRQ_F2P_INTR", "1"),
    ),
    clock_property="PCW_FPGA0_PERIPHERAL_FREQMHZ",
    clock="FCLK_CLK0",
    reset="FCLK_RESET0_N",
    irq="IRQ_F2P",
    control="M_AXI_GP0",
    control_clock="M_AXI_GP0_ACLK",
    control_base="0x40000000",
    memory=tuple(
        MemoryPort(
            f"S_AXI_HP{k}",
            f"S_AXI_HP{k}_ACLK",
            f"PCW_USE_S_AXI_HP{k}",
            f"S_AXI_HP{k}/HP{k}_DDR_LOWOCM",
        )
        for k in range(2)
    ),
    board_example="tul.com.tw:pynq-z2:part0:1.0",
)
ZYNQ_ULTRA = ProcessingSystem(
    title="Zynq UltraScale+ processing system",
    parts=("xczu", "xck26"),
    vlnv="xilinx.com:ip:zynq_ultra_ps_e",
    rule="xilinx.com:bd_rule:zynq_ultra_ps_e",
    automation=(),
    properties=(
        ("PSU__USE__M_AXI_GP0", "1"),
        ("PSU__USE__M_AXI_GP1", "0"),
        ("PSU__USE__M_AXI_GP2", "0"),
        ("PSU__USE__IRQ0", "1"),
        ("PSU__FPGA_PL0_ENABLE", "1"),
    ),
    clock_property="PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ",
    clock="pl_clk0",
    reset="pl_resetn0",
    irq="pl_ps_irq0",
    control="M_AXI_HPM0_FPD",
    control_clock="maxihpm0_fpd_aclk",
    control_base="0xA0000000",
    memory=tuple(  # the general port k + 2 is the high-performance port k
        MemoryPort(
            f"S_AXI_HP{k}_FPD",
            f"saxihp{k}_fpd_aclk",
            f"PSU__USE__S_AXI_GP{k + 2}",
            f"SAXIGP{k + 2}/HP{k}_DDR_LOW",
        )
        for k in range(2)
    ),
    board_example="xilinx.com:kv260_som:part0:1.4",
)
SYSTEMS = (ZYNQ7, ZYNQ_ULTRA)


@dataclass(frozen=True)
class Ip:
    """Name of the IP that Vitis HLS exports and Vivado instantiates."""

    vendor: str = "hwgen"
    library: str = "hls"
    name: str = HLS_TOP
    version: str = "1.0"

    @property
    def vlnv(self) -> str:
        return f"{self.vendor}:{self.library}:{self.name}:{self.version}"


@dataclass(frozen=True)
class Backend:
    """The engine of a back end as a cell: its pins, and the masters of each memory port.

    A module of our Verilog (`module`, `files` below rtl/) or an IP (`vlnv`, in `repository`).
    """

    name: str
    clock: str
    reset: str
    irq: str
    control: str
    masters: tuple[tuple[str, ...], ...]
    module: str = ""
    files: tuple[str, ...] = ()
    vlnv: str = ""
    repository: str = ""

    @property
    def associated(self) -> str:
        """Interfaces of the clock, as CONFIG.ASSOCIATED_BUSIF lists them."""
        return ":".join([self.control, *(m for port in self.masters for m in port)])


def rtl_backend(files: Sequence[str], masters: Sequence[str]) -> Backend:
    """The Verilog engine, each master on a memory port; `files` as rtl/files.f lists them."""
    return Backend(
        name="rtl",
        clock=CLOCK,
        reset="aresetn",
        irq="irq",
        control="s_axil",
        masters=tuple((name,) for name in masters),
        module=RTL_TOP,
        files=tuple(files),
    )


# the interface pragmas of templates/hls/hwgen_top.cpp: the program's fetch has a port of its own
HLS_BACKEND = Backend(
    name="hls",
    clock="ap_clk",
    reset="ap_rst_n",
    irq="interrupt",
    control="s_axi_control",
    masters=(("m_axi_data",), ("m_axi_program",)),
    vlnv=Ip().vlnv,
    repository=f"hls/{HLS_PROJECT}/{HLS_SOLUTION}/impl/ip",
)


def processing_system(target: Target) -> ProcessingSystem | None:
    """The hard processor of the target's part; None where it has none that we know."""
    return next((ps for ps in SYSTEMS if target.part.startswith(ps.parts)), None)


def why_none(target: Target) -> str | None:
    """Why a target has no vendor scripts, as one line; None where it has."""
    if processing_system(target) is not None:
        return None
    return f"no vendor scripts: {target.part} is no Zynq, Vitis HLS and Vivado do not apply"


def run_hls_text(target: Target, s: Sizing, images: int) -> str:
    """run_hls.tcl for the C++ of `hwgen.emit.hls`; its C simulation runs `images` images."""
    files = sources(s)
    return render(
        "vendor/run_hls.tcl.j2",
        top=HLS_TOP,
        part=target.part,
        clock_mhz=target.clock_mhz,
        project=HLS_PROJECT,
        solution=HLS_SOLUTION,
        cflags=HLS_CFLAGS,
        sources=[name for name in files if name != TESTBENCH],
        testbench=TESTBENCH,
        images=images,
        ip=Ip(),
    )


def build_vivado_text(target: Target, backends: Sequence[Backend]) -> str:
    """build_vivado.tcl for one back end or more; the first is the default."""
    ps = processing_system(target)
    assert ps is not None
    return render(
        "vendor/build_vivado.tcl.j2",
        target=target.name,
        part=target.part,
        clock_mhz=target.clock_mhz,
        project=VIVADO_PROJECT,
        design=DESIGN,
        control_range=CONTROL_RANGE,
        ps=ps,
        backends=backends,
    )


def write_run_hls(folder: Path, target: Target, s: Sizing, images: int) -> Path:
    """Write hls/run_hls.tcl beside the C++, whose C simulation runs `images` images."""
    script = folder / "hls" / "run_hls.tcl"
    script.write_text(run_hls_text(target, s, images))
    return script


def write_vendor(folder: Path, target: Target, s: Sizing, backend: str) -> list[Path]:
    """Write the scripts for an output folder's back ends: rtl, hls or both.

    Returns them; none where the vendor's tools do not apply (`why_none`).
    """
    if processing_system(target) is None:
        return []
    scripts = []
    if backend != "rtl":
        images = len(list((folder / "hls" / "data").glob("*.input")))
        scripts.append(write_run_hls(folder, target, s, images))
    both = ("rtl", "hls") if backend == "both" else (backend,)
    scripts.append(write_vivado(folder, target, s, both))
    return scripts + (write_time_engine(folder, target) if "rtl" in both else [])


def write_vivado(folder: Path, target: Target, s: Sizing, backends: Sequence[str]) -> Path:
    """Write vendor/build_vivado.tcl into an output folder for its back ends ("rtl", "hls")."""
    engines = []
    if "rtl" in backends:
        files = (folder / "rtl" / "files.f").read_text().split()
        engines.append(rtl_backend(files, masters(s)))
    if "hls" in backends:
        engines.append(HLS_BACKEND)
    script = folder / "vendor" / "build_vivado.tcl"
    script.parent.mkdir(exist_ok=True)
    script.write_text(build_vivado_text(target, engines))
    return script
