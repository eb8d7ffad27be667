"""DSPs of UltraScale+ are packed as those of 7-series, and are the same logic afterwards."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from hwgen.errors import ToolError
from hwgen.synth import count_rtl
from hwgen.synth.run import DSP48E2, description, flow, key
from hwgen.synth.units import elaborate, split
from hwgen.targets import get_target
from hwgen.tools.yosys import run_yosys

HERE = Path(__file__).parent
KV260 = get_target("kv260")
CYCLES = 2000

PORTS = """(
    input wire clk, input wire rst, input wire en,
    input wire signed [15:0] a, input wire signed [15:0] b,
    input wire signed [15:0] d, input wire signed [31:0] c,
    output {y}
);
"""
# design -> (the output y, body, DSPs, what they have in use)
DESIGNS: dict[str, tuple[str, str, int, dict[str, object]]] = {
    "registers": (
        "reg signed [31:0] y",
        """reg signed [15:0] a1, b1, b2; reg signed [31:0] m;
        always @(posedge clk) begin a1 <= a; b1 <= b; b2 <= b1; m <= a1 * b2; y <= m; end""",
        1, {"AREG": 1, "BREG": 2, "MREG": 1, "PREG": 1, "AMULTSEL": "A"},
    ),
    "enables": (
        "reg signed [31:0] y",
        """reg signed [15:0] a1, b1;
        always @(posedge clk) begin
            if (en) a1 <= a;
            b1 <= b;
            y <= a1 * b1;
            if (rst) begin b1 <= 16'd0; y <= 32'd0; end
        end""",
        1, {"AREG": 1, "BREG": 1, "MREG": 1},
    ),
    "pre_adder": (
        "reg signed [47:0] y",
        """reg signed [15:0] a1, d1, b1, b2; reg signed [16:0] s; reg signed [33:0] m;
        reg signed [31:0] c1;
        always @(posedge clk) begin
            a1 <= a; d1 <= d; b1 <= b; b2 <= b1; s <= a1 + d1; m <= s * b2; c1 <= c; y <= m + c1;
        end""",
        1, {"AREG": 1, "ADREG": 1, "DREG": 1, "BREG": 2, "MREG": 1, "PREG": 1, "CREG": 1,
            "AMULTSEL": "AD"},
    ),
    "pre_subtractor": (
        "reg signed [34:0] y",
        """reg signed [16:0] s; reg signed [15:0] b1;
        always @(posedge clk) begin s <= d - a; b1 <= b; y <= s * b1; end""",
        1, {"ADREG": 1, "AMULTSEL": "AD", "MREG": 1},
    ),
    "bare_pre_adder": (
        "wire signed [34:0] y",
        """wire signed [16:0] s = a + d; assign y = s * b;""",
        1, {"AREG": 0, "ADREG": 0, "DREG": 0, "MREG": 0, "PREG": 0, "AMULTSEL": "AD"},
    ),
    "accumulate": (
        "reg signed [47:0] y",
        """reg signed [15:0] a1, b1; reg signed [31:0] m;
        always @(posedge clk) begin
            a1 <= a; b1 <= b; m <= a1 * b1;
            if (rst) y <= 48'd0; else if (en) y <= y + m;
        end""",
        1, {"MREG": 1, "PREG": 1},
    ),
    "load_and_accumulate": (
        "reg signed [47:0] y",
        """reg signed [31:0] m; wire signed [47:0] wide = c;
        always @(posedge clk) begin m <= a * b; y <= (en ? wide : y) + m; end""",
        1, {"MREG": 1, "PREG": 1},
    ),
    "two_in_cascade": (
        "reg signed [47:0] y",
        """reg signed [15:0] a1, b1; reg signed [31:0] m, n; reg signed [15:0] c1, d1;
        always @(posedge clk) begin
            a1 <= a; b1 <= b; c1 <= c[15:0]; d1 <= d;
            m <= a1 * b1; n <= c1 * d1; y <= m + n;
        end""",
        2, {"MREG": 1},
    ),
    "wide": (
        "reg signed [47:0] y",
        """reg signed [31:0] c1; reg signed [15:0] b1;
        always @(posedge clk) begin c1 <= c; b1 <= b; y <= c1 * b1; end""",
        2, {},
    ),
    "simd": (
        "reg [47:0] y",
        """(* use_dsp = "simd" *) wire [11:0] p = a[11:0] + b[11:0], q = c[11:0] + d[11:0];
        (* use_dsp = "simd" *) wire [11:0] r = c[23:12] + b[11:0], s = a[11:0] + d[11:0];
        always @(posedge clk) y <= {p, q, r, s};""",
        1, {"USE_MULT": "NONE", "USE_SIMD": "FOUR12", "AMULTSEL": "A"},
    ),
}  # fmt: skip
BENCH = """\
`timescale 1ns / 1ps
module bench;
    reg clk = 0, rst = 1, en = 1;
    reg signed [15:0] a = 0, b = 0, d = 0;
    reg signed [31:0] c = 0;
    wire signed [47:0] want, e1, e2;
    integer n, bad = 0;
    dut     u_want (.clk(clk), .rst(rst), .en(en), .a(a), .b(b), .c(c), .d(d), .y(want[{w}:0]));
    dut_e1  u_e1   (.clk(clk), .rst(rst), .en(en), .a(a), .b(b), .c(c), .d(d), .y(e1[{w}:0]));
    dut_e2  u_e2   (.clk(clk), .rst(rst), .en(en), .a(a), .b(b), .c(c), .d(d), .y(e2[{w}:0]));
    initial begin
        for (n = 0; n < {cycles}; n = n + 1) begin
            #1 clk = 0;
            a = $random; b = $random; c = $random; d = $random; en = $random;
            if ($random & 1) {{a, b, d}} = {{3{{16'h8000}}}} ^ {{48{{c[0]}}}};  // the ends
            rst = n < 8;
            #1 if (n > 12 && (want[{w}:0] !== e1[{w}:0] || want[{w}:0] !== e2[{w}:0])) begin
                bad = bad + 1;
                if (bad < 4) $display("cycle %0d: %h, E1 %h, E2 %h", n, want, e1, e2);
            end
            clk = 1;
        end
        if (bad == 0) $display("equal %0d", n);
        $finish;
    end
endmodule
"""


def source(name: str) -> str:
    y, body, _, _ = DESIGNS[name]
    return f"module dut {PORTS.format(y=y)}{body}\nendmodule\n"


def retype() -> list[str]:
    """The commands that make DSP48E2 of DSP48E1."""
    steps = flow(KV260).before
    at = next(k for k, step in enumerate(steps) if step.startswith("techmap"))
    return [steps[at].replace(DSP48E2.name, f'"{DSP48E2}"'), steps[at + 1]]


def pack() -> list[str]:
    """The commands before those."""
    steps = flow(KV260).before
    return list(steps[: next(k for k, step in enumerate(steps) if step.startswith("techmap"))])


def dsps(path: Path) -> list[dict]:
    """The DSPs of a netlist that Yosys has written."""
    (module,) = (m for m in json.loads(path.read_text())["modules"].values() if "dut" in str(m))
    return [c for c in module["cells"].values() if c["type"].startswith("DSP48E")]


def instance(ports: dict[str, str], parameters: dict[str, str]) -> str:
    """A module with one DSP48E1 between ports of the same names and widths, but for `ports`."""
    pins, declared = [], []
    for way, width, name in re.findall(
        r"^    (input|output)(?: reg)?(?: signed)? *(?:\[(\d+):0\])? (\w+)(?=,?$)",
        re.sub(r"\(\*.*?\*\) ", "", dsp48e1()), re.M,
    ):  # fmt: skip
        declared.append(f"{way} [{width or 0}:0] {name}")
        pins.append(f".{name}({ports.get(name, name)})")
    values = ", ".join(f".{name}({text})" for name, text in parameters.items())
    head = f"module dut ({', '.join(declared)});"
    return f"{head}\nDSP48E1 #({values}) u_dsp ({', '.join(pins)});\nendmodule\n"


CONSTANT = {"INMODE": "5'b00000", "CARRYINSEL": "3'b000"}
ADDS = CONSTANT | {
    "INMODE": "5'b00100",
    "A": "{{7{A[22]}}, A[22:0]}",
    "D": "{{2{D[22]}}, D[22:0]}",
}
WITH_D = {"USE_DPORT": '"TRUE"'}


def retyped(ports: dict[str, str], parameters: dict[str, str], folder: Path) -> tuple[dict, dict]:
    """The DSP48E2 of an instance of DSP48E1, and the bits of the module's ports."""
    rtl, out = folder / "dut.v", folder / "e2.json"
    rtl.write_text(instance(ports, parameters))
    library = "+/xilinx/cells_sim.v +/xilinx/cells_xtra.v"
    run_yosys(
        [f"read_verilog -lib -specify {library}", f'read_verilog "{rtl}"', "hierarchy -top dut",
         *retype(), f'write_json -selected "{out}"']
    )  # fmt: skip
    (module,) = (m for name, m in json.loads(out.read_text())["modules"].items() if name == "dut")
    (cell,) = module["cells"].values()
    assert cell["type"] == "DSP48E2"
    return cell, {name: port["bits"] for name, port in module["ports"].items()}


def test_every_port_of_a_dsp48e1_is_the_same_one_of_a_dsp48e2(tmp_path: Path) -> None:
    cell, bits = retyped(CONSTANT, {}, tmp_path)
    ends = cell["connections"]
    assert ends.pop("A") == bits["A"][:25] + [bits["A"][24]] * 5
    assert ends.pop("D") == bits["D"] + [bits["D"][24]] * 2
    assert ends.pop("OPMODE") == bits["OPMODE"] + ["0", "0"]
    assert (ends.pop("INMODE"), ends.pop("CARRYINSEL")) == (["0"] * 5, ["0"] * 3)
    others = {"A", "D", "OPMODE", *CONSTANT}
    assert ends == {name: pins for name, pins in bits.items() if name not in others}
    assert len(ends) == 49 - len(others)


def test_the_pre_adder_of_a_dsp48e1_is_the_one_before_a(tmp_path: Path) -> None:
    cell, bits = retyped(ADDS, WITH_D, tmp_path)
    assert cell["connections"]["A"] == bits["A"][:23] + [bits["A"][22]] * 7
    assert cell["connections"]["D"] == bits["D"][:23] + [bits["D"][22]] * 4
    assert cell["connections"]["INMODE"] == list("00100")
    assert cell["parameters"]["AMULTSEL"] == "AD"


def test_without_a_multiplier_all_bits_of_a_are_passed_on(tmp_path: Path) -> None:
    cell, bits = retyped(CONSTANT, {"USE_MULT": '"NONE"'}, tmp_path)
    assert cell["connections"]["A"] == bits["A"]


def test_every_parameter_of_a_dsp48e1_is_the_same_one_of_a_dsp48e2(tmp_path: Path) -> None:
    registers = re.findall(r"parameter integer (\w+REG)", dsp48e1())
    same = {name: str(n % 2) for n, name in enumerate(registers)}
    same |= {"AREG": "2", "BREG": "2", "A_INPUT": '"CASCADE"', "B_INPUT": '"CASCADE"'}
    same |= {"MASK": "48'h123456789abc", "PATTERN": "48'hfedcba987654", "SEL_MASK": '"C"'}
    same |= {"SEL_PATTERN": '"C"', "USE_MULT": '"NONE"', "USE_SIMD": '"TWO24"'}
    same |= {"USE_PATTERN_DETECT": '"PATDET"', "IS_ALUMODE_INVERTED": "4'b0110"}
    same |= {"IS_CARRYIN_INVERTED": "1'b1", "IS_CLK_INVERTED": "1'b1"}
    more = {"IS_OPMODE_INVERTED": "7'b1010101", "USE_DPORT": '"FALSE"'}
    more |= {"IS_INMODE_INVERTED": "5'b11111", "AUTORESET_PATDET": '"NO_RESET"'}
    given = set(re.findall(r"parameter (?:integer |\[\d+:0\] )?(\w+) =", dsp48e1()))
    assert given == set(same | more)
    ports = CONSTANT | {"INMODE": "5'b11111"}
    found = {name: value(text) for name, text in retyped(ports, same | more, tmp_path)[0][
        "parameters"].items()}  # fmt: skip
    assert all(found.pop(name) == number(text) for name, text in same.items())
    assert found == {
        "AMULTSEL": "A", "BMULTSEL": "B", "PREADDINSEL": "A", "AUTORESET_PATDET": "NO_RESET",
        "AUTORESET_PRIORITY": "RESET", "USE_WIDEXOR": "FALSE", "XORSIMD": "XOR24_48_96", "RND": 0,
        "IS_OPMODE_INVERTED": 0b001010101, "IS_INMODE_INVERTED": 0b11111,
    }  # fmt: skip


def number(text: str) -> int | str:
    """A literal of Verilog."""
    if text.startswith('"'):
        return text.strip('"')
    _, base, digits = re.fullmatch(r"(?:(\d+)'([bh]))?(\w+)", text).groups()
    return int(digits, {"b": 2, "h": 16, None: 10}[base])


@pytest.mark.parametrize(
    ("ports", "parameters"),
    [
        (CONSTANT | {"INMODE": "INMODE"}, {}),  # a signal
        (CONSTANT | {"INMODE": "5'b00010"}, {}),
        (CONSTANT | {"INMODE": "5'b00100"}, {}),  # D without a pre-adder
        (CONSTANT | {"CARRYINSEL": "3'b110"}, {}),
        (CONSTANT, {"USE_MULT": '"DYNAMIC"'}),
        (CONSTANT, {"AUTORESET_PATDET": '"RESET_MATCH"'}),
        (CONSTANT, {"IS_INMODE_INVERTED": "5'b00100"}),
        (ADDS | {"A": "A"}, WITH_D),  # a sum of 26 bits: 25 in DSP48E1, 27 in DSP48E2
        (ADDS | {"D": "D"}, WITH_D),
        (ADDS, WITH_D | {"A_INPUT": '"CASCADE"'}),
        (ADDS | {"INMODE": "5'b00000"}, WITH_D),
    ],
)
def test_what_a_dsp48e2_would_do_otherwise_is_refused(
    ports: dict[str, str], parameters: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(ToolError, match="Assertion failed: selection is not empty: t:DSP48E1"):
        retyped(ports, parameters, tmp_path)


def test_what_stays_outside_is_what_stays_outside_on_7_series(tmp_path: Path) -> None:
    """A product with a pre-adder and all its registers: one DSP and nothing else."""
    file = tmp_path / "dut.v"
    file.write_text(source("pre_adder"))
    for name in ("zynq", "kv260"):
        total, _ = count_rtl([file], "dut", get_target(name), cache=tmp_path)
        assert (total.dsp, total.lut, total.ff) == (1, 0, 0)


def test_the_retyping_is_part_of_the_key_of_a_kept_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "dut.v"
    file.write_text(source("registers"))
    modules = elaborate([file], "dut", tmp_path)
    (unit,) = split(modules, "dut")
    keys = {key(modules, unit, get_target(name)) for name in ("zynq", "kv260", "zcu102")}
    other = tmp_path / DSP48E2.name
    other.write_text(DSP48E2.read_text() + "// another\n")
    monkeypatch.setattr("hwgen.synth.run.DSP48E2", other)
    assert key(modules, unit, get_target("zynq")) in keys
    assert key(modules, unit, KV260) not in keys


def test_the_report_names_the_steps() -> None:
    assert description(get_target("zynq")) == "synth_xilinx -family xc7"
    assert description(KV260) == "synth_xilinx -family xcup; map_dsp of xc7, then dsp48e2.v"


def value(text: str) -> int | str:
    return int(text, 2) if text and set(text) <= set("01") else text


@pytest.mark.parametrize("name", DESIGNS)
def test_what_is_packed_is_the_same_before_and_after_it_is_a_dsp48e2(
    name: str, tmp_path: Path
) -> None:
    """The RTL = Yosys's model of the DSP48E1 = a model of DSP48E2, cycle by cycle."""
    y, _, number, used = DESIGNS[name]
    rtl, e1, e2 = (tmp_path / f"{part}.v" for part in ("dut", "e1", "e2"))
    rtl.write_text(source(name))
    library = "+/xilinx/cells_sim.v +/xilinx/cells_xtra.v"
    run_yosys(
        [f"read_verilog -lib -specify {library}", f'read_verilog "{rtl}"', "hierarchy -top dut",
         *pack(), "opt_clean", "rename dut dut_e1", f'write_verilog -selected -noattr "{e1}"',
         *retype(), "opt_clean", "rename dut_e1 dut_e2",
         f'write_verilog -selected -noattr "{e2}"', f'write_json -selected "{tmp_path}/e2.json"']
    )  # fmt: skip
    cells = dsps(tmp_path / "e2.json")
    assert [c["type"] for c in cells] == ["DSP48E2"] * number
    for parameter, wanted in used.items():
        assert wanted in [value(c["parameters"][parameter]) for c in cells], parameter
    width = int(found[1]) if (found := re.search(r"\[(\d+):", y)) else 0
    (tmp_path / "bench.v").write_text(BENCH.format(w=width, cycles=CYCLES))
    (tmp_path / "dsp48e1.v").write_text(dsp48e1())
    files = [*sorted(tmp_path.glob("*.v")), HERE / "DSP48E2.v"]
    sim = tmp_path / "sim"
    subprocess.run(["iverilog", "-g2012", "-s", "bench", "-o", sim, *files], check=True)
    log = subprocess.run([sim], capture_output=True, text=True, check=True).stdout
    assert log.splitlines() == [f"equal {CYCLES}"], log


def dsp48e1() -> str:
    """Yosys's simulation model of the DSP48E1."""
    import pyosys

    text = (Path(pyosys.__file__).parent / "share" / "xilinx" / "cells_sim.v").read_text()
    found = re.search(r"^module DSP48E1 .*?^endmodule$", text, re.M | re.S)
    assert found
    return f"`timescale 1ns / 1ps\n{found[0]}\n"
