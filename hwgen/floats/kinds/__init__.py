"""Kinds of nodes of the float graph, one class each: parameters, shapes, evaluation, traits.

sources       Input, Constant
elementwise   Affine, Sign, Add
activations   RPReLU; of a table: GELU, SiLU, Hardswish, Sigmoid, Tanh, Clamp, ReLU6
layers        XnorLinear, XnorConv, Conv, ChannelFilter, CrossFilter
tokens        LayerNorm, Attention
pooling       AvgPool, MaxPool, TokenMean, WindowSum
windows       MergeMax, MergeSum, MergeMean, WindowPart, PerWindow, Unwindow
channels      Gather
views         Tile, Pool, Upsample
"""

from hwgen.floats.kinds.activations import GELU, Activation, Clamp, RPReLU, Tabulated, Tanh
from hwgen.floats.kinds.base import KINDS, Call, Kind, Reads, ShapeError, infer, nearest, register
from hwgen.floats.kinds.channels import Gather
from hwgen.floats.kinds.elementwise import Add, Affine, PerChannel, Sign
from hwgen.floats.kinds.layers import ChannelFilter, Conv, CrossFilter, XnorConv, XnorLinear
from hwgen.floats.kinds.pooling import AvgPool, MaxPool, TokenMean, WindowSum
from hwgen.floats.kinds.scaled import FixedSum, Scaled
from hwgen.floats.kinds.sources import Constant, Input, Source
from hwgen.floats.kinds.tokens import Attention, LayerNorm
from hwgen.floats.kinds.views import Pool, Tile, Upsample, View
from hwgen.floats.kinds.windows import (
    MergeMax,
    MergeMean,
    MergePool,
    MergeSum,
    PerWindow,
    Unwindow,
    WindowPart,
)

__all__ = [
    "GELU",
    "KINDS",
    "Activation",
    "Add",
    "Affine",
    "Attention",
    "AvgPool",
    "Call",
    "ChannelFilter",
    "Clamp",
    "Constant",
    "Conv",
    "CrossFilter",
    "FixedSum",
    "Gather",
    "Input",
    "Kind",
    "LayerNorm",
    "MaxPool",
    "MergeMax",
    "MergeMean",
    "MergePool",
    "MergeSum",
    "PerChannel",
    "PerWindow",
    "Pool",
    "RPReLU",
    "Reads",
    "Scaled",
    "ShapeError",
    "Sign",
    "Source",
    "Tabulated",
    "Tanh",
    "Tile",
    "TokenMean",
    "Unwindow",
    "Upsample",
    "View",
    "WindowPart",
    "WindowSum",
    "XnorConv",
    "XnorLinear",
    "infer",
    "nearest",
    "register",
]
