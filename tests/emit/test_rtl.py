"""The emitted RTL: accepted without a warning by every tool, the same bytes every time."""

from __future__ import annotations

from hwgen.emit.rtl import TOP, write_rtl
from hwgen.engine.sizing import Sizing
from hwgen.tools.lint import lint_verilog


def test_whole_engine_has_no_warnings(tmp_path) -> None:
    """Verilator, Yosys and Pyverilog; Icarus where it is installed."""
    files = write_rtl(tmp_path, Sizing())
    assert lint_verilog(files, TOP) == []


def test_two_runs_give_identical_bytes(tmp_path) -> None:
    first = write_rtl(tmp_path / "a", Sizing())
    second = write_rtl(tmp_path / "b", Sizing())
    assert [f.name for f in first] == [f.name for f in second]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(first, second, strict=True))
    assert (tmp_path / "a" / "files.f").read_text().split() == [f.name for f in first]
