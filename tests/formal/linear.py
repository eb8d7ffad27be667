"""Proofs that a netlist sums what it should, by linear equations modulo 2^n over its bits.

A module needs no look inside once it is proven that its output bits, with their coefficients, sum
to its input bits with theirs. Multiples of the equations of all instances are added so that every
inner bit cancels; what is left is an equation of the netlist that holds for every input.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from hwgen.tools.yosys import run_yosys

Term = tuple[int, str, int]  # coefficient, port, bit; port "a==b" is 1 where both ports agree
Equation = list[Term]  # the terms add up to 0, modulo 2^modulus
Leaf = Callable[[dict[str, int]], tuple[int, list[Equation]]]  # parameters -> modulus, equations


class NotProven(AssertionError):
    """The netlist does not have the shape that the proof needs, or an equation is wrong."""


def need(condition: object, message: str) -> None:
    if not condition:
        raise NotProven(message)


def elaborate(files: list[Path], sizes: dict[str, int], work: Path) -> dict:
    """Modules of the design `popcount` as Yosys writes them, hierarchy kept."""
    out = work / "netlist.json"
    chparam = " ".join(f"-chparam {k} {v}" for k, v in sizes.items())
    script = [f'read_verilog "{f}"' for f in files]
    script += [f"hierarchy -check -top popcount {chparam}", "proc", "opt_expr", "opt_clean"]
    run_yosys([*script, "check -assert", f'write_json "{out}"'])
    return json.loads(out.read_text())["modules"]


def ports(module: dict) -> dict[str, int]:
    return {name: len(p["bits"]) for name, p in module["ports"].items()}


def parameters(module: dict) -> dict[str, int]:
    """Parameters of an elaborated module."""
    return {k: value(v) for k, v in module["parameter_default_values"].items()}


def value(parameter: str | int) -> int:
    return int(parameter, 2) if isinstance(parameter, str) else parameter


def prove_leaf(files: list[Path], base: str, module: dict, leaf: Leaf, work: Path) -> None:
    """Proves the equations of one module, with its parameters, by SAT: for every input."""
    sizes = parameters(module)
    modulus, equations = leaf(sizes)
    widths = ports(module)
    lines = ["module check("]
    inputs = [n for n, p in module["ports"].items() if p["direction"] == "input"]
    lines.append(", ".join(f"input [{widths[n] - 1}:0] {n}" for n in inputs))
    lines.append(f", output [{len(equations) - 1}:0] ok);")
    lines += [f"wire [{widths[n] - 1}:0] {n};" for n in widths if n not in inputs]
    over = ", ".join(f".{k}({v})" for k, v in sizes.items())
    lines.append(f"{base} #({over}) u ({', '.join(f'.{n}({n})' for n in widths)});")
    for i, equation in enumerate(equations):
        zero = f"{{{modulus}{{1'b0}}}}"
        left = [zero, *(_verilog(c, p, b, modulus) for c, p, b in equation if c > 0)]
        right = [zero, *(_verilog(-c, p, b, modulus) for c, p, b in equation if c < 0)]
        lines += [f"wire [{modulus - 1}:0] l{i} = {' + '.join(left)};"]
        lines += [f"wire [{modulus - 1}:0] r{i} = {' + '.join(right)};"]
        lines += [f"assign ok[{i}] = l{i} == r{i};"]
    (work / "check.v").write_text("\n".join([*lines, "endmodule", ""]))
    script = [f'read_verilog "{f}"' for f in [*files, work / "check.v"]]
    script += ["hierarchy -check -top check", "proc", "setattr -mod -unset keep_hierarchy *"]
    script += [
        "flatten",
        "opt -fast",
        f"sat -verify -prove ok {len(equations)}'b{'1' * len(equations)} check",
    ]
    need("SUCCESS" in run_yosys(script), f"{base} {sizes}")


def _verilog(coefficient: int, port: str, bit: int, modulus: int) -> str:
    one = f"{port}[{bit}]"
    if "==" in port:
        a, b = port.split("==")
        one = f"({a}[{bit}] == {b}[{bit}])"
    return f"({one} ? {modulus}'d{coefficient} : {modulus}'d0)"


def summed(modules: dict, leaves: dict[str, Leaf], modulus: int) -> tuple[dict, int]:
    """({(act bit, weight bit): coefficient}, cycles): pop of the top, modulo 2^modulus.

    Every path from an input to `pop` is checked to cross the same number of registers: plain $dff
    of one clock edge, without enable, reset or initial value. A loop is refused. Equations relate
    bits of one vector, so a register is an equation q = d.
    """
    (top,) = (m for m in modules.values() if "top" in m["attributes"])
    clock = top["ports"]["clk"]["bits"]
    stage: dict[int, int] = {}
    for name, port in top["ports"].items():
        if port["direction"] == "input" and name != "clk":
            stage |= dict.fromkeys(port["bits"], 0)
    inits = [n for n in top["netnames"].values() if "init" in n["attributes"]]
    need(not inits, "a register has an initial value")
    todo = dict(top["cells"])
    equations: list[tuple[dict, list[int]]] = []
    while todo:
        done = []
        for name, cell in todo.items():
            wires = cell["connections"]
            outs = {p for p, d in cell["port_directions"].items() if d == "output"}
            ins = [b for p, bits in wires.items() if p not in outs and p != "CLK" for b in bits]
            if not all(isinstance(b, str) or b in stage for b in ins):
                continue
            at = {stage[b] for b in ins if not isinstance(b, str)}
            need(len(at) == 1, f"{name}: vectors of different cycles meet")
            if cell["type"] == "$dff":
                need(wires["CLK"] == clock, f"{name}: another clock")
                need(value(cell["parameters"]["CLK_POLARITY"]) == 1, f"{name}: falling edge")
            at = at.pop() + (cell["type"] == "$dff")
            for bit in (b for p in outs for b in wires[p]):
                need(bit not in stage, f"{name}: a second driver")
                stage[bit] = at
            equations += _equations(cell, modules, leaves, modulus, outs)
            done.append(name)
        need(done, "a loop, or a bit without a driver")
        for name in done:
            del todo[name]
    pop = top["ports"]["pop"]["bits"]
    need(all(not isinstance(b, str) for b in pop), "pop has a constant bit")
    cycles = {stage[b] for b in pop}
    need(len(cycles) == 1, "bits of pop in different cycles")
    left: dict = {}
    _add(left, {bit: 1 << i for i, bit in enumerate(pop)}, 1, modulus)
    for equation, pivots in reversed(equations):
        for bit in pivots:  # the lowest bit of the result, coefficient 1
            if left.get(bit):
                _add(left, equation, -left[bit], modulus)
    inner = [k for k in left if not isinstance(k, tuple)]
    need(not inner, f"{len(inner)} inner bits are left: an output is unused or has a wrong weight")
    return left, cycles.pop()


def _add(left: dict, equation: dict, times: int, modulus: int) -> None:
    for key, c in equation.items():
        left[key] = (left.get(key, 0) + c * times) % (1 << modulus)
        if not left[key]:
            del left[key]


def _equations(
    cell: dict, modules: dict, leaves: dict[str, Leaf], modulus: int, outs: set[str]
) -> list[tuple[dict, list[int]]]:
    """The cell's equations over net bits, each with the bit that it can remove (coefficient 1)."""
    wires, kind = cell["connections"], cell["type"]
    terms: list[list[tuple[int, str, int]]]
    if kind == "$dff":
        terms = [[(1, "Q", i), (-1, "D", i)] for i in range(len(wires["Q"]))]
    elif kind == "$eq":
        need(len(wires["A"]) == len(wires["B"]) == 1, "$eq of words")
        terms = [[(1, "Y", 0), (-1, "A==B", 0)]]
        terms += [[(1, "Y", i)] for i in range(1, len(wires["Y"]))]
    elif kind == "$add":
        size = len(wires["Y"])
        need(size >= modulus, "$add is too narrow")
        signed = value(cell["parameters"]["A_SIGNED"]) or value(cell["parameters"]["B_SIGNED"])
        need(not signed, "$add of signed words")
        terms = [[(1 << i, "Y", i) for i in range(size)]]
        terms[0] += [(-(1 << i), p, i) for p in "AB" for i in range(len(wires[p]))]
    else:
        need(kind in modules, f"a cell {kind} outside the leaves")
        need(base_name(kind) in leaves, f"{kind} is no leaf")
        within, terms = leaves[base_name(kind)](parameters(modules[kind]))
        named = {(p, i) for e in terms for _, ps, i in e for p in ps.split("==")}
        widths = ports(modules[kind])
        every = {(p, i) for p, width in widths.items() for i in range(width)}
        need(named == every, f"{kind}: equations name other bits than the ports have")
        need(within >= modulus, f"{base_name(kind)}: an equation modulo 2^{within} only")
    found = []
    for equation in terms:
        over: dict = {}
        for c, port, i in equation:
            if "==" in port:
                a, b = port.split("==")
                key: object = (wires[a][i], wires[b][i])
            else:
                key = wires[port][i]
            need(not isinstance(key, str) or key in "01", f"{kind}: an undefined bit")
            if key != "0":
                _add(over, {"1" if key == "1" else key: c}, 1, modulus)
        pivot = [wires[p][i] for c, p, i in equation if c == 1 and p in outs]
        need(pivot, f"{kind}: no output bit of weight one")
        found.append((over, pivot[:1]))
    return found


def base_name(kind: str) -> str:
    """`popcount_pairs` of `$paramod$1f..\\popcount_pairs` or of `popcount_pairs`."""
    return kind.split("\\")[1] if "\\" in kind else kind
