"""Binary points: every value that is added to another shares its number of fraction bits.

A chain has two points: "a" (pre, y1..y4, mid) and "c" (y5, y6, out), the same one without an
affine step. Union-find joins the points that a residual or a shared LayerNorm connects; a class
takes as many fraction bits as its largest value on the calibration images, with `HEADROOM`, and
its largest constant leave. Only what is stored has act_bits, the values before it have 18; y3 has
16 where its sign is taken, the bits of a threshold. Some kinds (`Kind.frac`) fix their points. A
multiplier of 16 bits and the smallest shift limit how many bits a step can add. The shifts lie
`SHIFT_STEP` apart: multipliers of 8 bits, whose largest is known, take the point behind them from
as many, so that they are used up.
"""

from __future__ import annotations

from math import floor, log2

import numpy as np

from hwgen.engine.numerics import PARAM_BITS, SH1_SHIFTS, SH3_SHIFTS, Y_BITS
from hwgen.errors import FitError
from hwgen.floats.graph import FloatGraph
from hwgen.floats.kinds import Constant
from hwgen.passes.fuse import Chain, is_identity

Array = np.ndarray
HEADROOM = 1.25
MAX_FRAC = 24
SHIFT_STEP = SH1_SHIFTS[1] - SH1_SHIFTS[0]


class Fracs:
    """`point(chain, "a" | "c")` and `feature(value)` give fraction bits.

    reasons: values that a fixed binary point leaves too few bits.
    """

    def __init__(
        self, graph: FloatGraph, chains: list[Chain], largest: dict[str, float], act_bits: int
    ) -> None:
        self.parent: dict[str, str] = {}
        self.owner: dict[str, str] = {}  # feature value -> its point
        self.limit: dict[str, int] = {}  # point -> fraction bits that fit
        self.cause: dict[str, str] = {}  # point -> node that sets the limit
        self.pinned: dict[str, tuple[int, str]] = {}  # point -> most bits, the kind that sets them
        # from, to, most fraction bits more, points below that lie apart
        self.steps: list[tuple[str | None, str, int, int]] = []
        self.act_bits = act_bits
        self.reasons: list[FitError] = []
        for node in graph.nodes.values():
            if node.kind is Constant:
                self.owner[node.name] = node.name
                self._add(node.name, np.abs(node["value"]).max(), act_bits, node.name)
        for chain in chains:
            self._chain(chain, largest)
            self.owner[chain.final] = self.key(chain, "c")
        for chain in chains:
            for point, value in (("a", chain.pre), ("a", chain.mid), ("c", chain.out)):
                if value is not None:
                    self._join(self.key(chain, point), self.owner[value])
            if is_identity(chain.anchor) and chain.anchor.inputs[0] in self.owner:
                self._join(self.key(chain, "a"), self.owner[chain.anchor.inputs[0]])
            if chain.anchor.kind.joins_inputs:
                for value in chain.anchor.inputs[1:]:
                    self._join(self.owner[value], self.owner[chain.anchor.inputs[0]])
        self._solve()

    @staticmethod
    def key(chain: Chain, point: str) -> str:
        return f"{chain.name}:{point if chain.aff is not None else 'a'}"

    def point(self, chain: Chain, point: str) -> int:
        return self.frac[self._root(self.key(chain, point))]

    def feature(self, value: str) -> int:
        """Fraction bits of a stored feature (0 for the image)."""
        return self.frac[self._root(self.owner[value])] if value in self.owner else 0

    def _chain(self, chain: Chain, largest: dict[str, float]) -> None:
        a, c, bits = self.key(chain, "a"), self.key(chain, "c"), self.act_bits
        n = chain.anchor
        for name in chain.before:
            stored = chain.aff is None and name is chain.before[-1]
            self._add(a, largest.get(name, 0.0), bits if stored else Y_BITS, name)
        if chain.sign is not None and chain.bit_y3:
            name = chain.sign.inputs[0]
            self._add(a, largest.get(name, 0.0), PARAM_BITS, name)
        for point, value in zip((a, c), chain.offsets()):
            self._add(point, np.abs(value).max(), PARAM_BITS, n.name)
        factors = chain.factors()
        if factors is not None:
            source = self.owner.get(n.inputs[0])
            self._step(source, a, factors, SH1_SHIFTS, chain.factor_bits())
        if chain.aff is not None:
            self._step(a, c, chain.aff[0], SH3_SHIFTS)
            self._add(c, largest[chain.after[0]], Y_BITS, chain.after[0])
            self._add(c, largest[chain.after[-1]], bits, chain.after[-1])
        for node in (chain.act, n):
            most = None if node is None else node.kind.fraction(node)
            if node is not None and most is not None:
                own = (most, node.kind.__name__)
                self.pinned[a] = min(own, self.pinned.get(a, own))

    def _step(
        self,
        source: str | None,
        target: str,
        factors: Array,
        shifts: tuple[int, ...],
        bits: int = PARAM_BITS,
    ) -> None:
        """`target` is `source` (bits, an image where None) times factors of `bits` >> shift."""
        gain, top = float(np.abs(factors).max()), (1 << (bits - 1)) - 1
        if gain > 0:
            apart = 1 if bits == PARAM_BITS else SHIFT_STEP
            self.steps.append((source, target, floor(log2(top / gain)) - min(shifts), apart))

    def _add(self, point: str, value: float, bits: int, cause: str) -> None:
        self.parent.setdefault(point, point)
        room = (1 << (bits - 1)) - 1
        fits = floor(log2(room / (HEADROOM * value))) if value > 0 else MAX_FRAC
        if fits < self.limit.get(point, MAX_FRAC + 1):
            self.limit[point], self.cause[point] = min(fits, MAX_FRAC), cause

    def _root(self, point: str) -> str:
        while self.parent[point] != point:
            self.parent[point] = self.parent[self.parent[point]]
            point = self.parent[point]
        return point

    def _join(self, a: str, b: str) -> None:
        self.parent[self._root(a)] = self._root(b)

    def _solve(self) -> None:
        self.frac: dict[str, int] = {}
        classes: dict[str, list[str]] = {}
        pinned = {self._root(p) for p in self.pinned}
        for point in self.parent:
            classes.setdefault(self._root(point), []).append(point)
        for root, points in classes.items():
            tight = min(points, key=lambda p: self.limit[p])
            pins = [self.pinned[p] for p in points if p in self.pinned]
            if not pins:
                self.frac[root] = self.limit[tight]
                continue
            frac, kind = min(pins)
            self.frac[root] = frac
            slack = floor(log2(HEADROOM) + 1)  # a pinned point may use up the headroom
            if self.limit[tight] + slack < frac:
                self.reasons.append(FitError(
                    self.cause[tight],
                    f"needs {frac - self.limit[tight]} more bits at {frac} fraction bits",
                    f"features have {self.act_bits} bits, sums {Y_BITS}, constants {PARAM_BITS}",
                    f"use act_bits=16, or train with smaller values before {kind}",
                ))  # fmt: skip
        changed = True
        while changed:
            changed = False
            for source, target, more, apart in self.steps:
                root = self._root(target)
                most = more + (self.frac[self._root(source)] if source else 0)
                bits = min(self.frac[root], most)
                bits -= (most - bits) % apart
                if self.frac[root] > bits and root not in pinned:
                    self.frac[root], changed = bits, True
