"""Which LOAD records stay in the weight store, and where."""

from __future__ import annotations

from collections.abc import Sequence

from hwgen.schedule.builder import Instruction
from hwgen.units.dma import record_words


def keep_on_chip(instructions: Sequence[Instruction], store_words: int) -> int:
    """Sets `keep` and `store` of the LOADs whose records fit the store; returns the words taken.

    Weights of the array go before the other records, and of either those of the last steps first:
    a late step has few tokens, so the memory port binds there. Equal records share their words.
    """
    loads = [i for i in instructions if i.op == "LOAD" and record_words(i.fields)]
    tiles = {i.fields["wait_dma"] for i in instructions if i.op == "LDW"}
    places: dict[int, int] = {}  # byte offset in the weight image -> first word of the store
    taken = 0
    for load in sorted(loads, key=lambda i: (i.index + 1 in tiles, i.index), reverse=True):
        ddr, words = load.fields["ddr"], record_words(load.fields)
        if ddr not in places and taken + words <= store_words:
            places[ddr] = taken
            taken += words
    for load in loads:
        if load.fields["ddr"] in places:
            load.fields["keep"], load.fields["store"] = 1, places[load.fields["ddr"]]
    return taken
