"""The loop on a tiny recipe: resume, files, recipe errors, two processes."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from hwgen import zoo
from hwgen.errors import HwgenError
from hwgen.frontend.checkpoint import load_checkpoint
from hwgen.train import evaluate, train
from hwgen.train.data import load_data
from hwgen.train.recipe import load_recipe

ROOT = Path(__file__).resolve().parents[2]
RECIPE = """
seed = 5
[model]
name = "bhvit_micro"
[model.overrides]
image_size = 48
patch = 2
window = 3
channels = [4, 8, 16, 32]
depths = [1, 1, 1, 1]
expansion = [2, 2, 2, 2]
head_dim = 16
[data]
name = "digits"
limit = 32
rotate_degrees = 5
[optim]
epochs = 3
batch = 16
lr = 1e-3
[loss]
distillation = 0.5
regulariser_from = 0.6
[teacher]
kind = "cnn"
epochs = 1
[output]
checkpoint = "net.pt"
calibration_images = 4
"""


@pytest.fixture
def recipe(tmp_path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(RECIPE)
    return path


def run(recipe: Path, name: str, **options):
    folder = recipe.parent / name
    return train(
        recipe,
        output=folder / "net.pt",
        state_folder=folder,
        device="cpu",
        progress=False,
        **options,
    )


def test_resumed_run_equals_the_uninterrupted_one(recipe):
    whole = run(recipe, "whole")
    kept = whole.checkpoint.read_bytes()
    assert run(recipe, "whole", stop_after=1) is None
    resumed = run(recipe, "whole", resume=True)
    assert resumed == whole
    assert resumed.checkpoint.read_bytes() == kept


def test_binaryvit_trains(recipe):
    """Resumed = uninterrupted, every parameter learns, the file loads as what was trained."""
    text = RECIPE
    for old, new in {
        "bhvit_micro": "binaryvit_micro",
        "image_size = 48": "image_size = 24",
        "patch = 2": "patch = 1",
        "window = 3\n": "",
        "head_dim = 16": "reduction = [8, 4, 1, 1]",
        "distillation = 0.5": "distillation = 1.0\nregulariser = 0.0",
    }.items():
        text = text.replace(old, new)
    recipe.write_text(text)
    whole = run(recipe, "whole")
    assert run(recipe, "whole", stop_after=2) is None
    assert run(recipe, "whole", resume=True) == whole
    model, info = load_checkpoint(whole.checkpoint)
    assert isinstance(info.config, zoo.BinaryViTConfig)
    assert info.config.reduction == (8, 4, 1, 1)
    torch.manual_seed(5)
    fresh = dict(zoo.build(info.config).named_parameters())
    still = [name for name, p in model.named_parameters() if torch.equal(p, fresh[name])]
    # queries and keys get no gradient while all of a layer's attention is above its threshold
    assert all(name.endswith(("moveq2", "movek2")) for name in still), still
    held_out = load_data(load_recipe(recipe).data, 24)[1]
    assert evaluate(model, held_out, info.mean, info.std) == whole.correct


def test_files_of_a_run(recipe):
    result = run(recipe, "files")
    folder = result.checkpoint.parent
    manifest = json.loads((folder / "net.json").read_text())
    assert manifest["sha256"] == result.sha256
    assert hashlib.sha256(result.checkpoint.read_bytes()).hexdigest() == result.sha256
    assert manifest["held_out_correct"] == result.correct
    assert manifest["command"] == f"hwgen train {recipe}"
    with np.load(folder / "net.calib.npz") as calibration:
        assert calibration["images"].shape == (4, 48, 48, 3)
        assert calibration["images"].dtype == np.uint8
    model, info = load_checkpoint(result.checkpoint)
    assert info.mean == (0.5, 0.5, 0.5)
    assert info.config.head_dim == 16
    assert info.meta["dataset"] == "digits"
    held_out = load_data(load_recipe(recipe).data, 48)[1]
    assert evaluate(model, held_out, info.mean, info.std) == result.correct
    assert not list(folder.glob("*.tmp"))


def test_packed_run_with_a_residual_teacher(recipe):
    """What is written is what was measured; calibration images are parts of the photographs."""
    text = RECIPE.replace('kind = "cnn"', 'kind = "resnet9"').replace("epochs = 3", "epochs = 1")
    recipe.write_text(text + 'packed = true\ncalibration = "photographs"\n')
    result = run(recipe, "packed")
    model, info = load_checkpoint(result.checkpoint)
    held_out = load_data(load_recipe(recipe).data, 48)[1]
    assert evaluate(model, held_out, info.mean, info.std) == result.correct
    assert any(key.endswith(".signs") for key in torch.load(result.checkpoint)["model"])
    with np.load(result.checkpoint.with_suffix(".calib.npz")) as calibration:
        assert calibration.files == ["images"]
        assert calibration["images"].shape == (4, 48, 48, 3)


def test_resume_needs_a_state_of_the_same_recipe(recipe):
    with pytest.raises(HwgenError, match="not found; nothing to resume; start without resume"):
        run(recipe, "none", resume=True)
    run(recipe, "some", stop_after=1)
    recipe.write_text(RECIPE.replace("lr = 1e-3", "lr = 2e-3"))
    with pytest.raises(HwgenError, match="belongs to another recipe"):
        run(recipe, "some", resume=True)


PINNED = {
    ("epochs = 3", "epochs = 0"): "optim.epochs: optim.epochs=0; "
    "Input should be greater than 0; correct the recipe",
    ("lr = 1e-3", ""): "optim.lr: Field required; correct the recipe",
    ("batch = 16", "batch = 16\nbatches = 2"): "optim.batches: optim.batches=2; "
    "Extra inputs are not permitted; correct the recipe",
    ('kind = "cnn"', 'kind = "none"'): "loss.distillation: 0.5; needs a teacher; "
    "set teacher.kind or loss.distillation=0",
    ("distillation = 0.5", "distillation = 0.95"): "loss: 1.05; "
    "distillation + regulariser must not exceed 1; lower one of them",
}


@pytest.mark.parametrize(("old", "new"), PINNED)
def test_recipe_errors(recipe, old, new):
    recipe.write_text(RECIPE.replace(old, new, 1))
    with pytest.raises(HwgenError) as error:
        load_recipe(recipe)
    assert str(error.value) == f"{recipe}: {PINNED[old, new]}"


def test_unknown_device(recipe):
    with pytest.raises(HwgenError, match="--device: tpu; is not here; use auto"):
        train(recipe, device="tpu")


def test_recipe_files(tmp_path):
    with pytest.raises(HwgenError, match="not found; needs a TOML recipe; see models/recipes"):
        load_recipe(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("a = = 1")
    with pytest.raises(HwgenError, match=r"bad.toml: is no TOML"):
        load_recipe(tmp_path / "bad.toml")
    for path in sorted((ROOT / "models" / "recipes").glob("*.toml")):
        section = load_recipe(path).model
        with torch.device("meta"):
            zoo.create(section.name, **section.overrides)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_teacher_files(recipe, tmp_path):
    text = RECIPE.replace('kind = "cnn"', f'kind = "torchscript"\npath = "{tmp_path / "t.pt"}"')
    recipe.write_text(text)
    with pytest.raises(HwgenError, match=r"teacher.path: .*t.pt; is not a file"):
        run(recipe, "teacher")
    net = torch.nn.Sequential(torch.nn.AvgPool2d(12), torch.nn.Flatten(), torch.nn.Linear(48, 10))
    torch.jit.trace(net, torch.zeros(1, 3, 48, 48)).save(tmp_path / "t.pt")
    assert run(recipe, "teacher", epochs=1).epochs == 1


@pytest.mark.slow
def test_two_processes_agree(recipe):
    """torchrun with two CPU processes: both end with the same weights, rank 0 writes the files."""
    script = recipe.parent / "run.py"
    script.write_text(
        "import sys, torch\n"
        "torch.set_num_threads(1)\n"
        "from hwgen.train.loop import Processes, _Run\n"
        "from hwgen.train.recipe import load_recipe\n"
        "from hwgen.train.files import save_torch\n"
        "from pathlib import Path\n"
        "p = Processes.start('cpu')\n"
        "run = _Run(load_recipe(sys.argv[1]), p, Path(sys.argv[2]), False)\n"
        "run.fit(False, None)\n"
        "weights = {k: v for k, v in run.model.named_parameters()}\n"
        "save_torch(Path(sys.argv[2]) / f'rank{p.rank}.pt', weights)\n"
        "torch.distributed.destroy_process_group()\n"
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    command += ["--master_port", "0", "--standalone", str(script), str(recipe), str(recipe.parent)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    states = [torch.load(recipe.parent / f"rank{r}.pt", weights_only=True) for r in range(2)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
