"""Which handler makes the float-graph nodes of a module, a function, a tensor method."""

from __future__ import annotations

import operator
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from hwgen import nn as hnn
from hwgen.floats.kinds import KINDS, Tabulated
from hwgen.frontend import functions, layers
from hwgen.frontend.importer import Handler, Handlers

MODULES: dict[type, Handler] = {
    hnn.BinaryLinear: layers.binary_linear,
    hnn.BinaryConv2d: layers.binary_conv,
    hnn.BatchNorm: layers.batch_norm,
    hnn.LayerScale: layers.layer_scale,
    hnn.LearnedShift: layers.learned_shift,
    hnn.RPReLU: layers.rprelu,
    hnn.TokenBuilder: layers.token_builder,
    hnn.QDAttention: layers.attention,
    nn.Conv2d: layers.conv,
    nn.Linear: layers.linear,
    nn.BatchNorm1d: layers.batch_norm,
    nn.BatchNorm2d: layers.batch_norm,
    nn.LayerNorm: layers.layer_norm,
    nn.PReLU: layers.prelu,
    nn.ReLU: layers.prelu,
    nn.LeakyReLU: layers.prelu,
    nn.Identity: layers.identity,
    nn.Dropout: layers.identity,
    nn.AvgPool2d: layers.avg_pool_layer,
    nn.AdaptiveAvgPool2d: layers.adaptive_pool,
    nn.MaxPool2d: layers.max_pool,
    nn.Flatten: functions.reshape,
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
    operator.add: functions.add,
    operator.iadd: functions.add,
    torch.add: functions.add,
    operator.sub: functions.subtract,
    torch.sub: functions.subtract,
    operator.mul: functions.multiply,
    torch.mul: functions.multiply,
    operator.truediv: functions.divide,
    F.relu: layers.prelu,
    F.leaky_relu: layers.prelu,
    torch.relu: layers.prelu,
    torch.mean: functions.mean,
    torch.flatten: functions.reshape,
    torch.reshape: functions.reshape,
    torch.transpose: functions.transpose,
    torch.permute: functions.permute,
}
METHODS: dict[Any, Handler] = {
    "add": functions.add,
    "sub": functions.subtract,
    "mul": functions.multiply,
    "mean": functions.mean,
    "flatten": functions.reshape,
    "reshape": functions.reshape,
    "view": functions.reshape,
    "unflatten": functions.reshape,
    "squeeze": functions.reshape,
    "unsqueeze": functions.reshape,
    "transpose": functions.transpose,
    "permute": functions.permute,
    "contiguous": layers.identity,
}
_TABULATED = {k: layers.tabulated(k) for k in KINDS.values() if issubclass(k, Tabulated)}
MODULES |= {module: h for k, h in _TABULATED.items() for module in k.modules}
FUNCTIONS |= {function: h for k, h in _TABULATED.items() for function in k.functions}
METHODS |= {method: h for k, h in _TABULATED.items() for method in k.methods}
HANDLERS = Handlers(MODULES, FUNCTIONS, METHODS)
