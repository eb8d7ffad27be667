"""`hwgen evaluate`: its numbers are those of an independent computation and of the report."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from threadpoolctl import threadpool_limits

from hwgen import cli, evaluation
from hwgen.evaluation import Evaluation, Score, progress
from hwgen.frontend.checkpoint import load_checkpoint
from hwgen.passes.lower import lower_model
from hwgen.paths import models_dir
from hwgen.pipeline import evaluate_model
from hwgen.train.data import digits_split, normalise

MODEL = models_dir() / "bhvit_micro_digits.pt"
REPORT = Path(__file__).parents[1] / "reports" / "bhvit_micro_digits-zynq.json"
COUNT = 48


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """The tests run in several processes, whose threads would wait for one another."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    return digits_split(1, 96)[2:]


@pytest.fixture(scope="module")
def folder(digits, tmp_path_factory) -> Path:
    """Held-out digits as grey PNG files, one folder per class."""
    root = tmp_path_factory.mktemp("digits") / "digits"
    for k, (image, label) in enumerate(zip(*digits)):
        (root / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(root / str(label) / f"{k:03}.png")
    return root


def ranks(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Place of each label among its classes, best first, by sorting."""
    order = np.argsort(-logits, axis=1, kind="stable")
    return np.argmax(order == labels[:, None], axis=1)


def test_numbers_are_those_of_an_independent_computation(digits, tmp_path):
    """Labels are wrong for a third of the images, so that no count is trivial."""
    images, labels = digits[0][:COUNT], digits[1][:COUNT].copy()
    labels[::3] = (labels[::3] + 1) % 10
    np.savez(tmp_path / "a.npz", images=images, labels=labels)
    model, info = load_checkpoint(MODEL)
    with torch.no_grad():
        real = model(normalise(torch.from_numpy(images), info.mean, info.std)).numpy()
    calib = np.load(MODEL.with_suffix(".calib.npz"))["images"]
    graph = lower_model(model, calib, meta={"mean": info.mean, "std": info.std})
    integer = graph.logits(images)

    found = evaluate_model(MODEL, tmp_path / "a.npz", batch=7, json=tmp_path / "e.json")
    body = json.loads((tmp_path / "e.json").read_text())
    agree = int((real.argmax(1) == integer.argmax(1)).sum())
    assert (found.images, found.agree) == (COUNT, agree)
    for name, score, logits in (("float", found.real, real), ("integer", found.integer, integer)):
        rank = ranks(logits, labels)
        assert (score.top1, score.top5) == ((rank < 1).sum(), (rank < 5).sum())
        assert 0 < score.top1 < score.top5
        assert body[name] == {
            "top1": score.top1 / COUNT, "top1_count": score.top1,
            "top5": score.top5 / COUNT, "top5_count": score.top5,
        }  # fmt: skip
    assert body["agreement"] == agree / COUNT
    assert (body["schema"], body["images"], body["sha256"]) == (
        "hwgen.evaluation/1", COUNT, info.sha256,
    )  # fmt: skip


def test_a_folder_of_the_held_out_digits_has_the_accuracy_of_the_report(folder, capsys):
    assert cli.main(["evaluate", str(MODEL), str(folder)]) == 0
    out, err = capsys.readouterr()
    assert err == "", "no bar where there is no terminal"
    report = json.loads(REPORT.read_text())["fidelity"]
    assert round(360 * report["accuracy_float"]) == round(360 * report["accuracy_int"]) == 359
    assert out == (
        f"images      360 of {folder}\n"
        "pictures    360 taken as they are, 96 x 96\n"
        "labels      folders matched with the checkpoint's class names\n"
        "calibrated  on 64 of bhvit_micro_digits.calib.npz: 64 taken as they are, 96 x 96\n"
        "float       top-1 99.72 % (359 of 360), top-5 100.00 % (360 of 360)\n"
        "integer     top-1 99.72 % (359 of 360), top-5 100.00 % (360 of 360)\n"
        "agreement   100.00 % (360 of 360): the same best class\n"
    )


def test_options_reach_the_images(folder, capsys):
    code = cli.main(
        ["evaluate", str(MODEL), str(folder), "--limit", "12", "--calib", str(folder / "3"),
         "--preprocess", "crop:1"]
    )  # fmt: skip
    out = capsys.readouterr().out.splitlines()
    assert code == 0
    assert out[0] == f"images      12 of {folder}"
    assert out[1] == "pictures    12 taken as they are, 96 x 96"
    assert out[3] == "calibrated  on 37 of 3: 37 taken as they are, 96 x 96"
    assert out[4].startswith("float       top-1 ")


def test_without_labels_only_the_agreement_is_told(folder, capsys):
    assert cli.main(["evaluate", str(MODEL), str(folder / "7"), "--limit", "3"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[2] == "labels      none, so no accuracy: a folder without a folder per class"
    assert [row.split()[0] for row in out] == [
        "images", "pictures", "labels", "calibrated", "agreement",
    ]  # fmt: skip


def test_run_tells_how_pictures_were_read(folder, tmp_path, capsys):
    Image.fromarray(np.full((50, 80), 65535, np.uint16)).save(tmp_path / "a.png")
    assert cli.main(["run", str(MODEL), str(tmp_path / "a.png"), "--preprocess", "pad"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert len(out) == 7
    assert out[5:] == [
        "pictures    1 fitted into 96 x 96, black around it (pad:bicubic)",
        "pictures    1 scaled from 16 bits to 8",
    ]
    (tmp_path / "two").mkdir()
    for name in ("a.png", "b.png"):
        Image.open(next((folder / "7").iterdir())).save(tmp_path / "two" / name)
    assert cli.main(["run", str(MODEL), str(tmp_path / "two")]) == 0
    out = capsys.readouterr().out.splitlines()
    assert [row.split()[:2] for row in out[:2]] == [["a.png", "7"], ["b.png", "7"]]
    assert out[2:] == ["pictures    2 taken as they are, 96 x 96"]


def test_noise_is_told(tmp_path, folder, capsys):
    (tmp_path / "m.pt").write_bytes(MODEL.read_bytes())
    noise = "16 images of noise, assumed: no --calib and no m.calib.npz; real pictures are better"
    picture = next((folder / "7").iterdir())
    assert cli.main(["run", str(tmp_path / "m.pt"), str(picture)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"calibrated  on {noise}"
    command = ["compile", str(tmp_path / "m.pt"), "--out", str(tmp_path / "out")]
    assert cli.main([*command, "--stop-after", "search"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert f"            calibrated on {noise}" in out


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("no/e.json", "{parent} is no folder; must be a file in a folder that is there"),
        (".", "is a folder; must be a file in a folder that is there"),
    ],
)
def test_a_json_that_cannot_be_written_is_told_first(tmp_path, capsys, monkeypatch, name, fault):
    monkeypatch.setattr("hwgen.pipeline._with_images", None)
    path = tmp_path / name
    assert cli.main(["evaluate", str(MODEL), str(tmp_path), "--json", str(path)]) == 2
    line = fault.format(parent=path.parent)
    assert capsys.readouterr().err == (
        f"hwgen: error: --json {path}: {line}; choose another name\n"
    )


def test_wrong_images_are_one_line_and_leave_nothing(tmp_path, capsys):
    np.savez(tmp_path / "a.npz", images=np.zeros((2, 96, 96, 3), np.uint8), labels=[3, 10])
    json_path = tmp_path / "e.json"
    code = cli.main(["evaluate", str(MODEL), str(tmp_path / "a.npz"), "--json", str(json_path)])
    assert (code, capsys.readouterr().err) == (
        2,
        f"hwgen: error: {tmp_path}/a.npz: label 10 (image 1); the network's classes are 0 to 9; "
        "they look counted from 1: labels - 1\n",
    )
    assert not json_path.exists()


def test_equal_logits_are_counted_as_argmax_has_them():
    logits = np.array([[1, 1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0], [5, 4, 3, 2, 1, 0, 0]])
    score = Score()
    for labels in ([0, 0, 0], [1, 5, 5], [1, 4, 4]):
        score.add(logits, np.array(labels))
    assert (score.top1, score.top5) == (3, 7)


def test_few_classes_have_no_top_5():
    found = Evaluation("m", "0", 16, 5)
    found.add(np.eye(5), np.eye(5), np.array([0, 1, 2, 3, 0]))
    assert "top5" not in json.loads(found.to_json())["float"]
    assert found.lines()[-2:] == [
        "integer     top-1 80.00 % (4 of 5)",
        "agreement   100.00 % (5 of 5): the same best class",
    ]


@pytest.mark.parametrize("terminal", [True, False])
def test_the_bar_is_for_terminals(monkeypatch, capsys, terminal):
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: terminal, raising=False)
    monkeypatch.setattr("sys.stderr", stream)
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    with progress(3) as advance:
        for _ in range(3):
            advance(1)
    assert ("3/3" in stream.getvalue()) == terminal
    assert capsys.readouterr().out == ""


def test_the_schema_is_named():
    assert json.loads(Evaluation("m", "0", 16, 10, images=1).to_json())["schema"] == (
        evaluation.FORMAT
    )
