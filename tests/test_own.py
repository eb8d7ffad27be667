"""Networks of the user's own: `FILE.py:NAME` on the command line, nn.Modules in Python."""

import json
import subprocess
import sys
from dataclasses import replace

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
        (["net.py:build", "--config", "c.json"], "c.json: No such file or directory; needs a file; "
         "give a .json or .toml"),
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


# ------------------------------------------------------------------------- what --config states


CONFIG = {"image_size": 16, "mean": 0.5, "std": [0.25], "num_classes": 5, "w_bits": 1, "lr": 0.1}


def configured(folder, **values):
    (folder / "c.json").write_text(json.dumps(CONFIG | values))
    return Options(config=folder / "c.json")


def test_a_configuration_is_all_that_is_needed(folder):
    _, info = load_own(folder / "net.py:build", configured(folder))
    assert info.config.to_dict() == {"image_size": [16, 16], "in_channels": 1, "classes": 5}
    assert (info.mean, info.std) == ((0.5,), (0.25,))
    assert info.assumed == (
        "weights as build leaves them: no --weights",
        "images of 1 channels, as model.0 reads (--mean)",
    )
    given = configured(folder, input_size=[1, 16, 16], in_chans=1)
    assert len(load_own(folder / "net.py:build", given)[1].assumed) == 1


@pytest.mark.parametrize("size", [[16, 24], [1, 16, 24]])
def test_images_of_a_configuration_need_not_be_square(folder, size):
    given = configured(folder, image_size=size)
    assert load_own(folder / "net.py:build", given)[1].config.image_size == (16, 24)


def test_options_come_before_a_configuration(folder):
    given = replace(configured(folder), image_size=(8, 16), mean=(0.1,), std=(1.0,))
    _, info = load_own(folder / "net.py:build", given)
    assert info.config.image_size == (8, 16)
    assert (info.mean, info.std) == ((0.1,), (1.0,))


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"num_classes": 4}, "num_classes 4; the network has classes 5; {way}"),
        ({"classes": "five"}, "classes five; the network has classes 5; {way}"),
        ({"image_size": [3, 16, 16]}, "image_size [3, 16, 16]; the network has in_channels 1; "
         "{way}"),
        ({"image_size": "large"}, "image_size large; needs pixels: N, [H, W] or [channels, H, W]; "
         "{way}"),
        ({"image_size": [16]}, "image_size [16]; needs pixels: N, [H, W] or [channels, H, W]; "
         "{way}"),
        ({"img_size": 32}, "image_size 16, and {file} states img_size 32; needs one image size; "
         "{way}"),
        ({"in_channels": 0}, "in_channels 0; needs a number of channels; {way}"),
        ({"weight_bits": 8}, "weight_bits 8; hwgen builds networks with weights of 1 bit; give the "
         "checkpoint that was meant, or its own values by --config FILE"),
        ({"abits": 2}, "abits 2; hwgen builds networks with inputs of its binary layers of 1 bit; "
         "give the checkpoint that was meant, or its own values by --config FILE"),
    ],
)  # fmt: skip
def test_a_configuration_of_another_network(folder, values, line):
    with pytest.raises(HwgenError) as caught:
        load_own(folder / "net.py:build", configured(folder, **values))
    file = folder / "c.json"
    line = line.format(way="correct it, or leave it out", file=file)
    assert caught.value.line == f"{folder}/net.py:build: {file} states {line}"


def test_statistics_of_a_configuration_are_one_per_channel(folder):
    with pytest.raises(HwgenError) as caught:
        load_own(folder / "net.py:build", configured(folder, mean=[0.1, 0.2, 0.3]))
    assert caught.value.line == (
        f"{folder}/net.py:build: mean: [0.1, 0.2, 0.3]; needs 1 numbers, one per channel; give "
        "--mean"
    )


# ------------------------------------------------------------------------------------ analyze


def test_analyze_counts_it_by_layer(folder, capsys):
    assert cli.main(["analyze", "net.py:build", *IMAGE]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in lines if line}
    assert lines[0] == "code        net.py is run: it is your own code"
    assert lines[2] == "net.py:build: per frame, 1 MAC = one multiply-accumulate"
    binary = 32 * 32 * 9
    assert rows["model.2"][:4] == [f"{n:,}" for n in (binary + 32, binary, 64 * binary, 0)]
    assert rows["model.0"][:4] == [f"{n:,}" for n in (32 * 9 + 32, 0, 0, 64 * 32 * 9)]
    assert rows["fc"][:4] == [f"{n:,}" for n in (165, 0, 0, 160)]
    assert rows["all"][0] == f"{sum(p.numel() for p in weights_of(folder).parameters()):,}"
    assert "model" in rows
    assert "norms," in rows


def test_analyze_as_published_is_for_networks_of_the_papers(folder, capsys):
    assert cli.main(["analyze", "net.py:build", *IMAGE, "--as-published"]) == 2
    assert capsys.readouterr().err == (
        "hwgen: error: --as-published: net.py:build; is about networks of the papers; leave it "
        "out\n"
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
