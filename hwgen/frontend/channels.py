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


def with_constants(
    im: Importer, views: Sequence[View], parts: Sequence[tuple[int, int] | float], what: str
) -> View:
    """Channels (view, channel), and constants: of a channel of the first view, 0 times."""
    if any(v.sign for v in views):
        raise im.unsupported(f"{what} of signs and constants", "supported: of values")
    width, known = im.layout(views[0]).channels, [isinstance(p, tuple) for p in parts]
    picks = tuple(p if isinstance(p, tuple) else (0, o % width) for o, p in enumerate(parts))
    bias = np.array([0.0 if isinstance(p, tuple) else p for p in parts])
    params = {"picks": picks, "scale": np.array(known, dtype=np.float64), "bias": bias}
    nodes = tuple(v.node for v in views)
    return replace(views[0], node=im.emit(Gather, nodes, params, what))


def pad(
    im: Importer, f: Any, r: Tensor, x: View, pad: Any, mode: str = "constant", value: Any = None
) -> View:
    """Constant channels before and behind: the shortcuts of ResNets for CIFAR."""
    axes, sizes = im.core(x), list(pad)
    pairs = dict(zip(reversed(range(len(axes))), zip(sizes[::2], sizes[1::2])))
    others = [k for k, amounts in pairs.items() if any(amounts) and axes[k] != ("C",)]
    if mode != "constant" or others:
        what = f"along axis {others[0]} of {axes_text(x.axes)}" if others else f"mode={mode}"
        way_out = "padding= of the layer behind it"
        raise im.unsupported(f"pad {what}", "supported: of channels", way_out)
    before, behind = next((p for k, p in pairs.items() if axes[k] == ("C",)), (0, 0))
    constant = float(value or 0.0)
    own: list[Any] = [(0, c) for c in range(im.layout(x).channels)]
    own = own[max(0, -before) : len(own) - max(0, -behind)]
    return with_constants(
        im, [x], [*[constant] * max(0, before), *own, *[constant] * max(0, behind)], "pad"
    )


def _constants(im: Importer, value: Tensor, view: View, axis: int) -> list[float]:
    """A constant that is the same everywhere but along the channels, as a number for each."""
    rows = value.detach().double().movedim(axis, 0).reshape(value.shape[axis], -1)
    if value.dim() != len(view.axes) or not (rows == rows[:, :1]).all():
        raise im.unsupported("cat with a constant", "supported: one value for each of its channels")
    return rows[:, 0].tolist()


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
    layout = im.layout(given[0])
    for view in given:
        alike = im.layout(view).with_channels(layout.channels) == layout
        if im.core(view) != im.core(given[0]) or not alike:
            raise im.unsupported(
                f"cat of {layout.shape} and {im.layout(view).shape}", "needs equal axes and grids"
            )
    parts: list[Any] = []
    for view in views:
        if isinstance(view, View):
            parts += [(given.index(view), c) for c in range(im.layout(view).channels)]
        else:
            parts += _constants(im, view, given[0], dim)
    if len(given) < len(views):
        return with_constants(im, given, parts, "cat")
    return gather(im, given, parts, "cat", "cat")


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


def unbind(im: Importer, f: Any, r: Any, x: View, dim: int = 0) -> tuple:
    """Each part of a factor of the channels, without its axis."""
    core, axis = im.core(x), dim % len(x.axes)
    if len(core[axis]) != 1 or core[axis][0][:1] != "C" or not x.cut:
        raise im.unsupported(
            f"unbind along axis {dim} of {axes_text(x.axes)}", "supported: channels that are cut"
        )
    parts = (take(im, x, axis, [k], "unbind") for k in range(len(r)))
    return tuple(joined(im, p.on((*p.axes[:axis], *p.axes[axis + 1 :]))) for p in parts)


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
    large = [k for k, size in enumerate(x.cut) if size > 1] or [0]
    factors, ones = {f"C{k}" for k in large}, {f"C{k}" for k in range(len(x.cut))}
    x = x.on(tuple(tuple(a for a in axis if a not in ones - factors) for axis in x.axes))
    place = next((k for k, axis in enumerate(x.axes) if factors <= set(axis)), None)
    if place is None:
        return x
    axis = x.axes[place]
    first = min(axis.index(f) for f in factors)
    order = axis[first : first + len(factors)]
    if set(order) != factors:
        return x
    sizes, places = [x.cut[k] for k in large], [large.index(int(a[1:])) for a in order]
    channels = np.arange(prod(x.cut)).reshape(sizes).transpose(places)
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
