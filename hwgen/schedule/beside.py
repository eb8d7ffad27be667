"""An op's instructions among those of another: lane work while the array sums over weight tiles.

A partial XNOR instruction (psum_last = 0) needs no lanes, and MAC instructions run beside it
(templates/rtl/compute/compute_issue.v). `Beside` holds the instructions of a filter (`stencil` in
steps/vector.py) that `plan` put beside a linear layer and hands them out as the layer has room.
"""

from __future__ import annotations

from collections.abc import Iterator


class Beside:
    """Instructions to come, word by word; pulling one appends it to the program. What it loads
    never takes the place of the layer's parameters, which are held (`Builder.held`)."""

    def __init__(self, instructions: Iterator[tuple[int, int]]) -> None:
        self.instructions = instructions
        self.words = 0  # complete

    def fill(self, cycles: int) -> None:
        """Instructions of at least so many beats, if there are."""
        while cycles > 0 and (beats := self._next()):
            cycles -= beats

    def finish(self, word: int) -> None:
        """All instructions of a word and of those before it."""
        while self.words <= word and self._next():
            pass

    def _next(self) -> int:
        """Beats of the next instruction; 0 after the last."""
        beats, self.words = next(self.instructions, (0, self.words))
        return beats
