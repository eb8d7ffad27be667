"""Slowest paths of an SDF file whose answer is known by hand; names back to the RTL."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwgen.place.names import family, rtl_name, sources
from hwgen.place.sdf import Arrivals, read_sdf

# Two registers, two LUTs; a clock buffer. ps: a.Q 300, net 400, f 200, net 100, g 150, net 250,
# setup of b.D 50; the short way a -> g is 300 + 90 + 150 + 250 + 50. c has no setup check: a ROM.
SDF = r"""(DELAYFILE
  (CELL (CELLTYPE "top") )
  (CELL
    (CELLTYPE "top")
    (INSTANCE )
    (DELAY
      (ABSOLUTE
        (INTERCONNECT \$gbuf\$clk/CLKO u_design.a_q_TRELLIS_FF_Q/CLK (0:0:0) (0:0:0))
        (INTERCONNECT \$gbuf\$clk/CLKO u_design.b_q_TRELLIS_FF_Q_3/CLK (0:0:0) (0:0:0))
        (INTERCONNECT \$gbuf\$clk/CLKO c\[2\].rom_DP16KD_DOA1/CLKA (0:0:0) (0:0:0))
        (INTERCONNECT u_design.a_q_TRELLIS_FF_Q/Q f/A (380:390:400) (1:1:1))
        (INTERCONNECT u_design.a_q_TRELLIS_FF_Q/Q g/B (80:85:90) (1:1:1))
        (INTERCONNECT f/F g/A (90:95:100) (1:1:1))
        (INTERCONNECT g/F u_design.b_q_TRELLIS_FF_Q_3/DI (200:240:250) (1:1:1))
        (INTERCONNECT c\[2\].rom_DP16KD_DOA1/DOA1 u_design.b_q_TRELLIS_FF_Q_3/M (5:5:5) (5:5:5))
        (INTERCONNECT pin/O f/B (9000:9000:9000) (1:1:1))
      )
    )
  )
  (CELL
    (CELLTYPE "TRELLIS_FF")
    (INSTANCE u_design.a_q_TRELLIS_FF_Q)
    (DELAY (ABSOLUTE
        (IOPATH CLK Q (250:280:300) (250:280:300))
    ))
    (TIMINGCHECK
      (SETUPHOLD (posedge DI) (posedge CLK) (0:0:0) (166:173:181))
    )
  )
  (CELL
    (CELLTYPE "TRELLIS_FF")
    (INSTANCE u_design.b_q_TRELLIS_FF_Q_3)
    (TIMINGCHECK
      (SETUPHOLD (posedge DI) (posedge CLK) (50:50:50) (166:173:181))
      (SETUPHOLD (negedge DI) (posedge CLK) (40:40:40) (166:173:181))
      (SETUPHOLD (posedge M) (posedge CLK) (-7:-7:-7) (1:1:1))
    )
  )
  (CELL
    (CELLTYPE "LUT")
    (INSTANCE f)
        (IOPATH A F (150:190:200) (1:1:1))
        (IOPATH B F (150:190:200) (1:1:1))
  )
  (CELL
    (CELLTYPE "LUT")
    (INSTANCE g)
        (IOPATH A F (100:140:150) (1:1:1))
        (IOPATH B F (100:140:150) (1:1:1))
  )
  (CELL
    (CELLTYPE "DP16KD")
    (INSTANCE c\[2\].rom_DP16KD_DOA1)
        (IOPATH CLKA DOA1 (1300:1350:1364) (1:1:1))
  )
)
"""
A, B = "u_design.a_q_TRELLIS_FF_Q", "u_design.b_q_TRELLIS_FF_Q_3"
ROM = "c[2].rom_DP16KD_DOA1"


@pytest.fixture
def arrivals(tmp_path: Path) -> Arrivals:
    (tmp_path / "delays.sdf").write_text(SDF)
    return Arrivals(read_sdf(tmp_path / "delays.sdf"))


def test_the_longest_path(arrivals: Arrivals) -> None:
    """The pin has no clock: what it drives is not timed. A ROM's clock is known by its driver."""
    (slow, end), (other, second) = arrivals.endpoints()
    assert (slow, end) == (300 + 400 + 200 + 100 + 150 + 250 + 50, (B, "DI"))
    assert (other, second) == (1364 + 5 - 7, (B, "M"))
    route = arrivals.route(end)
    assert (route.start, route.end) == ((A, "Q"), (B, "DI"))
    assert route.total() == pytest.approx(1.45)
    assert route.total("routing") == pytest.approx(0.75)
    assert route.levels == 2
    assert [s.kind for s in route.steps] == [
        "clk-to-q", "routing", "logic", "routing", "logic", "routing", "setup"
    ]  # fmt: skip
    assert arrivals.route(second).start == (ROM, "DOA1")


def test_a_loop_ends(tmp_path: Path) -> None:
    """Pins of a combinational loop, and behind it, have no arrival; the rest keeps its own."""
    loop = SDF.replace("(INTERCONNECT pin/O f/B", "(INTERCONNECT g/F f/B")
    assert loop != SDF
    (tmp_path / "delays.sdf").write_text(loop)
    assert Arrivals(read_sdf(tmp_path / "delays.sdf")).endpoints() == [(1362, (B, "M"))]


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        (A, "a_q"),
        ("u_design.u_top.u_core.gen_lane[3].u_lane.y_q_TRELLIS_FF_Q_15_DI_MULT18X18D_P31",
         "u_top.u_core.gen_lane[3].u_lane.y_q"),
        ("u_design.u_mem.words.0.33", "u_mem.words"),
        ("u_design.u_x.n_LUT4_Z_1$lut4$comb", "u_x.n"),
        ("load_q_TRELLIS_FF_Q", "serial_wrapper.load_q"),
    ],
)  # fmt: skip
def test_names(cell: str, name: str) -> None:
    assert rtl_name(cell) == name


def test_copies_are_one_family() -> None:
    assert (
        family("gen[3].u_lane.y_q") == family("gen[11].u_lane.y_q") != family("gen[3].u_lane.z_q")
    )


def test_sources_of_the_netlist(tmp_path: Path) -> None:
    """The signal's declaration wins over the line of the cell; the tool's own files are none."""
    netlist = tmp_path / "netlist.json"
    netlist.write_text(
        """{
        "u_design.a_q_TRELLIS_FF_Q": {
          "attributes": {
            "src": "/rtl/unit.v:30.5-40.8"
          },
        "words.0.1": {
            "src": "/share/lutrams_map.v:20.3-28.2"
        "u_design.a_q": {
          "bits": [ 2 ],
          "attributes": {
            "src": "/rtl/unit.v:12.17-12.20|/rtl/other.v:3.1-3.2"
"""
    )
    found = sources(netlist, [A, B, "words.0.1"], ["unit.v", "other.v"])
    assert found == {A: "unit.v:12"}
