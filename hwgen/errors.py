"""What a user can do wrong, as exceptions; the command line prints one line and exits with 2.
A network that cannot be compiled for several reasons has one more line for each of them.

The line has four parts: the place (module path, file, option), the value found there, the rule
it breaks, the way out::

    blocks.3.q: lanes=48; must divide K=64; use 1, 2, 4, 8, 16, 32 or 64

`assert` and other exceptions are for our own bugs and keep their traceback.
"""

from __future__ import annotations

from collections.abc import Sequence

EXIT_CODE = 2


class HwgenError(Exception):
    """A user's fault. `HwgenError(place, value, rule, way_out)`, or one finished line."""

    exit_code = EXIT_CODE

    def __init__(self, place: str, value: object = "", rule: str = "", way_out: str = "") -> None:
        parts = [str(p).strip() for p in (value, rule, way_out) if str(p).strip()]
        line = f"{place}: {'; '.join(parts)}" if parts else str(place)
        self.line = " ".join(line.split())
        self.place, self.what = str(place), " ".join("; ".join(parts).split())
        super().__init__(self.line)

    @property
    def lines(self) -> tuple[str, ...]:
        """What the command line prints."""
        return (self.line,)

    def __reduce__(self) -> tuple:
        return (type(self), (self.line,))


class CheckpointError(HwgenError):
    """The model file is missing, is no checkpoint, or does not hold what its architecture needs."""


class UnsupportedOpError(HwgenError):
    """A module or function of the network has no op in hwgen."""


class UnsupportedNetwork(UnsupportedOpError):
    """All reasons why a network cannot be compiled: a line that counts them, one for each."""

    def __init__(
        self, place: str, value: object = "", rule: str = "", way_out: str = "",
        reasons: Sequence[str] = (),
    ) -> None:  # fmt: skip
        super().__init__(place, value, rule, way_out)
        self.reasons = tuple(reasons)
        self.args = ("\n".join(self.lines),)

    @property
    def lines(self) -> tuple[str, ...]:
        return (self.line, *self.reasons)

    def __reduce__(self) -> tuple:
        return (type(self), (self.line, "", "", "", self.reasons))


class FitError(HwgenError):
    """The network does not fit the target: which resource, by how much, what would help."""


class ToolError(HwgenError):
    """An external tool is missing, too old, or refused our input."""


class SimulationError(HwgenError):
    """A simulation stopped before its end (a stall, a bus error, a wrong file)."""


def joined(network: str, found: Sequence[HwgenError], unseen: str = "") -> HwgenError:
    """One error for all reasons (at least one), in their order; equal ones of several layers are
    one, with the number of layers and the first and the last. A single reason stays as it is.

    unseen: where the search for reasons ended before the network's end.
    """
    layers: dict[str, list[str]] = {}
    for error in found:
        places = layers.setdefault(error.what, [])
        if error.place not in places:
            places.append(error.place)
    lines = [HwgenError(_span(places), what).line for what, places in layers.items()]
    if len(lines) > 1:
        rule = f"what comes behind {unseen} is not known yet" if unseen else ""
        what = f"{len(lines)} reasons why it cannot be compiled"
        return UnsupportedNetwork(network, what, rule, reasons=lines)
    ((what, places),) = layers.items()
    return found[0] if len(places) == 1 else type(found[0])(_span(places), what)


def _span(places: Sequence[str]) -> str:
    if len(places) == 1:
        return places[0]
    return f"{places[0]} .. {places[-1]} ({len(places)} layers)"
