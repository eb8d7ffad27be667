"""The command line: what reaches the pipeline, and that a user's fault is one line and exit 2."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import hwgen
from hwgen import cli
from hwgen.errors import FitError
from hwgen.frontend import checkpoint
from hwgen.frontend.options import Options
from hwgen.paths import models_dir
from hwgen.pipeline import STEPS
from hwgen.report import save_report
from tests.report import sample


class Pooled(nn.Module):
    """Tokens times their mean: a product of two values."""

    def forward(self, x):
        return x * x.mean(1, keepdim=True)


class FakePipeline:
    """Records calls and leaves a report, as the real one does."""

    def __init__(self):
        self.calls = []
        self.mismatches = 0

    def compile_model(
        self, model, target, out, *, force, overrides, calib, blocks, backend="rtl",
        stop_after=None, save_steps=False, preprocess=None, options=None,
    ):  # fmt: skip
        self.steps = (stop_after, save_steps)
        self.options = options
        self.preprocess = preprocess
        self.calls.append(("compile", model, target, out, force, overrides, calib, blocks, backend))
        if target == "tiny":
            raise FitError("--target tiny", "150 BRAM36", "has 140", "use --set lanes=8")
        out.mkdir(parents=True, exist_ok=True)
        save_report(out, sample.report(simulated=False))
        saved = (out / f"{stop_after}.json",) if stop_after else ()
        reasons = ("16 lanes", "not 32 lanes")
        return SimpleNamespace(
            reasons=reasons, saved=saved, finished=not stop_after, notes=("note",)
        )

    def simulate_dir(self, folder, *, images, threads):
        self.calls.append(("simulate", folder, images, threads))
        report = sample.report()
        report.check.mismatches = self.mismatches
        save_report(folder, report)

    def synth_dir(self, folder):
        self.calls.append(("synth", folder))

    def place_dir(self, folder, *, goal_mhz, seed, chipdb):
        self.calls.append(("place", folder, goal_mhz, seed, chipdb))

    def run_image(self, model, image, *, preprocess=None, options=None):
        self.options = options
        self.calls.append(("run", model, image))
        self.preprocess = preprocess
        return SimpleNamespace(lines=lambda: ["class 7"])

    def evaluate_model(self, model, images, *, calib, preprocess, limit, batch, json, options):
        self.options = options
        self.calls.append(("evaluate", model, images, calib, preprocess, limit, batch, json))
        return SimpleNamespace(lines=lambda: ["agreement   all"])


@pytest.fixture
def pipeline(monkeypatch, tmp_path):
    fake = FakePipeline()
    monkeypatch.setattr(cli, "_pipeline", lambda: fake)
    monkeypatch.chdir(tmp_path)
    return fake


def call(capsys, *args):
    code = cli.main([str(a) for a in args])
    out, err = capsys.readouterr()
    return code, out, err


def test_compile_passes_its_options_on(capsys, pipeline):
    code, out, err = call(
        capsys, "compile", "m.pt", "-t", "kv260", "--out", "x", "--force",
        "--set", "array_bits=4096", "--set", "lanes = 32", "--calib", "c.npy", "--fidelity",
        "--backend", "both", "--preprocess", "pad",
    )  # fmt: skip
    assert (code, err, pipeline.preprocess) == (0, "", "pad")
    overrides = {"array_bits": "4096", "lanes": "32"}
    assert pipeline.calls == [
        ("compile", Path("m.pt"), "kv260", Path("x"), True, overrides, Path("c.npy"), True, "both")
    ]
    assert out.splitlines()[-1] == "report      x/report.html"


def test_compile_defaults(capsys, pipeline):
    assert call(capsys, "compile", "a/m.pt")[0] == 0
    assert pipeline.calls == [
        ("compile", Path("a/m.pt"), "zynq", Path("out/m-zynq"), False, {}, None, False, "rtl")
    ]


def test_compile_stops_after_a_step(capsys, pipeline):
    assert call(capsys, "compile", "m.pt", "--out", "x", "--save-steps")[0] == 0
    assert pipeline.steps == (None, True)
    code, out, _ = call(capsys, "compile", "m.pt", "--out", "x", "--stop-after", "search")
    assert (code, pipeline.steps) == (0, ("search", False))
    assert out == (
        "note\nchosen      16 lanes\n            not 32 lanes\nsearch      x/search.json\n"
    )


@pytest.mark.parametrize(
    "command", [["compile", "m.pt"], ["run", "m.pt", "x"], ["evaluate", "m.pt", "d"]]
)
def test_options_about_the_checkpoint(capsys, pipeline, command):
    given = ["--ema", "--config", "c.json", "--image-size", "64", "--mean", "0.5,0.4,0.3"]
    given += ["--std", "0.2,0.2,0.2"]
    assert call(capsys, *command, *given)[0] == 0
    three = ((0.5, 0.4, 0.3), (0.2, 0.2, 0.2))
    assert pipeline.options == Options(True, Path("c.json"), 64, *three)
    assert call(capsys, *command)[0] == 0
    assert pipeline.options == Options()


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ("--mean a", "'a'; must be numbers with commas between them; for example --mean {x}"),
        ("--std 1,nan", "'1,nan'; must be numbers with commas between them; for example --std {x}"),
        ("--std 0", "'0'; must be positive; for example --std {x}"),
        ("--mean 123.7", "'123.7'; is for images of 0 to 1, not 0 to 255; divide it by 255"),
    ],
)
def test_statistics_that_are_none(capsys, pipeline, given, line):
    line = f"hwgen: error: {given.split()[0]}: {line.format(x='0.5,0.5,0.5')}\n"
    assert call(capsys, "compile", "m.pt", *given.split()) == (2, "", line)


def test_analyze_says_what_is_assumed(capsys, tmp_path):
    from hwgen import zoo

    network = zoo.create("reactnet_micro", channels=(4, 8, 8, 12), classes=3)
    path = tmp_path / "net.pt"
    torch.save({"model": network.state_dict(), "ema": network.state_dict()}, path)
    code, out, _ = call(capsys, "analyze", path, "--mean", "0.5,0.5,0.5")
    assert code == 0
    assert out.splitlines()[:3] == [
        "weights     'model'; averaged ones lie under 'ema' (--ema takes them)",
        "assumed     images of 224 x 224: no key shows it (--image-size)",
        "assumed     std 0.229, 0.224, 0.225, ImageNet's (--std)",
    ]
    _, out, _ = call(capsys, "analyze", path, "--image-size", "64", "--ema")
    assert out.splitlines()[:2] == [
        "weights     the averaged ones, 'ema' (--ema), not 'model'",
        "assumed     mean 0.485, 0.456, 0.406, ImageNet's (--mean)",
    ]


def test_help_names_every_step(capsys):
    out = " ".join(call(capsys, "compile", "--help")[1].split())
    for step in STEPS:
        assert step in out
    assert "16, or as many as the folder holds" in " ".join(
        call(capsys, "simulate", "--help")[1].replace("│", " ").split()
    )


def test_the_other_commands_reach_the_pipeline(capsys, pipeline):
    call(capsys, "compile", "m.pt", "--out", "d")
    assert call(capsys, "simulate", "d", "--images", "3", "--threads", "2")[0] == 0
    assert call(capsys, "simulate", "d")[0] == 0
    assert call(capsys, "synth", "d")[0] == 0
    assert call(capsys, "place", "d")[0] == 0
    assert call(capsys, "place", "d", "--freq", "80", "--seed", "3", "--chipdb", "z.bin")[0] == 0
    assert call(capsys, "run", "m.pt", "7.png", "--preprocess", "squeeze")[0] == 0
    assert pipeline.preprocess == "squeeze"
    assert call(capsys, "run", "m.pt", "7.png") == (0, "class 7\n", "")
    assert call(capsys, "evaluate", "m.pt", "d") == (0, "agreement   all\n", "")
    call(
        capsys, "evaluate", "m.pt", "d", "--calib", "c", "--preprocess", "crop:1", "--limit", "9",
        "--batch", "4", "--json", "e.json",
    )  # fmt: skip
    assert pipeline.calls[1:] == [
        ("simulate", Path("d"), 3, 2),
        ("simulate", Path("d"), None, 1),
        ("synth", Path("d")),
        ("place", Path("d"), None, 1, None),
        ("place", Path("d"), 80.0, 3, Path("z.bin")),
        ("run", Path("m.pt"), Path("7.png")),
        ("run", Path("m.pt"), Path("7.png")),
        ("evaluate", Path("m.pt"), Path("d"), None, None, None, 32, None),
        ("evaluate", Path("m.pt"), Path("d"), Path("c"), "crop:1", 9, 4, Path("e.json")),
    ]


def test_demo_compiles_simulates_synthesises_and_shows(capsys, pipeline, monkeypatch, tmp_path):
    monkeypatch.setattr("hwgen.paths.models_dir", lambda: tmp_path)
    code, out, _ = call(capsys, "demo", "--images", "2")
    assert code == 0
    assert [c[0] for c in pipeline.calls] == ["compile", "simulate", "synth"]
    assert pipeline.calls[0][1] == tmp_path / "bhvit_micro_digits.pt"
    for word in ("accuracy", "cycles", "frames/s", "resources", "out/demo/report.html"):
        assert word in out


def test_a_mismatch_is_our_fault(capsys, pipeline):
    call(capsys, "compile", "m.pt", "--out", "d")
    pipeline.mismatches = 1
    code, out, err = call(capsys, "simulate", "d")
    assert code == 1
    assert "1 mismatches" in out
    assert err == "hwgen: the RTL differs from the golden model (a bug in hwgen)\n"


USER_ERRORS = [
    (
        ["compile", "m.pt", "-t", "tiny"],
        "--target tiny: 150 BRAM36; has 140; use --set lanes=8",
    ),
    (
        ["compile", "m.pt", "--set", "lanes"],
        "--set: 'lanes'; must be KEY=VALUE; for example --set array_bits=2048",
    ),
    (
        ["compile", "m.pt", "--set", "lanes="],
        "--set: 'lanes='; must be KEY=VALUE; for example --set array_bits=2048",
    ),
    (
        ["compile", "m.pt", "--set", "lanes=8", "--set", "lanes=16"],
        "--set: 'lanes=16'; lanes is set twice; keep one of them",
    ),
    (["compile"], "Missing argument 'MODEL'; see `hwgen --help`"),
    (["compile", "m.pt", "--zzz"], "No such option: --zzz; see `hwgen --help`"),
    (["comple"], "No such command 'comple'. Did you mean 'compile'?; see `hwgen --help`"),
    (
        ["simulate", "d", "--images", "0"],
        "Invalid value for '--images': Input should be greater than or equal to 1; "
        "see `hwgen --help`",
    ),
]


@pytest.mark.parametrize(("args", "line"), USER_ERRORS, ids=[" ".join(a) for a, _ in USER_ERRORS])
def test_user_errors_are_one_line_and_exit_2(capsys, pipeline, tmp_path, args, line):
    assert call(capsys, *args) == (2, "", f"hwgen: error: {line}\n")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_model_is_named(capsys, tmp_path):
    code, out, err = call(capsys, "analyze", tmp_path / "no.pt")
    assert (code, out) == (2, "")
    assert err == (
        f"hwgen: error: {tmp_path}/no.pt: No such file or directory; needs a file; "
        "give a checkpoint (.pt)\n"
    )


def test_all_reasons_against_a_network_before_any_long_step(capsys, tmp_path, monkeypatch):
    """The shipped checkpoint, with layers in its network that hwgen does not have."""
    load = checkpoint.load_checkpoint

    def changed(path, options=None):
        network, info = load(path, options)
        for name, module in list(network.named_modules()):
            if name.endswith(".GC.act1"):
                network.set_submodule(name, nn.GELU("tanh"))
            if name == "vit.encoder.layerA.0.intermediate.rprelu":
                network.set_submodule(name, nn.Sequential(module, nn.Dropout(), Pooled()))
        network.classifier = nn.Sequential(network.classifier, nn.LogSoftmax(-1))
        return network, info

    def too_late(state):
        raise AssertionError("a long step")

    monkeypatch.setattr(checkpoint, "load_checkpoint", changed)
    monkeypatch.setitem(STEPS, "calibrate", too_late)
    monkeypatch.chdir(tmp_path)
    code, out, err = call(capsys, "compile", models_dir() / "bhvit_micro_digits.pt", "--out", "o")
    assert (code, out) == (2, "")
    assert err == (
        "hwgen: error: BHViT: 3 reasons why it cannot be compiled\n"
        "  vit.encoder.layerA.0.GC.act1 .. vit.encoder.layerA.1.GC.act1 (2 layers): "
        "GELU approximate='tanh'; supported: the erf form\n"
        "  vit.encoder.layerA.0.intermediate.rprelu.2: a product of two tensors; a factor must be "
        "a parameter\n"
        "  classifier.1: LogSoftmax; the engine gives logits, whose largest is the same class; "
        "return the logits\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_analyze_takes_a_network_of_the_zoo(capsys):
    code, out, err = call(capsys, "analyze", "birealnet34", "--as-published")
    assert (code, err) == (0, "")
    assert out.splitlines()[0].startswith("birealnet34: per frame")
    assert [line.split()[-1] for line in out.splitlines()[-2:]] == ["83,612,032", "71,193,472"]
    code, out, _ = call(capsys, "analyze", "birealnet34")
    assert out.splitlines()[-1].split() == ["all", "83,612,032"]


def test_analyze_names_an_unknown_network(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = call(capsys, "analyze", "birealnet35")
    assert (code, out) == (2, "")
    assert err.startswith(
        "hwgen: error: birealnet35: is no file and no known network; needs a checkpoint (.pt) or "
        "a network; use bhvit_micro, "
    )
    assert err.count("\n") == 1


def test_a_folder_without_a_report_is_named(capsys, pipeline, tmp_path):
    (tmp_path / "d").mkdir()
    code, out, err = call(capsys, "synth", "d")
    assert (code, out) == (2, "")
    assert err == (
        "hwgen: error: d: no report.json; must be the output folder of a finished "
        "`hwgen compile`; compile first\n"
    )


def test_our_bugs_keep_their_traceback(pipeline, monkeypatch):
    def broken(*args, **kwargs):
        raise AssertionError("ours")

    monkeypatch.setattr(pipeline, "synth_dir", broken)
    with pytest.raises(AssertionError, match="ours"):
        cli.main(["synth", "d"])


def test_targets_lists_every_device(capsys):
    code, out, _ = call(capsys, "targets")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == [
        "target", "zynq", "pynq-z1", "pynq-z2", "zedboard", "zybo-z7-20", "zu3eg", "aup-zu3",
        "ultra96-v2", "ecp5-85k", "kv260", "zcu102",
    ]  # fmt: skip
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert lines["zynq"].endswith(" 2 x 64  a part: as fast as its ports")
    assert lines["pynq-z2"].endswith(" 2 x 64  DDR3, 16 bits x 1050 MT/s x 0.7 = 1.47 GB/s")


def test_version_and_help(capsys):
    assert call(capsys, "--version") == (0, f"hwgen {hwgen.__version__}\n", "")
    code, out, _ = call(capsys)
    assert code == 0
    for command in (
        "compile", "simulate", "synth", "place", "run", "evaluate", "analyze", "targets", "train",
        "demo",
    ):  # fmt: skip
        assert command in out


def test_help_does_not_import_torch():
    code = (
        "import sys; from hwgen.cli import main; main(['--help']);"
        "sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_the_console_script_exits_with_the_code():
    done = subprocess.run(
        [sys.executable, "-m", "hwgen", "unknown"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr == "hwgen: error: No such command 'unknown'; see `hwgen --help`\n"
