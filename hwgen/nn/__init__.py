"""Layers of binarized networks, and their contract with the compiler's front end.

A network traced with `hwgen.nn.trace` (or any torch.fx tracer that keeps the classes below as
leaves) consists of these nodes only. Tokens are (B, N, C), images (B, C, H, W); `grid` is the
side of the token grid, `window` the side of an attention window; all sizes are Python ints.

`hwgen.frontend` compiles networks of these layers, of torch's and of users' own (docs/networks.md).

call_module
    BinaryLinear, BinaryConv2d       sign, binarized weight; attributes centre, stride, padding, ...
    BatchNorm, RPReLU, LayerScale    per channel; attribute channel_dim is -1 (tokens) or 1 (NCHW)
    LearnedShift                     x + bias
    TokenBuilder                     attributes window, grid, merge, padding, tokens
    QDAttention                      (q, k, v) shifted reals; attributes heads, learned
    nn.Conv2d, nn.GELU, nn.Linear    stem and full-precision downsampling, stem, classifier
    nn.MaxPool2d, nn.AvgPool2d, nn.PReLU   stem, shortcut and activation of the binary ResNets
call_function (targets are the functions of this package)
    shift_mean(x, grid, axis, radius), neighbour_mean(x, grid, axis, radius),
    shift_mix(x, grid, radius), tile_channels(x, times), pool_channels(x, factor),
    avg_pool_grid(x, grid, factor), upsample_grid(x, grid, factor),
    window_merge(z, parm, grid, window), elastic_attention(q, k, v, clip, heads),
    prepend_token(x, token), first_token(x); operator.add
call_method
    transpose, flatten, reshape, mean
get_attr
    shifts before a sign (x + self.moveq), position embeddings, parm, the clip of elastic_attention
"""

from hwgen.nn.attention import (
    MAX_LEVEL,
    QDAttention,
    TokenBuilder,
    attention_probabilities,
    elastic_attention,
)
from hwgen.nn.functional import (
    binarize_weight,
    elastic_binarize,
    round_clamp_ste,
    row_scale_sign,
    scale_grad,
    sign_ste,
)
from hwgen.nn.grid import (
    avg_pool_grid,
    first_token,
    neighbour_mean,
    pool_channels,
    prepend_token,
    shift_mean,
    shift_mix,
    tile_channels,
    upsample_grid,
    window_merge,
)
from hwgen.nn.layers import (
    BatchNorm,
    BinaryConv2d,
    BinaryLinear,
    LayerScale,
    LearnedShift,
    RPReLU,
)
from hwgen.nn.leaf import LEAF_FUNCTIONS, Tracer, leaf, trace

__all__ = [
    "LEAF_FUNCTIONS",
    "MAX_LEVEL",
    "BatchNorm",
    "BinaryConv2d",
    "BinaryLinear",
    "LayerScale",
    "LearnedShift",
    "QDAttention",
    "RPReLU",
    "TokenBuilder",
    "Tracer",
    "attention_probabilities",
    "avg_pool_grid",
    "binarize_weight",
    "elastic_attention",
    "elastic_binarize",
    "first_token",
    "leaf",
    "neighbour_mean",
    "pool_channels",
    "prepend_token",
    "round_clamp_ste",
    "row_scale_sign",
    "scale_grad",
    "shift_mean",
    "shift_mix",
    "sign_ste",
    "tile_channels",
    "trace",
    "upsample_grid",
    "window_merge",
]
