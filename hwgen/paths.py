"""Where the top-level data folders are: beside `hwgen/` in a checkout, inside it in a wheel."""

from __future__ import annotations

from pathlib import Path

from hwgen.errors import HwgenError

PACKAGE = Path(__file__).resolve().parent
CHECKOUT = PACKAGE.parent
ROOTS = (CHECKOUT, PACKAGE / "_data")


def data_dir(name: str, marker: str | None = None) -> Path:
    """The folder `name` (templates, sim, models, reports). Raises HwgenError when it is nowhere."""
    for root in ROOTS:
        found = root / name
        if found.is_dir() and (marker is None or (found / marker).exists()):
            return found
    raise HwgenError(
        f"{name}/",
        "not found",
        f"hwgen needs its {name} folder at {CHECKOUT / name}",
        "install from a full checkout with `make setup`",
    )


def templates_dir() -> Path:
    """Jinja2 and Verilog sources: rtl/, hls/, host/, report/."""
    return data_dir("templates", marker="report")


def rtl_source(name: str) -> Path:
    """The file `name` of templates/rtl, in whichever folder it is: names are unique there."""
    (found,) = (templates_dir() / "rtl").rglob(name)
    return found


def sim_dir() -> Path:
    """The cocotb library: drivers, monitors, memory model, checker."""
    return data_dir("sim")


def models_dir() -> Path:
    """Recipes and shipped checkpoints."""
    return data_dir("models")


def reports_dir() -> Path:
    """Committed results; only a checkout has them."""
    return data_dir("reports")
