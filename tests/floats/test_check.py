"""Each rule of the legal float graph finds its planted fault, and the pass that planted it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from hwgen.floats import kinds
from hwgen.floats.check import RULES, Checker, check
from hwgen.floats.graph import FloatGraph
from hwgen.floats.kinds.base import Node
from hwgen.floats.layout import IllegalGraph, on_grid
from hwgen.frontend.trace import trace
from hwgen.passes import lower
from tests.networks import IMAGE, halving_net, randomise, small_attention_net
from tests.passes.test_padding import Neighbours

Edit = Callable[[FloatGraph], FloatGraph]


@cache
def graph() -> FloatGraph:
    return trace(small_attention_net(), IMAGE)


@cache
def padded() -> FloatGraph:
    torch.manual_seed(0)
    return trace(randomise(Neighbours(4)), (16, 16, 3))


def forged(node: Node, **fields: Any) -> Node:
    """A copy with fields set behind the back of the constructor, which refuses some of them."""
    copy = replace(node)
    for name, value in fields.items():
        object.__setattr__(copy, name, value)
    return copy


def put(g: FloatGraph, node: Node, key: str = "") -> FloatGraph:
    return FloatGraph({**g.nodes, key or node.name: node}, g.image, g.output)


def change(name: str, **fields: Any) -> Edit:
    """Parameters or fields of a node, set without any check."""

    def edit(g: FloatGraph) -> FloatGraph:
        node = g.nodes[name]
        params = node.params | {k: v for k, v in fields.items() if k in node.params}
        rest = {k: v for k, v in fields.items() if k not in node.params}
        return put(g, forged(node, **{"params": params, **rest}))

    return edit


def without(name: str) -> Edit:
    return lambda g: FloatGraph({k: n for k, n in g.nodes.items() if k != name}, g.image, g.output)


class Rogue(kinds.Affine):
    """a x + b, of a class that nobody registered."""


def extra(kind: type[kinds.Kind], inputs: tuple[str, ...], params: dict, at: str) -> Edit:
    """A further node behind the others, of the layout of node `at`."""
    return lambda g: put(g, Node("extra", kind, inputs, params, g.nodes[at].layout))


def late(g: FloatGraph) -> FloatGraph:
    """The stem behind its readers."""
    nodes = {k: n for k, n in g.nodes.items() if k != "stem"}
    return FloatGraph({**nodes, "stem": g.nodes["stem"]}, g.image, g.output)


ONE = {"a": np.ones(32), "b": np.zeros(32)}
SIGN = "blocks.0.conv.sign"
FAULTS: dict[str, tuple[str, Edit, str]] = {  # rule, fault, text
    "name": ("name", lambda g: put(without("head")(g), g.nodes["head"], "tail"),
             r"^head: stands under tail"),
    "kind": ("kind", change("stem_norm", kind=Rogue), r"^stem_norm: affine of tests.*must be reg"),
    "unknown input": ("inputs", change("stem_norm", inputs=("nobody",)),
                      r"^stem_norm: reads nobody; no earlier node"),
    "late input": ("inputs", late, r"^stem_norm: reads stem; no earlier node"),
    "too many inputs": ("inputs", change("stem_norm", inputs=("stem", "stem")),
                        r"^stem_norm: 2 inputs; affine has 1 to 1"),
    "too few inputs": ("inputs", change("attention", inputs=("attention.q_sign",) * 2),
                       r"^attention: 2 inputs; attention has 3 to 3"),
    "values for signs": ("signs", change("blocks.0.conv", inputs=("stem",)),
                         r"^blocks.0.conv: xnor_conv reads conv; must read signs"),
    "signs for values": ("signs", change("blocks.0.bn", inputs=(SIGN,)),
                         r"^blocks.0.bn: affine reads sign; must read values"),
    "unknown parameter": ("parameters", change("stem_norm", params={**ONE, "c": 1}),
                          r"^stem_norm: has a, b, c; affine has a, b"),
    "missing parameter": ("parameters", change("stem_norm", params={"a": np.ones(32)}),
                          r"^stem_norm: has a; affine has a, b"),
    "float32": ("type", change("stem_norm", a=np.ones(32, np.float32)),
                r"^stem_norm: a is float32 ndarray; must be a float64 array"),
    "a number for an array": ("type", change("stem_norm", a=1.0), r"a is float; must be a float64"),
    "no array": ("type", change("stem", pad=None), r"^stem: pad is NoneType; must be a float64"),
    "a numpy integer": ("type", change("stem", stride=np.int64(4)),
                        r"^stem: stride is int64; must be an int"),
    "an integer for a flag": ("type", change("stem", quad=0),
                              r"^stem: quad is int; must be True or False"),
    "offsets as an array": ("type", None,
                            r"^neighbour_mean: offsets is int64 ndarray; must be pairs of ints"),
    "stride 0": ("range", change("stem", stride=0), r"^stem: stride 0; must be at least 1"),
    "negative padding": ("range", change("stem", padding=-1), r"padding -1; must be at least 0"),
    "channels": ("shape", change("stem_norm", a=np.ones(31)),
                 r"^stem_norm: a \(31,\); must be \(C\), C = 32"),
    "rank": ("shape", change("stem", weight=np.ones((32, 3))),
             r"^stem: weight \(32, 3\); must be \(O, h, w, C\), C = 3"),
    "weights of other channels": ("shape", change("stem", weight=np.ones((32, 4, 3, 5))),
                                  r"weight \(32, 4, 3, 5\); must be .* h = 4, w = 3, C = 3"),
    "bias of another layer": ("shape", change("stem", bias=np.ones(31)),
                              r"bias \(31,\); must be \(O\), O = 32"),
    "offsets without factors": ("shape", None, r"coeff \(2, 32\); must be \(R, C\), R = 3, C"),
    "NaN": ("values", change("stem_norm", b=np.full(32, np.nan)),
            r"^stem_norm: b has NaN or infinity"),
    "infinity": ("values", change("stem_norm", b=np.array([np.inf, -np.inf] * 16)),
                 r"^stem_norm: b has NaN or infinity"),
    "a sign of 0": ("values", change("blocks.0.conv", sign=np.zeros((32, 3, 3, 32))),
                    r"^blocks.0.conv: sign has other numbers; must be \+1 or -1"),
    "a layout": ("layout", change("stem_norm", layout=on_grid(4, 16, 32)),
                 r"^stem_norm: \(64, 32\) on \(4, 16\); affine makes \(64, 32\) on \(8, 8\)"),
    "inputs that do not fit": ("layout", change("blocks.0.add", inputs=("stem", "image")),
                               r"^blocks.0.add: add adds "),
    "two images": ("image", extra(kinds.Input, (), {"grid": (32, 32), "channels": 3}, "image"),
                   r"^extra: a second input; the image is image"),
    "no image": ("image", lambda g: FloatGraph(g.nodes, "stem", g.output), r"^image: a second"),
    "no output": ("output", lambda g: FloatGraph(g.nodes, g.image, "nobody"),
                  r"^nobody: is the output and no node"),
    "unread": ("output", extra(kinds.Affine, ("stem",), ONE, "stem"),
               r"^extra: nothing reads it and it is not the output"),
}  # fmt: skip
OF_A_FILTER = {
    "offsets as an array": {"offsets": np.zeros((3, 2), int)},
    "offsets without factors": {"coeff": np.ones((2, 32))},
}


def planted(what: str) -> tuple[FloatGraph, FloatGraph]:
    """The sound and the broken graph."""
    edit = FAULTS[what][1]
    if edit is None:
        return padded(), change("neighbour_mean", **OF_A_FILTER[what])(padded())
    return graph(), edit(graph())


@pytest.mark.parametrize("what", FAULTS)
def test_a_planted_fault_is_named(what: str) -> None:
    rule, _, text = FAULTS[what]
    sound, broken = planted(what)
    check(sound)
    with pytest.raises(IllegalGraph, match=text) as error:
        check(broken)
    assert error.value.rule == rule
    assert f"[rule: {rule}]" in str(error.value)


@pytest.mark.parametrize("what", FAULTS)
def test_a_checker_that_knows_the_sound_graph_finds_it_too(what: str) -> None:
    text = FAULTS[what][2]
    sound, broken = planted(what)
    checker = Checker()
    checker.check(sound, "trace")
    with pytest.raises(IllegalGraph, match=text.replace("^", "^after planted: ")):
        checker.check(broken, "planted")
    checker.check(sound, "repair")


def test_every_rule_has_a_planted_fault() -> None:
    assert {rule for rule, _, _ in FAULTS.values()} == set(RULES)


def test_a_node_whose_input_changed_is_checked_again() -> None:
    """The reader is the same object; its input has become another one."""
    sound, checker = graph(), Checker()
    checker.check(sound)
    stem = sound.nodes["stem"]
    wider = forged(
        stem,
        params=stem.params | {"weight": np.ones((48, 4, 4, 3)), "bias": np.ones(48)},
        layout=stem.layout.with_channels(48),
    )
    with pytest.raises(IllegalGraph, match=r"^stem_norm: a \(32,\); must be \(C\), C = 48 "):
        checker.check(put(sound, wider))


def test_what_is_known_is_not_checked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    node_rules = Checker._node

    def counted(self: Checker, node: Node, inputs: list[Node]) -> Any:
        seen.append(node.name)
        return node_rules(self, node, inputs)

    monkeypatch.setattr(Checker, "_node", counted)
    checker, sound = Checker(), graph()
    checker.check(sound)
    assert seen == list(sound.nodes)
    seen.clear()
    name = "head"
    checker.check(put(sound, sound.nodes[name].with_(bias=np.zeros(7))))
    assert seen == [name]


BREAKING = {
    "drops a bias": lambda g: put(g, forged(conv(g), params=conv(g).params | {"bias": None})),
    "turns the grid": lambda g: put(g, forged(conv(g), layout=on_grid(2, 8, 64))),
    "loses the output": lambda g: FloatGraph(g.nodes, g.image, "lost"),
}


def conv(g: FloatGraph) -> Node:
    return next(n for n in g.nodes.values() if n.kind is kinds.XnorConv)


@pytest.mark.parametrize("what", BREAKING)
@pytest.mark.parametrize("place", [0, 5, len(lower.PASSES)])
def test_the_pass_that_breaks_a_graph_is_named(
    what: str, place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def clumsy(g: FloatGraph) -> FloatGraph:
        return BREAKING[what](g)

    passes = (*lower.PASSES[:place], clumsy, *lower.PASSES[place:])
    monkeypatch.setattr(lower, "PASSES", passes)
    with pytest.raises(IllegalGraph, match=r"^after clumsy: ") as error:
        lower.lower_model(halving_net(), meta={"image": IMAGE})
    assert error.value.after == "clumsy"
    assert isinstance(error.value, AssertionError)


@pytest.mark.parametrize("step", ["trace", "scale_image", "pad_classes"])
def test_what_comes_before_the_passes_is_checked(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = getattr(lower, step)

    def broken(*args: Any) -> FloatGraph:
        return FloatGraph((g := sound(*args)).nodes, g.image, "lost")

    monkeypatch.setattr(lower, step, broken)
    if step != "pad_classes":  # it looks at the output itself
        monkeypatch.setattr(lower, "check_limits", lambda *_: None)
    with pytest.raises(IllegalGraph, match=rf"^after {step}: lost: is the output and no node"):
        lower.lower_model(halving_net(), meta={"image": IMAGE})
