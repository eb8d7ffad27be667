"""The shipped popcount equals the plain sum of XNORs, for every input: a proof, not a simulation.

What is proven, for KW = 64, 128 and 256, of the Verilog in templates/rtl as Yosys elaborates it:

    pop(t + 4) = sum over k < KW of (act(t)[k] == weight(t)[k])     for all act, weight, t

1. Leaves. Each of popcount_xnor8, popcount_pairs and popcount_total, with every set of parameters
   that occurs, satisfies its equation below for all inputs (SAT, nothing about inputs assumed).
2. Composition. The equations of all instances and registers, added up with multiples that cancel
   every inner bit, leave pop = sum of the KW agreements, modulo 2^POP_W, each pair of act and
   weight bits once. Both sides lie in 0 .. KW < 2^POP_W, so they are equal.
3. Pipeline. Every path from act and weight to pop crosses exactly four registers, plain $dff of
   the one clock without enable, reset or initial value, and there is no loop: pop depends on one
   vector only, whatever the registers held before.

The plain description (a loop over a sum, hwgen.results.popcount.PLAIN) is put through 2 and 3 with
Yosys' $add and $eq cells as leaves and gives the same sum and the same latency.

Assumed: Yosys' Verilog front end and its SAT solver, the meaning of $dff, $add and $eq, and the
linear arithmetic of tests/formal/linear.py. Mapping to LUTs is not covered.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from hwgen.errors import ToolError
from hwgen.paths import rtl_source
from hwgen.results.popcount import PLAIN, TREE
from tests.formal.linear import Equation, NotProven, base_name, elaborate, prove_leaf, summed

MODULUS = 9  # bits, >= POP_W of KW = 256


def xnor8(sizes: dict[str, int]) -> tuple[int, list[Equation]]:
    """count[g] + 2 two[g] = agreements of the eight pairs of group g."""
    g = sizes["G"]
    return MODULUS, [
        [(1 << j, "count", 3 * i + j) for j in range(3)]
        + [(2, "two", i)]
        + [(-1, "a==b", k * g + i) for k in range(8)]
        for i in range(g)
    ]


def pairs(sizes: dict[str, int]) -> tuple[int, list[Equation]]:
    """y[m] = x[2m] + x[2m + 1] + c[m], rest[m] = c[M + m]; everything passes when N = 1."""
    n, w, m, v = (sizes[k] for k in "NWMV")
    out = [[(1 << j, "y", i * v + j) for j in range(v)] for i in range(m)]
    if n == 1:
        out[0] += [(-(1 << j), "x", j) for j in range(w)]
        return MODULUS, [*out, [(1, "rest", 0), (-1, "c", 0)]]
    for i in range(m):
        out[i] += [(-(1 << j), "x", (2 * i + k) * w + j) for j in range(w) for k in (0, 1)]
        out[i] += [(-1, "c", i)]
    return MODULUS, out + [[(1, "rest", i), (-1, "c", m + i)] for i in range(m)]


def total(sizes: dict[str, int]) -> tuple[int, list[Equation]]:
    """sum = one + 2 twos + ones + 2 two, modulo 2^(W + 1)."""
    w, v = sizes["W"], sizes["V"]
    equation = [(1 << i, "sum", i) for i in range(w + 1)] + [(-1, "one", 0), (-2, "two", 0)]
    equation += [(-(2 << i), "twos", i) for i in range(w - 1)]
    return w + 1, [equation + [(-(1 << i), "ones", i) for i in range(v)]]


LEAVES = {"popcount_xnor8": xnor8, "popcount_pairs": pairs, "popcount_total": total}


def sizes(kw: int) -> dict[str, int]:
    return {"KW": kw, "POP_W": kw.bit_length()}


def prove(files: list[Path], kw: int, work: Path) -> None:
    """Steps 1 to 3 of the module docstring. Raises NotProven or ToolError when one fails."""
    modules = elaborate(files, sizes(kw), work)
    for kind, module in modules.items():
        if base_name(kind) in LEAVES:
            prove_leaf(files, base_name(kind), module, LEAVES[base_name(kind)], work)
    check_sum(modules, kw)


def check_sum(modules: dict, kw: int) -> None:
    left, cycles = summed(modules, LEAVES, kw.bit_length())
    (top,) = (m for m in modules.values() if "top" in m["attributes"])
    both = (top["ports"][name]["bits"] for name in ("act", "weight"))
    if left != dict.fromkeys(zip(*both), 1):
        raise NotProven("pop is another sum")
    if cycles != 5:
        raise NotProven(f"{cycles} cycles")


def sources() -> list[Path]:
    return [rtl_source(f"{name}.v") for name in ("popcount", *TREE)]


@pytest.mark.parametrize("kw", [64, 128, 256])
def test_popcount_is_the_plain_sum(kw, tmp_path):
    prove(sources(), kw, tmp_path)


@pytest.mark.parametrize("kw", [64, 128, 256])
def test_the_plain_description_is_that_sum(kw, tmp_path):
    (tmp_path / "plain.v").write_text(PLAIN)
    check_sum(elaborate([tmp_path / "plain.v"], sizes(kw), tmp_path), kw)


EARLY = "    always @* begin\n        count_q"
# What, in which module, old text, new text.
FAULTS = {
    "outputs of a counter swapped": (
        "popcount_xnor8",
        ".ones(y0),\n        .twos(y1)",
        ".ones(y1),\n        .twos(y0)",
    ),
    "a counter's carry": ("popcount_xnor3", "(z & (x ^ y))", "(z & (x | ~y))"),
    "a bit left out of a chain": ("popcount_xnor8", "x0 = s ^ t ^ r", "x0 = s ^ t"),
    "a carry in dropped": (
        "popcount_pairs",
        "{1'b0, x[2*m*W+:W], c[m]}",
        "{1'b0, x[2*m*W+:W], 1'b0}",
    ),
    "a wrong ripple": ("popcount_total", "= two && &ones[i-1:1]", "= two && |ones[i-1:1]"),
    "a bit dropped": ("popcount", "low[g] = count_q[3*g]", "low[g] = g != 5 && count_q[3*g]"),
    "a word twice": ("popcount", "count_q[3*g+1+:2]", "count_q[(g == 3 ? 4 : 3*g+1)+:2]"),
    "a list of another cycle": ("popcount", "c0 = two_q", "c0 = two"),
    "a register that waits": ("popcount", "pop <= total", "if (act[0]) pop <= total"),
    "one cycle less": ("popcount", "    always @(posedge clk) begin\n        count_q", EARLY),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_refused(fault, tmp_path):
    name, old, new = FAULTS[fault]
    files = []
    for path in sources():
        text = path.read_text()
        if path.stem == name:
            assert text.count(old) == 1
            text = text.replace(old, new)
        (tmp_path / path.name).write_text(text)
        files.append(tmp_path / path.name)
    with pytest.raises((NotProven, ToolError)) as error:
        prove(files, 64, tmp_path)
    if isinstance(error.value, ToolError):  # a counterexample, not a syntax error
        assert "proof did fail" in str(error.value)
