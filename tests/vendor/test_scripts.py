"""The vendor scripts, executed by Tcl for every target and back end, and with planted typos."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hwgen.emit.hls import TOP as HLS_TOP
from hwgen.emit.hls import sources
from hwgen.emit.rtl import write_rtl
from hwgen.emit.vendor import (
    CONTROL_RANGE,
    HLS_BACKEND,
    Ip,
    processing_system,
    why_none,
    write_vendor,
    write_vivado,
)
from hwgen.engine.sizing import Sizing
from hwgen.targets import get_target, target_names
from tests.vendor import tcl
from tests.vendor.hls import VitisHls
from tests.vendor.vivado import Vivado

INTERPRETERS = tcl.interpreters()
if not INTERPRETERS:
    pytest.skip("no Tcl interpreter: neither Python's tkinter nor tclsh", allow_module_level=True)

ZYNQS = [name for name in target_names() if processing_system(get_target(name))]
TOP_FILE = "hwgen_top.cpp"


def hls_ports(folder: Path) -> dict[str, str]:
    """Pins that Vitis HLS gives the top function for its interface pragmas (UG1399)."""
    text = (folder / "hls" / TOP_FILE).read_text()
    masters = re.findall(r"mode=m_axi port=\w+ bundle=(\w+)", text)
    assert len(masters) == len(re.findall("mode=m_axi", text))
    assert re.search("mode=s_axilite port=return$", text, re.M), "no bundle: s_axi_control"
    ports = {"ap_clk": "i", "ap_rst_n": "i", "interrupt": "o", "s_axi_control": "s"}
    return ports | {f"m_axi_{m}": "m" for m in masters}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An output folder per target, as far as the scripts look at it."""
    out = {}
    for name in ZYNQS:
        folder = out[name] = tmp_path_factory.mktemp(name)
        target = get_target(name)
        sizing = Sizing(axi_ports=target.axi_ports, axi_bits=target.beat_bits)
        write_rtl(folder / "rtl", sizing)
        (folder / "hls").mkdir()
        for file, text in sources(sizing).items():
            (folder / "hls" / file).write_text(text)
        (folder / "hls" / "data").mkdir()
        for image in range(3):
            (folder / "hls" / "data" / f"{image}.input").write_text("")
        write_vendor(folder, target, sizing, "both")
    return out


def run_hls(script: Path, steps: str | None = None, interpreter: str | None = None) -> VitisHls:
    tool = VitisHls()
    environment = {} if steps is None else {"HWGEN_STEPS": steps}
    tcl.run(script, tool.commands, tool, environment, interpreter)
    return tool


def run_vivado(
    script: Path, interpreter: str | None = None, **environment: str
) -> tuple[Vivado, list[str]]:
    """The IP of Vitis HLS is there as run_hls.tcl would have exported it."""
    repository = script.parent.parent / HLS_BACKEND.repository
    repository.mkdir(parents=True, exist_ok=True)
    ports = hls_ports(script.parent.parent)
    tool = Vivado(repository=repository.resolve(), hls_ip={Ip().vlnv: ports})
    settings = {f"HWGEN_{k}": v for k, v in environment.items()}
    printed = tcl.run(script, tool.commands, tool, settings, interpreter)
    return tool, printed


@pytest.mark.parametrize("interpreter", INTERPRETERS)
@pytest.mark.parametrize("name", ZYNQS)
def test_run_hls_makes_the_ip_for_the_target(folders, name: str, interpreter: str) -> None:
    folder, target = folders[name] / "hls", get_target(name)
    tool = run_hls(folder / "run_hls.tcl", interpreter=interpreter)
    assert tool.done == ["csim", "csynth", "export"]
    assert tool.project == "", "the project is closed"
    assert (tool.top, tool.part) == (HLS_TOP, target.part)
    assert tool.period_ns == pytest.approx(1000 / target.clock_mhz, abs=5e-4)
    assert [p.name for p in tool.testbench] == ["csim.cpp"]
    assert sorted(tool.files + tool.testbench) == sorted(folder.resolve().glob("*.[ch]pp"))
    assert re.search(rf"^unsigned {tool.top}\(", (folder / TOP_FILE).read_text(), re.M)
    assert tool.argv == f"{folder.resolve().parent}/image {folder.resolve()}/data 3"
    assert (tool.vlnv, f"hls/{tool.repository}") == (HLS_BACKEND.vlnv, HLS_BACKEND.repository)


@pytest.mark.parametrize("interpreter", INTERPRETERS)
@pytest.mark.parametrize("backend", ["rtl", "hls"])
@pytest.mark.parametrize("name", ZYNQS)
def test_build_vivado_wires_the_engine(folders, name: str, backend: str, interpreter: str) -> None:
    folder, target, ps = folders[name], get_target(name), processing_system(get_target(name))
    script = folder / "vendor" / "build_vivado.tcl"
    tool, printed = run_vivado(script, interpreter, BACKEND=backend)
    assert tool.part == "", "the project is closed"
    assert f"set part      {target.part}\n" in script.read_text()
    assert tool.cells["ps"].properties[ps.clock_property] == str(target.clock_mhz)
    assert Path(tool.project[1]) == script.resolve().parent / f"build_{backend}"
    assert tool.done[-1] == "impl_1"
    assert [Path(r).name for r in tool.reports] == [
        "utilization_synth.rpt", "utilization.rpt", "timing.rpt", "power.rpt", "engine.xsa",
    ]  # fmt: skip
    assert printed == [f"worst slack 0.1 ns at {target.clock_mhz} MHz"]
    control = next(s for s in tool.addresses if s.startswith("engine/"))
    assert tool.addresses[control] == (ps.control_base, CONTROL_RANGE)
    if backend == "rtl":
        assert sorted(tool.files) == sorted(p.resolve() for p in (folder / "rtl").glob("*.v"))
        masters = [f"m_axi{k}" for k in range(2)] if target.axi_ports == 2 else ["m_axi"]
        for master, port in zip(masters, ps.memory, strict=False):
            assert tool.links[f"engine/{master}"] == f"memory_{port.name}/S00_AXI"
            assert tool.links[f"memory_{port.name}/M00_AXI"] == f"ps/{port.name}"
    else:
        assert tool.files == []
        ports = [
            {tool.links[f"engine/{m}"].split("/")[0] for m in ms} for ms in HLS_BACKEND.masters
        ]
        assert ports == [{f"memory_{p.name}"} for p in ps.memory]


def test_the_default_back_end_is_the_first(folders, tmp_path: Path) -> None:
    tool, _ = run_vivado(folders["zynq"] / "vendor" / "build_vivado.tcl")
    assert tool.cells["engine"].kind == "module"
    (tmp_path / "hls").mkdir()
    (tmp_path / "hls" / TOP_FILE).write_text((folders["zynq"] / "hls" / TOP_FILE).read_text())
    script = write_vivado(tmp_path, get_target("zynq"), Sizing(), ("hls",))
    tool, _ = run_vivado(script)
    assert tool.cells["engine"].kind == "ip"
    with pytest.raises(tcl.TclError, match="HWGEN_BACKEND: rtl is not one of hls"):
        run_vivado(script, BACKEND="rtl")


def test_steps_jobs_and_board_can_be_chosen(folders) -> None:
    script = folders["kv260"] / "hls" / "run_hls.tcl"
    assert run_hls(script, "csim").done == ["csim"]
    assert run_hls(script, "csynth export").done == ["csynth", "export"]
    with pytest.raises(tcl.TclError, match="HWGEN_STEPS: cosim is not one of csim, csynth, export"):
        run_hls(script, "csim cosim")
    with pytest.raises(tcl.TclError, match="export_design: needs csynth_design first"):
        run_hls(script, "export")
    script = folders["kv260"] / "vendor" / "build_vivado.tcl"
    tool, printed = run_vivado(
        script, STEPS="synth", JOBS="5", BOARD_PART="xilinx.com:kv260_som:part0:1.4"
    )
    assert tool.properties["board_part"] == "xilinx.com:kv260_som:part0:1.4"
    assert (tool.done[-2:], printed) == (["launched synth_1", "synth_1"], [])
    with pytest.raises(tcl.TclError, match="HWGEN_JOBS: many is not a positive number"):
        run_vivado(script, JOBS="many")


def test_a_missing_ip_or_file_is_named(folders, tmp_path: Path) -> None:
    script = tmp_path / "vendor" / "build_vivado.tcl"
    write_vivado(tmp_path, get_target("zynq"), Sizing(), ("hls",))
    tool = Vivado()
    with pytest.raises(tcl.TclError, match=r"no IP there; run \.\./hls/run_hls\.tcl first"):
        tcl.run(script, tool.commands, tool)
    script = tmp_path / "run_hls.tcl"
    script.write_text((folders["zynq"] / "hls" / "run_hls.tcl").read_text())
    with pytest.raises(
        tcl.TclError, match=r"activation_fetch\.hpp: no such file beside run_hls\.tcl"
    ):
        run_hls(script)


HLS_TYPOS = [
    ("csynth_design", "csynth_desing", 'invalid command name "csynth_desing"'),
    ("-format ip_catalog", "-fromat ip_catalog", "export_design: unknown option -fromat"),
    ("ip_catalog", "ip_catalogue", "-format ip_catalogue is not one of"),
    ("-flow_target vivado", "-flow_target vivaldi", "-flow_target vivaldi is not one of"),
    ("set_part $part", "set_part $parts", 'can\'t read "parts": no such variable'),
    ("    hwgen_top.cpp", "    hwgen_top.cp", r"hwgen_top\.cp: no such file"),
    ("[file join $here $testbench]", "$testbench.x", "no such file"),
    ("add_files -tb", "add_files -testbench", "add_files: unknown option -testbench"),
    ("set_part $part\n", "", "create_clock: needs a part first"),
    ("-m_axi_addr64=false", "-m_axi_adr64=false", "unknown option -m_axi_adr64=false"),
    ("-period", "-period -name", r"create_clock: -period -name 5"),
    ("if {\"csim\"", "if \"csim\"", "."),
]  # fmt: skip


@pytest.mark.parametrize(("right", "wrong", "message"), HLS_TYPOS)
def test_a_typo_in_run_hls_is_seen(folders, tmp_path, right: str, wrong: str, message: str) -> None:
    text = (folders["zynq"] / "hls" / "run_hls.tcl").read_text()
    assert right in text
    for file in (folders["zynq"] / "hls").glob("*.[ch]pp"):
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / "run_hls.tcl").write_text(text.replace(right, wrong))
    with pytest.raises(tcl.TclError, match=message):
        run_hls(tmp_path / "run_hls.tcl")


VIVADO_TYPOS = [
    ("validate_bd_design", "validate_bd_desing", 'invalid command name "validate_bd_desing"'),
    ("launch_runs $run -jobs", "launch_runs $run -job", "launch_runs: unknown option -job"),
    ("-reference hwgen_engine", "-reference hwgen_engin", "no module hwgen_engin in"),
    ("engine/aclk", "engine/clk", "no pin engine/clk"),
    ("ps/FCLK_RESET0_N", "ps/FCLK_RESETN0", "no pin ps/FCLK_RESETN0"),
    ("CONFIG.PCW_USE_M_AXI_GP0", "CONFIG.PCW_USE_M_AXI_GP", "no property CONFIG.PCW_USE_M_AXI_GP"),
    ("processing_system7:*", "processing_system:*", "no IP matches"),
    ("S_AXI_HP0/HP0_DDR_LOWOCM", "S_AXI_HP0/HP0_DDR_LOW", "no segment ps/S_AXI_HP0/HP0_DDR_LOW"),
    ("    connect_bd_net $resetn [get_bd_pins $name/aresetn]\n", "", "aresetn is not connected"),
    ("connect_bd_net $resetn [get_bd_pins $engine_reset]", "connect_bd_net "
     "[get_bd_pins ps/FCLK_RESET0_N] [get_bd_pins $engine_reset]", "aresetn is driven by ps/FCLK"),
    ("    connect_bd_intf_net [get_bd_intf_pins memory_$port/M00_AXI] [get_bd_intf_pins "
     "ps/$port]\n", "", "assign_bd_address: ps/S_AXI_HP0/HP0_DDR_LOWOCM is not connected"),
    ("s_axil:m_axi0:m_axi1", "s_axil:m_axi0", "ASSOCIATED_BUSIF is s_axil:m_axi0"),
    ("top system_wrapper", "top system", "no module system"),
    ("rtl $name", "rlt $name", "no such file"),
    ("[option JOBS 2]", "[option JOBS $two]", 'can\'t read "two"'),
    ("global clock resetn", "global clock", 'can\'t read "resetn"'),
    ("save_bd_design\n", "", "make_wrapper: needs saved first"),
    ("-to_step write_bitstream", "-to_step bitstream", "bitstream is not one of"),
    ("-include_bit", "-include_bits", "unknown option -include_bits"),
    ("generate_target all", "generate_target everything", "everything is not one of"),
    ("apply_board_preset", "aply_board_preset", "aply_board_preset is not one of"),
    ("set part      xc7z020clg400-1", "set part xczu3eg-sbva484-1-e", "has no processing_system7"),
]  # fmt: skip


@pytest.mark.parametrize(("right", "wrong", "message"), VIVADO_TYPOS)
def test_a_typo_in_build_vivado_is_seen(
    folders, tmp_path, right: str, wrong: str, message: str
) -> None:
    text = (folders["zynq"] / "vendor" / "build_vivado.tcl").read_text()
    assert right in text
    for part in ("rtl", "hls"):
        (tmp_path / part).symlink_to(folders["zynq"] / part)
    script = tmp_path / "vendor" / "build_vivado.tcl"
    script.parent.mkdir()
    script.write_text(text.replace(right, wrong))
    with pytest.raises(tcl.TclError, match=message):
        run_vivado(script)


def test_a_part_without_a_processing_system_has_no_scripts(tmp_path: Path) -> None:
    target = get_target("ecp5-85k")
    for backend in ("rtl", "hls", "both"):
        assert write_vendor(tmp_path, target, Sizing(), backend) == []
    assert list(tmp_path.iterdir()) == []
    assert why_none(target) == (
        "no vendor scripts: LFE5UM5G-85F-8BG381C is no Zynq, Vitis HLS and Vivado do not apply"
    )
    assert [why_none(get_target(name)) for name in ZYNQS] == [None] * len(ZYNQS)
    assert set(target_names()) - set(ZYNQS) == {"ecp5-85k"}


def test_the_scripts_say_that_they_were_not_run(folders) -> None:
    for folder in folders.values():
        for name in ("hls/run_hls.tcl", "vendor/build_vivado.tcl"):
            text = (folder / name).read_text()
            assert re.search(r"has NOT been run under Vi(vado|tis HLS)", text)
