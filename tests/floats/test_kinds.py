"""Every kind against plain PyTorch: values, shapes, factors; what `register` refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from hwgen.floats.check import Checker
from hwgen.floats.evaluate import Evaluator
from hwgen.floats.graph import FloatGraph
from hwgen.floats.kinds import (
    KINDS,
    Affine,
    Call,
    FixedSum,
    Input,
    Kind,
    Sign,
    Tabulated,
    XnorLinear,
    infer,
    register,
)
from hwgen.floats.kinds.base import Node
from hwgen.floats.kinds.parameters import Flag, Grid, Int, Offsets, Parameter, Positive, Reals
from hwgen.floats.layout import IllegalGraph, Layout, on_grid
from tests.floats.examples import Example, examples

EXAMPLES = examples()


def value(example: Example, node: Node, inputs: list[Tensor]) -> Tensor:
    return node.kind.evaluate(Call(node, example.inputs, inputs[0].dtype), *inputs)


@pytest.mark.parametrize("name", [n for n in EXAMPLES if n != "constant"])
def test_evaluation_and_shapes_are_those_of_pytorch(name: str) -> None:
    example = EXAMPLES[name]
    node, inputs = example.node(), example.values()
    assert node.layout == example.layout
    got, want = value(example, node, inputs), example.reference(*inputs)
    assert got.shape[1:] == node.layout.shape
    torch.testing.assert_close(got, want, rtol=1e-12, atol=1e-12)
    single = value(example, node, [x.float() for x in inputs])
    assert single.dtype == torch.float32
    if node.kind is not Sign and "attention" not in name:  # which round
        torch.testing.assert_close(single, want.float(), rtol=1e-4, atol=1e-4)


def test_sources_are_evaluated() -> None:
    constant = EXAMPLES["constant"].node()
    assert constant.layout == EXAMPLES["constant"].layout
    image = Node("image", Input, (), {"grid": (2, 3), "channels": 3}, on_grid(2, 3, 3))
    total = Node("y", KINDS["add"], ("image", "c"), {}, image.layout)
    constant = constant.with_(name="c")
    graph = FloatGraph({n.name: n for n in (image, constant, total)}, "image", "y")
    Checker().check(graph)
    pixels = np.random.default_rng(1).integers(0, 256, (4, 2, 3, 3), dtype=np.uint8)
    ((_, x), (_, c), (_, y)) = Evaluator(graph, torch.float64).steps(pixels)
    np.testing.assert_array_equal(x, pixels.reshape(4, 6, 3))
    np.testing.assert_array_equal(c, constant["value"][None])
    np.testing.assert_array_equal(y, pixels.reshape(4, 6, 3) + constant["value"])


def test_every_kind_has_an_example() -> None:
    assert {e.kind for e in EXAMPLES.values()} | {Input} == set(KINDS.values())


FACTORS = [n for n, e in EXAMPLES.items() if e.kind.factors]


@pytest.mark.parametrize("name", FACTORS)
def test_factors_and_offset_scale_the_value(name: str) -> None:
    example = EXAMPLES[name]
    node, inputs = example.node(), example.values()
    a, b = np.random.default_rng(2).normal(size=(2, node.layout.channels))
    scaled = node.kind.scaled(node, a, b)
    assert scaled is not None
    want = torch.from_numpy(a) * value(example, node, inputs) + torch.from_numpy(b)
    torch.testing.assert_close(value(example, scaled, inputs), want, rtol=1e-9, atol=1e-9)


def test_kinds_without_factors_are_not_scaled() -> None:
    for name in sorted(EXAMPLES.keys() - set(FACTORS)):
        node = EXAMPLES[name].node()
        assert node.kind.scaled(node, np.ones(3), np.zeros(3)) is None


@pytest.mark.parametrize("name", [n for n, e in EXAMPLES.items() if issubclass(e.kind, FixedSum)])
def test_a_fixed_sum_has_as_many_terms(name: str) -> None:
    """A move of the input by 1 moves the value by scale times the terms."""
    example = EXAMPLES[name]
    node, (x,) = example.node(), example.values()
    terms = node.kind.terms(node.params, *example.inputs)
    step = value(example, node, [x + 1]) - value(example, node, [x])
    torch.testing.assert_close(step, (terms * torch.from_numpy(node["scale"])).expand_as(step))


MISFITS = {
    "a conv reads windows": ("conv", (Layout((4, 9, 2)),), "needs tokens on a grid"),
    "groups": ("xnor_conv groups", (on_grid(6, 4, 5),), "2 groups of 2 channels of 5"),
    "kernel beyond the grid": ("avg_pool", (on_grid(1, 6, 3),), "reaches over 2 cells"),
    "sum of two grids": ("add", (on_grid(2, 3, 3), on_grid(3, 2, 3)), r"adds \(6, 3\) on"),
    "sum of two widths": ("add", (on_grid(2, 3, 3), on_grid(2, 3, 4)), r"adds \(6, "),
    "pooled channels": ("pool", (on_grid(2, 3, 6),), "means of 4 of 6 channels"),
    "windows beside the grid": ("merge_max", (on_grid(6, 7, 3),), "windows of 3 on a grid"),
    "windows of another side": ("unwindow", (Layout((4, 16, 3)),), "16 tokens in windows"),
    "no square of windows": ("unwindow", (Layout((3, 9, 3)),), "must be a square number"),
    "no merge tokens": ("merge_mean", (Layout((9, 9, 3)),), "no merge tokens"),
    "a window too large": ("window_part", (Layout((4, 8, 3)),), "the window has 9"),
    "grid for windows": ("window_part", (on_grid(2, 3, 3),), "needs windows"),
    "keys and values": (
        "attention fewer keys", (on_grid(2, 6, 128), on_grid(1, 3, 128), on_grid(1, 4, 128)),
        "keys .* values",
    ),
    "heads": ("attention windows", (Layout((4, 9, 129)),) * 3, "2 heads in 129 channels"),
    "merge tokens": (
        "layer_norm merge tokens", (on_grid(6, 6, 3), on_grid(3, 3, 3)), "of 4 windows",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", MISFITS)
def test_inputs_that_do_not_fit_are_refused(what: str) -> None:
    name, inputs, text = MISFITS[what]
    example = EXAMPLES[name]
    with pytest.raises(IllegalGraph, match=rf"^y: {example.kind.name} .*{text}.* \[rule: layout\]"):
        infer("y", example.kind, example.params, *inputs)


def test_a_node_has_the_parameters_of_its_kind() -> None:
    layout = on_grid(1, 1, 2)
    with pytest.raises(IllegalGraph, match=r"^n: has a; affine has a, b \[rule: parameters\]$"):
        Node("n", Affine, ("x",), {"a": np.ones(2)}, layout)
    with pytest.raises(IllegalGraph, match=r"^n: 2 inputs; affine has 1 to 1 \[rule: inputs\]$"):
        Node("n", Affine, ("x", "y"), {"a": np.ones(2), "b": np.ones(2)}, layout)
    node = EXAMPLES["xnor_linear"].node()
    assert node.with_(unwindow=3)["unwindow"] == 3
    with pytest.raises(TypeError, match="unexpected keyword argument 'unwindows'"):
        node.with_(unwindows=3)


def test_an_incomplete_kind_is_refused() -> None:
    """Where the class stands, not where the kind is first used."""
    missing = "name, arity, params, anchor, step, elementwise, reads, makes_signs, factors, offset"
    missing += ", weights, frac, joins_inputs, by_number, evaluate, result"
    with pytest.raises(AssertionError, match=rf"^Half lacks {missing}$"):

        @register
        class Half(Kind):
            """No shapes, no evaluation, no traits."""

    before = dict(KINDS)
    whole = {k: v for k, v in vars(XnorLinear).items() if not k.startswith("_abc")}
    for lost in ("name", "result", "unscaled", "weights", "params", "reads", "__doc__"):
        parts = {k: v for k, v in whole.items() if k != lost} | {"name": "planted"}
        if lost == "name":
            del parts["name"]
        broken = type(XnorLinear)("Broken", XnorLinear.__bases__, parts)
        with pytest.raises(AssertionError, match=rf"^Broken (lacks {lost}|has no docstring)$"):
            register(broken)
    again = type(XnorLinear)("Again", XnorLinear.__bases__, whole)
    with pytest.raises(AssertionError, match=r"^xnor_linear is registered twice$"):
        register(again)
    wrong = type(XnorLinear)("Wrong", XnorLinear.__bases__, whole | {"name": "w", "factors": "f"})
    with pytest.raises(AssertionError, match=r"^Wrong: no f$"):
        register(wrong)
    assert before == KINDS


def test_a_family_can_ask_for_more() -> None:
    """What `Tabulated` needs beyond a kind's traits is asked for at registration too."""

    class Bare(Tabulated):
        """x."""

        name, frac = "bare", 12

    with pytest.raises(AssertionError, match=r"^Bare lacks flat, modules, functions, curve"):
        register(Bare)


WRONG: list[tuple[Parameter, Any, str]] = [
    (Reals("C"), np.ones(3, int), "type is int64 ndarray; must be a float64 array"),
    (Reals("C"), np.ones((3, 1)), "shape (3, 1); must be (C), C = 3"),
    (Reals("C", "C"), np.ones((3, 4)), "shape (3, 4); must be (C, C), C = 3"),
    (Reals("...", "C"), np.ones((5, 4)), "shape (5, 4); must be (..., C), C = 3"),
    (Reals("C"), None, "type is NoneType; must be a float64 array"),
    (Int(2), True, "type is bool; must be an int"),
    (Int(2), 1, "range 1; must be at least 2"),
    (Positive(), 1, "type is int; must be a float"),
    (Positive(), 0.0, "range 0.0; must be positive and finite"),
    (Positive(), float("nan"), "range nan; must be positive and finite"),
    (Flag(), 1, "type is int; must be True or False"),
    (Grid(), (2, 2.0), "type is tuple; must be two ints"),
    (Grid(), (2, -2), "range (2, -2); must not be negative"),
    (Offsets("R"), ((0, 1, 2),), "type is tuple; must be pairs of ints"),
    (Offsets("C"), ((0, 1),), "shape 1; must be C = 3"),
]
RIGHT: list[tuple[Parameter, Any]] = [
    (Reals("C"), np.ones(3)), (Reals("C", optional=True), None), (Reals("k", "k"), np.eye(4)),
    (Reals("...", "C"), np.ones((5, 6, 3))), (Int(2), 2), (Positive(), 1e-5), (Flag(), False),
    (Grid(), (0, 0)), (Offsets("C"), ((0, 1), (0, -1), (2, 0))),
]  # fmt: skip


@pytest.mark.parametrize(("parameter", "value", "text"), WRONG)
def test_a_wrong_parameter_is_described(parameter: Parameter, value: Any, text: str) -> None:
    assert [f"{r} {t}" for r, t in parameter.problems(value, {"C": 3})] == [text]


@pytest.mark.parametrize(("parameter", "value"), RIGHT)
def test_a_right_parameter_is_taken(parameter: Parameter, value: Any) -> None:
    assert not list(parameter.problems(value, {"C": 3}))
