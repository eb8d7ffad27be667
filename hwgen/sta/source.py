"""Where a signal of the engine is declared: file and line."""

from __future__ import annotations

import re
from collections.abc import Mapping

from hwgen.synth.units import Module

# The bit of a word; the row and column of a block that a memory was mapped to.
_BIT = re.compile(r"\[\d+\]$|(?:\.\d+)+$")


class Sources:
    """Looks signals up by their path. modules: of the elaborated design; lines: (module, signal) ->
    "file.v:12"."""

    def __init__(
        self, modules: Mapping[str, Module], lines: Mapping[tuple[str, str], str], top: str
    ) -> None:
        self.modules, self.lines, self.top = modules, lines, top

    def line(self, signal: str) -> str:
        """ "file.v:12" of `u_a.u_b.signal[3]` or `u_a.mem.0.3`; "" where no line is known."""
        module, rest = self.top, signal
        while True:
            found = self.lines.get((module, _BIT.sub("", rest))) or self.lines.get((module, rest))
            if found:
                return found
            inside = self._inside(module, rest)
            if inside is None:
                return ""
            module, rest = inside

    def _inside(self, module: str, path: str) -> tuple[str, str] | None:
        """(module of the instance that the path goes through, rest of the path)."""
        best = None
        for kind, instance in self.modules[module].cells:
            name = instance.removeprefix("\\")
            inside = kind in self.modules and path.startswith(f"{name}.")
            if inside and (best is None or len(name) > len(best[1])):
                best = (kind, name)
        return (best[0], path[len(best[1]) + 1 :]) if best else None
