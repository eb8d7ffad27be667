"""The traced graph consists of the nodes that `hwgen.nn` promises, and computes the same."""

from __future__ import annotations

import operator

import pytest
import torch

from hwgen import nn as hnn
from hwgen import zoo

MODULES = {
    "BatchNorm", "BinaryConv2d", "BinaryLinear", "Conv2d", "GELU", "LayerScale", "LearnedShift",
    "Linear", "QDAttention", "RPReLU", "TokenBuilder",
}  # fmt: skip
METHODS = {"flatten", "mean", "reshape", "transpose"}


@pytest.mark.parametrize("variant", ["released", "paper"])
@pytest.mark.parametrize("binary", [True, False])
def test_nodes_are_the_contract(variant, binary):
    check_nodes(zoo.create("bhvit_micro", variant=variant, binary_downsampling=binary).eval(), 96)


def check_nodes(model: torch.nn.Module, size: int) -> None:
    graph = hnn.trace(model)
    for node in graph.graph.nodes:
        if node.op == "call_module":
            assert type(graph.get_submodule(node.target)).__name__ in MODULES, node.target
        elif node.op == "call_function":
            assert node.target is operator.add or node.target in hnn.LEAF_FUNCTIONS, node.target
        elif node.op == "call_method":
            assert node.target in METHODS, node.target
    x = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(graph(x), model(x))


def test_nodes_of_a_resnet():
    graph = hnn.trace(zoo.create("reactnet_micro").eval())
    layers = MODULES | {"AvgPool2d", "MaxPool2d", "PReLU"}
    for node in graph.graph.nodes:
        if node.op == "call_module":
            assert type(graph.get_submodule(node.target)).__name__ in layers, node.target
        else:
            assert node.target in (operator.add, "mean", "image", "output"), node.target


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("binaryvit_micro", {}),
        ("binaryvit_micro", {"binary_downsampling": False}),
        ("deit_small_binary", {"depths": (1,), "image_size": 48}),
        ("deit_small_binary_affine", {"depths": (1,), "image_size": 48}),
    ],
)
def test_nodes_of_binaryvit_are_the_contract(name, sizes):
    check_nodes(zoo.create(name, **sizes).eval(), 48)


def test_leaf_functions_stay_whole_under_any_import():
    from hwgen.nn.grid import shift_mix as local_name

    class Net(torch.nn.Module):
        def forward(self, x):
            return local_name(x, grid=2, radius=1)

    targets = [n.target for n in hnn.trace(Net()).graph.nodes if n.op == "call_function"]
    assert targets == [hnn.shift_mix]
