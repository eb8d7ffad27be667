"""What `make reports` records: estimated clocks, one per engine, and engines with their ports."""

from pathlib import Path

import pytest
import torch

from hwgen import sta
from hwgen.report import load_report, save_report
from hwgen.report.schema import Timing
from hwgen.results import frames, record, residuals
from hwgen.targets import get_target, keep_target
from tests.report import sample

TIMING = Timing(source="estimated", clock_mhz=200, fmax_mhz=190.0)
ZYNQ = get_target("zynq")


@pytest.fixture
def analysed(monkeypatch):
    """Engines that were really analysed: the first line of each."""
    found = []

    def analyse_rtl(files, *_, **__):
        found.append(files[0].read_text())
        return TIMING

    monkeypatch.setattr(sta, "analyse_rtl", analyse_rtl)
    monkeypatch.setattr(sta, "output_files", lambda folder: [folder / "engine.v"])
    return found


def engine(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "engine.v").write_text(text)
    return folder


def test_networks_of_one_engine_share_its_timing(tmp_path, analysed):
    one, same, other = (
        engine(tmp_path / name, text) for name, text in (("a", "x"), ("b", "x"), ("c", "y"))
    )
    kept: dict[str, Timing] = {}
    slower = ZYNQ.model_copy(update={"clock_mhz": 150})
    nets = sta.NetModel(base=0.3)
    for folder in (one, same, other, one):
        assert sta.analyse(folder, ZYNQ, kept=kept) == TIMING
    assert analysed == ["x", "y"]
    sta.analyse(same, slower, kept=kept)
    sta.analyse(same, ZYNQ, nets=nets, kept=kept)
    sta.analyse(one, get_target("pynq-z1"), kept=kept)  # the same part at the same clock
    assert analysed == ["x", "y", "x", "x"]
    sta.analyse(one, ZYNQ)
    assert analysed == ["x", "y", "x", "x", "x"], "nothing is kept unless asked for"


def test_frames_of_one_run_share_the_engines(tmp_path, monkeypatch):
    class Compiled:
        reasons = ()

    given = []
    monkeypatch.setattr(frames, "untrained", lambda *_, **__: torch.nn.Linear(1, 1))
    monkeypatch.setattr(frames, "compile_model", lambda *_, **__: Compiled)
    monkeypatch.setattr(frames, "simulate_dir", lambda *_, **__: None)
    monkeypatch.setattr(frames, "synth_dir", lambda _, engines: given.append(engines))
    monkeypatch.setattr(frames, "record", lambda folder: folder)
    engines: dict[str, Timing] = {}
    folders = [frames.frame(name, "zynq", tmp_path, engines) for name in ("a", "b")]
    assert [f.name for f in folders] == ["a_untrained-zynq", "b_untrained-zynq"]
    assert all(kept is engines for kept in given)
    assert len(given) == 2


@pytest.mark.parametrize(("target", "clocks"), [("zynq", [190.0]), ("ecp5-85k", [])])
def test_a_report_is_recorded_with_its_clock(tmp_path, monkeypatch, target, clocks):
    """One without an estimate gets it first, where there are delays; another stays as it is."""
    found = []

    def timing_dir(folder):
        found.append(190.0)
        save_report(folder, sample.timed(190.0))

    monkeypatch.setattr(record, "timing_dir", timing_dir)
    monkeypatch.setattr(record, "reports_dir", lambda: tmp_path)
    folder = tmp_path / "out"
    folder.mkdir()
    save_report(folder, sample.report())
    keep_target(folder, get_target(target))
    for _ in range(2):
        path = record.record(folder)
    assert found == clocks
    kept = load_report(path)
    assert kept.timing.fmax_mhz == (clocks or [None])[0]
    assert kept.fps.clock_mhz == (clocks or [None])[0]
    assert kept.check.seconds is None


def test_engines_of_the_sweep_have_the_ports_of_their_target():
    ports = {(t, residuals.engine(t, s).axi_ports) for t, s in residuals.SWEEP}
    assert ports == {("zynq", 2), ("kv260", 1)}
