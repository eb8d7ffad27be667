"""Arrays that are no images for the network: what they look like, and how to convert them."""

from __future__ import annotations

from typing import Any

import numpy as np

from hwgen.errors import HwgenError

Shape = tuple[int, int, int]  # height, width, channels
LOOKED_AT = 4  # images whose values tell what an array is


def check_images(place: str, images: Any, shape: Shape, one: bool = False) -> None:
    """Raises: HwgenError unless `images` are uint8 (N, *shape), N > 0, or one image of `shape`.

    one: only one image is meant. images: what has dtype and shape; its values are looked at only
    where they can tell what is wrong.
    """
    dims = tuple(getattr(images, "shape", ()))
    good = isinstance(images, np.ndarray) and images.dtype == np.uint8
    if good and (dims == shape or (not one and dims[1:] == shape and len(dims) == 4 and dims[0])):
        return
    height, width, channels = shape
    sizes = f"{height}, {width}, {channels}"
    rule = f"must be uint8 ({sizes})" if one else f"must be uint8 (N, {sizes})"
    raise HwgenError(place, f"images {named(images)}", rule, _way_out(images, dims, shape))


def named(value: Any) -> str:
    """Type and shape."""
    if hasattr(value, "dtype"):
        return f"{value.dtype} {tuple(value.shape)}"
    return type(value).__name__


def _way_out(images: Any, dims: tuple[int, ...], shape: Shape) -> str:
    seen = _shape_way_out(dims, shape)
    if getattr(images, "dtype", None) != np.uint8:
        values = _values_way_out(images)
        return "; ".join(part for part in (values, seen) if part) or "resize or convert them"
    return seen or "resize or convert them"


def _values_way_out(images: Any) -> str:
    if not isinstance(images, np.ndarray) or images.dtype.kind not in "iuf" or not images.size:
        return ""
    some = images[:LOOKED_AT]
    low, high = float(some.min()), float(some.max())
    if not np.isfinite([low, high]).all():
        return "they hold NaN or infinite values"
    if low < 0:
        return (
            "they look normalised (hwgen does that itself): "
            "((images * std + mean) * 255).round().astype('uint8')"
        )
    if images.dtype.kind == "f" and high <= 1:
        return "they look like values from 0 to 1: (images * 255).round().astype('uint8')"
    if high <= 255:
        return "their values are 0 to 255: images.round().astype('uint8')"
    if high <= 65535:
        return "they look like 16 bits: (images / 257).round().astype('uint8')"
    return ""


def _shape_way_out(dims: tuple[int, ...], shape: Shape) -> str:
    height, width, channels = shape
    rest = dims[1:]
    if len(dims) in (3, 4) and dims[-3:] == (channels, height, width):
        order = "0, 2, 3, 1" if len(dims) == 4 else "1, 2, 0"
        letters = "N, C, H, W" if len(dims) == 4 else "C, H, W"
        grey = "" if len(dims) == 4 else f", or like {channels} grey ones"
        return f"they look like ({letters}): images.transpose({order}){grey}"
    if len(dims) == 4 and rest == (channels, width, height):
        return "they look like (N, C, W, H): images.transpose(0, 3, 2, 1)"
    if dims == (height, width) or (len(dims) == 3 and rest == (height, width)):
        if channels == 1:
            return "they have no axis of channels: images[..., None]"
        return f"they look grey: numpy.repeat(images[..., None], {channels}, -1)"
    if len(dims) in (3, 4) and dims[-3:-1] == (height, width) and channels != dims[-1]:
        return _channels_way_out(dims[-1], channels)
    if len(dims) == 2 and dims[1] == height * width * channels:
        return f"they look flattened: images.reshape(-1, {height}, {width}, {channels})"
    if dims == shape or (len(dims) == 4 and rest == shape):
        return "they are none" if len(dims) == 4 and not dims[0] else ""
    if len(dims) in (3, 4) and dims[-1] == channels:
        return (
            f"the network takes {height} x {width}: resize them, or give pictures, which hwgen "
            "resizes"
        )
    return ""


def _channels_way_out(have: int, want: int) -> str:
    if have == 1:
        return f"they look grey: numpy.repeat(images, {want}, -1)"
    if have == 4 and want == 3:
        return "they look like RGBA: images[..., :3]"
    if want == 1:
        return (
            "the network takes grey: "
            "(images[..., :3] @ [0.299, 0.587, 0.114]).round().astype('uint8')[..., None]"
        )
    return f"the network takes {want} channels"
