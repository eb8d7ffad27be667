"""Instructions before encoding, and what those in flight still do to the memories."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.engine import isa
from hwgen.schedule.layout import BM, Place
from hwgen.units.compute_unit import mac_cycles

Array = np.ndarray

IN_FLIGHT = 40  # cycles after which every effect of an issued beat has landed (checked by tests)


@dataclass
class Instruction:
    """One instruction before encoding. `index` counts within its queue."""

    op: str
    queue: str
    index: int
    fields: dict[str, int]
    step: str = ""
    dst: Writes | None = None
    bit: Writes | None = None


@dataclass(frozen=True)
class Writes:
    """Expected writes of one instruction, in order: tensor[token, word] at addresses."""

    tensor: str
    memory: int
    address: Array
    token: Array
    word: Array
    mask: int = 255
    pool: int = 0  # log2 of averaged channels; the word then repeats the part `part`
    part: int = 0


@dataclass
class Issue:
    """What an issued instruction still does to the memories."""

    beats: int  # lower bound of its issue cycles
    results: int
    reads: dict[int, tuple[int, str]]  # memory -> (stage, tensor)
    sources: list[str]
    streams: dict[str, str]
    written: set[str]
    ins: Instruction

    @staticmethod
    def of(
        ins: Instruction, sources: list[str], streams: dict[str, str], places: dict[str, Place]
    ) -> Issue:
        f = ins.fields
        results = f["n2"] * f["n3"]
        reads = {}
        for t in sources:
            if places[t].memory != BM:
                reads[places[t].memory] = (0, t)
        for stage, name in ((1, "pre"), (2, "mid"), (3, "out")):
            if name in streams:
                m = places[streams[name]].memory
                assert m not in reads, (
                    f"{ins.step}: {streams[name]} and {reads[m][1]} share a read port"
                )
                reads[m] = (stage, streams[name])
        written = {w.tensor for w in (ins.dst, ins.bit) if w is not None}
        if isa.CMP_SOURCE[ins.op] == "mac":
            beats = mac_cycles(f)
        else:  # other instructions run beside a partial one
            beats = results * f.get("psum_last", 1)
        return Issue(beats, results, reads, sources, streams, written, ins)

    def conflicts(self, earlier: Issue, places: dict[str, Place]) -> bool:
        """True when this one, issued right after, could read too early or share a read port."""
        for m, (stage, _) in self.reads.items():
            if m in earlier.reads and earlier.reads[m][0] > stage:
                return True
        for t in {*self.sources, *self.streams.values()} & earlier.written:
            if self._too_close(earlier, t):
                return True
        return bool(earlier.ins.fields.get("psum_last", 1) == 0 and self.results <= 4)

    def _too_close(self, earlier: Issue, tensor: str) -> bool:
        """True unless every word that `earlier` wrote is read long after its own beat."""
        same_order = (
            self.ins.step == earlier.ins.step
            and self.ins.fields.get("xd", 1) == earlier.ins.fields.get("xd", 1)
            and self.ins.fields["n2"] == earlier.ins.fields["n2"]
            and self.ins.fields["n3"] == earlier.ins.fields["n3"]
        )
        if same_order and self.results > IN_FLIGHT:
            return False
        read = self._addresses(tensor)
        if not read:
            return True
        (written,) = (w for w in (earlier.ins.dst, earlier.ins.bit) if w and w.tensor == tensor)
        word, after = np.unique(written.address[::-1], return_index=True)  # results after its own
        for address in read:
            first, before = np.unique(address, return_index=True)
            _, a, b = np.intersect1d(word, first, assume_unique=True, return_indices=True)
            if (after[a] + before[b] <= IN_FLIGHT).any():
                return True
        return False

    def _addresses(self, tensor: str) -> list[Array]:
        """Addresses of a tensor's words that it reads, result by result; [] when too involved."""
        f, found = self.ins.fields, []
        i2, i3 = nest_order(f["n2"], f["n3"], f.get("xd", 1))

        def walk(base: int, name: str) -> Array:
            return base + i2 * f.get(f"{name}_s2", 0) + i3 * f.get(f"{name}_s3", 0)

        if tensor in self.sources:
            if self.ins.op == "XLIN":
                found += [walk(f["a_base"] + e, "a") for e in range(f["a_elems"])]
            elif self.ins.op == "MACV" and not f.get("src_taps") and f["n0"] * f["n1"] == 1:
                found.append(walk(f["src_base"], "src"))
            else:
                return []
        streams = (name for name, t in self.streams.items() if t == tensor)
        return found + [walk(f[f"{name}_base"], name) for name in streams]


def nest_order(n2: int, n3: int, xd: int = 1) -> tuple[Array, Array]:
    """(i2, i3) of every result in issue order: i2 runs 0, xd, .., 1, 1 + xd, .. within each i3."""
    x = np.concatenate([np.arange(p, n2, xd) for p in range(xd)])
    return np.tile(x, n3), np.repeat(np.arange(n3), n2)
