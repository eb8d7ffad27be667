"""Channels put together, taken apart and shuffled: `Gather` nodes.

A reshape may cut the channels into factors (`View.cut`), as a channel shuffle does; layout changes
move these, and where they stand side by side again they are the channels in another order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hwgen.floats.kinds import Gather, Sign
from hwgen.frontend.importer import Importer
from hwgen.frontend.views import Axes, View, axes_text, regroup

CLASS_TOKEN = ("a class token has no place on the grid", "classify the mean over the tokens")


def gather(im: Importer, views: Sequence[View], picks: Any, suffix: str, what: str) -> View:
    """The channels (view, channel) of views alike, as a view of the first one's axes.

    The signs of such values are the signs of what they are taken of, gathered.
    """
    first = views[0]
    picks = tuple((int(i), int(c)) for i, c in picks)
    if any(v.sign != first.sign for v in views):
        raise im.unsupported(f"{what} of signs of several magnitudes", "supported: of one")
    whole = tuple((0, c) for c in range(im.layout(first).channels))
    if picks == whole:
        return first
    nodes = [im.nodes[v.node] for v in views]
    inputs = tuple(n.inputs[0] if first.sign else n.name for n in nodes)
    ones = np.ones(len(picks))
    params = {"picks": picks, "scale": ones, "bias": np.zeros(len(picks))}
    name = im.emit(Gather, inputs, params, suffix)
    if first.sign:
        taken = {k: np.array([nodes[i][k][c] for i, c in picks]) for k in ("a", "b")}
        name = im.emit(Sign, (name,), taken, f"{suffix}.sign")
    return replace(first, node=name, cut=())


def _own(channels: np.ndarray) -> list[tuple[int, int]]:
    """Picks of channels of the only view."""
    return [(0, int(c)) for c in channels.reshape(-1)]


def cat(im: Importer, f: Any, _: Tensor, tensors: Any, dim: int = 0) -> View:
    """torch.cat along the channels."""
    views = list(tensors)
    given = [v for v in views if isinstance(v, View)]
    axis = im.core(given[0])[dim]
    if axis != ("C",):
        if len(given) < len(views):
            raise im.unsupported("cat with a constant", *CLASS_TOKEN)
        raise im.unsupported(f"cat along axis {dim} of {axes_text(given[0].axes)}", "needs the "
                             "channels there")  # fmt: skip
    if len(given) < len(views):
        raise im.unsupported("cat with a constant", "supported: of what depends on the image")
    layout = im.layout(given[0])
    for view in given:
        alike = im.layout(view).with_channels(layout.channels) == layout
        if im.core(view) != im.core(given[0]) or not alike:
            raise im.unsupported(
                f"cat of {layout.shape} and {im.layout(view).shape}", "needs equal axes and grids"
            )
    picks = [(i, c) for i, v in enumerate(given) for c in range(im.layout(v).channels)]
    return gather(im, given, picks, "cat", "cat")


def take(im: Importer, x: View, axis: int, index: Sequence[int], what: str) -> View:
    """Entries of an axis of channels, or of a factor of them."""
    place = im.core(x)[axis]
    if len(place) != 1 or place[0][0] != "C":
        raise im.unsupported(
            f"{what} along axis {axis} of {axes_text(x.axes)}", "supported: along the channels"
        )
    cut = list(x.cut or (im.layout(x).channels,))
    factor = int(place[0][1:] or 0)
    channels = np.take(np.arange(prod(cut)).reshape(cut), list(index), factor)
    view = gather(im, [x], _own(channels), "channels", what)
    return replace(view, cut=channels.shape if x.cut else ())


def pieces_of(im: Importer, x: View, dim: int, parts: Sequence[Tensor], what: str) -> tuple:
    """Parts one behind the other, as large as those of the example."""
    out, first = [], 0
    for part in parts:
        size = part.shape[dim]
        out.append(take(im, x, dim, range(first, first + size), what))
        first += size
    return tuple(out)


def chunk(im: Importer, f: Any, r: Any, x: View, chunks: int, dim: int = 0) -> tuple:
    return pieces_of(im, x, dim, r, "chunk")


def split(im: Importer, f: Any, r: Any, x: View, split_size: Any, dim: int = 0) -> tuple:
    return pieces_of(im, x, dim, r, "split")


def narrow(im: Importer, f: Any, _: Tensor, x: View, dim: int, start: int, length: int) -> View:
    return take(im, x, dim, range(start, start + length), "narrow")


def index_select(im: Importer, f: Any, _: Tensor, x: View, dim: int, index: Any) -> View:
    if isinstance(index, View):
        raise im.unsupported("index_select by what depends on the image", "needs a constant")
    return take(im, x, dim, index.tolist(), "index_select")


def shuffle(im: Importer, m: Any, _: Tensor, x: View, groups: int | None = None) -> View:
    """Channel c of group g becomes channel c groups + g (ShuffleNet, arXiv:1707.01083)."""
    im.channel_axis(x, 1, "ChannelShuffle")
    count = m.groups if isinstance(m, nn.ChannelShuffle) else groups
    order = np.arange(im.layout(x).channels).reshape(int(count or 1), -1).T
    return gather(im, [x], _own(order), "shuffle", "channel_shuffle")


# ------------------------------------------------------------------------------ cut channels


def joined(im: Importer, x: View) -> View:
    """The view with whole channels where their factors stand side by side in one axis."""
    if not x.cut:
        return x
    factors = {f"C{k}" for k in range(len(x.cut))}
    place = next((k for k, axis in enumerate(x.axes) if factors <= set(axis)), None)
    if place is None:
        return x
    axis = x.axes[place]
    first = min(axis.index(f) for f in factors)
    order = axis[first : first + len(factors)]
    if set(order) != factors:
        return x
    channels = np.arange(prod(x.cut)).reshape(x.cut).transpose([int(a[1:]) for a in order])
    view = gather(im, [replace(x, cut=())], _own(channels), "shuffle",
                  "a shuffle")  # fmt: skip
    whole = (*axis[:first], "C", *axis[first + len(factors) :])
    return replace(view, axes=(*x.axes[:place], whole, *x.axes[place + 1 :]))


def cut(im: Importer, x: View, shape: tuple[int, ...]) -> View | None:
    """The view with its channels cut so that a reshape to `shape` is one of axes; None where no cut
    does it."""
    atoms = [a for axis in x.axes for a in axis]
    if x.cut or "C" not in atoms:
        return None
    sizes, place = im.sizes(x), atoms.index("C")
    before = prod(sizes[a] for a in atoms[:place])
    for start in range(len(shape)):
        if prod(shape[:start]) != before or shape[start] == 1:
            continue
        for end in range(start + 2, len(shape) + 1):
            if prod(shape[start:end]) == sizes["C"]:
                factors = shape[start:end]
                names = tuple(f"C{k}" for k in range(len(factors)))
                axes: Axes = tuple(
                    tuple(n for a in axis for n in (names if a == "C" else (a,))) for axis in x.axes
                )
                found = replace(x, axes=axes, cut=factors)
                grouped = regroup(axes, im.sizes(found), shape)
                return None if grouped is None else found.on(grouped)
    return None


def numbers(key: Any, size: int) -> list[int] | None:
    """The entries of an axis that a slice, a list or a tensor of numbers picks; None of others."""
    if isinstance(key, slice):
        return list(range(size))[key]
    if isinstance(key, torch.Tensor) and not key.is_floating_point() and key.dim() == 1:
        wanted = key.nonzero()[:, 0] if key.dtype == torch.bool else key
        return [int(k) % size for k in wanted]
    if isinstance(key, list | tuple) and all(type(k) is int for k in key):
        return [k % size for k in key]
    return None
