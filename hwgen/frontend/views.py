"""Which logical axes each axis of a PyTorch tensor holds, whatever its memory layout.

The atoms are B (batch), Y, X (grid), W, T (window, token of a window) and C (channel). An axis is
a tuple of atoms, slowest first: tokens (B, N, C) on a grid are ((B,), (Y, X), (C,)). Channels that
a reshape has cut are C0, C1, .. of sizes `View.cut`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np
from torch import Tensor

from hwgen.floats.layout import Layout

Axes = tuple[tuple[str, ...], ...]
IMAGE: Axes = (("B",), ("C",), ("Y",), ("X",))
TOKENS: Axes = (("B",), ("Y", "X"), ("C",))
WINDOWS: Axes = (("B", "W"), ("T",), ("C",))
BATCH = 2  # of the example that fixes the shapes; 1 could not be told from a missing axis

VECTOR: Axes = (("B",), ("C",))


@dataclass(frozen=True)
class View:
    """A float-graph value as PyTorch sees it; `sign` times it where that is a node of signs."""

    node: str
    axes: Axes
    sign: float = 0.0
    cut: tuple[int, ...] = ()

    def on(self, axes: Axes) -> View:
        """The same value with other axes."""
        return replace(self, axes=axes)


def axes_text(axes: Axes) -> str:
    """(B, C, Y, X)."""
    return "(" + ", ".join("".join(a) or "1" for a in axes) + ")"


def atom_sizes(layout: Layout, batch: int, cut: tuple[int, ...] = ()) -> dict[str, int]:
    """Size of every atom of a value."""
    sizes = {"B": batch, "C": layout.channels} | {f"C{k}": size for k, size in enumerate(cut)}
    if layout.grid == (0, 0):
        return sizes | {"W": layout.shape[0], "T": layout.shape[1]}
    return sizes | {"Y": layout.grid[0], "X": layout.grid[1]}


def regroup(axes: Axes, sizes: dict[str, int], shape: Sequence[int]) -> Axes | None:
    """Axes after a reshape to `shape`; None where an atom would have to be cut."""
    atoms = [a for axis in axes for a in axis]
    out: list[tuple[str, ...]] = []
    for size in shape:
        group: list[str] = []
        have = 1
        while atoms and (have < size or (not group and sizes[atoms[0]] == 1 == size)):
            have *= sizes[atoms[0]]
            group.append(atoms.pop(0))
        if have != size:
            return None
        out.append(tuple(group))
    if any(sizes[a] != 1 for a in atoms) or not out:
        return None
    out[-1] += tuple(atoms)
    return tuple(out)


def canonical(value: Tensor, axes: Axes, layout: Layout) -> np.ndarray | None:
    """A parameter that broadcasts against a view, in our layout.

    Returns (C,) where it varies along channels only, else the full (tokens, C) or (windows, T, C);
    None where it does not broadcast or varies along the batch.
    """
    sizes = atom_sizes(layout, 1)
    value = value.reshape((1,) * (len(axes) - value.dim()) + tuple(value.shape))
    if axes[0] == ("B",) and (value == value[:1]).all():  # torch.zeros_like(x)
        value = value[:1]
    shape = tuple(value.shape)
    if len(shape) != len(axes):
        return None
    split: list[int] = []
    for axis, size in zip(axes, shape):
        if size not in (1, prod(sizes[a] for a in axis)):
            return None
        split += [1] * len(axis) if size == 1 else [sizes[a] for a in axis]
    atoms = [a for axis in axes for a in axis]
    array = value.detach().double().numpy().reshape(split)
    order = [a for a in "BWTYXC" if a in atoms]
    array = array.transpose([atoms.index(a) for a in order])
    array = array.reshape([array.shape[order.index(a)] if a in order else 1 for a in order])
    if array.size == array.shape[-1] and order[-1] == "C":
        return np.broadcast_to(array.reshape(-1), (layout.channels,)).copy()
    if "B" in order:
        array = array[0]
    full = np.broadcast_to(array, [sizes[a] for a in order if a != "B"]).reshape(layout.shape)
    first = full.reshape(-1, layout.channels)[0]
    return first.copy() if (full == first).all() else full.copy()  # b.expand_as(x): b


def arranged(value: Tensor, view: View, layout: Layout) -> Tensor:
    """What PyTorch holds of a view, batch 1, in our layout: (1, tokens or windows ..., C)."""
    sizes = atom_sizes(layout, 1, view.cut)
    atoms = [a for axis in view.axes for a in axis]
    factors = (f"C{k}" for k in range(len(view.cut)))
    order = [atoms.index(a) for a in (*"BWTYXC", *factors) if a in atoms]
    split = value.reshape([sizes[a] for a in atoms])
    return split.permute(order).reshape(1, *layout.shape)
