"""The folder of `hwgen compile --backend hls`: `make csim` runs it on its own and finds faults."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hwgen.emit.hls import IMAGES
from hwgen.errors import HwgenError
from hwgen.paths import models_dir
from hwgen.pipeline import compile_model, place_dir, simulate_dir, synth_dir

MODEL = models_dir() / "bhvit_micro_digits.pt"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("compiled") / 'my "odd" proj\'ekt ü' / "micro"
    out.parent.mkdir()
    compile_model(MODEL, "zynq", out, backend="hls")
    return out


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """make in hls/, with the Python that has the headers; the folder knows nothing of hwgen."""
    command = ["make", "-C", str(folder / "hls"), *arguments, f"PYTHON={sys.executable}"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def simulated(folder: Path) -> subprocess.CompletedProcess:
    return make(folder, "csim")


def test_sixteen_digits_in_every_tensor(simulated) -> None:
    assert simulated.returncode == 0, simulated.stderr[-2000:]
    lines = [x for x in simulated.stdout.splitlines() if x.startswith("csim: ")]
    assert lines == [
        f"csim: image {n}: 74 steps, 104 tensors, 34421 writes compared, 0 differ"
        for n in range(IMAGES)
    ]


def test_no_warning(simulated) -> None:
    assert "-Wall -Wextra" in simulated.stdout
    assert simulated.stderr == ""


def test_the_makefile_runs_alone_once_built(simulated, folder: Path) -> None:
    done = make(folder, "csim", "IMAGES=2", "AP_TYPES=/nowhere", "CXX=false", "-o", "headers")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("0 differ") == 2


@pytest.mark.parametrize(
    ("file", "place"), [("1.dst", 4 + 2 * 5), ("1.bit", 2), ("1.output", 0)], ids=str
)
def test_a_wrong_expected_value_fails(simulated, folder: Path, tmp_path, file, place) -> None:
    """Channel 5 of the first feature write, channel 0 of the first bits, the first logit."""
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    data = bytearray((copy / "hls" / "data" / file).read_bytes())
    data[place] ^= 1
    (copy / "hls" / "data" / file).write_bytes(data)
    done = make(copy, "csim", "-o", "headers")
    assert done.returncode == 2
    assert done.stdout.count("0 differ") == 1
    (line,) = (x for x in done.stderr.splitlines() if x.startswith("csim: "))
    if file == "1.output":
        assert line == "csim: image 1: result: beat 0 of the STOREd words differs"
        return
    assert line.startswith("csim: image 1: step ")
    channel = 5 if file == "1.dst" else 0
    assert f"channel {channel}: value got " in line


def test_missing_headers_are_one_line(folder: Path) -> None:
    done = make(folder, "build", "AP_TYPES=/nowhere", "-W", "csim.cpp")
    assert done.returncode == 2
    assert (
        "make: ap_int.h: not found; pip install --no-deps hls4ml, or make AP_TYPES=DIR\n"
        in done.stderr
    )


def test_clean_removes_what_it_built_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "my project" / "hls"
    shutil.copytree(folder / "hls", copy, ignore=shutil.ignore_patterns("csim_plain"))
    for place in (copy, copy.parent, tmp_path, tmp_path / "my"):  # the last: up to a space
        (place / "mine").mkdir(parents=True)
        (place / "mine" / "work.txt").write_text("a week")
    kept = set(tmp_path.rglob("*"))
    (copy / "csim_plain").touch()
    (copy / "csim_sanitize").touch()
    assert make(copy.parent, "clean").returncode == 0
    assert set(tmp_path.rglob("*")) == kept


def test_make_in_another_folder_is_one_line(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "hls").mkdir()
    (tmp_path / "hls" / "csim_plain").touch()
    done = make(tmp_path, "-f", str(folder / "hls" / "Makefile"), "clean")
    assert done.returncode == 2
    assert "*** csim.cpp: not here; run make in the folder of this Makefile" in done.stderr
    assert (tmp_path / "hls" / "csim_plain").is_file()


def test_there_is_no_verilog(folder: Path) -> None:
    assert not any((folder / name).exists() for name in ("rtl", "sim", "host"))
    for run, command in ((simulate_dir, "simulate"), (synth_dir, "synth"), (place_dir, "place")):
        with pytest.raises(HwgenError) as error:
            run(folder)
        assert error.value.line == (
            f"{folder}: holds HLS C++ only; `hwgen {command}` takes the Verilog; compile with "
            "--backend both; the C++ runs with make -C DIR/hls csim"
        )


def test_an_unknown_backend_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(HwgenError) as error:
        compile_model(MODEL, "zynq", tmp_path / "out", backend="vhdl")
    assert error.value.line == "--backend: vhdl; is no back end; use rtl, hls or both"
    assert list(tmp_path.iterdir()) == []
