"""hwgen.pipeline: steps in order, what each leaves when the compile stops after it."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

import hwgen
from hwgen import cli, pipeline
from hwgen.emit.folder import load_program
from hwgen.engine import isa
from hwgen.engine.sizing import Sizing
from hwgen.errors import HwgenError
from hwgen.paths import models_dir
from hwgen.pipeline import STEPS, compile_model, simulate_dir
from hwgen.report import load_report, summary, values
from hwgen.sim import network
from hwgen.sim.network import SimResult
from hwgen.steps import State
from hwgen.targets import get_target

MODEL = models_dir() / "bhvit_micro_digits.pt"
NAMES = ("load", "trace", "lower", "calibrate", "search", "schedule", "emit", "report")
RESULTS = {name: [f"{name}.json"] for name in NAMES} | {
    "schedule": ["schedule.json", "schedule.txt"]
}


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """The tests run in several processes, whose threads would wait for one another."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("plain") / "out"
    compile_model(MODEL, "zynq", out)
    return out


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("kept") / "out"
    result = compile_model(MODEL, "zynq", out, save_steps=True)
    assert result.finished
    assert result.saved == ()
    return out


@pytest.fixture(scope="module")
def states() -> dict[str, State]:
    """What is known after each of the steps that write nothing."""
    state, found = State(MODEL, target=get_target("zynq")), {}
    for name in NAMES[: NAMES.index("emit")]:
        found[name] = state = STEPS[name](state)
    return found


@pytest.fixture
def quick(monkeypatch, states: dict[str, State]) -> None:
    """Those steps are not run again: for tests of what a compile does with their results."""

    def known(name: str):
        return lambda state: replace(states[name], folder=state.folder)

    monkeypatch.setattr(pipeline, "STEPS", STEPS | {name: known(name) for name in states})


@pytest.fixture
def stopped(quick, tmp_path: Path) -> Path:
    out = tmp_path / "stopped"
    compile_model(MODEL, "zynq", out, stop_after="load")
    return out


def contents(folder: Path) -> dict[str, bytes]:
    files = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    return {name: p.read_bytes() for name, p in sorted(files.items())}


def saved(kept: Path, step: str) -> dict:
    return json.loads((kept / "steps" / f"{NAMES.index(step) + 1:02}_{step}.json").read_text())


def test_saved_steps_change_nothing_else(plain: Path, kept: Path) -> None:
    assert tuple(STEPS) == NAMES
    with_steps = contents(kept)
    steps = [name for name in with_steps if name.startswith("steps/")]
    want = [f"steps/{n:02}_{f}" for n, name in enumerate(NAMES, 1) for f in RESULTS[name]]
    assert steps == want
    assert {n: d for n, d in with_steps.items() if n not in steps} == contents(plain)


@pytest.mark.parametrize("step", NAMES)
def test_stop_after_a_step(quick, plain: Path, kept: Path, tmp_path: Path, step: str) -> None:
    out = tmp_path / "out"
    result = compile_model(MODEL, "zynq", out, stop_after=step)
    found = contents(out)
    state = json.loads(found.pop("state.json"))
    assert state == {
        "schema": "hwgen.state/1", "step": step, "version": hwgen.__version__,
        "sha256": hashlib.sha256(MODEL.read_bytes()).hexdigest(),
    }  # fmt: skip
    number = NAMES.index(step) + 1
    assert result.saved == tuple(out / name for name in sorted(RESULTS[step], reverse=True))
    for path in result.saved:
        assert found[path.name] == (kept / f"steps/{number:02}_{path.name}").read_bytes()
    assert result.finished == (step == "report")
    assert (result.program is None) == (number < NAMES.index("schedule") + 1)
    assert bool(result.reasons) == (number >= NAMES.index("search") + 1)
    rest = {name: data for name, data in found.items() if name not in RESULTS[step]}
    emitted = {n: d for n, d in contents(plain).items() if not n.startswith("report.")}
    report = {n: d for n, d in contents(plain).items() if n.startswith("report.")}
    del report["report.json"]  # this step's result
    assert rest == {"emit": emitted, "report": emitted | report}.get(step, {})


def test_load_tells_the_network_and_its_images(kept: Path, states) -> None:
    body = saved(kept, "load")
    assert body["name"] == "bhvit_micro_digits"
    assert body["network"]["image_size"] == 96
    assert body["calibration"] == {"images": 64, "labels": True, "noise": False}
    shapes = {k: list(v.shape) for k, v in states["load"].network.state_dict().items()}
    assert body["parameters"] == shapes


@pytest.mark.parametrize(("step", "result"), [("trace", "traced"), ("lower", "float_graph")])
def test_a_float_graph_comes_back(kept: Path, states, step: str, result: str) -> None:
    body, graph = saved(kept, step), getattr(states[step], result)
    assert (body["image"], body["output"]) == (graph.image, graph.output)
    assert [n["name"] for n in body["nodes"]] == list(graph.nodes)
    known = set()
    for row, node in zip(body["nodes"], graph.nodes.values(), strict=True):
        assert isinstance(row["kind"], str)
        assert set(row["inputs"]) <= known
        assert row["inputs"] == list(node.inputs)
        assert tuple(row["shape"]) == node.layout.shape
        assert tuple(row["grid"]) == node.layout.grid
        assert set(row["params"]) == set(node.params)
        for name, value in node.params.items():
            if isinstance(value, np.ndarray):
                told = {"dtype": str(value.dtype), "shape": list(value.shape)}
                assert row["params"][name] == told
        known.add(row["name"])


def test_every_chain_is_told(kept: Path, states) -> None:
    body, chains = saved(kept, "lower"), states["lower"].chains
    assert [c["name"] for c in body["chains"]] == [c.name for c in chains]
    nodes = {n["name"] for n in body["nodes"]}
    for row, chain in zip(body["chains"], chains, strict=True):
        assert row["anchor"] == chain.anchor.name
        assert row["sign"] == (chain.sign and chain.sign.name)
        assert set(row["before"] + row["after"]) <= nodes


def test_the_largest_values_come_back_exactly(kept: Path, states) -> None:
    largest = states["calibrate"].prepared.largest
    assert saved(kept, "calibrate") == {
        "images": 64, "noise": False, "largest": largest,
    }  # fmt: skip


def test_sizes_and_reasons(kept: Path) -> None:
    body = saved(kept, "search")
    assert Sizing(**body["sizing"]) == load_program(kept)[0].sizing
    assert body["reasons"][0].startswith("16 lanes x 128 bits, 16-bit features: about ")


def test_the_listing_is_the_whole_program(kept: Path) -> None:
    head, *lines = (kept / "steps" / "06_schedule.txt").read_text().splitlines()
    assert head == f"# {len(lines)} instructions; fields that are 0 are left out"
    binary = b""
    for n, line in enumerate(lines):
        number, _, op, fields = re.fullmatch(
            r" *(\d+) (\w+) (\w+) +((?:\w+=-?\w+ ?)*) +# .*", line
        ).groups()
        assert int(number) == n
        values = dict(f.split("=") for f in fields.split())
        values = {k: v if k == "kind" else int(v) for k, v in values.items()}
        binary += isa.binary([isa.encode(op, **values)])
    assert binary == (kept / "image" / "program.bin").read_bytes()
    assert saved(kept, "schedule") == json.loads((kept / "image/memory_map.json").read_text())


def test_emitted_files_have_the_listed_digests(kept: Path) -> None:
    files = contents(kept)
    for name, digest in saved(kept, "emit")["sha256"].items():
        assert hashlib.sha256(files.pop(name)).hexdigest() == digest
    assert {n for n in files if not n.startswith("steps/")} == {
        "report.html", "report.json", "report.view.json",
    }  # fmt: skip
    assert files["steps/08_report.json"] == files["report.json"]


def test_steps_up_to_the_stop_are_kept(quick, tmp_path: Path) -> None:
    compile_model(MODEL, "zynq", tmp_path / "out", stop_after="trace", save_steps=True)
    assert list(contents(tmp_path / "out")) == [
        "state.json", "steps/01_load.json", "steps/02_trace.json", "trace.json",
    ]  # fmt: skip


def line_of(capsys, *arguments: object) -> str:
    """What the command line says on stderr; exit code 2."""
    capsys.readouterr()
    assert cli.main([str(a) for a in arguments]) == 2
    return capsys.readouterr().err


def test_an_unknown_step_is_one_line(tmp_path: Path, capsys) -> None:
    command = ("compile", "no.pt", "--out", tmp_path / "out", "--stop-after")
    steps = "use load, trace, lower, calibrate, search, schedule, emit or report"
    for step, named in (("nonsense", "nonsense; "), ("Trace", "Trace; "), ("", "")):
        line = line_of(capsys, *command, step)
        assert line == f"hwgen: error: --stop-after: {named}is no step; {steps}\n"
    assert list(tmp_path.iterdir()) == []


def test_a_fault_on_the_way_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(HwgenError, match=r"needs about .* BRAM36 with .*; zynq has 140"):
        compile_model(
            MODEL, "zynq", out, overrides={"lanes": "16", "fm_words": "16384", "tm_words": "16384"},
            stop_after="search", save_steps=True,
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_stopped_early_is_named_for_what_it_is(stopped: Path, capsys) -> None:
    start = f"hwgen: error: {stopped}: the folder of a compile that stopped after load; "
    for command in ("simulate", "synth", "place"):
        assert line_of(capsys, command, stopped) == start + (
            f"`hwgen {command}` takes the folder of a finished compile; "
            "compile without --stop-after\n"
        )
    assert line_of(capsys, "run", stopped, "7.png") == start + (
        "`hwgen run` takes a checkpoint (.pt); give the model's file\n"
    )


def test_place_without_a_tool_leaves_the_folder_as_it_is(
    plain: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(plain))
    before = contents(plain)
    assert line_of(capsys, "place", plain) == (
        "hwgen: error: nextpnr-xilinx: not found on PATH; no package ships place and route for "
        "this part; build nextpnr-xilinx and put it on PATH; or compile for ecp5-85k\n"
    )
    assert contents(plain) == before


def test_a_folder_without_its_verilog_is_one_line(plain: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    shutil.copytree(plain, out)
    rest = "must be the output of `hwgen compile`; compile again\n"
    (out / "rtl" / "lane.v").unlink()
    for command in ("synth", "place"):
        line = f"hwgen: error: {out}: rtl/lane.v is missing; {rest}"
        assert line_of(capsys, command, out) == line
    (out / "rtl" / "files.f").write_text("")
    for command in ("synth", "place"):
        line = f"hwgen: error: {out}: rtl/files.f is missing or empty; {rest}"
        assert line_of(capsys, command, out) == line


def test_a_folder_that_stopped_after_the_last_step_is_complete(plain: Path, tmp_path) -> None:
    out = tmp_path / "out"
    shutil.copytree(plain, out)
    (out / "state.json").write_text(json.dumps({"schema": "hwgen.state/1", "step": "emit"}))
    with pytest.raises(HwgenError, match="stopped after emit"):
        simulate_dir(out)
    (out / "state.json").write_text(json.dumps({"schema": "hwgen.state/1", "step": "report"}))
    with pytest.raises(HwgenError, match="--images: 99; the folder holds 64"):
        simulate_dir(out, images=99)


def test_force_replaces_a_folder_that_stopped_early(stopped: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(stopped, out)
    with pytest.raises(HwgenError, match="folder is not empty"):
        compile_model(MODEL, "zynq", out, stop_after="trace")
    compile_model(MODEL, "zynq", out, stop_after="trace", force=True)
    assert list(contents(out)) == ["state.json", "trace.json"]


@pytest.mark.parametrize("text", ["{}", "[]", "mine", '{"schema": "other/1", "step": "load"}'])
def test_force_spares_another_state_json(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text)
    with pytest.raises(HwgenError, match="not an hwgen output folder"):
        compile_model(MODEL, "zynq", tmp_path, stop_after="load", force=True)
    assert list(contents(tmp_path)) == ["state.json"]


GOOD = SimResult(
    cycles=40_000, cold_cycles=45_000, beats_read=(1,), step_cycles=[], timeline=[], tensors=104,
    writes=9, mismatches=0, first_mismatch=None, seconds=1.0, frames=1, outputs=np.zeros((1, 10)),
)  # fmt: skip


@pytest.fixture
def simulated(plain: Path, tmp_path: Path, monkeypatch):
    """A folder with three images, the shapes that reach the simulation, and what it will find."""
    folder = tmp_path / "out"
    shutil.copytree(plain, folder)
    with np.load(folder / "golden/images.npz") as data:
        images = {name: data[name][:3] for name in data.files}
    np.savez(folder / "golden/images.npz", **images)
    frames, results = [], []

    def fake(program, rtl, build, shown, **options) -> SimResult:
        frames.append(len(shown))
        return results[-1]

    monkeypatch.setattr(network, "simulate_program", fake)
    count = len(load_report(folder).cycles.steps)
    results.append(replace(GOOD, step_cycles=[40_000 // count] * count))
    return folder, frames, results


def test_simulate_takes_the_images_that_are_there(simulated, capsys) -> None:
    folder, frames, _ = simulated
    assert cli.main(["simulate", str(folder)]) == 0
    simulate_dir(folder, images=2)
    simulate_dir(folder, images=1)  # the weight store is filled in the first of two frames
    assert frames == [3, 2, 2]
    assert pipeline.DEFAULT_IMAGES == 16
    assert line_of(capsys, "simulate", folder, "--images", "4") == (
        "hwgen: error: --images: 4; the folder holds 3; use at most 3\n"
    )


def test_a_mismatch_leaves_no_cycles(simulated, capsys) -> None:
    folder, _, results = simulated
    simulate_dir(folder)
    good = load_report(folder)
    assert (good.cycles.simulated, good.cycles.simulated_cold) == (40_000, 45_000)
    assert good.fps.simulated == 5_000
    results.append(
        replace(results[0], cycles=123, mismatches=1, first_mismatch="step x", step_cycles=[])
    )
    assert cli.main(["simulate", str(folder)]) == 1
    capsys.readouterr()
    bad = load_report(folder)
    assert (bad.cycles.simulated, bad.cycles.simulated_cold, bad.fps.simulated) == (None,) * 3
    assert {s.simulated for s in bad.cycles.steps} == {None}
    assert [s.predicted for s in bad.cycles.steps] == [s.predicted for s in good.cycles.steps]
    assert bad.check.first_mismatch == "step x"
    speed = values.rate(200e6 / good.cycles.predicted)
    source = "planned, not checked; predicted cycles"
    assert f"frames/s    {speed} at 200 MHz ({source})" in summary(bad)
    assert "5,000" not in (folder / "report.html").read_text()
