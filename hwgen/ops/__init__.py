"""Integer ops: each file holds all of one family (claims, shapes, ranges, execution)."""

from hwgen.ops import (
    attention,
    channel_filter,
    constant,
    cross_filter,
    dense,
    gather,
    image_conv,
    layernorm,
    max_pool,
    reload,
    vector,
    window,
    window_sum,
    xnor,
)
from hwgen.ops.base import REGISTRY, Op
from hwgen.ops.post import Post

__all__ = [
    "REGISTRY",
    "Op",
    "Post",
    "attention",
    "channel_filter",
    "constant",
    "cross_filter",
    "dense",
    "gather",
    "image_conv",
    "layernorm",
    "max_pool",
    "reload",
    "vector",
    "window",
    "window_sum",
    "xnor",
]
