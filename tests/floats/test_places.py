"""Where kinds of nodes are known outside their own class, and that each of these places has all."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import hwgen
from hwgen.errors import UnsupportedOpError
from hwgen.floats import kinds
from hwgen.floats.evaluate import Evaluator
from hwgen.floats.graph import FloatGraph
from hwgen.floats.kinds import KINDS, Kind, Reads
from hwgen.floats.kinds.base import Node
from hwgen.floats.layout import on_grid
from hwgen.frontend import layers
from hwgen.frontend.handlers import FUNCTIONS, MODULES
from hwgen.frontend.trace import trace
from hwgen.passes.fold_forward import fold_forward
from hwgen.passes.fracs import Fracs
from hwgen.passes.fuse import Fuser, fuse
from hwgen.passes.limits import LIMITS
from hwgen.passes.lower import prepare
from hwgen.passes.lower_kinds import ACTIVATIONS, LOWERINGS, NO_OP, OUTSIDE
from tests.floats.examples import BATCH, examples

PACKAGE = Path(hwgen.__file__).parent

# Files that name kinds, and why a further kind misses nothing there.
PLACES = {
    "floats/check.py": ("Input", "a graph has one image"),
    "floats/evaluate.py": ("Input", "gets the images"),
    "frontend/channels.py": ("Gather Sign", "emits"),
    "frontend/convolutions.py": ("Add Conv Input XnorConv XnorLinear", "emits"),
    "frontend/curves.py": ("Tabulated", "recognises all kinds of the family without parameters"),
    "frontend/functions.py": (
        "Add CrossFilter MergeMean PerWindow Pool Tile Unwindow Upsample WindowPart",
        "emits; see test_every_kind_is_made_by_the_frontend",
    ),
    "frontend/groups.py": ("Add ChannelFilter CrossFilter MaxPool", "emits"),
    "frontend/handlers.py": ("Tabulated", "handlers of all kinds of the family"),
    "frontend/importer.py": ("Add Affine Constant Input", "emits"),
    "frontend/layers.py": (
        "Add Attention Clamp LayerNorm MergeMax MergeSum RPReLU Tabulated",
        "emits",
    ),
    "frontend/pooling.py": ("AvgPool MaxPool TokenMean WindowSum", "emits"),
    "frontend/sign_nodes.py": ("Clamp Sign Tanh", "emits; functions that keep the sign"),
    "frontend/stand_ins.py": ("Constant Input", "in place of what cannot be imported"),
    "passes/absorb_shifts.py": ("Affine", "what the pass moves; signs by their traits"),
    "passes/distribute.py": ("Add Affine", "what the pass rewrites; terms by `Kind.scaled`"),
    "passes/flatten_sums.py": ("Add", "what the pass rewrites"),
    "passes/fold_backward.py": ("Affine", "what the pass moves, into all kinds with factors"),
    "passes/fold_forward.py": (
        "Affine Conv CrossFilter FixedSum",
        "what the pass moves, and into what: see test_what_an_affine_is_folded_into",
    ),
    "passes/fracs.py": ("Constant", "has a point of its own; the rest by traits"),
    "passes/fuse.py": (
        "Activation Add Affine Constant Conv Pool Source Upsample View XnorLinear",
        "steps: see test_steps; 8-bit weights are those of a Conv; a residual on a coarser grid is "
        "one of an XnorLinear",
    ),
    "passes/limits.py": (
        "Attention ChannelFilter Conv Gather MaxPool WindowSum XnorConv",
        "see test_limits_are_those_of_kernels",
    ),
    "passes/lower.py": ("Conv", "the classifier, padded"),
    "passes/lower_kinds.py": (
        "Activation Add Affine Attention AvgPool ChannelFilter Constant Conv CrossFilter Gather "
        "Input LayerNorm MaxPool MergeMax MergeMean MergeSum RPReLU Sign Tabulated TokenMean View "
        "WindowPart WindowSum XnorConv XnorLinear",
        "see test_every_kind_has_a_lowering_or_says_why_not",
    ),
    "passes/merge_filters.py": ("Add Affine CrossFilter", "what the pass rewrites"),
    "passes/channel_nodes.py": ("Tile", "what it makes"),
    "passes/move_channels.py": (
        "Activation Add AvgPool ChannelFilter Constant Conv CrossFilter Gather Input MaxPool "
        "PerChannel Sign Tile TokenMean View WindowSum XnorConv XnorLinear",
        "what moves channels, and through what: another kind keeps its copy",
    ),
    "passes/order_sums.py": ("Add", "what the pass rewrites"),
    "passes/pad_channels.py": (
        "Affine Input LayerNorm Tabulated",
        "makes 0 of what LayerNorm does not count, f(0) of activations; the rest by traits",
    ),
    "passes/scale_image.py": ("Affine", "what the pass makes"),
    "passes/shift_activations.py": ("Affine RPReLU", "what the pass rewrites"),
    "passes/sink_unwindow.py": (
        "PerChannel Unwindow XnorLinear",
        "what the pass moves: what costs nothing to compute twice, up to a layer that can write "
        "in grid order",
    ),
    "passes/sink_upsample.py": ("Add Upsample", "what the pass rewrites"),
    "passes/split_means.py": ("AvgPool TokenMean", "what the pass rewrites"),
    "passes/split_scales.py": ("Affine Conv", "what the pass rewrites"),
    "passes/split_stem.py": ("Add Conv", "what the pass rewrites"),
    "report/blocks.py": ("Attention", "has levels to compare"),
}


def named(source: str) -> set[str]:
    """Kinds and families that a file imports or reads as `kinds.X`."""
    out: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == "hwgen.floats.kinds":
            out |= {a.name for a in node.names}
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            out |= {node.attr} if node.value.id == "kinds" else set()
    known = {n for n, v in vars(kinds).items() if isinstance(v, type) and issubclass(v, Kind)}
    return out & known - {"Kind"}


def test_the_table_of_places_is_complete() -> None:
    found = {}
    for file in PACKAGE.rglob("*.py"):
        place = file.relative_to(PACKAGE).as_posix()
        names = set() if place.startswith("floats/kinds/") else named(file.read_text())
        if names:
            found[place] = names
    assert found == {place: set(names.split()) for place, (names, _) in PLACES.items()}


def test_no_kind_is_compared_by_its_name() -> None:
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Compare) and ast.unparse(node.left).endswith(".kind"):
                words = {n.value for n in ast.walk(node) if isinstance(n, ast.Constant)}
                assert not words & KINDS.keys(), f"{file}: {ast.unparse(node)}"


def test_every_kind_has_a_lowering_or_says_why_not() -> None:
    for kind in KINDS.values():
        reasons = [base for base in kind.__mro__ if base in NO_OP]
        assert (kind in LOWERINGS) + bool(reasons) == 1, kind.name
        assert (kind in LOWERINGS) == kind.anchor, kind.name
    known = set(KINDS.values())
    assert known >= LOWERINGS.keys() >= OUTSIDE.keys()
    assert all(any(issubclass(k, base) for k in known) for base in NO_OP)


def test_steps() -> None:
    """Every kind that can be a step of a chain has one, and no other."""
    for kind in KINDS.values():
        assert kind.step == any(issubclass(kind, base) for base in Fuser.STEPS), kind.name


def test_every_activation_has_a_stage_of_the_post_chain() -> None:
    for kind in KINDS.values():
        if issubclass(kind, kinds.Activation):
            assert kinds.nearest(ACTIVATIONS, kind), kind.name
        if issubclass(kind, kinds.Tabulated):
            assert kind.frac is not None, kind.name


def test_every_kind_is_made_by_the_frontend() -> None:
    emitters = [p for p in PLACES if p.startswith("frontend/")]
    made = {getattr(kinds, n) for p in emitters for n in PLACES[p][0].split()}
    assert {k for k in KINDS.values() if not issubclass(k, kinds.Tabulated)} <= made
    for kind in KINDS.values():
        if issubclass(kind, kinds.Tabulated):
            assert MODULES.keys() >= set(kind.modules)
            assert FUNCTIONS.keys() >= set(kind.functions)


def test_limits_are_those_of_kernels() -> None:
    """Kinds that slide a kernel over the grid in a stride of their own."""
    assert LIMITS.keys() == {k for k in KINDS.values() if "stride" in k.params}


SEEN = {  # views that an op adds by addressing what they show -> the ops that can
    "tile": None,  # all
    "pool": set(),
    "upsample": {"xnor_linear"},
    "unwindow": {"xnor_linear unwindow"},
    "per_window": {"window_part"},
}


def test_which_ops_address_a_view() -> None:
    nodes = {name: example.node() for name, example in examples().items()}
    anchors = {name: node for name, node in nodes.items() if node.kind.anchor}
    views = {name: node for name, node in nodes.items() if issubclass(node.kind, kinds.View)}
    assert views.keys() == SEEN.keys()
    for name, view in views.items():
        found = {a for a, anchor in anchors.items() if view.kind.seen_by(view, anchor)}
        assert found == (anchors.keys() if SEEN[name] is None else SEEN[name]), name


FOLDED = {  # an affine before these goes into their factors
    "conv", "cross_filter circular", "cross_filter pad", "cross_filter zeros", "avg_pool",
    "token_mean", "merge_mean", "window_part",
}  # fmt: skip
KEPT = {
    "affine": "each affine is kept once",
    "channel_filter": "a stride, or zeros around it", "conv 1x1": "8-bit weights",
    "window_sum": "windows with fewer terms", "max_pool": "a maximum",
    "max_pool 1x3": "a maximum", "merge_max": "a maximum",
    "merge_sum": "the clipped windows have fewer terms",
    "layer_norm": "not linear", "sign": "not linear",
    "tile": "no factors", "pool": "no factors", "upsample": "no factors", "unwindow": "no factors",
    "per_window": "no factors",
}  # fmt: skip
KEPT |= {n: "not linear" for n, kind in KINDS.items() if issubclass(kind, kinds.Activation)}


def test_what_an_affine_is_folded_into(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every kind with one input that reads values; its value stays what it was."""
    few = {n for n, e in examples().items() if e.kind.reads is Reads.VALUES and len(e.inputs) == 1}
    assert few == FOLDED | KEPT.keys()
    narrow = "hwgen.passes.fold_forward.conv_bits"
    for name in sorted(few):
        example = examples()[name]
        (layout,), node = example.inputs, example.node()
        a, b = np.random.default_rng(1).uniform(0.5, 1.5, (2, layout.channels))
        source = Node("x", kinds.Constant, (), {"value": np.zeros(layout.shape),
                      "grid": layout.grid}, layout)  # fmt: skip
        affine = Node("a", kinds.Affine, ("x",), {"a": a, "b": b}, layout)
        image = Node("image", kinds.Input, (), {"grid": (1, 1), "channels": 1}, on_grid(1, 1, 1))
        nodes = (image, source, affine, node.with_(inputs=("a",)))
        graph = FloatGraph({n.name: n for n in nodes}, "image", "y")
        monkeypatch.setattr(narrow, lambda conv, name=name: 8 if name in KEPT else 16)
        after = fold_forward(graph)
        assert ("a" not in after.nodes) == (name in FOLDED), name
        (x,) = example.values()

        def logits(g: FloatGraph, x: Tensor = x) -> Tensor:
            run = Evaluator(g, torch.float64, change=lambda n, v: x if n == "x" else v)
            return next(v for n, v in run.steps(np.zeros((BATCH, 1, 1, 1))) if n.name == "y")

        torch.testing.assert_close(logits(after), logits(graph), rtol=1e-9, atol=1e-9)


class Net(nn.Module):
    """An activation as a module and as a function."""

    def __init__(self, module: nn.Module, function: object) -> None:
        super().__init__()
        self.stem, self.act, self.function = nn.Conv2d(3, 16, 4, 4), module, function
        self.norm, self.head = nn.BatchNorm2d(16), nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.stem(x))
        return self.head(self.function(self.norm(x)).mean((2, 3)))


def test_a_further_activation_is_one_class(monkeypatch: pytest.MonkeyPatch) -> None:
    """Named nowhere else, it is traced, evaluated, fused, and gets its binary point."""

    class Doubtful(kinds.Tabulated):
        """log(1 + exp(x)) (softplus)."""

        name = "doubtful"
        modules = (nn.Softplus,)
        functions = (F.softplus,)
        forms = {"beta": (1.0, "beta = 1")}
        frac, flat = 10, False

        @classmethod
        def curve(cls, params, x):
            return F.softplus(x)

    monkeypatch.setitem(KINDS, "doubtful", Doubtful)
    handler = layers.tabulated(Doubtful)
    monkeypatch.setitem(MODULES, nn.Softplus, handler)
    monkeypatch.setitem(FUNCTIONS, F.softplus, handler)
    torch.manual_seed(0)
    net = Net(nn.Softplus(), F.softplus).double().eval()
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 3))
    got = Evaluator(trace(net, (8, 8, 3)), torch.float64).logits(images)
    want = net(torch.from_numpy(images).permute(0, 3, 1, 2)).detach().numpy()
    np.testing.assert_allclose(got, want, atol=1e-12)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    prepared = prepare(net, pixels)
    chains = [c for c in fuse(prepared.float_graph) if c.act is not None]
    assert [c.act.kind for c in chains] == [Doubtful, Doubtful]
    fracs = Fracs(prepared.float_graph, prepared.chains, prepared.largest, 16)
    assert [fracs.point(c, "a") for c in chains] == [10, 10]
    tables = [op.post.chords for op in prepared.quantize().graph.ops if op.post.chords]
    assert [(t.name, t.frac) for t in tables] == [("doubtful", 10)] * 2


class Both(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 32, 4, 4), nn.BatchNorm2d(32)
        self.head = nn.Linear(32, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.stem(x))
        return self.head((F.gelu(x) + F.silu(x) + x).mean((2, 3)))


def test_two_activations_of_one_value_share_its_point() -> None:
    """GELU has up to 12 fraction bits, SiLU 11: both tables are made for 11."""
    torch.manual_seed(0)
    net = Both().double().eval()
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    lowered = prepare(net, pixels).quantize()
    tables = [op.post.chords for op in lowered.graph.ops if op.post.chords]
    assert {(t.name, t.frac) for t in tables} == {("gelu", 11), ("silu", 11)}
    mean, std = (np.array(lowered.graph.meta[k]) for k in ("mean", "std"))
    x = torch.from_numpy((pixels / 255.0 - mean) / std).permute(0, 3, 1, 2)
    want = net(x).detach().numpy()
    np.testing.assert_allclose(lowered.graph.logits(pixels), want, atol=2e-3)


def test_an_activation_of_another_form_is_refused() -> None:
    rule = r"^act: GELU approximate='tanh'; supported: the erf form$"
    with pytest.raises(UnsupportedOpError, match=rule):
        trace(Net(nn.GELU("tanh"), F.gelu), (8, 8, 3))


@pytest.mark.parametrize(("options", "text"), [((0.5,), "0.5"), ({"alpha": 0.5}, "alpha=0.5")])
def test_an_option_that_the_kind_does_not_know_is_refused(
    options: tuple | dict, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FUNCTIONS, torch.celu, layers.tabulated(kinds.GELU))

    def function(x: Tensor) -> Tensor:
        return torch.celu(x, **options) if isinstance(options, dict) else torch.celu(x, *options)

    rule = rf"^forward: GELU with {text}; known options: approximate$"
    with pytest.raises(UnsupportedOpError, match=rule):
        trace(Net(nn.GELU(), function), (8, 8, 3))


class Tanh(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(x, approximate="tanh").mean((2, 3))


def test_a_function_of_another_form_is_refused() -> None:
    rule = r"^forward: GELU approximate='tanh'; supported: the erf form$"
    with pytest.raises(UnsupportedOpError, match=rule):
        trace(Tanh(), (8, 8, 3))
