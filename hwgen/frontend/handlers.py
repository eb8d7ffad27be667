"""Which handler makes the float-graph nodes of a module, a function, a tensor method."""

from __future__ import annotations

import operator
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from hwgen import nn as hnn
from hwgen.floats.kinds import KINDS, Tabulated
from hwgen.frontend import channels, convolutions, functions, layers, pooling, sign_nodes, signs
from hwgen.frontend.importer import Handler, Handlers

MODULES: dict[type, Handler] = {
    hnn.BinaryLinear: convolutions.binary_linear,
    hnn.BinaryConv2d: convolutions.binary_conv,
    hnn.BatchNorm: layers.batch_norm,
    hnn.LayerScale: layers.layer_scale,
    hnn.LearnedShift: layers.learned_shift,
    hnn.RPReLU: layers.rprelu,
    hnn.TokenBuilder: layers.token_builder,
    hnn.QDAttention: layers.attention,
    nn.Conv2d: convolutions.conv,
    nn.Linear: convolutions.linear,
    nn.BatchNorm1d: layers.batch_norm,
    nn.BatchNorm2d: layers.batch_norm,
    nn.LayerNorm: layers.layer_norm,
    nn.PReLU: layers.prelu,
    nn.ReLU: layers.prelu,
    nn.LeakyReLU: layers.prelu,
    nn.Hardsigmoid: layers.hardsigmoid,
    nn.Identity: layers.identity,
    nn.Dropout: layers.identity,
    nn.Dropout1d: layers.identity,
    nn.Dropout2d: layers.identity,
    nn.AlphaDropout: layers.identity,
    nn.FeatureAlphaDropout: layers.identity,
    nn.AvgPool2d: pooling.avg_pool,
    nn.AdaptiveAvgPool2d: pooling.adaptive_pool,
    nn.MaxPool2d: pooling.max_pool,
    nn.ChannelShuffle: channels.shuffle,
    nn.Flatten: functions.reshape,
    nn.Unflatten: functions.reshape,
}
FUNCTIONS: dict[Any, Handler] = {
    hnn.shift_mean: functions.shift_mean,
    hnn.shift_mix: functions.shift_mix,
    hnn.tile_channels: functions.tile_channels,
    hnn.pool_channels: functions.pool_channels,
    hnn.avg_pool_grid: functions.avg_pool_grid,
    hnn.window_merge: functions.window_merge,
    hnn.neighbour_mean: functions.neighbour_mean,
    hnn.upsample_grid: functions.upsample_grid,
    hnn.elastic_attention: layers.elastic_attention,
    signs.sign_of: sign_nodes.sign,
    operator.add: functions.add,
    operator.iadd: functions.add,
    torch.add: functions.add,
    operator.sub: functions.subtract,
    operator.isub: functions.subtract,
    torch.sub: functions.subtract,
    operator.mul: functions.multiply,
    operator.imul: functions.multiply,
    torch.mul: functions.multiply,
    operator.truediv: functions.divide,
    operator.itruediv: functions.divide,
    torch.div: functions.divide,
    operator.neg: functions.negate,
    torch.neg: functions.negate,
    operator.getitem: functions.index,
    operator.matmul: convolutions.matmul,
    torch.matmul: convolutions.matmul,
    F.linear: convolutions.linear_function,
    F.conv2d: convolutions.conv2d,
    F.batch_norm: layers.batch_norm_function,
    F.layer_norm: layers.layer_norm_function,
    F.relu: layers.prelu,
    F.leaky_relu: layers.prelu,
    F.prelu: layers.prelu,
    torch.prelu: layers.prelu,
    torch.relu: layers.prelu,
    torch.relu_: layers.prelu,
    F.hardsigmoid: layers.hardsigmoid,
    torch.clamp: layers.clamp,
    torch.clip: layers.clamp,
    F.dropout: layers.dropout,
    F.dropout2d: layers.dropout,
    torch.dropout: layers.dropout,
    F.avg_pool2d: pooling.avg_pool2d,
    F.max_pool2d: pooling.max_pool2d,
    torch.max_pool2d: pooling.max_pool2d,
    F.adaptive_avg_pool2d: pooling.adaptive_avg_pool2d,
    torch.cat: channels.cat,
    torch.concat: channels.cat,
    torch.concatenate: channels.cat,
    torch.chunk: channels.chunk,
    torch.split: channels.split,
    torch.tensor_split: channels.chunk,
    torch.narrow: channels.narrow,
    torch.unbind: channels.unbind,
    torch.index_select: channels.index_select,
    torch.channel_shuffle: channels.shuffle,
    F.pad: channels.pad,
    torch.mean: functions.mean,
    torch.flatten: functions.reshape,
    torch.reshape: functions.reshape,
    torch.squeeze: functions.reshape,
    torch.unsqueeze: functions.reshape,
    torch.unflatten: functions.reshape,
    torch.transpose: functions.transpose,
    torch.swapaxes: functions.transpose,
    torch.permute: functions.permute,
    torch.clone: layers.identity,
    torch.detach: layers.identity,
}
METHODS: dict[Any, Handler] = {
    "add": functions.add,
    "sub": functions.subtract,
    "mul": functions.multiply,
    "div": functions.divide,
    "neg": functions.negate,
    "relu": layers.prelu,
    "clamp": layers.clamp,
    "clip": layers.clamp,
    "matmul": convolutions.matmul,
    "chunk": channels.chunk,
    "split": channels.split,
    "tensor_split": channels.chunk,
    "narrow": channels.narrow,
    "unbind": channels.unbind,
    "index_select": channels.index_select,
    "mean": functions.mean,
    "flatten": functions.reshape,
    "reshape": functions.reshape,
    "view": functions.reshape,
    "unflatten": functions.reshape,
    "squeeze": functions.reshape,
    "unsqueeze": functions.reshape,
    "transpose": functions.transpose,
    "swapaxes": functions.transpose,
    "permute": functions.permute,
    "contiguous": layers.identity,
    "clone": layers.identity,
    "float": layers.cast,
    "double": layers.cast,
    "half": layers.cast,
    "to": layers.cast,
    "type": layers.cast,
    "type_as": layers.cast,
}
_TABULATED = {k: layers.tabulated(k) for k in KINDS.values() if issubclass(k, Tabulated)}
MODULES |= {module: h for k, h in _TABULATED.items() for module in k.modules}
FUNCTIONS |= {function: h for k, h in _TABULATED.items() for function in k.functions}
METHODS |= {method: h for k, h in _TABULATED.items() for method in k.methods}
METHODS |= {
    f"{name}_": METHODS[name] for name in ("add", "sub", "mul", "div", "neg", "relu", "clamp")
}
METHODS |= {f"__{name}__": METHODS[name] for name in ("add", "sub", "mul", "neg", "matmul")}
METHODS |= {f"__i{name}__": METHODS[name] for name in ("add", "sub", "mul")}
_LOGITS = ("the engine gives logits, whose largest is the same class", "return the logits")
REFUSED: dict[Any, tuple[str, str]] = {  # rule and way out
    nn.Softmax: _LOGITS,
    nn.LogSoftmax: _LOGITS,
    F.softmax: _LOGITS,
    F.log_softmax: _LOGITS,
    torch.softmax: _LOGITS,
    torch.log_softmax: _LOGITS,
    "softmax": _LOGITS,
    "log_softmax": _LOGITS,
    hnn.prepend_token: channels.CLASS_TOKEN,
    hnn.first_token: channels.CLASS_TOKEN,
}
SEVERAL: frozenset[Handler] = frozenset({channels.chunk, channels.split, channels.unbind})
LAYOUTS: frozenset[Handler] = SEVERAL | {
    functions.reshape, functions.transpose, functions.permute, functions.index, layers.identity,
    channels.narrow, channels.index_select,
}  # fmt: skip
HANDLERS = Handlers(MODULES, FUNCTIONS, METHODS, REFUSED, SEVERAL, LAYOUTS)
