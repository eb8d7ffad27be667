"""Netlists by hand, and the slowest path of one."""

from __future__ import annotations

import numpy as np

from hwgen.sta import NetModel
from hwgen.sta.blocks import blocks
from hwgen.sta.graph import build, capture_times, launched, propagate, wires
from hwgen.synth.netlist import Modules

NETS = NetModel(base=1.0, slope=0.5, limit=3.0)
CLK_TO_Q = 303  # of cells_sim.v


def ff(d: object, q: int, ce: object = "1") -> list:
    """A flip-flop of a hand-made netlist, its clock on bit 1000."""
    pins = {"C": ["input", [1000]], "CE": ["input", [ce]], "D": ["input", [d]]}
    return ["FDRE", {}, pins | {"R": ["input", ["0"]], "Q": ["output", [q]]}]


def lut(inputs: list, out: int) -> list:
    pins = {f"I{k}": ["input", [bit]] for k, bit in enumerate(inputs)}
    return [f"LUT{len(inputs)}", {}, pins | {"O": ["output", [out]]}]


def module(cells: dict, ports: dict | None = None, names: dict | None = None) -> dict:
    clk = {"clk": ["input", [1000]]}
    return {"ports": clk | (ports or {}), "cells": cells, "names": names or {}}


def slowest(
    modules: Modules, top: str = "top", *, family: str = "xc7", scale: float = 1.0
) -> float:
    """ns of the slowest path."""
    graph = build(blocks(modules, family), top, {})
    wire, _ = wires(graph, NETS, scale)
    arrival = propagate(graph, wire, launched(graph, scale), np.arange(len(graph.arcs)), scale)
    return float(capture_times(graph, wire, arrival, scale).max())
