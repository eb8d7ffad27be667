"""Cells of UltraScale+ by those of 7-series: every kind's delays, its registers, what has none."""

from __future__ import annotations

import pytest

from hwgen.errors import HwgenError
from hwgen.sta.blocks import blocks
from hwgen.sta.cells import DERATING, derating, models
from hwgen.sta.like import CellModel, Parameters, _table
from tests.sta.handmade import CLK_TO_Q, ff, lut, module, slowest

NET = 1.0  # ns with one sink, of handmade.NETS
MULTIPLY = {"USE_MULT": "MULTIPLY"}
BARE = {f"{name}REG": "0" for name in ("A", "AD", "B", "C", "D", "M", "P")} | MULTIPLY


def netlist(**cells: list) -> dict:
    return {"top": module(cells)}


def cell(kind: str, inputs: dict, outputs: dict, **parameters: str) -> list:
    """One clocked by bit 1000 where `inputs` say so; a bit alone is a port of one bit."""
    pins = {}
    for way, ports in (("input", inputs), ("output", outputs)):
        for port, bits in ports.items():
            pins[port] = [way, bits if isinstance(bits, list) else [bits]]
    return [kind, dict(sorted(parameters.items())), pins]


def model(kind: str, **parameters: str) -> CellModel:
    given: Parameters = tuple(sorted(parameters.items()))
    return models([(kind, given)], "xcup")[kind, given]


def us(modules: dict, scale: float = 1.0) -> float:
    return slowest(modules, family="xcup", scale=scale)


def carry8(s: list, ci: object, co: int, o: int, **more: object) -> list:
    zeros = ["0"] * 8
    inputs = {"CI": ci, "CI_TOP": more.pop("top", "0"), "DI": zeros, "S": s + zeros[len(s) :]}
    outputs = {"CO": [co + k for k in range(8)], "O": [o + k for k in range(8)]}
    return cell("CARRY8", inputs, outputs, **more)


def test_carry8_is_two_carry4_in_a_chain() -> None:
    """Clock to output, a net, LUT1, (no net into S), S0 -> CO3 -> CO7, (no net), CI -> O0."""
    found = us(netlist(a=ff("0", 1), l=lut([1], 2), c=carry8([2], "0", 10, 30),
                       d=carry8([], 17, 50, 70), b=ff(70, 90)))  # fmt: skip
    lut1 = models([("LUT1", ())])["LUT1", ()].arcs[("I0", 0), ("O", 0)]
    assert found == pytest.approx((CLK_TO_Q + lut1 + 508 + 114 + 222) / 1000 + NET)


def test_carry8_as_two_halves_has_its_own_carry_into_the_upper_one() -> None:
    halves = model("CARRY8", CARRY_TYPE="DUAL_CY4")
    assert halves.arcs[("CI_TOP", 0), ("O", 4)] == 222
    assert (("CI", 0), ("O", 4)) not in halves.arcs
    whole = model("CARRY8")
    assert whole.arcs[("CI", 0), ("O", 4)] == 114 + 222
    assert not whole.knows(("CI_TOP", 0))


def dsp(a: object, p: int, **registers: str) -> list:
    inputs = {"A": [a] + ["0"] * 29, "B": ["0"] * 18} | ({"CLK": 1000} if registers else {})
    return cell("DSP48E2", inputs, {"P": [p]}, **(BARE | registers))


def test_a_dsp_without_registers_is_logic() -> None:
    """A -> P of DSP48E1 (as slow as to PCOUT, its twin), times 1.12, between two nets."""
    found = us(netlist(a=ff("0", 1), d=dsp(1, 2), b=ff(2, 3)))
    assert found == pytest.approx((CLK_TO_Q + round(2970 * 1.12)) / 1000 + 2 * NET)


def test_registers_of_a_dsp_end_and_start_paths() -> None:
    """AREG: only its setup; PREG: only its clock to output; both: nothing goes through."""
    in_, out = round(254 * 1.12), round(435 * 1.12)
    both = model("DSP48E2", **BARE | {"AREG": "1", "BREG": "1", "PREG": "1"})
    assert not any(source == ("A", 0) for source, _ in both.arcs)
    assert (both.setups["A", 29], both.launches["P", 47]) == (in_, out)
    before = us(netlist(a=ff("0", 1), d=dsp(1, 2, AREG="1", PREG="1")))
    assert before == pytest.approx((CLK_TO_Q + in_) / 1000 + NET)
    bare = model("DSP48E2", **BARE)
    assert (("A", 29), ("P", 0)) in bare.arcs
    assert ("A", 0) not in bare.setups
    assert not bare.launches


@pytest.mark.parametrize(
    ("registers", "pin", "ps"),
    [
        ({"MREG": "1"}, "A", 1416), ({"MREG": "1"}, "B", 1285), ({"PREG": "1"}, "A", 2739),
        ({"CREG": "1"}, "C", 168), ({"PREG": "1"}, "PCIN", 1025),
        ({"PREG": "1"}, "CEP", 524), ({"AREG": "1"}, "CEA2", 497),
    ],
)  # fmt: skip
def test_setup_of_a_dsp_is_that_of_the_first_register(registers, pin, ps) -> None:
    assert model("DSP48E2", **BARE | registers).setups[pin, 0] == round(ps * 1.12)


def test_the_pre_adder_counts_where_it_is_used() -> None:
    used = {"AMULTSEL": "AD", "PREADDINSEL": "A", "BMULTSEL": "B"}
    assert model("DSP48E2", **BARE | used).arcs[("A", 0), ("P", 0)] == round(3954 * 1.12)
    assert model("DSP48E2", **BARE | used).arcs[("D", 26), ("P", 0)] == round(3717 * 1.12)
    assert not model("DSP48E2", **BARE).knows(("D", 0))


AD = {"AMULTSEL": "AD", "PREADDINSEL": "A", "BMULTSEL": "B", "USE_WIDEXOR": "FALSE"}


@pytest.mark.parametrize(
    ("registers", "a", "d", "p"),
    [
        # the first register after each pin; the last before P
        ({"A": "1", "D": "1", "AD": "1", "M": "1", "P": "1"}, 254, 248, 329),
        ({"AD": "1", "M": "1", "P": "1"}, 2400, 1195, 329),  # A: the worse of AD and M
        ({"AD": "1"}, 1283, 1195, 2958),
        ({"M": "1"}, 2400, 2310, 1671),
        ({"D": "1", "M": "1"}, 2400, 248, 1671),
        ({"A": "1", "D": "1"}, 254, 248, 3935),
        ({"P": "1"}, 3723, 3635, 329),
    ],
)  # fmt: skip
def test_registers_around_the_pre_adder(registers: dict, a: int, d: int, p: int) -> None:
    packed = model("DSP48E2", **BARE | AD | {f"{name}REG": n for name, n in registers.items()})
    assert packed.setups["A", 24] == packed.setups["A", 26] == round(a * 1.12)
    assert packed.setups["D", 0] == packed.setups["D", 26] == round(d * 1.12)
    # P is as slow as PCOUT, its twin on the same wires
    assert packed.launches["P", 0] >= round(p * 1.12)
    ends = {end for (source, _), end in packed.arcs.items() if source[0] in ("A", "D")}
    assert not ends


def test_a_cascade_into_the_post_adder_has_no_net() -> None:
    """From MREG over PCOUT into PCIN and P's register; no placement can lengthen it."""
    pcin = cell("DSP48E2", {"PCIN": list(range(100, 148)), "CLK": 1000}, {"P": [5]},
                **BARE | {"PREG": "1"})  # fmt: skip
    m = cell("DSP48E2", {"A": ["0"] * 30, "CLK": 1000}, {"PCOUT": list(range(100, 148))},
             **BARE | {"MREG": "1"})  # fmt: skip
    found = us(netlist(m=m, p=pcin))
    assert found == pytest.approx((round(1819 * 1.12) + round(1025 * 1.12)) / 1000)


@pytest.mark.parametrize(("kind", "bits"), [("RAMB36E2", 32), ("RAMB18E2", 16)])
def test_block_ram_with_and_without_its_output_register(kind: str, bits: int) -> None:
    ram = model(kind, DOA_REG="0", DOB_REG="1")
    assert ram.launches["DOUTADOUT", bits - 1] == ram.launches["DOUTPADOUTP", 0] == 2454
    assert ram.launches["DOUTBDOUT", bits - 1] == ram.launches["DOUTPBDOUTP", 0] == 882
    assert (ram.setups["ADDRARDADDR", 13], ram.setups["DINBDIN", 0]) == (566, 737)
    assert (ram.setups["WEBWE", 3], ram.setups["ENARDEN", 0]) == (532, 443)
    assert ram.clocks == {"CLKARDCLK", "CLKBWRCLK"}

    def path(register: str) -> float:
        pins = {"CLKARDCLK": 1000, "ADDRARDADDR": ["0"] * 14}
        ram = cell(kind, pins, {"DOUTADOUT": [5]}, DOA_REG=register)
        return us(netlist(r=ram, b=ff(5, 6)))

    assert path("0") - path("1") == pytest.approx(2.454 - 0.882)


def test_ultra_ram_with_and_without_its_output_register() -> None:
    ram = model("URAM288", OREG_A="TRUE", OREG_B="FALSE")
    assert (ram.launches["DOUT_A", 71], ram.launches["DOUT_B", 71]) == (882, 2454)
    assert (ram.setups["ADDR_A", 22], ram.setups["DIN_B", 71]) == (566, 737)
    assert (ram.setups["BWE_B", 8], ram.setups["RDB_WR_A", 0], ram.setups["EN_B", 0]) == (
        532, 532, 443,
    )  # fmt: skip
    assert ram.clocks == {"CLK"}


@pytest.mark.parametrize(("kind", "bits", "like"), [("RAM64M8", 1, 642), ("RAM32M16", 2, 642)])
def test_memories_of_eight_lookup_tables(kind: str, bits: int, like: int) -> None:
    """Every table reads by its own address; all write by that of H."""
    ram = model(kind)
    for table in "ABCDEFGH":
        reads = {end for (source, _), end in ram.arcs.items() if source == (f"ADDR{table}", 0)}
        assert reads == {like}
        ends = {end for source, end in ram.arcs if source[0] == f"ADDR{table}"}
        assert ends == {(f"DO{table}", k) for k in range(bits)}
        assert ram.launches[f"DO{table}", 0] > 1100
        assert ram.setups[f"DI{table}", 0] > 300
        assert (f"ADDR{table}", 0) in ram.setups or table != "H"
    assert not any(port == "ADDRA" for port, _ in ram.setups)


@pytest.mark.parametrize(
    ("kind", "address", "ps"),
    [
        ("RAM64X1S", ("A0", 0), 642), ("RAM64X1S", ("A5", 0), 127),
        ("RAM128X1S", ("A0", 0), 642 + 193 + 175), ("RAM128X1S", ("A6", 0), 276 + 175),
        ("RAM256X1S", ("A", 0), 642 + 193 + 175 + 104), ("RAM512X1S", ("A", 8), 276 + 175 + 208),
    ],
)  # fmt: skip
def test_memories_of_one_port(kind: str, address: tuple[str, int], ps: int) -> None:
    ram = model(kind)
    assert ram.arcs[address, ("O", 0)] == ps
    assert ram.setups[address] > 0
    assert ram.setups["D", 0] == 453


def test_memories_of_two_ports() -> None:
    ram = model("RAM256X1D")
    assert ram.arcs[("DPRA", 0), ("DPO", 0)] == 642 + 223 + 174 + 104
    assert (("DPRA", 0), ("SPO", 0)) not in ram.arcs


def test_muxf9_is_a_muxf8() -> None:
    assert model("MUXF9").arcs == models([("MUXF8", ())])["MUXF8", ()].arcs


def test_every_cell_of_the_table_has_a_model() -> None:
    found = models([(kind, ()) for kind in _table("xcup")], "xcup")
    assert {kind for kind, _ in found} == set(_table("xcup"))
    assert all(m.arcs or m.launches for m in found.values())


@pytest.mark.parametrize(
    ("kind", "pin"),
    [("DSP48E2", "OPMODE"), ("DSP48E2", "CARRYCASCIN"), ("DSP48E2", "MULTSIGNIN"),
     ("RAMB36E2", "CASDINA"), ("URAM288", "INJECT_SBITERR_A"), ("CARRY8", "CI_TOP"),
     ("RAM64X8SW", "A")],
)  # fmt: skip
def test_a_pin_without_a_delay_stays_an_error(kind: str, pin: str) -> None:
    bad = netlist(a=ff("0", 1), x=cell(kind, {pin: 1}, {}))
    with pytest.raises(
        HwgenError, match=rf"{kind}\.{pin}\[0\] of x; has no delay; add it to hwgen/sta/xcup.toml"
    ):
        blocks(bad, "xcup")


def test_an_output_without_a_delay_stays_an_error() -> None:
    """ACOUT with no register before it is A itself: no clock to output."""
    bare = cell("DSP48E2", {"A": ["0"] * 30}, {"ACOUT": [5]}, **BARE)
    with pytest.raises(HwgenError, match=r"DSP48E2.ACOUT\[0\] of x; has no delay"):
        blocks(netlist(x=bare, b=ff(5, 6)), "xcup")
    assert model("DSP48E2", **BARE | {"AREG": "1"}).launches["ACOUT", 0] == 968


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [("DSP48E2", {"BMULTSEL": "AD"}), ("DSP48E2", {"USE_WIDEXOR": "TRUE"}),
     ("RAMB36E2", {"EN_ECC_READ": "TRUE"}), ("URAM288", {"EN_ECC_RD_B": "TRUE"})],
)  # fmt: skip
def test_a_use_that_no_variant_is_for_is_an_error(kind: str, parameters: dict) -> None:
    with pytest.raises(HwgenError, match=f"{kind} x; has no delay"):
        blocks(netlist(x=cell(kind, {}, {}, **parameters)), "xcup")


def test_bits_beyond_a_port_are_none_of_its_pins() -> None:
    """Yosys wires block RAM of UltraScale+ with more bits than it has."""
    ram = cell("RAMB36E2", {"CLKARDCLK": 1000}, {"DOUTADOUT": list(range(100, 164))}, DOA_REG="0")
    assert us(netlist(r=ram, b=ff(131, 6))) > 2.454
    with pytest.raises(ValueError, match="zero-size"):
        us(netlist(r=ram))


def test_7_series_has_none_of_these_cells() -> None:
    with pytest.raises(HwgenError, match=r"DSP48E2 d; has no delay.*xc7.toml"):
        blocks(netlist(a=ff("0", 1), d=dsp(1, 2)))


def test_a_derating_multiplies_cells_and_nets() -> None:
    cells = netlist(a=ff("0", 1), d=dsp(1, 2), b=ff(2, 3))
    assert us(cells, 0.72) == pytest.approx(0.72 * us(cells))
    assert us(cells, 2.0) == pytest.approx(2 * us(cells))


def test_the_derating_of_a_family_and_that_of_a_user() -> None:
    assert DERATING == {"xc7": 1.0, "xcup": 0.72}
    assert (derating("xcup"), derating("xc7")) == (0.72, 1.0)
    assert derating("xcup", 0.5) == 0.5
    with pytest.raises(HwgenError, match="cell delays are known of xc7, xcup"):
        derating("xcu", 0.5)


@pytest.mark.parametrize("bad", [0.0, -0.72, 10.5, float("nan"), float("inf")])
def test_a_factor_that_is_none_is_refused(bad: float) -> None:
    with pytest.raises(HwgenError, match=r"^--derating: .*; must be above 0 and at most 10; "):
        derating("xcup", bad)
