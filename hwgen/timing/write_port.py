"""Write port of FM and TM: the lanes' results, and LOADF words between them (feature_ports.v)."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import NamedTuple

from hwgen.units.attention import Run
from hwgen.units.compute_unit import SOURCE, STENCIL_BEATS, STENCIL_LEAD
from hwgen.units.lanes import Y_AT


class _Writes(NamedTuple):
    last: int
    cycles: Container[int]


class WritePort:
    """Cycles in which the lanes write either memory, added in the order of the instructions."""

    def __init__(self) -> None:
        self._writes: list[_Writes] = []

    def mac(self, fields: Mapping[str, int], start: int) -> None:
        """Results of MACV, MACS and LNAPPLY."""
        f, first = fields, start + SOURCE + Y_AT
        if f.get("stencil"):
            half = STENCIL_BEATS // 2
            begin = first + STENCIL_BEATS * STENCIL_LEAD + half
            step = half if f["n2"] == 2 else STENCIL_BEATS
            self._add(f, range(begin, begin + f["n2"] * f["n3"] * step, step))
        else:
            beats = f["n0"] * f["n1"]
            results = f["n2"] * f["n3"]
            self._add(f, range(first + beats, first + beats * results + 1, beats))

    def xnor(self, fields: Mapping[str, int], start: int, results: list[int]) -> None:
        """Results of XLIN and XCONV, valid `results` cycles after start."""
        if len(results) == results[-1] - results[0] + 1:
            first = start + results[0] + Y_AT
            self._add(fields, range(first, first + len(results)))
        else:
            self._add(fields, [start + cycle + Y_AT for cycle in results])

    def attention(self, fields: Mapping[str, int], run: Run) -> None:
        """The words of every query, the last of the last one in `run.last`."""
        end = run.last + Y_AT
        words = [
            end - query * run.period - word
            for query in range(run.queries - 1, -1, -1)
            for word in range(run.words - 1, -1, -1)
        ]
        self._add(fields, words)

    def _add(self, fields: Mapping[str, int], cycles: range | list[int]) -> None:
        if fields.get("dst_en"):
            held = cycles if isinstance(cycles, range) else frozenset(cycles)
            self._writes.append(_Writes(cycles[-1], held))

    def free(self, cycle: int) -> int:
        """The first cycle from `cycle` on in which the lanes write neither memory."""
        near = []
        for writes in reversed(self._writes):
            if writes.last < cycle:
                break
            near.append(writes.cycles)
        while any(cycle in cycles for cycles in near):
            cycle += 1
        return cycle
