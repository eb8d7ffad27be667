"""A unit of the engine, really placed and routed on the ECP5."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hwgen.paths import rtl_source
from hwgen.place import place_design
from hwgen.place.sdf import Arrivals, read_sdf
from hwgen.report.schema import Place
from hwgen.targets import get_target

ODD = 'my "odd" proj\'ekt ü'
FILES = ("rsqrt.v", "rsqrt_rom.v")


@pytest.fixture(scope="module")
def placed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, Path]:
    out = tmp_path_factory.mktemp("place") / ODD
    files = [rtl_source(name) for name in FILES]
    found = place_design(files, "rsqrt", "clk", get_target("ecp5-85k"), out, goal_mhz=80)
    return found, out


@pytest.mark.slow
def test_clock_and_use(placed: tuple[Place, Path]) -> None:
    found, _ = placed
    assert found.source is not None
    assert found.source.startswith("placed and routed (nextpnr 0.")
    assert (found.part, found.seed, found.goal_mhz) == ("LFE5UM5G-85F-8BG381C", 1, 80)
    assert found.fmax_mhz is not None
    assert 80 < found.fmax_mhz < 400
    assert found.failing == 0
    assert found.used["MULT18X18D"].used == 2
    assert found.used["MULT18X18D"].available == 156
    assert found.used["TRELLIS_IO"].used == 4
    # 52 inputs and 20 outputs, each in two registers of the wrapper, and three at its pins
    assert found.used["TRELLIS_FF"].used >= 2 * (52 + 20) + 3
    assert found.used["TRELLIS_COMB"].available == 83640


@pytest.mark.slow
def test_paths_are_those_of_nextpnr(placed: tuple[Place, Path]) -> None:
    """Ours from the SDF, nextpnr's from its report: the slowest is the same to the picosecond."""
    found, out = placed
    report = json.loads((out / "nextpnr.json").read_text())
    (own,) = (p for p in report["critical_paths"] if p["from"] == p["to"])
    delay = sum(step["delay"] for step in own["path"])
    first = found.paths[0]
    assert first.delay_ns == pytest.approx(delay, abs=1e-3)
    (clock,) = report["fmax"].values()
    assert found.fmax_mhz == pytest.approx(clock["achieved"], abs=0.01)
    assert 1000 / first.delay_ns == pytest.approx(found.fmax_mhz, rel=1e-3)
    routing = sum(s["delay"] for s in own["path"] if s["type"] == "routing")
    assert first.routing_ns == pytest.approx(routing, abs=1e-3)
    # a small design: all of its registers are timed, those at the pins only from there
    ends = Arrivals(read_sdf(out / "delays.sdf")).endpoints()
    assert len(ends) == found.endpoints
    assert found.endpoints > 2 * (52 + 20)


@pytest.mark.slow
def test_paths_have_rtl_names(placed: tuple[Place, Path]) -> None:
    found, _ = placed
    assert 1 < len(found.paths) <= 10
    assert [p.delay_ns for p in found.paths] == sorted(
        (p.delay_ns for p in found.paths), reverse=True
    )
    texts = {name: rtl_source(name).read_text() for name in FILES}
    named = 0
    for path in found.paths:
        for name, src in ((path.start, path.start_src), (path.end, path.end_src)):
            file, _, line = (src or "").partition(":")
            if file in texts:
                declared = texts[file].splitlines()[int(line) - 1]
                assert name.split(".")[-1] in declared, f"{name} is not declared at {src}"
                named += 1
    assert named > len(found.paths)


@pytest.mark.slow
def test_the_same_again(placed: tuple[Place, Path]) -> None:
    """The netlist is kept for an equal design; place and route give the same again."""
    found, out = placed
    made = (out / "netlist.json").stat().st_mtime_ns
    files = [rtl_source(name) for name in FILES]
    again = place_design(files, "rsqrt", "clk", get_target("ecp5-85k"), out, goal_mhz=80)
    assert (out / "netlist.json").stat().st_mtime_ns == made
    assert again == found
