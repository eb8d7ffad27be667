"""A program of torch.export compiles to what its network compiles to, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import Dim

from hwgen import cli, zoo
from hwgen.errors import HwgenError
from hwgen.floats.evaluate import Evaluator
from hwgen.frontend.exported.network import ExportedNetwork
from hwgen.frontend.load import load_network
from hwgen.frontend.options import Options
from hwgen.frontend.trace import trace
from hwgen.passes.lower import prepare
from tests.frontend import binary_layers as b
from tests.frontend.exported.programs import IMAGE, Small, exported
from tests.frontend.nets import META, Net, agrees, seeded
from tests.frontend.parts import ReActNetBlock, Residual, Tokens

SIZE = (32, 32, 3)
GIVEN = Options(mean=META["mean"], std=META["std"])
GREY = Options(mean=(0.5,), std=(0.5,))


class Windows(nn.Module):
    """2 x 2 windows of tokens, a linear layer of stored signs in each, back to an image."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = b.Float(nn.Linear(32, 32))

    def forward(self, x: Tensor) -> Tensor:
        batch, c, height, width = x.shape
        y = self.layer(x.flatten(2).transpose(1, 2))
        return x + y.transpose(1, 2).reshape(batch, c, height, width)


class Without(nn.Module):
    """Signs of the weights under no_grad."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(32, 32, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            w = self.conv.weight
            weight = torch.sign(w) * w.abs().mean((1, 2, 3), keepdim=True)
        return x + F.conv2d(torch.sign(x), weight, padding=1)


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "autograd functions, PReLU": lambda: Net(Residual(nn.PReLU(32))),
    "mean-centred weights, IR-Net": lambda: Net(b.IRConv(32, 32, 3, padding=1, bias=False)),
    "detach tricks, ReActNet": lambda: Net(b.HardBinaryConv(32, 32)),
    "blocks of ReActNet-A": lambda: Net(
        nn.Sequential(ReActNetBlock(32, 32, 1), ReActNetBlock(32, 64, 2)), channels=64),
    "masks": lambda: Net(lambda s, x: x + s.bn(F.conv2d(
        b.MaskedSign.apply(x), torch.sign(s.float_weight), padding=1))),
    "tokens": lambda: Net(Tokens(b.SubclassLinear(32, 32))),
    "back to an image": lambda: Net(Windows()),
    "under no_grad": lambda: Net(Without()),
    "in place": lambda: Net(nn.Sequential(*(
        Residual(a(inplace=True)) for a in (nn.ReLU6, nn.ReLU, nn.SiLU, nn.LeakyReLU)))),
    "hard swish": lambda: Net(Residual(nn.Hardswish())),
    "hard sigmoid": lambda: Net(Residual(nn.Hardsigmoid())),
    "GELU, sigmoid, tanh": lambda: Net(nn.Sequential(
        *(Residual(a()) for a in (nn.GELU, nn.Sigmoid, nn.Tanh)))),
    "parts of a grid": lambda: Net(
        lambda s, x: s.bn(s.conv(x))[:, :, ::2, ::2] + x[:, :, ::2, ::2]),
    "channels and poolings": lambda: Net(lambda s, x: F.avg_pool2d(torch.cat(
        (lambda first, second: (second, first))(*s.bn(s.conv(x)).chunk(2, 1)), 1), 2)),
}  # fmt: skip


@pytest.mark.parametrize("decomposed", [False, True], ids=["as exported", "decomposed"])
@pytest.mark.parametrize("case", NETWORKS)
def test_the_program_is_the_network(tmp_path: Path, case: str, decomposed: bool) -> None:
    module = seeded(NETWORKS[case])
    path = exported(module, tmp_path / "net.pt2", SIZE, decomposed=decomposed)
    network, info = load_network(path, GIVEN)
    assert isinstance(network, ExportedNetwork)
    assert info.program.startswith("exported from Net by PyTorch ")
    assert info.assumed == ()
    assert network.state_dict().keys() == module.state_dict().keys()
    agrees(network, SIZE)  # its float graph and the program
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, *SIZE))
    graphs = [trace(m, SIZE) for m in (module, network)]
    want, got = (Evaluator(g, torch.float64).logits(x) for g in graphs)
    np.testing.assert_allclose(got, want, atol=1e-9, rtol=1e-9)
    same_integers(module, network, rng.integers(0, 256, (8, *SIZE), dtype=np.uint8))


def same_integers(module: nn.Module, network: nn.Module, images: np.ndarray) -> None:
    """Both compile to the same tensors, in the same order, where they have the same ops."""
    graphs = [prepare(m, images, meta=META).quantize().graph for m in (module, network)]
    values = [[*g.run(images).values()] for g in graphs]
    if len(values[0]) == len(values[1]):
        for want, got in zip(*values, strict=True):
            np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(graphs[1].logits(images), graphs[0].logits(images))


# ------------------------------------------------------------------- networks that hwgen builds


def test_a_network_of_the_zoo_is_rebuilt_from_its_keys(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = zoo.create("bhvit_micro", classes=5).eval()
    side = module.config.image_size
    path = exported(module, tmp_path / "bhvit.pt2", (side, side, 3))
    network, info = load_network(path, GIVEN)
    assert type(network) is type(module)
    assert info.config == module.config
    assert info.program.endswith("; gives what hwgen's BHViT gives")
    images = np.random.default_rng(0).integers(0, 256, (4, side, side, 3), dtype=np.uint8)
    same_integers(module, network, images)


def test_a_residual_network_of_the_zoo_knows_its_image_size(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = zoo.create("reactnet_micro", channels=(4, 8, 8, 12), classes=3, image_size=64).eval()
    path = exported(module, tmp_path / "net.pt2", (64, 64, 3))
    network, info = load_network(path, GIVEN)
    assert type(network) is type(module)
    assert info.config == module.config
    assert info.assumed == ()  # the size is that of the program


def test_keys_of_the_zoo_with_other_results_stay_the_program(tmp_path: Path) -> None:
    class Other(nn.Module):
        """The same keys, another network."""

        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.__dict__["inner"] = inner
            for name, child in inner.named_children():
                self.add_module(name, child)

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x) * 2

    torch.manual_seed(0)
    inner = zoo.create("reactnet_micro", channels=(16, 32, 32, 32), classes=3, image_size=64)
    path = exported(Other(inner).eval(), tmp_path / "net.pt2", (64, 64, 3))
    network, info = load_network(path, GIVEN)
    assert isinstance(network, ExportedNetwork)
    assert info.program.endswith("; has the keys of hwgen's BinaryResNet, but other results")
    agrees(network, (64, 64, 3))


# ------------------------------------------------------------------------- batches and sizes

FREE = Dim.DYNAMIC


@pytest.mark.parametrize("decomposed", [False, True])
@pytest.mark.parametrize(
    ("batch", "shapes"), [(1, None), (2, None), (3, None), (2, ({0: FREE},))]
)  # fmt: skip
def test_any_batch(tmp_path: Path, batch: int, shapes: Any, decomposed: bool) -> None:
    module = seeded(Small)
    path = exported(
        module, tmp_path / "net.pt2", batch=batch, decomposed=decomposed, dynamic_shapes=shapes
    )
    network, _ = load_network(path, GREY)
    agrees(network, IMAGE)
    for images in (1, 2, 5):
        x = torch.randn(images, 1, 16, 16)
        with torch.no_grad():
            torch.testing.assert_close(network(x), module(x))


def test_free_sizes(tmp_path: Path) -> None:
    module = seeded(Small)
    path = exported(
        module, tmp_path / "net.pt2", batch=2, dynamic_shapes=({0: FREE, 2: FREE, 3: FREE},)
    )
    _, info = load_network(path, GREY)
    assert info.config.image_size == (16, 16)
    assert info.assumed == ("images of 16 x 16, as it was exported with (--image-size)",)
    network, info = load_network(path, Options(image_size=(16, 24), mean=(0.5,), std=(0.5,)))
    assert info.config.image_size == (16, 24)
    assert info.assumed == ()
    agrees(network, (16, 24, 1))


def test_a_type_of_its_own(tmp_path: Path) -> None:
    """What the program calls float32 is what its weights are."""

    class Casts(Small):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x.to(torch.float32) * torch.ones(1, dtype=torch.float32))

    network, _ = load_network(exported(seeded(Casts), tmp_path / "net.pt2"), GREY)
    agrees(network, IMAGE)


# ------------------------------------------------------------------------------- refusals


class Strange(Small):
    """Ops that no hardware has, in two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Bessel()

    def forward(self, x: Tensor) -> Tensor:
        q = self.inner(self.stem(x)).flatten(2).transpose(1, 2)
        q = F.scaled_dot_product_attention(q, q, q)
        return torch.softmax(self.fc(q.mean(1)), -1)


class Bessel(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.special.bessel_j0(x)


def test_all_reasons_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    exported(seeded(Strange), Path("net.pt2"))
    argv = ["compile", "net.pt2", "--mean", "0.5", "--std", "0.5", "--out", "out"]
    assert cli.main(argv) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "hwgen: error: Strange: 3 reasons why it cannot be compiled"
    assert lines[1].startswith("  inner: aten.special_bessel_j0; supported: ")
    assert lines[2].startswith("  forward: scaled_dot_product_attention; supported: ")
    assert lines[3] == (
        "  forward: softmax; the engine gives logits, whose largest is the same class; return the "
        "logits"
    )
    assert [p.name for p in tmp_path.iterdir()] == ["net.pt2"]


class OfWeights(Small):
    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.stem(x).mean((2, 3))) + torch.special.bessel_j0(self.fc.bias)


class Deconvolution(Small):
    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(16, 16, 2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.up(self.stem(x)).mean((2, 3)))


class TwoInputs(Small):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return super().forward(x + y)


class Counting(Small):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls.add_(1)
        return super().forward(x)


def refused(path: Path, options: Options = GREY) -> str:
    with pytest.raises(HwgenError) as caught:
        network, info = load_network(path, options)
        trace(network, (*info.config.image_size, info.config.in_channels))
    assert len(caught.value.lines) == 1
    return caught.value.line.removeprefix(f"{path}: ")


def test_an_unknown_op_of_parameters(tmp_path: Path) -> None:
    assert refused(exported(seeded(OfWeights), tmp_path / "net.pt2")) == (
        "forward: aten.special_bessel_j0 of parameters; it is not known; compute it before "
        "torch.export.export"
    )


@pytest.mark.parametrize("decomposed", [False, True])
def test_an_op_with_options_that_are_not_known(tmp_path: Path, decomposed: bool) -> None:
    path = exported(seeded(Deconvolution), tmp_path / "net.pt2", decomposed=decomposed)
    what = "aten.convolution transposed" if decomposed else "aten.conv_transpose2d"
    assert refused(path).startswith(f"up: {what}; supported: ")


def test_two_inputs(tmp_path: Path) -> None:
    x = torch.zeros(1, 1, 16, 16)
    torch.export.save(torch.export.export(seeded(TwoInputs), (x, x)), tmp_path / "net.pt2")
    assert refused(tmp_path / "net.pt2") == (
        "2 inputs of 4, 4 axes; a network has one image (B, channels, H, W); export one that takes "
        "the image alone"
    )


def test_state(tmp_path: Path) -> None:
    """What a forward counts is its own affair, unless the program has it as a result."""
    network, _ = load_network(exported(seeded(Counting), tmp_path / "net.pt2"), GREY)
    agrees(network, IMAGE)
    assert refused(exported(seeded(Counting), tmp_path / "net.pt2", decomposed=True)) == (
        "it writes its buffer calls; a network keeps no state; export one whose forward writes "
        "nothing"
    )


@pytest.mark.parametrize(("layer", "op"), [(nn.Dropout(), "dropout"), (nn.BatchNorm2d(1), "")])
def test_training_mode(tmp_path: Path, layer: nn.Module, op: str) -> None:
    path = exported(nn.Sequential(layer, Small()).train(), tmp_path / "net.pt2", batch=2)
    assert refused(path) == (
        f"0: aten.{op or 'batch_norm'} in training mode; a network is exported in eval mode; call "
        "network.eval() before torch.export.export"
    )


CONFIG = Path("c.json")
FIXED = "net.pt2 was exported for images of 16 x 16; leave it out, or export it for this size"
WRONG = [
    ({"image_size": 32}, f"--image-size: 32x32; {FIXED}"),
    ({"image_size": (16, 32)}, f"--image-size: 16x32; {FIXED}"),
    ({"mean": (0.5, 0.5)}, "--mean: (0.5, 0.5); needs 1 numbers, one per channel; give as many"),
    ({"ema": True}, "--ema: net.pt2; a program has one set of weights; leave --ema out"),
    ({"weights": Path("w.pt")}, "--weights: w.pt; is for a network of your own, FILE.py:NAME; give "
     "this file as MODEL"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "line"), WRONG)
def test_options_that_contradict_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    exported(seeded(Small), Path("net.pt2"))
    options = Options(**({"mean": (0.5,), "std": (0.5,)} | given))
    assert refused(Path("net.pt2"), options) == line


def test_a_configuration_that_contradicts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    exported(seeded(Small), Path("net.pt2"))
    CONFIG.write_text('{"image_size": 32, "mean": 0.5, "std": 0.5}')
    assert refused(Path("net.pt2"), Options(config=CONFIG)) == f"c.json: 32x32; {FIXED}"
    CONFIG.write_text('{"num_classes": 4, "mean": 0.5, "std": 0.5}')
    assert refused(Path("net.pt2"), Options(config=CONFIG)) == (
        "c.json states num_classes 4; the network has classes 3; correct it, or leave it out"
    )
    CONFIG.write_text('{"num_classes": 3, "input_size": [1, 16, 16], "mean": 0.5, "std": 0.5}')
    assert load_network(Path("net.pt2"), Options(config=CONFIG))[1].assumed == ()


# ------------------------------------------------------------------------- the command line


@pytest.mark.slow
def test_every_command_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    module = seeded(Small)
    exported(module, Path("net.pt2"))
    images = np.random.default_rng(0).integers(0, 256, (8, *IMAGE), dtype=np.uint8)
    np.savez("images.npz", images=images, labels=np.zeros(8, dtype=np.int64))
    given = ["--mean", "0.5", "--std", "0.5"]
    assert cli.main(["compile", "net.pt2", *given, "--calib", "images.npz", "--out", "out"]) == 0
    assert "program     exported from Small by PyTorch " in capsys.readouterr().out
    assert cli.main(["simulate", "out", "--images", "2"]) == 0
    assert "check       0 mismatches" in capsys.readouterr().out
    assert cli.main(["run", "net.pt2", "images.npz", *given]) == 0
    assert cli.main(["evaluate", "net.pt2", "images.npz", *given]) == 0
    assert cli.main(["analyze", "net.pt2", *given]) == 0
    out = capsys.readouterr().out
    assert "\nconv " in out
    assert "\nfc " in out
