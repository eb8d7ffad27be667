"""Which LOAD records stay in the weight store, and where."""

from __future__ import annotations

from collections.abc import Sequence

from hwgen.schedule.hazards import Instruction
from hwgen.units.dma import record_words


def keep_on_chip(instructions: Sequence[Instruction], store_words: int) -> int:
    """Sets `keep` and `store` of the LOADs whose records fit the store; returns the words taken.

    The records of the last steps go first: a late step has few tokens to compute while the next
    weights come, so the memory port binds there. Equal records share their words.
    """
    places: dict[int, int] = {}  # byte offset in the weight image -> first word of the store
    taken = 0
    for load in reversed(instructions):
        if load.op != "LOAD" or not (words := record_words(load.fields)):
            continue
        ddr = load.fields["ddr"]
        if ddr not in places and taken + words <= store_words:
            places[ddr] = taken
            taken += words
        if ddr in places:
            load.fields["keep"], load.fields["store"] = 1, places[ddr]
    return taken
