"""Binary ResNets: forward against plain functions, sizes, costs as published, checkpoints."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from hwgen import zoo
from hwgen.analysis.operations import analyze
from hwgen.errors import CheckpointError, HwgenError
from hwgen.frontend.checkpoint import load_checkpoint
from hwgen.nn import binarize_weight

State = dict[str, Tensor]
DEPTHS = {18: (4, 4, 4, 4), 34: (6, 8, 12, 6)}


def randomised(name: str, **overrides: object) -> zoo.BinaryResNet:
    """Random values for everything that starts as 0 or 1."""
    g = torch.Generator().manual_seed(4)
    network = zoo.create(name, **overrides).double().eval()
    for key, value in network.state_dict().items():
        if value.is_floating_point() and not key.endswith("conv.weight"):
            noise = torch.rand(value.shape, generator=g, dtype=value.dtype)
            value.copy_(noise + 0.5 if key.endswith("running_var") else noise - 0.4)
    return network


def functional(state: State, x: Tensor, depths: tuple[int, ...]) -> Tensor:
    """The networks of both papers, written out from their equations."""

    def norm(prefix: str, y: Tensor) -> Tensor:
        mean, var, weight, bias = (
            state[f"{prefix}.{p}"].view(-1, 1, 1)
            for p in ("running_mean", "running_var", "weight", "bias")
        )
        return (y - mean) / (var + 1e-5).sqrt() * weight + bias

    x = F.conv2d(x, state["conv1.weight"], stride=2, padding=3)
    x = F.max_pool2d(F.pad(norm("bn1", x), (1, 1, 1, 1), value=float("-inf")), 3, 2)
    for stage, depth in enumerate(depths, 1):
        for k in range(depth):
            block = f"layer{stage}.{k}"
            stride = 2 if stage > 1 and k == 0 else 1
            move0 = state.get(f"{block}.move0.bias", torch.zeros(1))
            weight = state[f"{block}.binary_conv.weight"]
            y = F.conv2d(F.pad(torch.sign(x + move0), (1, 1, 1, 1)), torch.sign(weight),
                         stride=stride)  # fmt: skip
            y = norm(f"{block}.bn1", y * weight.abs().mean((1, 2, 3)).view(-1, 1, 1))
            if stride == 2:
                x = x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]
                x = torch.einsum("oi,bihw->bohw", state[f"{block}.downsample.1.weight"][..., 0, 0],
                                 x / 4)  # fmt: skip
                x = norm(f"{block}.downsample.2", x)
            x = x + y
            if f"{block}.move0.bias" in state:
                x = x + state[f"{block}.move1.bias"]
                x = torch.where(x > 0, x, x * state[f"{block}.prelu.weight"].view(-1, 1, 1))
                x = x + state[f"{block}.move2.bias"]
    return x.mean((2, 3)) @ state["fc.weight"].T + state["fc.bias"]


@pytest.mark.parametrize("block", ["bireal", "reactnet"])
def test_forward_equals_the_equations(block: str) -> None:
    network = randomised("reactnet_micro", block=block)
    x = torch.randn(3, 3, 64, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        want = functional(network.state_dict(), x, network.config.depths)
        got = network(x)
    assert got.shape == (3, 10)
    torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-9)


def test_strides_and_sizes() -> None:
    network = zoo.create("reactnet18").eval()
    shapes = []
    for k in (1, 2, 3, 4):
        layer = network.get_submodule(f"layer{k}")
        layer.register_forward_hook(lambda _m, _i, out: shapes.append(tuple(out.shape[1:])))
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 224, 224)).shape == (1, 1000)
    assert shapes == [(64, 56, 56), (128, 28, 28), (256, 14, 14), (512, 7, 7)]
    assert tuple(s[-1] for s in shapes) == network.config.grids


@pytest.mark.parametrize("depth", [18, 34])
@pytest.mark.parametrize("name", ["birealnet", "reactnet"])
def test_parameters_by_hand(name: str, depth: int) -> None:
    with torch.device("meta"):
        result = analyze(zoo.create(f"{name}{depth}"))
    widths = (64, 128, 256, 512)
    binary = per_channel = shortcuts = 0
    before = 64
    for width, count in zip(widths, DEPTHS[depth]):
        binary += 9 * width * (before + (count - 1) * width)
        per_channel += 2 * count * width  # norms
        if name == "reactnet":  # move0; move1, PReLU, move2
            per_channel += before + (count - 1) * width + 3 * count * width
        if before != width:
            shortcuts += before * width + 2 * width
        before = width
    real = 7 * 7 * 3 * 64 + 2 * 64 + per_channel + shortcuts + 512 * 1000 + 1000
    assert (result.total.binary_weights, result.total.float_parameters) == (binary, real)
    assert (
        result.total.parameters
        == {
            ("birealnet", 18): 11_689_512,  # torchvision's resnet18 has as many
            ("birealnet", 34): 21_797_672,  # and its resnet34
            ("reactnet", 18): 11_704_424,
            ("reactnet", 34): 21_827_432,
        }[name, depth]
    )


def test_macs_and_the_published_operations() -> None:
    """Published: 1.63e8 (18 layers, both papers) and 1.93e8 (Bi-Real Net 34) operations.

    Float multiplications plus binary ones / 64: 1.635e8 without the classifier and 1.640e8 with it
    for 18 layers; 1.924e8 and 1.929e8 for 34. So 1.63e8 leaves the classifier out, 1.93e8 has it.
    """
    with torch.device("meta"):
        small, large = (analyze(zoo.create(f"reactnet{d}")) for d in (18, 34))
    grid, row = 56 * 56, 28 * 28 * 128 * 1152
    assert small.parts["S1"].binary_macs == 4 * grid * 64 * 576
    assert small.parts["S2"].binary_macs == row // 2 + 3 * row  # the first has 64 input channels
    assert small.total.binary_macs == 1_676_279_808
    assert small.parts["stem"].float_macs == 112 * 112 * 64 * 147 == 118_013_952
    assert [small.parts[f"ds{k}"].float_macs for k in (1, 2, 3)] == [28 * 28 * 64 * 128] * 3
    assert small.parts["head"].float_macs == 512_000
    assert small.macs("conv") == small.total.binary_macs
    assert round((small.total.ops - 512_000) / 1e8, 2) == 1.63
    assert round(small.total.ops / 1e8, 2) == 1.64
    assert round(large.total.ops / 1e8, 2) == 1.93
    assert large.total.binary_macs == 3_525_967_872
    assert {r.name: r.kind for r in small.layers if r.part in ("stem", "ds2", "head")} == {
        "conv1": "stem", "layer3.0.downsample.1": "down", "fc": "classifier",
    }  # fmt: skip


def test_released_gradient_of_the_weights() -> None:
    """The scale is a constant: the gradient passes unscaled where |W| <= 1."""
    network = zoo.create("reactnet_micro")
    layer = network.layer1[0].binary_conv
    layer.weight.data.uniform_(-1.5, 1.5)
    binary = binarize_weight(layer.weight, layer.centre, layer.scale_gradient)
    upstream = torch.randn_like(binary)
    binary.backward(upstream)
    assert torch.equal(layer.weight.grad, upstream * (layer.weight.abs() <= 1))
    means = layer.weight.abs().mean((1, 2, 3), keepdim=True).expand_as(binary)
    torch.testing.assert_close(binary, torch.sign(layer.weight) * means)
    network.zero_grad()
    network(torch.randn(2, 3, 64, 64)).sum().backward()
    assert all(p.grad is not None for p in network.parameters())


# ------------------------------------------------------------------------------- checkpoints


@pytest.fixture(scope="module")
def small() -> zoo.BinaryResNet:
    torch.manual_seed(0)
    return zoo.create("reactnet_micro", channels=(4, 8, 8, 12), depths=(1, 2, 3, 1), classes=3)


@pytest.mark.parametrize("block", ["bireal", "reactnet"])
def test_state_dict_round_trip(tmp_path, block: str) -> None:
    network = zoo.create("reactnet_micro", block=block, channels=(4, 8, 8, 12), classes=3).eval()
    file = tmp_path / "net.pt"
    meta = {"config": network.config.to_dict()}
    torch.save({"model": network.state_dict(), "hwgen": meta}, file)
    again, info = load_checkpoint(file)
    assert info.config == network.config
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(again(x), network(x))


def test_released_file(tmp_path, small) -> None:
    """DataParallel's prefix under "state_dict", beside the optimizer; 224 pixels unless stated."""
    optimizer = torch.optim.Adam(small.parameters())
    state = {f"module.{key}": value for key, value in small.state_dict().items()}
    content = {"epoch": 255, "state_dict": state, "best_top1_acc": torch.tensor(65.5),
               "optimizer": optimizer.state_dict()}  # fmt: skip
    file = tmp_path / "model_best.pth.tar"
    torch.save(content, file)
    again, info = load_checkpoint(file)
    assert (info.config.depths, info.config.image_size) == ((1, 2, 3, 1), 224)
    assert again.state_dict().keys() == small.state_dict().keys()


def test_flat_weights_of_the_released_birealnet(tmp_path) -> None:
    network = zoo.create("reactnet_micro", block="bireal", channels=(4, 8, 8, 12)).eval()
    state = {
        f"{key}s" if "binary_conv" in key else key: value.reshape(-1, 1)
        if "binary_conv" in key
        else value
        for key, value in network.state_dict().items()
    }
    torch.save(state, tmp_path / "net.pt")
    again, info = load_checkpoint(tmp_path / "net.pt")
    assert info.config.channels == (4, 8, 8, 12)
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(again(x), network(x))


def test_keys_are_the_released_ones() -> None:
    with torch.device("meta"):
        keys = set(zoo.create("reactnet18").state_dict())
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    block = {"move0.bias", "binary_conv.weight", "move1.bias", "prelu.weight", "move2.bias"}
    block |= {f"bn1.{p}" for p in norm}
    want = {"conv1.weight", "fc.weight", "fc.bias"} | {f"bn1.{p}" for p in norm}
    want |= {f"layer{k}.{n}.{p}" for k in (1, 2, 3, 4) for n in range(4) for p in block}
    for k in (2, 3, 4):
        want |= {f"layer{k}.0.downsample.1.weight"}
        want |= {f"layer{k}.0.downsample.2.{p}" for p in norm}
    assert keys == want


def broken(tmp_path, state: State) -> str:
    file = tmp_path / "net.pt"
    torch.save(state, file)
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(file)
    text = str(error.value)
    assert "\n" not in text
    return text.removeprefix(f"{file}: ")


def test_one_line_for_a_broken_checkpoint(tmp_path, small) -> None:
    state = dict(small.state_dict())
    del state["layer2.1.bn1.weight"]
    assert broken(tmp_path, state) == (
        "1 missing key: layer2.1.bn1.weight; this architecture has 96 keys; "
        "check that all parts of the checkpoint belong to one binary ResNet"
    )
    state = {k: v for k, v in small.state_dict().items() if not k.startswith("layer3.1.")}
    assert broken(tmp_path, state) == (
        "state_dict: layer3: has blocks 0, 2; needs blocks 0, 1, ...; "
        "give a state dict with the keys of the released Bi-Real Net or ReActNet"
    )
    state = {k: v for k, v in small.state_dict().items() if not k.startswith("fc.")}
    assert broken(tmp_path, state).startswith("state_dict: fc.weight: is missing; needs 2 positive")


def test_rules_of_the_configuration() -> None:
    for field, value, message in (
        ("image_size", 100, "config.image_size: 100; must be a multiple of 32; use 128"),
        ("block", "vgg", "config.block: vgg; must be known; use bireal or reactnet"),
        ("depths", (1, 2), "config.depths: (1, 2); needs four stages; give 4 values"),
        ("channels", (0, 1, 1, 1), "config.channels: (0, 1, 1, 1); must be positive; use 1 or mo"),
    ):
        with pytest.raises(HwgenError) as error:
            zoo.create("reactnet18", **{field: value})
        assert str(error.value).startswith(message)
