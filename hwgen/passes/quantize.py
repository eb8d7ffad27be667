"""Chains -> integer ops: multipliers, shifts, constants, thresholds, types."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from hwgen import ops
from hwgen.engine.numerics import ACC_BITS, SH1_SHIFTS, SH3_SHIFTS, Y_BITS
from hwgen.errors import FitError, HwgenError, UnsupportedOpError, joined
from hwgen.floats.graph import FloatGraph
from hwgen.floats.kinds import Reads, nearest
from hwgen.floats.kinds.base import Node
from hwgen.floats.layout import Layout, on_grid
from hwgen.ops.base import Op
from hwgen.ops.post import Post
from hwgen.ops.types import TensorType
from hwgen.passes.fixed import constant, multiplier, threshold
from hwgen.passes.fracs import Fracs
from hwgen.passes.fuse import Chain
from hwgen.passes.lower_kinds import ACTIVATIONS, LOWERINGS, OUTSIDE, Site

Array = np.ndarray


class Quantizer:
    """Turns chains into ops one after the other; keeps the types of what exists so far."""

    def __init__(self, graph: FloatGraph, chains: list[Chain], fracs: Fracs, act_bits: int) -> None:
        self.graph, self.chains, self.fracs, self.act_bits = graph, chains, fracs, act_bits
        self.ops: list[Op] = []
        self.types: dict[str, TensorType] = {}
        self.tensor: dict[str, str] = {}  # float-graph value -> tensor
        self.invert: dict[str, Array] = {}  # bits tensor -> channels stored inverted
        self.reasons: list[HwgenError] = []  # why chains have no op

    def run(self, network: str) -> tuple[TensorType, tuple[Op, ...]]:
        """Type of the image, and the ops in order of execution.

        Raises: FitError, UnsupportedOpError for layers that no op computes, all of them at once.
        """
        image = self.graph.nodes[self.graph.image]
        shape = (*image.layout.grid, image.layout.channels)
        kind = TensorType("image", shape, image.layout.grid, 0, 0, 255)
        self.types[image.name], self.tensor[image.name] = kind, image.name
        for chain in self.chains:
            for value in (chain.pre, chain.mid, chain.out):
                if value is not None and value not in self.tensor:
                    self._constant(self.graph.nodes[value])
            try:
                self._append(self._op(chain))
            except HwgenError as reason:
                self.reasons.append(reason)
                self._stand_in(chain)
        if self.reasons:
            raise joined(network, self.reasons)
        return kind, tuple(self.ops)

    def _append(self, op: Op) -> None:
        self.ops.append(op)
        self.types |= op.outputs()

    def _stand_in(self, chain: Chain) -> None:
        """What reads a chain without an op is judged as if its values were -1, 0 or 1 steps."""
        layout, name = self._layout(chain), f"{chain.name}.bits"
        if chain.store:
            pooled = layout.with_channels(layout.channels >> chain.pool)
            self.types[chain.name] = _feature(pooled, self.fracs.point(chain, "c"), -1, 1)
            self.tensor[chain.final] = chain.name
        if chain.sign is not None:
            self.types[name] = TensorType("bits", layout.shape, layout.grid)
            self.tensor[chain.sign.name] = name
            self.invert[name] = np.zeros(layout.channels, dtype=bool)

    def _constant(self, node: Node) -> None:
        frac = self.fracs.feature(node.name)
        value = np.rint(node["value"] * 2.0**frac).astype(np.int64)
        kind = _feature(node.layout, frac, int(value.min()), int(value.max()))
        self._append(
            ops.constant.Constant(node.name, (), Post(act_bits=self.act_bits), kind, None, value)
        )
        self.tensor[node.name] = node.name

    def _pad(self, chain: Chain) -> tuple[str, ...]:
        """The source that an op reads outside the grid (`OUTSIDE`), at its first source's point.

        What lies outside the range of a feature is clipped.
        """
        node = chain.anchor
        if node.kind not in OUTSIDE:
            return ()
        frac, top = self.fracs.feature(node.inputs[0]), 1 << (self.act_bits - 1)
        pad = OUTSIDE[node.kind](node, frac, self.act_bits)
        if pad is None:
            return ()
        value = np.clip(np.rint(pad * 2.0**frac), -top, top - 1).astype(np.int64)[None]
        kind = _feature(on_grid(1, 1, value.size), frac, int(value.min()), int(value.max()))
        name = f"{chain.name}.pad"
        post = Post(act_bits=self.act_bits)
        self._append(ops.constant.Constant(name, (), post, kind, None, value))
        return (name,)

    def _op(self, chain: Chain) -> Op:
        sources = tuple(self.tensor[name] for name in chain.anchor.inputs) + self._pad(chain)
        source_types = [self.types[s] for s in sources]
        post = self._post(chain)
        limit = 1 << (ACC_BITS - 1)
        shifts: tuple[int, ...] = SH1_SHIFTS
        while True:  # fewer bits of the multiplier where the accumulator would overflow
            cls, params, sh1 = self._body(chain, sources, shifts)
            op = cls(chain.name, sources, replace(post, sh1=sh1), None, None, **params)
            low, high = op.acc_bounds(*source_types)
            if -limit <= low and high < limit:
                break
            if sh1 == min(SH1_SHIFTS):
                raise FitError(
                    chain.name, f"accumulator range [{low}, {high}]", f"must fit {ACC_BITS} bits",
                    "use fewer channels or a smaller kernel",
                )  # fmt: skip
            shifts = tuple(s for s in SH1_SHIFTS if s < sh1)
        return self._typed(chain, op, low, high)

    def _typed(self, chain: Chain, op: Op, low: int, high: int) -> Op:
        layout = self._layout(chain)
        residuals = [self.types[n] if n else None for n in (op.post.pre, op.post.mid, op.post.out)]
        lo, hi = op.post.bounds(low, high, *residuals)
        feature = bits = None
        if chain.store:
            pooled = layout.with_channels(layout.channels >> chain.pool)
            feature = _feature(pooled, self.fracs.point(chain, "c"), lo, hi)
            self.tensor[chain.final] = chain.name
        if chain.sign is not None:
            bits = TensorType("bits", layout.shape, layout.grid)
        return replace(op, feature=feature, bits=bits)

    def _layout(self, chain: Chain) -> Layout:
        return chain.anchor.layout

    def _post(self, chain: Chain) -> Post:
        a, c = self.fracs.point(chain, "a"), self.fracs.point(chain, "c")
        name = chain.name
        fields: dict[str, Any] = {"act_bits": self.act_bits, "pool": chain.pool}
        before, after = chain.offsets()
        fields["b"], fields["b3"] = constant(before, a, name), constant(after, c, name)
        for field in ("pre", "mid", "out"):
            value = getattr(chain, field)
            fields[field] = None if value is None else self.tensor[value]
        if chain.act is not None:
            activation = nearest(ACTIVATIONS, chain.act.kind)
            assert activation is not None, f"{chain.act.kind.name} has no lowering"
            fields |= activation(chain.act, name, a)
        if chain.aff is not None:
            scale = chain.aff[0]
            fields["m3"], fields["sh3"] = multiplier(scale * 2.0 ** (c - a), SH3_SHIFTS, name)
            if fields["b3"] is None:
                fields["b3"] = np.zeros(len(scale), dtype=np.int64)
        if chain.sign is not None:
            fields["t"] = self._threshold(chain, chain.sign, a if chain.bit_y3 else c)
            fields["bit_y3"] = chain.bit_y3
        return Post(**fields)

    def _threshold(self, chain: Chain, sign: Node, frac: int) -> Array:
        offset, width = sign["b"], self.act_bits
        if chain.bit_y3:  # y3 is without the activation's output offset
            width = Y_BITS
            if chain.moves is not None:
                offset = offset + sign["a"] * chain.moves[1]
        t, invert = threshold(sign["a"], offset, frac, width)
        bits = f"{chain.name}.bits"
        readers = [n for n in self.graph.nodes.values() if sign.name in n.inputs]
        if any(r.kind.reads is Reads.UPRIGHT_SIGNS for r in readers):
            never = invert & (sign["a"] >= 0)
            t, invert = np.where(never, (1 << 15) - 1, t), invert & ~never
            if invert.any():
                raise UnsupportedOpError(
                    sign.name, f"a negative factor before the sign in {int(invert.sum())} channels",
                    "attention operands cannot be stored inverted",
                    "put the norm before the activation",
                )  # fmt: skip
        self.invert[bits], self.tensor[sign.name] = invert, bits
        return t

    def _body(
        self, chain: Chain, sources: tuple[str, ...], shifts: tuple[int, ...]
    ) -> tuple[type[Op], dict[str, Any], int]:
        """Class, parameters and sh1 (one of `shifts`) of a chain's op."""
        node, source = chain.anchor, self.types[sources[0]]
        gain = 2.0 ** (self.fracs.point(chain, "a") - source.frac)
        m, sh1, factors = None, 0, chain.factors()
        if factors is not None:
            m, sh1 = multiplier(factors * gain, shifts, chain.name, chain.factor_bits())
        site = Site(node, m, source.grid, source.frac, self.invert.get(sources[0]))
        return *LOWERINGS[node.kind](site), sh1


def _feature(layout: Layout, frac: int, lo: int, hi: int) -> TensorType:
    return TensorType("feature", layout.shape, layout.grid, frac, lo, hi)
