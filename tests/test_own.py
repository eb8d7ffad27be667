"""Networks of the user's own: `FILE.py:NAME` on the command line, nn.Modules in Python."""

import subprocess
import sys

import numpy as np
import pytest
import torch

import hwgen
from hwgen import cli
from hwgen.errors import HwgenError
from hwgen.frontend.options import Options
from hwgen.frontend.own import load_own

PARTS = """
import torch
import torch.nn.functional as F
from torch import nn

class Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return torch.where(x >= 0, 1.0, -1.0).to(x)

    @staticmethod
    def backward(ctx, g):
        return g

class BinaryConv(nn.Conv2d):
    def forward(self, x):
        scale = self.weight.abs().mean((1, 2, 3), keepdim=True)
        return F.conv2d(Sign.apply(x), Sign.apply(self.weight) * scale, None, 1, self.padding)
"""
NET = """
from torch import nn
from own_parts_of_a_test import BinaryConv

class Net(nn.Module):
    def __init__(self, classes=5):
        super().__init__()
        self.model = nn.Sequential(
            nn.Conv2d(1, 32, 3, 2, 1), nn.BatchNorm2d(32), BinaryConv(32, 32, 3, 1, 1),
            nn.BatchNorm2d(32),
        )
        self.fc = nn.Linear(32, classes)

    def forward(self, x):
        return self.fc(self.model(x).mean((2, 3)))

class Only(nn.Module):  # all keys begin with a wrapper's prefix
    def __init__(self):
        super().__init__()
        self.model = Net()

    def forward(self, x):
        return self.model(x)

def build():
    return Net()

def needs(width):
    return Net()

def broken():
    return Net(classes="five")

def three():
    return 3

def fails_later():
    net = Net()
    net.fc = nn.Linear(31, 5)
    return net

ready = Net()
"""
IMAGE = ("--image-size", "16", "--mean", "0.5", "--std", "0.25")
GIVEN = Options(image_size=16, mean=(0.5,), std=(0.25,))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "own_parts_of_a_test.py").write_text(PARTS)
    (tmp_path / "net.py").write_text(NET)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("own_parts_of_a_test", None)


def weights_of(folder, name="build"):
    torch.manual_seed(0)
    return load_own(folder / f"net.py:{name}", GIVEN)[0]


@pytest.mark.slow
def test_compiled_and_simulated_with_weights(folder, capsys):
    module = weights_of(folder)
    wrapped = {f"module.{k}": v.half() for k, v in module.state_dict().items()}
    torch.save({"state_dict": wrapped, "epoch": 3}, folder / "w.pt")
    argv = ["compile", "net.py:build", "--weights", "w.pt", *IMAGE, "--out", "out"]
    assert cli.main(argv) == 0
    assert "code        net.py is run: it is your own code\n" in capsys.readouterr().out
    assert cli.main(["simulate", "out", "--images", "2"]) == 0
    assert "check       0 mismatches" in capsys.readouterr().out


def test_what_is_not_said_is_printed_as_assumed(folder, capsys):
    assert cli.main(["compile", "net.py:build", "--mean", "0.5", "--std", "1", "--stop-after",
                     "load", "--image-size", "16x24", "--out", "a"]) == 0  # fmt: skip
    assert "assumed     weights as build leaves them: no --weights" in capsys.readouterr().out
    _, info = load_own(folder / "net.py:ready", Options(mean=(0.5,), std=(1.0,)))
    assert info.config.to_dict() == {"image_size": [224, 224], "in_channels": 1, "classes": 5}
    assert "images of 224 x 224 (--image-size)" in info.assumed


@pytest.mark.parametrize("name", ["build", "Net", "ready", "Only"])
def test_weights_reach_the_network(folder, name):
    module = weights_of(folder, name)
    state = {k: v + 1 if v.is_floating_point() else v for k, v in module.state_dict().items()}
    torch.save(state, folder / "w.pt")
    options = Options(image_size=16, mean=(0.5,), std=(0.25,), weights=folder / "w.pt")
    loaded, _ = load_own(folder / f"net.py:{name}", options)
    assert all(torch.equal(v, state[k]) for k, v in loaded.state_dict().items())
    assert not loaded.training


def test_imports_leave_no_trace_in_the_path(folder):
    before = list(sys.path)
    weights_of(folder)
    assert sys.path == before


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            lambda s: s.pop("fc.bias"),
            "w.pt: 1 missing key: fc.bias; this architecture has 16 keys; check that all parts of "
            "the checkpoint belong to one network, net.py:build",
        ),
        (
            lambda s: s.update({"fc.more": torch.zeros(1)}),
            "w.pt: 1 unexpected key: fc.more; this architecture has 16 keys; check that all parts "
            "of the checkpoint belong to one network, net.py:build",
        ),
        (
            lambda s: s.update({"fc.weight": torch.zeros(5, 31)}),
            "w.pt: 1 wrongly shaped key: fc.weight; fc.weight is (5, 31), needs (5, 32); check "
            "that all parts of the checkpoint belong to one network, net.py:build",
        ),
        (
            lambda s: s.update({"fc.bias": torch.full((5,), torch.nan)}),
            "w.pt: 1 NaN or infinite key: fc.bias (5 of 5 values); all weights must be finite; use "
            "an earlier checkpoint",
        ),
    ],
    ids=["missing", "unexpected", "shape", "nan"],
)
def test_weights_of_another_network(folder, change, line, capsys):
    state = dict(weights_of(folder).state_dict())
    change(state)
    torch.save(state, folder / "w.pt")
    argv = ["compile", "net.py:build", "--weights", "w.pt", *IMAGE, "--out", "out"]
    assert cli.main(argv) == 2
    assert capsys.readouterr().err == f"hwgen: error: {line}\n"
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["net.py"], "net.py: is Python code; needs the name of what builds the network; give "
         "net.py:NAME"),
        (["no.py:build"], "no.py: is no file; needs a Python file; for example net.py:build, where "
         "build() gives the nn.Module"),
        (["net.py:nope"], "net.py: has no nope; needs what builds the network; use net.py:build, "
         "net.py:needs, net.py:broken, net.py:three, net.py:fails_later, net.py:ready"),
        (["net.py:needs"], "net.py:needs: needs width; is called without arguments; add def "
         "build(): return needs(...)"),
        (["net.py:three"], "net.py:three: gives int; needs an nn.Module; for example net.py:build, "
         "where build() gives the nn.Module"),
        (["net.py:build", "--config", "c.json"], "--config: c.json; is for checkpoints of known "
         "networks; give --image-size, --mean and --std"),
        (["net.py:build", "--image-size", "2y"], "--image-size: '2y'; must be a side, or "
         "HEIGHTxWIDTH, in pixels; for example --image-size 224"),
        (["net.py:build", "--image-size", "16"], "net.py:build: states no mean; its images need 1 "
         "number; give --mean"),
        (["w.pt", "--weights", "w.pt"], "--weights: w.pt; is for a network of your own, "
         "FILE.py:NAME; give this file as MODEL"),
        (["w.pt", "--image-size", "16x24"], "--image-size: 16x24; this network's images are "
         "square; give one number"),
    ],
)  # fmt: skip
def test_one_line_for_a_users_fault(folder, argv, line, capsys):
    torch.save(weights_of(folder).state_dict(), folder / "w.pt")
    assert cli.main(["compile", *argv, "--out", "out"]) == 2
    assert capsys.readouterr().err == f"hwgen: error: {line}\n"
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("broken", "net.py:12: TypeError in broken(): "),
        ("fails_later", "net.py:15: RuntimeError on an image of 16 x 16 x 1: "),
    ],
)
def test_the_users_line_is_named(folder, name, text):
    with pytest.raises(HwgenError) as caught:
        load_own(folder / f"net.py:{name}", GIVEN)
    assert caught.value.line.startswith(f"{folder}/{text}")
    assert caught.value.line.endswith("; your own code failed; correct it there")


def test_code_that_does_not_parse(folder):
    (folder / "bad.py").write_text("def build(:\n")
    with pytest.raises(HwgenError, match=r"bad\.py:1: SyntaxError when it is imported: "):
        load_own(folder / "bad.py:build", GIVEN)


def test_analyze_says_where_such_a_network_is_counted(folder, capsys):
    assert cli.main(["analyze", "net.py:build"]) == 2
    assert capsys.readouterr().err == (
        "hwgen: error: hwgen analyze: net.py:build; counts networks that hwgen builds from a "
        "checkpoint; hwgen compile counts this one in its report\n"
    )


# ------------------------------------------------------------------------------- in Python


def test_import_is_fast():
    code = "import sys, hwgen; assert 'torch' not in sys.modules; hwgen.compile; print('ok')"
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE).stdout == b"ok\n"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        hwgen.nothing  # noqa: B018


@pytest.mark.slow
def test_a_module_is_compiled_simulated_and_left_as_it_was(folder):
    module = weights_of(folder).train()
    before = {k: v.clone() for k, v in module.state_dict().items()}
    images = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 1), dtype=np.uint8)
    made = hwgen.compile(
        module, calibration=images, mean=[0.5], std=[0.25], out="api", sizes={"lanes": 16}
    )
    assert made.notes == ()  # all is said
    assert all(m.training for m in module.modules())
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())
    report = made.simulate(images=2)
    assert report.check.mismatches == 0
    assert report.cycles.simulated == report.cycles.predicted
    model, first = report.model, 32 * 9 * 8 * 8
    assert (model.binary_weights, model.binary_macs) == (32 * 32 * 9, 32 * first)
    assert (model.float_macs, model.params) == (
        first + 32 * 5,
        sum(map(torch.numel, module.parameters())),
    )
    x = torch.from_numpy((images / 255 - 0.5) / 0.25).permute(0, 3, 1, 2)
    with torch.no_grad():
        want = module.double().eval()(x).numpy()
    assert np.abs(made.logits(images) - want).max() < 0.05 * np.abs(want).max()


@pytest.mark.parametrize(
    ("calibration", "line"),
    [
        (np.zeros((2, 16, 16, 1)), "calibration: float64 (2, 16, 16, 1); needs uint8 images (N, 16,"
         " 16, 1); give pixels of 0 to 255, channels last"),
        (np.zeros((0, 16, 16, 1), np.uint8), "calibration: uint8 (0, 16, 16, 1); needs uint8 images"
         " (N, 16, 16, 1); give pixels of 0 to 255, channels last"),
    ],
)  # fmt: skip
def test_wrong_calibration_images(folder, calibration, line):
    with pytest.raises(HwgenError) as caught:
        hwgen.compile(weights_of(folder), calibration=calibration, mean=[0.5], std=[1], out="x")
    assert caught.value.line == line
    assert not (folder / "x").exists()
