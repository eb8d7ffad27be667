"""The serial wrapper: every port is connected, and values go in and come out bit by bit."""

from __future__ import annotations

import random
import re
import subprocess
from pathlib import Path

import pytest

from hwgen.emit.rtl import TOP as ENGINE
from hwgen.emit.rtl import write_rtl
from hwgen.emit.serial_wrapper import TOP, Port, read_ports, wrapper_text
from hwgen.emit.verilog_style import Source, findings
from hwgen.engine.sizing import Sizing
from hwgen.tools import lint_verilog, verilate

PROBE = """\
// Three inputs, two outputs; `sum` a cycle late.
`default_nettype none
module probe #(
    parameter W = 8
) (
    input  wire         clock,
    input  wire         flag,
    input  wire [W-1:0] a,
    output reg  [W  :0] sum,
    input  wire [  4:0] b,
    output wire         other
);
    assign other = ~flag;
    always @(posedge clock) sum <= a + {{W-4{1'b0}}, b};
endmodule
`default_nettype wire
"""
PORTS = [
    Port("clock", 1, True), Port("flag", 1, True), Port("a", 12, True), Port("sum", 13, False),
    Port("b", 5, True), Port("other", 1, False),
]  # fmt: skip
IN_BITS, OUT_BITS = 18, 14
# Protocol of the header: bits, load, time for the design, load, two cycles, bits.
HARNESS = """
#include <cstdio>
#include <string>
#include <iostream>
#include "Vserial_wrapper.h"
int main(int argc, char** argv) {
    VerilatedContext context;
    Vserial_wrapper top{&context};
    auto cycle = [&](int bit, int load) {
        top.serial_in = bit; top.load = load;
        top.clk = 0; top.eval(); top.clk = 1; top.eval();
    };
    const int out_bits = std::stoi(argv[1]);
    std::string bits;
    while (std::cin >> bits) {
        for (char c : bits) cycle(c == '1', 0);
        cycle(0, 1);
        for (int i = 0; i < 4; ++i) cycle(0, 0);
        cycle(0, 1);
        cycle(0, 0);
        for (int i = 0; i < out_bits; ++i) {
            cycle(0, 0);
            std::putchar(top.serial_out ? '1' : '0');
        }
        std::putchar('\\n');
    }
    top.final();
}
"""


@pytest.fixture
def probe(tmp_path: Path) -> Path:
    path = tmp_path / "probe.v"
    path.write_text(PROBE)
    return path


def test_ports_with_parameters(probe: Path) -> None:
    assert read_ports([probe], "probe", {"W": 12}) == PORTS
    assert read_ports([probe], "probe")[2] == Port("a", 8, True)


def run(probe: Path, text: str, vectors: list[tuple[int, int, int]]) -> list[tuple[int, int]]:
    """(sum, other) that come out of the simulated wrapper for every (flag, a, b)."""
    folder = probe.parent
    (folder / f"{TOP}.v").write_text(text)
    (folder / "main.cpp").write_text(HARNESS)
    exe = verilate(TOP, [probe, folder / f"{TOP}.v"], folder / "obj", folder / "main.cpp")
    lines = [f"{b << 13 | a << 1 | flag:0{IN_BITS}b}" for flag, a, b in vectors]
    done = subprocess.run(
        [exe, str(OUT_BITS)], input="\n".join(lines), capture_output=True, text=True, check=True
    )
    words = [int(line, 2) for line in done.stdout.split()]
    return [(word & 0x1FFF, word >> 13) for word in words]


@pytest.mark.slow
def test_values_pass_through(probe: Path) -> None:
    text = wrapper_text("probe", "clock", PORTS, {"W": 12})
    rng = random.Random(1)
    vectors = [(0, 0, 0), (1, 4095, 31), (0, 1, 0), (1, 0, 16)]
    vectors += [(rng.randrange(2), rng.randrange(4096), rng.randrange(32)) for _ in range(40)]
    want = [(a + b, 1 - flag) for flag, a, b in vectors]
    assert run(probe, text, vectors) == want
    swapped = text.replace(".flag(inputs_q[0])", ".flag(inputs_q[1])")
    assert swapped != text
    assert run(probe, swapped, vectors) != want, "a crossed wire must be seen"


def test_the_engine_is_connected_whole(tmp_path: Path) -> None:
    """Widths match (lint), every signal of either bus is used once, the form is the project's."""
    files = write_rtl(tmp_path / "rtl", Sizing(kw=64, axi_bits=64, gu=4, gs=4))
    ports = read_ports(files[-1:], ENGINE)
    text = wrapper_text(ENGINE, "aclk", ports)
    path = tmp_path / f"{TOP}.v"
    path.write_text(text)
    assert findings([Source(path.name, text)]) == []
    assert lint_verilog([*files, path], TOP, skip=("yosys", "pyverilog", "iverilog")) == []
    for bus, is_input in (("inputs_q", True), ("outputs", False)):
        bits = [
            range(int(low or high), int(high) + 1)
            for high, low in re.findall(rf"\({bus}\[(\d+)(?::(\d+))?\]\)", text)
        ]
        want = sum(p.bits for p in ports if p.is_input is is_input and p.name != "aclk")
        assert sorted(n for r in bits for n in r) == list(range(want))
