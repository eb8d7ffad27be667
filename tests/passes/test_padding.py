"""Values outside the grid and on coarser grids through the passes: the function stays the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hwgen import zoo
from hwgen.analysis.fidelity import fidelity, float_logits
from hwgen.errors import HwgenError
from hwgen.floats.evaluate import Evaluator
from hwgen.floats.graph import FloatGraph
from hwgen.floats.kinds import Add, Affine, Conv, Kind, Upsample
from hwgen.floats.kinds import CrossFilter as CrossFilterKind
from hwgen.floats.kinds import MaxPool as MaxPoolKind
from hwgen.frontend.trace import trace
from hwgen.nn import BatchNorm, BinaryLinear, avg_pool_grid, neighbour_mean, upsample_grid
from hwgen.ops.cross_filter import CrossFilter
from hwgen.ops.image_conv import ImageConv
from hwgen.ops.max_pool import MaxPool
from hwgen.passes.fuse import fuse
from hwgen.passes.lower import PASSES, Lowered, lower_model, prepare
from hwgen.passes.scale_image import scale_image
from tests.networks import randomise

META = {"mean": (0.4, 0.5, 0.6), "std": (0.2, 0.25, 0.3)}


def pictures(side: int, count: int = 2, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def check_passes(module: nn.Module, side: int) -> FloatGraph:
    """Every pass leaves the logits as they are; the last graph."""
    module, images = module.double().eval(), pictures(side)
    want = float_logits(module, images, META)
    graph = scale_image(trace(module, (side, side, 3)), META["mean"], META["std"])
    for rewrite in PASSES:
        graph = rewrite(graph)
        got = Evaluator(graph, torch.float64).logits(images)
        np.testing.assert_allclose(got, want, atol=1e-9, err_msg=rewrite.__name__)
    return graph


def nodes_of(graph: FloatGraph, kind: type[Kind]) -> list:
    return [n for n in graph.nodes.values() if n.kind is kind]


class Stem(nn.Module):
    """Padded convolution, norm, max-pool, a binary layer, mean and classifier."""

    def __init__(self, conv: tuple[int, int, int], pool: tuple[int, int, int]) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 16, *conv), nn.BatchNorm2d(16)
        self.pool, self.second = nn.MaxPool2d(*pool), nn.BatchNorm2d(16)
        self.layer, self.head = BinaryLinear(16, 16), nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.second(self.pool(self.norm(self.conv(x)))).flatten(2).transpose(1, 2)
        return self.head((self.layer(x) + x).mean(1))


STEMS = [((7, 2, 3), (3, 2, 1)), ((3, 1, 1), (2, 2, 0)), ((5, 3, 2), (3, 1, 1)),
         ((3, 2, 0), (3, 1, 1)), ((4, 2, 1), (2, 2, 1)), ((2, 4, 0), (1, 1, 0))]  # fmt: skip


@pytest.mark.parametrize(("conv", "pool"), STEMS, ids=str)
def test_passes_keep_the_function_of_a_stem(conv: tuple, pool: tuple) -> None:
    torch.manual_seed(sum(conv))
    module = randomise(Stem(conv, pool))
    with torch.no_grad():
        module.norm.weight[3], module.norm.weight[5] = 0.0, -0.7
        module.second.weight[3], module.second.weight[4] = -1.0, 0.0
    graph = check_passes(module, 32)
    (node,) = nodes_of(graph, Conv)[:1]
    assert node.inputs == (graph.image,)  # the scale of the image is folded into it
    if conv[2]:
        np.testing.assert_allclose(node["pad"], 255 * np.array(META["mean"]))
    (pooled,) = nodes_of(graph, MaxPoolKind)
    assert pooled["stride"] == pool[1]


def test_stem_and_max_pool_become_ops_with_a_pad() -> None:
    torch.manual_seed(1)
    module, images = randomise(Stem((7, 2, 3), (3, 2, 1))), pictures(32, 8)
    graph = lower_model(module, images, meta=META, act_bits=12)
    parts = [o for o in graph.ops if isinstance(o, ImageConv)]
    assert [(p.rows, p.quad, p.word_beats) for p in parts] == [
        ((0, 3), True, 18), ((3, 2), True, 12), ((5, 2), True, 12),
    ]  # fmt: skip
    assert [p.post.pre for p in parts] == [None, parts[0].name, parts[1].name]
    stem, (pool,) = parts[-1], [o for o in graph.ops if isinstance(o, MaxPool)]
    assert stem.pad.tolist() == [102, 128, 153]  # 255 mean, to the nearest (of 127.5: the even)
    assert (stem.stride, stem.padding, pool.stride, pool.padding) == (2, 3, 2, 1)
    assert 127 < max(abs(p.weight).max() for p in parts) < 1 << 15
    pad = graph.op(pool.sources[1])
    assert pool.sources == (stem.name, pad.name)
    assert (pad.value == -(1 << 11)).all()
    assert pad.feature.frac == stem.feature.frac
    assert fidelity(module, graph, pictures(32, 16, seed=5))["logit_cosine"] > 0.999


def test_a_wide_kernel_stays_whole_with_narrow_weights() -> None:
    """Two of its rows do not fit beside the lanes."""
    torch.manual_seed(1)
    module = randomise(Stem((23, 1, 11), (3, 2, 1)))
    graph = lower_model(module, pictures(32, 8), meta=META, act_bits=12)
    (stem,) = [o for o in graph.ops if isinstance(o, ImageConv)]
    assert (stem.quad, stem.products, abs(stem.weight).max()) == (False, 1, 127)


class Neighbours(nn.Module):
    """x + the four neighbour means of a norm of x, behind a sum, with LayerScale-like factors."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side
        self.conv, self.norm, self.head = nn.Conv2d(3, 32, 4, 4), BatchNorm(32), nn.Linear(32, 5)
        self.layer = BinaryLinear(32, 32)
        self.factors = nn.ParameterList(nn.Parameter(torch.randn(32)) for _ in range(4))

    def forward(self, image: Tensor) -> Tensor:
        x = self.conv(image).flatten(2).transpose(1, 2)
        v = self.norm(x)
        y = self.layer(v) + x
        for factor, (axis, radius) in zip(self.factors, ((0, 1), (1, 1), (0, 2), (1, 2))):
            y = y + neighbour_mean(v, self.side, axis, radius) * factor
        return self.head(y.mean(1))


@pytest.mark.parametrize("side", [1, 2, 3, 5])
@pytest.mark.parametrize("factor", [1.0, -0.5, 0.0])
def test_a_norm_before_padded_filters_is_folded_unless_a_factor_is_0(side, factor) -> None:
    torch.manual_seed(side)
    module = randomise(Neighbours(side))
    module.norm.weight.data[7] = factor
    graph = check_passes(module, 4 * side)
    (filter_,) = nodes_of(graph, CrossFilterKind)
    a = module.norm.weight / torch.sqrt(module.norm.running_var + module.norm.eps)
    b = (module.norm.bias - module.norm.running_mean * a).detach().numpy()
    if factor:
        assert len(filter_["offsets"]) == 9
        np.testing.assert_allclose(filter_["pad"], -b / a.detach().numpy())
    else:
        assert not filter_["pad"].any()  # the filter reads the norm's own value
        (source,) = (graph.nodes[i] for i in filter_.inputs)
        assert source.kind is Affine


def neighbours(weight: float, bias: float, act_bits: int) -> tuple[nn.Module, Lowered]:
    torch.manual_seed(2)
    module = randomise(Neighbours(4))
    module.norm.weight.data[7], module.norm.bias.data[7] = weight, bias
    return module, prepare(module, pictures(16, 8), meta=META).quantize(act_bits)


@pytest.mark.parametrize("act_bits", [12, 16])
def test_pad_words_have_the_point_of_the_source_and_are_clipped(act_bits: int) -> None:
    """pad = -b / a of the folded norm; what no feature reaches is its end."""
    top = 1 << act_bits - 1
    for weight, end in ((1e-4, -top), (-1e-4, top - 1)):
        _, lowered = neighbours(weight, 1.0, act_bits)
        graph = lowered.graph
        op = next(o for o in graph.ops if isinstance(o, CrossFilter))
        source, pad = graph.types()[op.sources[0]], graph.op(op.sources[1])
        assert pad.value[0, 7] == end
        node = next(n for n in lowered.float_graph.nodes.values() if n.kind is CrossFilterKind)
        want = np.rint(node["pad"] * 2.0**source.frac)
        inside = abs(want) < top
        assert inside.sum() >= 30
        np.testing.assert_array_equal(pad.value[0, inside], want[inside])
        assert (pad.feature.frac, pad.feature.lo, pad.feature.hi) == (
            source.frac, pad.value.min(), pad.value.max(),
        )  # fmt: skip


def test_padded_filters_agree_with_float() -> None:
    module, lowered = neighbours(1.0, 0.5, 16)
    result = fidelity(module, lowered.graph, pictures(16, 64, seed=9))
    assert result["logit_cosine"] > 0.99


class Upsampled(nn.Module):
    """A fine layer plus values of a coarse grid: two by one factor, one by another."""

    def __init__(self, factors: tuple[int, ...]) -> None:
        super().__init__()
        self.factors = factors
        self.conv, self.head = nn.Conv2d(3, 32, 4, 4), nn.Linear(32, 5)
        self.fine = BinaryLinear(32, 32)
        self.coarse = nn.ModuleList(BinaryLinear(32, 32) for _ in factors)
        self.norms = nn.ModuleList(BatchNorm(32) for _ in factors)

    def forward(self, image: Tensor) -> Tensor:
        fine = self.conv(image).flatten(2).transpose(1, 2)
        y = self.fine(fine)
        for factor, layer, norm in zip(self.factors, self.coarse, self.norms):
            low = norm(layer(avg_pool_grid(fine, 8, factor)))
            y = y + upsample_grid(low, 8 // factor, factor)
        return self.head((y + fine).mean(1))


@pytest.mark.parametrize(
    ("factors", "left"), [((2,), 1), ((2, 2), 1), ((2, 2, 2), 1), ((2, 4), 2), ((2, 4, 2, 4), 2)]
)
def test_upsampled_values_are_added_on_their_own_grid(factors: tuple, left: int) -> None:
    torch.manual_seed(0)
    graph = check_passes(randomise(Upsampled(factors)), 32)
    ups = nodes_of(graph, Upsample)
    assert len(ups) == left
    for factor in set(factors):
        (up,) = (n for n in ups if n["factor"] == factor)
        below = graph.nodes[up.inputs[0]]
        if factors.count(factor) > 1:
            assert below.kind is Add


@pytest.mark.parametrize("factors", [(2,), (2, 2), (4, 4)])
def test_the_layer_that_adds_a_coarse_value_comes_after_it(factors: tuple) -> None:
    torch.manual_seed(0)
    module, images = randomise(Upsampled(factors)), pictures(32, 8)
    lowered = prepare(module, images, meta=META).quantize()
    ops = [op.name for op in lowered.graph.ops]
    fine = lowered.graph.op("fine")
    assert ops.index("fine") > max(ops.index(f"coarse.{k}") for k in range(len(factors)))
    types = lowered.graph.types()
    sizes = {types[t].grid for t in (fine.post.pre, fine.post.mid, fine.post.out) if t}
    assert sizes == {(8, 8), (8 // factors[0],) * 2}
    assert fidelity(module, lowered.graph, pictures(32, 32, seed=9))["logit_cosine"] > 0.99


def test_two_coarser_grids_beside_one_layer_are_refused() -> None:
    torch.manual_seed(0)
    rule = r"^fine: residuals on grids \[\(2, 2\), \(4, 4\)\]; must be on one besides \(8, 8\)$"
    with pytest.raises(HwgenError, match=rule):
        lower_model(randomise(Upsampled((2, 4))), pictures(32, 8), meta=META)


@pytest.fixture(scope="module")
def binaryvit() -> nn.Module:
    torch.manual_seed(4)
    return randomise(zoo.create("binaryvit_micro"))


def test_passes_keep_the_function_of_a_binaryvit(binaryvit: nn.Module) -> None:
    graph = check_passes(binaryvit, 48)
    order = {c.name: k for k, c in enumerate(fuse(graph))}
    ups = nodes_of(graph, Upsample)
    assert ups
    for up in ups:
        assert graph.nodes[up.inputs[0]].kind is Add  # of keys and values
        layer = up.name.split(".attention.")[0] + ".attention.attention."
        assert order[f"{layer}query"] > max(order[f"{layer}key"], order[f"{layer}value"])


class TwoConvs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.act, self.norm = nn.Conv2d(3, 32, 4, 4), nn.PReLU(32), nn.BatchNorm2d(32)
        self.conv, self.head = nn.Conv2d(32, 32, 2, 2), nn.Linear(32, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.conv(self.norm(self.act(self.stem(x)))).mean((2, 3)))


def test_a_norm_with_a_factor_of_0_is_folded_into_windows_without_padding() -> None:
    torch.manual_seed(5)
    module = randomise(TwoConvs())
    module.norm.weight.data[3] = 0.0
    graph = check_passes(module, 32)
    assert "norm" not in graph.nodes
