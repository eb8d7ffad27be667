"""vendor/time_engine.tcl and vendor/engine.xdc, executed by Tcl."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwgen.emit.rtl import TOP, write_rtl
from hwgen.emit.time_engine import write_time_engine
from hwgen.engine.sizing import Sizing
from hwgen.targets import get_target
from tests.vendor import tcl
from tests.vendor.engine import ORDER, Engine

INTERPRETERS = tcl.interpreters()
if not INTERPRETERS:
    pytest.skip("no Tcl interpreter: neither Python's tkinter nor tclsh", allow_module_level=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_rtl(tmp_path / "rtl", Sizing())
    write_time_engine(tmp_path, get_target("zynq"))
    return tmp_path


def run(folder: Path, interpreter: str | None = None, **environment: str) -> Engine:
    tool = Engine()
    tcl.run(folder / "vendor/time_engine.tcl", tool.commands, tool, environment, interpreter)
    return tool


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_the_engine_is_timed_alone(folder: Path, interpreter: str) -> None:
    tool = run(folder, interpreter)
    assert sorted(tool.files) == sorted(p.resolve() for p in (folder / "rtl").glob("*.v"))
    assert (tool.top, tool.part) == (TOP, get_target("zynq").part)
    assert tool.clocks == {"aclk": 5.0}, "planned: 200 MHz"
    assert tool.done == list(ORDER)
    out = (folder / "vendor" / "engine").resolve()
    assert tool.reports == {
        "report_timing_summary": out / "timing.rpt",
        "report_utilization": out / "utilization.rpt",
    }


@pytest.mark.parametrize("name", ["zynq", "kv260", "zcu102"])
def test_the_clock_is_the_targets(tmp_path: Path, name: str) -> None:
    target = get_target(name)
    write_rtl(tmp_path / "rtl", Sizing(axi_bits=64))
    write_time_engine(tmp_path, target)
    assert run(tmp_path).clocks["aclk"] == pytest.approx(1000 / target.clock_mhz, abs=5e-4)


def test_steps(folder: Path) -> None:
    assert run(folder, HWGEN_STEPS="synth").done == ["synth_design"]
    with pytest.raises(tcl.TclError, match="HWGEN_STEPS: rout is not one of synth, route"):
        run(folder, HWGEN_STEPS="rout")


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("engine.xdc", "[get_ports aclk]", "[get_ports clk]", "no port clk"),
        ("engine.xdc", "-period", "-perid", "unknown option -perid"),
        ("time_engine.tcl", " -mode out_of_context\nif", "\nif", "more ports than pins"),
        ("time_engine.tcl", "engine.xdc]", "clock.xdc]", "no such file"),
        ("time_engine.tcl", "    opt_design\n", "", "place_design: after"),
    ],
)
def test_a_planted_fault_is_seen(folder: Path, file: str, old: str, new: str, message: str) -> None:
    path = folder / "vendor" / file
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    with pytest.raises(tcl.TclError, match=message):
        run(folder)
