"""Which records of parameters lie in WB, CM, OM and QM, and what a new one takes the place of.

A record that still lies in the buffers is not loaded again: the strips of a band use the same ones.
What no later piece wants is replaced first, round and round, so that loads run far ahead of what
reads them. Where all is wanted again the record that was used last goes, as its next use is the
furthest away when the same records come round strip by strip; but not the newest few, which
instructions may still read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from hwgen.engine.isa import QM_FIELDS
from hwgen.errors import FitError

FRESH = 5  # records used last, which stay: a load into their slots would wait for instructions
FAR = 1 << 10  # uses until a record that was used once is wanted again, as far as is known
KEPT, HELD = 1 << 10, 1 << 20  # worth of a slot of a fresh record, of one that is not for taking


COUNTS = ("n_wb", "n_cm", "n_om", "n_qm", "qm_fields", "qm_words", "cm_quad")  # fields of LOAD


@dataclass(frozen=True)
class Record:
    """Parameters that come and go together.

    data: bytes for each buffer; slots: that they take there; counts: fields of LOAD.
    """

    data: Mapping[str, bytes]
    slots: Mapping[str, int]
    counts: Mapping[str, int]

    @staticmethod
    def of(
        wb: np.ndarray | None = None,
        cm: np.ndarray | None = None,
        om: np.ndarray | None = None,
        qm: Mapping[str, np.ndarray] | None = None,
        cm_quad: bool = False,
    ) -> Record:
        """Words (n, L) int16, of QM of each field."""
        given = {"wb": wb, "cm": cm, "om": om}
        parts = {k: v for k, v in given.items() if v is not None and len(v)}
        data = {k: v.astype("<i2").tobytes() for k, v in parts.items()}
        slots = {k: len(v) for k, v in parts.items()}
        counts = {f"n_{k}": n for k, n in slots.items()}
        if cm_quad:
            assert slots["cm"] % 4 == 0, f"{slots['cm']} words in slots of four"
            slots["cm"] //= 4
            counts["cm_quad"] = 1
        if qm:
            assert list(qm) == [f for f in QM_FIELDS if f in qm], "fields in their order"
            data["qm"] = b"".join(v.astype("<i2").tobytes() for v in qm.values())
            slots["qm"] = counts["n_qm"] = len(next(iter(qm.values())))
            counts["qm_fields"] = sum(1 << QM_FIELDS.index(name) for name in qm)
            counts["qm_words"] = slots["qm"] * len(qm)
        return Record(data, slots, counts)

    @property
    def cm_quad(self) -> bool:
        """Whether four words of CM share a slot."""
        return bool(self.counts.get("cm_quad"))

    @property
    def words(self) -> int:
        """Words of L x 16 bits."""
        return sum(self.counts.get(name, 0) for name in ("n_wb", "n_cm", "n_om", "qm_words"))

    def __hash__(self) -> int:
        return hash((*self.data.values(), *self.counts.values()))


@dataclass(eq=False)
class Block:
    """Parameters resident in the buffers: slots and the LOAD that brings them."""

    load: int
    wb: int = 0
    cm: int = 0
    om: int = 0
    qm: int = 0
    sizes: dict[str, int] = field(default_factory=dict)
    there: bool = True  # until its slots are another's

    def span(self, buffer: str) -> slice:
        """Its slots of a buffer."""
        first = getattr(self, buffer)
        return slice(first, first + self.sizes.get(buffer, 0))


class Buffer:
    """One parameter memory: whose its slots are, and the instruction counts that must retire before
    they are written again."""

    def __init__(self, key: str, name: str, size: int) -> None:
        """key: as in `Block`; name: of the size."""
        self.key, self.name, self.size = key, name, size
        self.next = self.uses = 0
        self.cmp = np.zeros(size, dtype=np.int64)
        self.ldw = np.zeros(size, dtype=np.int64)
        self.owner: list[Block | None] = [None] * size
        self.used = np.zeros(size, dtype=np.int64)  # number of the owner's last use
        self.next_use = np.zeros(size, dtype=np.int64)  # .. of its next, if it comes round again
        self.words = np.zeros(size)  # that come anew, a slot, if its owner goes; 0: it is unwanted

    def use(self, block: Block, words: int) -> None:
        """A block is used, the first time or once more; words: of its record, if a later piece
        wants it too, else 0."""
        self.uses += 1
        slots = block.span(self.key)
        before = self.used[slots][0]
        self.next_use[slots] = self.uses + (self.uses - before if before else FAR)
        self.used[slots] = self.uses
        self.words[slots] = words / block.sizes[self.key]

    def choose(self, n: int, step: str, held: list[Block], limit: int | None) -> int:
        """The first of the `n` slots in a row, all below `limit`, that are worth least; none of
        those of `held`. Raises: FitError where there are fewer."""
        top = min(self.size, limit or self.size)
        value = self._worth(held)[:top]
        sums = np.concatenate([[0.0], np.cumsum(value)])
        total = sums[n:] - sums[:-n] if n <= top else np.array([HELD])
        order = np.roll(np.arange(len(total)), -self.next)  # from behind those taken last on
        first = int(order[np.argmin(total[order])])
        if total[first] >= HELD:
            raise FitError(
                step, f"needs {n} {self.name}", f"{top} exist", f"--set {self.name}={n} or more"
            )
        self.next = first + n if first + n < top else 0
        return first

    def owners(self, first: int, n: int) -> set[Block]:
        """Whose these slots are."""
        return {owner for owner in self.owner[first : first + n] if owner is not None}

    def give(self, block: Block, first: int, n: int) -> None:
        """`n` slots, free ones, are a block's."""
        setattr(block, self.key, first)
        block.sizes[self.key] = n
        self.owner[first : first + n] = [block] * n
        self.used[block.span(self.key)] = 0

    def free(self, block: Block) -> None:
        """A block's slots are nobody's."""
        slots = block.span(self.key)
        self.words[slots] = 0
        self.owner[slots] = [None] * block.sizes[self.key]
        block.there = False

    def _worth(self, held: list[Block]) -> np.ndarray:
        """What is lost with every slot."""
        ahead = self.next_use - self.uses
        value = self.words / np.where(ahead > 0, ahead, FAR)  # a word saved, per slot and use
        value[(self.uses - self.used < FRESH) & (self.used > 0)] = KEPT
        for block in held:
            value[block.span(self.key)] = HELD
        return value
