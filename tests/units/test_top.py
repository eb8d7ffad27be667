"""hwgen_top on its pins: AXI protocol, registers, errors, soft reset."""

from __future__ import annotations

import contextlib
from pathlib import Path
from xml.etree import ElementTree

import pytest

from hwgen.emit.rtl import axi_pins, render
from hwgen.engine.sizing import Sizing
from hwgen.paths import rtl_source, sim_dir
from hwgen.tools.verilator import verilator_env
from tests.units.frame_reference import stub_sources
from tests.units.test_dma import FRAME

RESET_TESTS = ("soft_reset_brings_it_back", "errors_stop_until_reset")
TESTS = (
    "registers_keep_what_is_written",
    "runs_and_counts",
    "half_a_beat_outside_is_an_error",
    *RESET_TESTS,
)
PARAMETERS = {"LANES": 16, "ACT_BITS": 16, "KW": 128, "AXI_BITS": 128, "MAX_BURST": 256}
TWO_PORTS = PARAMETERS | {"AXI_PORTS": 2}


def engine_sources(folder: Path) -> list[Path]:
    """hwgen_engine.v with two memory ports, around the same stand-in."""
    parameters, axi = TWO_PORTS, axi_pins(Sizing(axi_ports=2))
    text = render("rtl/host/hwgen_engine.v.j2", top="hwgen_engine", parameters=parameters, axi=axi)
    (folder / "hwgen_engine.v").write_text(text)
    return [folder / "hwgen_engine.v"]


def simulate(files: list[Path], build: Path, top: str = "hwgen_top") -> dict[str, bool]:
    """Name of each cocotb test -> passed."""
    from cocotb_tools.runner import get_runner

    env = verilator_env()
    with pytest.MonkeyPatch.context() as patch:
        env["MAKEFLAGS"] = env.get("MAKEFLAGS", "") + " OPT_GLOBAL=-O0 OPT_FAST=-O1 OPT_SLOW=-O0"
        for name, value in env.items():
            patch.setenv(name, value)
        runner = get_runner("verilator")
        runner.build(
            sources=files,
            hdl_toplevel=top,
            parameters=PARAMETERS if top == "hwgen_top" else {},
            build_args=["--default-language", "1364-2005", "-Wno-fatal"],
            build_dir=build,
            log_file=build.parent / "build.log",
        )
        patch.syspath_prepend(sim_dir())
        xml = build / "results.xml"
        with contextlib.suppress(SystemExit):  # the runner's way to report failures under pytest
            runner.test(
                hdl_toplevel=top,
                test_module="tests.units.cocotb_top",
                build_dir=build,
                test_dir=build,
                results_xml=str(xml),
                log_file=build / "sim.log",
            )
    cases = ElementTree.parse(xml).iter("testcase")
    return {c.get("name"): c.find("failure") is None and c.find("error") is None for c in cases}


@pytest.mark.slow
@pytest.mark.parametrize("top", ["hwgen_top", "hwgen_engine"], ids=["one port", "two ports"])
def test_pins(top, tmp_path):
    plain = [rtl_source(f"{name}.v") for name in ("hwgen_top", *FRAME)]
    files = plain + stub_sources(tmp_path)
    if top == "hwgen_engine":
        files += engine_sources(tmp_path)
    passed = simulate(files, tmp_path / "build", top)
    assert passed == dict.fromkeys(TESTS, True), (tmp_path / "build" / "sim.log").read_text()[
        -4000:
    ]


MUTANT = ("core_state.v", "else if (read_idle && write_idle && unit_rst_q)", "else")


@pytest.mark.slow
def test_soft_reset_that_does_not_wait_is_caught(tmp_path):
    files = []
    for name in ("hwgen_top", *FRAME):
        path = tmp_path / f"{name}.v"
        text = rtl_source(path.name).read_text()
        if path.name == MUTANT[0]:
            assert text.count(MUTANT[1]) == 1
            text = text.replace(*MUTANT[1:])
        path.write_text(text)
        files.append(path)
    passed = simulate(files + stub_sources(tmp_path), tmp_path / "build")
    # exactly the tests that reset with transfers outstanding
    assert passed == {name: name not in RESET_TESTS for name in TESTS}
