"""What `hwgen compile` leaves behind, and that its own regression runs."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hwgen.emit.folder import load_program
from hwgen.errors import HwgenError
from hwgen.ops.attention import Attention
from hwgen.paths import models_dir
from hwgen.pipeline import compile_model, run_image, simulate_dir, synth_dir
from hwgen.report import load_report
from hwgen.sim import network
from hwgen.sim.network import SimResult
from hwgen.synth.units import elaborate
from hwgen.targets.memory import Rate

MODEL = models_dir() / "bhvit_micro_digits.pt"
ODD = 'my "odd" proj\'ekt ü'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("compiled") / ODD / "micro"
    out.parent.mkdir()
    compile_model(MODEL, "pynq-z2", out)  # two memory ports, slower DRAM
    return out


def test_every_part_is_there(folder: Path) -> None:
    expected = (
        "rtl/files.f", "rtl/hwgen_engine.v", "image/program.bin", "image/weights.bin",
        "image/memory_map.json", "golden/graph.json", "golden/images.npz", "sim/Makefile",
        "sim/input.bin", "sim/expected_output.bin", "host/driver.py", "report.json", "report.html",
        "vendor/build_vivado.tcl", "vendor/engine.xdc", "vendor/time_engine.tcl",
        "sim/memory.json", "target.json",
    )  # fmt: skip
    assert [name for name in expected if not (folder / name).is_file()] == []
    report = load_report(folder)
    assert report.cycles.predicted > report.cycles.roofline > 0
    assert report.cycles.simulated is None
    assert report.resources.lut is None
    assert sum(step.predicted for step in report.cycles.steps) == report.cycles.predicted
    assert report.fidelity.top1_agreement >= 0.99


def test_without_the_hls_back_end_there_is_nothing_of_it(folder: Path) -> None:
    assert not (folder / "hls").exists()
    assert load_report(folder).hls.functions == []
    assert "-reference hwgen_engine" in (folder / "vendor/build_vivado.tcl").read_text()


def test_hls_back_end_has_scripts_and_estimates(tmp_path: Path) -> None:
    out = tmp_path / "hls"
    result = compile_model(MODEL, "zynq", out, backend="hls")
    assert (out / "hls/run_hls.tcl").is_file()
    script = (out / "vendor/build_vivado.tcl").read_text()
    assert "-vlnv hwgen:hls:hwgen_top:1.0" in script
    assert "-reference hwgen_engine" not in script
    assert not (out / "vendor/engine.xdc").exists(), "of the Verilog engine"
    report = load_report(out)
    assert report.hls.source == "estimated"
    calls = {f.name: f.calls for f in report.hls.functions}
    assert calls["fetch"] == len(result.program.instructions)
    assert "RTL and HLS side by side" in (out / "report.html").read_text()


def test_a_target_without_vendor_tools_says_so(tmp_path: Path) -> None:
    result = compile_model(MODEL, "ecp5-85k", tmp_path / "ecp5")
    assert result.reasons[-1] == (
        "no vendor scripts: LFE5UM5G-85F-8BG381C is no Zynq, Vitis HLS and Vivado do not apply"
    )
    assert not (tmp_path / "ecp5" / "vendor").exists()


BOARD = """\
extends = "zu3eg"
clock_mhz = 240
axi_ports = 2
axi_bits = 32

[dram]
kind = "mine"
bus_bits = 16
mega_transfers = 800
"""


def test_a_folder_outlives_the_file_of_its_target(tmp_path: Path, monkeypatch) -> None:
    file, out = tmp_path / "board.toml", tmp_path / "out"
    file.write_text(BOARD)
    target = compile_model(MODEL, str(file), out).target
    file.unlink()
    report = load_report(out)
    assert (report.target.name, report.target.clock_mhz) == ("board", 240)
    assert (report.config.axi_ports, report.config.axi_bits) == (2, 64)
    assert report.memory.dram_bytes_per_second == 1.12e9 < report.memory.port_bytes_per_second
    rates = []

    def fake(*_, rate: Rate, **options) -> SimResult:
        rates.append(rate)
        raise KeyboardInterrupt

    monkeypatch.setattr(network, "simulate_program", fake)
    with pytest.raises(KeyboardInterrupt):
        simulate_dir(out, images=1)
    assert rates == [Rate(7, 12)]  # 1.12 GB/s of 8 bytes at 240 MHz
    found = []
    monkeypatch.setattr("hwgen.synth.synthesise", lambda _, t: found.append(t) or {})
    synth_dir(out)
    assert found == [target]
    (out / "target.json").unlink()
    with pytest.raises(HwgenError, match=r"target\.json: is missing or damaged; .*compile again"):
        synth_dir(out)


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = ["make", "-C", str(folder), *arguments, f"PYTHON={sys.executable}"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def everything(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def test_cocotb_regression_runs_on_its_own(folder: Path) -> None:
    done = make(folder / "sim")
    assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]
    assert "3 of 3 tests passed" in done.stdout + done.stderr
    # the first frame, on the memory model of the regression
    cycles = load_report(folder).cycles.predicted_cold
    assert f" {cycles} cycles, outputs equal" in done.stdout + done.stderr
    assert (folder / "sim" / "results.xml").is_file()
    assert not (folder / "sim" / "sim_build").exists()  # built where the path is plain


@pytest.mark.parametrize("name", ["my project", ODD])
def test_clean_removes_the_build_and_nothing_else(folder: Path, tmp_path: Path, name: str) -> None:
    copy = tmp_path / "root" / name / "out" / "sim"
    shutil.copytree(folder / "sim", copy, ignore=shutil.ignore_patterns("build", "results.xml"))
    beside = [copy, copy.parent, copy.parent.parent, tmp_path / "root", tmp_path / "root" / "my"]
    for place in beside:  # the last: the path up to its first space
        (place / "mine").mkdir(parents=True)
        (place / "mine" / "work.txt").write_text("a week")
    kept = everything(tmp_path)
    (copy / "sim_build").mkdir()
    (copy / "sim_build" / "Vtop.mk").touch()
    (copy / "results.xml").touch()
    assert make(copy, "clean").returncode == 0
    assert everything(tmp_path) == kept
    (copy / "sim_build").symlink_to(tmp_path / "root" / "my")
    assert make(copy, "clean").returncode == 0
    assert everything(tmp_path) == kept


def test_make_in_another_folder_is_one_line(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "sim_build").mkdir()
    done = make(tmp_path, "-f", str(folder / "sim" / "Makefile"), "clean")
    assert done.returncode == 2
    assert "*** hwgen_cocotb/run.py: not here; run make in the folder of this" in done.stderr
    assert (tmp_path / "sim_build").is_dir()


def test_make_finds_the_environment_of_the_checkout(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / ODD / "out" / "sim"
    shutil.copytree(folder / "sim", copy, ignore=shutil.ignore_patterns("build"))
    python = tmp_path / ODD / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "ran $*"\n')
    python.chmod(0o755)
    unset = {k: v for k, v in os.environ.items() if k not in ("PYTHON", "VIRTUAL_ENV")}
    done = subprocess.run(["make", "-C", copy], env=unset, capture_output=True, text=True)
    assert "ran -m hwgen_cocotb.run hwgen_engine\n" in done.stdout


@pytest.mark.slow
def test_simulate_and_yosys_read_any_path(folder: Path, tmp_path: Path) -> None:
    before = everything(folder.parent.parent)
    simulate_dir(folder, images=1)
    report = load_report(folder)
    assert report.check.mismatches == 0
    assert report.cycles.simulated == report.cycles.predicted
    assert report.cycles.simulated_cold == report.cycles.predicted_cold
    built = {p.name for p in everything(folder.parent.parent) - before}
    assert built == {"build", "Vhwgen_core", "Vhwgen_core.key", "verilator.log"}
    rtl = folder / "rtl"
    plain = shutil.copytree(rtl, tmp_path / "rtl")
    (work := tmp_path / ODD).mkdir()
    names = (rtl / "files.f").read_text().split()
    odd, usual = (elaborate([at / n for n in names], "hwgen_engine", work) for at in (rtl, plain))
    assert odd == usual


def test_damaged_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("build"))
    program, images, labels = load_program(copy)
    assert len(images) == len(labels) == 64
    binary = bytearray((copy / "image" / "program.bin").read_bytes())
    assert bytes(binary) == program.binary()
    binary[70] ^= 1
    (copy / "image" / "program.bin").write_bytes(binary)
    with pytest.raises(HwgenError, match=r"program\.bin; differs from what this version of hwgen"):
        load_program(copy)
    (copy / "image" / "memory_map.json").unlink()
    with pytest.raises(HwgenError, match="is incomplete"):
        load_program(copy)


def test_memory_map_covers_the_files(folder: Path) -> None:
    regions = {
        r["name"]: r for r in json.loads((folder / "image/memory_map.json").read_text())["ddr"]
    }
    for name in ("program", "weights"):
        assert regions[name]["bytes"] == (folder / "image" / f"{name}.bin").stat().st_size
    ends = sorted((r["offset"], r["offset"] + r["bytes"]) for r in regions.values())
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(ends))


def test_run_classifies_an_image(folder: Path, tmp_path: Path) -> None:
    _, images, labels = load_program(folder)
    np.save(tmp_path / "digit.npy", images[0])
    best = run_image(MODEL, tmp_path / "digit.npy").lines()[0]
    assert best.split()[0] == str(labels[0])
    np.save(tmp_path / "small.npy", images[0][:50])
    with pytest.raises(HwgenError, match=r"uint8 \(50, 96, 3\); must be uint8 \(N, 96, 96, 3\)"):
        run_image(MODEL, tmp_path / "small.npy")


def test_an_op_without_an_hls_kernel_leaves_nothing(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(Attention, "HLS", ())
    with pytest.raises(HwgenError) as error:
        compile_model(MODEL, "zynq", tmp_path / "out", backend="both")
    assert error.value.line == (
        "vit.encoder.layerB.0.attention.attention.att_prob_quantizer: Attention; "
        "has no HLS kernel; use --backend rtl"
    )
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_when_it_does_not_fit(tmp_path: Path) -> None:
    out, sizes = tmp_path / "out", {"lanes": "16", "fm_words": "16384", "tm_words": "16384"}
    with pytest.raises(HwgenError, match=r"needs about .* BRAM36 with .*; zynq has 140"):
        compile_model(MODEL, "zynq", out, overrides=sizes)
    assert list(tmp_path.iterdir()) == []
