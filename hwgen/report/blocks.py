"""Every block of the integer graph against the float network, fed with the block's float input.

A tensor's exact value is what it would be without any error before it: the float64 value rounded to
the tensor's binary point (features), the sign of the float64 value (bits). A block starts from the
exact values of the tensors that it reads; what leaves it is compared with the float64 value.

A sign whose argument lies within the arithmetic's error of its threshold may flip. One wrong sign
in K moves a dot product by 2, so a fraction p of wrong signs gives it a relative error of 2 sqrt(p)
(p = 1e-4: 2 %), which flips the next signs: errors of consecutive sign layers are those of any
rounding, amplified. So there are two measurements: `given`, where every sign inside the block is
exact after it was compared, shows the arithmetic; `own`, where the block goes on with its own
signs, shows what the network sees.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch

from hwgen.errors import FitError
from hwgen.floats.evaluate import Evaluator
from hwgen.floats.kinds import Attention as FloatAttention
from hwgen.ops.base import Op
from hwgen.passes.lower import Lowered, Prepared
from hwgen.report.cycles import module_path
from hwgen.report.schema import BlockFidelity, Closeness

Array = np.ndarray
WIDTHS = (16, 14, 12, 10)  # activation bits of the table
IMAGES = 2  # a frame of BHViT-Tiny has 25 M signs


@dataclass(frozen=True)
class FloatValues:
    """float64 values of what the integer graph computes; the same for every activation width.

    features (by op): values of what it stores; signs (by op): True for +1; levels (by attention
    op): 0..3, (batch, windows, heads, T, T).
    """

    images: Array
    features: dict[str, Array] = field(default_factory=dict)
    signs: dict[str, Array] = field(default_factory=dict)
    levels: dict[str, Array] = field(default_factory=dict)

    def exact(self, lowered: Lowered) -> dict[str, Array]:
        """What every tensor of the integer graph would be without any error before it."""
        (image,) = lowered.graph.inputs
        out = {image: self.images.astype(np.int64)}
        for op in lowered.graph.ops:
            if op.name not in lowered.chains:
                out |= op.execute(out)  # a constant
                continue
            if op.feature is not None:
                scaled = np.rint(self.features[op.name] * 2.0**op.feature.frac)
                out[op.name] = scaled.astype(np.int64)
            if op.bits is not None:
                name = f"{op.name}.bits"
                out[name] = (self.signs[op.name] ^ lowered.inverted[name]).astype(np.uint8)
        return out


def float_values(prepared: Prepared, images: Array) -> FloatValues:
    """Run the float graph in float64 on uint8 images (N, H, W, C)."""
    out = FloatValues(images)
    evaluator = Evaluator(prepared.float_graph, torch.float64)
    stored = {c.final: c.name for c in prepared.chains if c.store}
    signs = {c.sign.name: c.name for c in prepared.chains if c.sign is not None}
    attention = {
        c.anchor.name: c.anchor for c in prepared.chains if c.anchor.kind is FloatAttention
    }
    operands: dict[str, torch.Tensor] = {
        name: torch.empty(0) for node in attention.values() for name in node.inputs[:2]
    }
    for node, value in evaluator.steps(images):
        if node.name in stored:
            out.features[stored[node.name]] = value.numpy()
        if node.name in signs:
            out.signs[signs[node.name]] = value.numpy() > 0
        if node.name in operands:
            operands[node.name] = value
        if node.name in attention:
            keys = (operands.pop(i) for i in node.inputs[:2])
            levels = FloatAttention.levels(evaluator.call(node), *keys)
            out.levels[node.name] = levels.numpy().astype(np.uint8)
    return out


def block_name(op: str) -> str:
    """Module path up to its first number (vit.encoder.layerA.0), or without its last part."""
    path = module_path(op)
    number = next((k for k, part in enumerate(path) if part.isdigit()), None)
    return ".".join(path[: number + 1] if number is not None else path[:-1] or path)


def block_table(
    prepared: Prepared, images: Array, widths: tuple[int, ...] = WIDTHS
) -> list[BlockFidelity]:
    """A row for every block and activation width, on the first `IMAGES` images.

    A width that the network does not fit (FitError) has no rows.
    """
    reference = float_values(prepared, np.asarray(images[:IMAGES]))
    rows: list[BlockFidelity] = []
    for act_bits in widths:
        try:
            lowered = prepared.quantize(act_bits)
        except FitError:
            continue
        rows += compare_blocks(lowered, reference)
    return rows


def compare_blocks(lowered: Lowered, reference: FloatValues) -> Iterator[BlockFidelity]:
    """A row for every block of one integer graph."""
    graph = lowered.graph
    exact = reference.exact(lowered)
    blocks: dict[str, list[Op]] = {}
    for op in graph.ops:
        if op.name in lowered.chains:
            blocks.setdefault(block_name(op.name), []).append(op)
    for name, ops in blocks.items():
        inside = {op.name for op in ops}
        read = {t for op in graph.ops if op.name not in inside for t in op.inputs}
        leaving = [op for op in ops if op.name in read | {graph.output}]
        yield BlockFidelity(
            block=name,
            act_bits=graph.meta["act_bits"],
            given=_run(ops, leaving, exact, reference, own_signs=False),
            own=_run(ops, leaving, exact, reference, own_signs=True),
        )


def _run(
    ops: list[Op],
    leaving: list[Op],
    exact: dict[str, Array],
    reference: FloatValues,
    *,
    own_signs: bool,
) -> Closeness:
    """Execute a block from exact inputs; compare its signs, levels and leaving features."""
    made: dict[str, Array] = {}
    signs, levels = _Share(), _Share()
    for op in ops:
        sources = {t: made.get(t, exact[t]) for t in op.inputs}
        if op.name in reference.levels:
            found = op.levels(*(sources[s] for s in op.sources[:2]))
            assert found is not None, f"{op.name} has no levels"
            levels.add(found, reference.levels[op.name])
        made |= op.execute(sources)
        if op.bits is not None:
            name = f"{op.name}.bits"
            signs.add(made[name], exact[name])
            if not own_signs:
                made[name] = exact[name]
    errors = [
        relative_rms(made[op.name] * 2.0**-op.feature.frac, reference.features[op.name])
        for op in leaving
        if op.feature is not None
    ]
    return Closeness(error=max(errors, default=None), signs=signs.value, levels=levels.value)


@dataclass
class _Share:
    """Positions that are equal, of all."""

    equal: int = 0
    total: int = 0

    def add(self, got: Array, want: Array) -> None:
        self.equal += int((got.reshape(want.shape) == want).sum())  # one window has no axis there
        self.total += want.size

    @property
    def value(self) -> float | None:
        return self.equal / self.total if self.total else None


def relative_rms(got: Array, want: Array) -> float:
    """sqrt(mean (got - want)^2 / mean want^2)."""
    error = np.asarray(got) - np.asarray(want)
    return float(np.sqrt((error**2).mean() / np.maximum((np.asarray(want) ** 2).mean(), 1e-30)))
