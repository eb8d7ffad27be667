"""Xilinx's open headers for C simulation of HLS C++."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from pathlib import Path

from hwgen.errors import ToolError


def ap_types() -> Path:
    """The folder of Xilinx's open ap_int.h and hls_stream.h, in hls4ml's wheel (not imported)."""
    spec = importlib.util.find_spec("hls4ml")
    for root in spec.submodule_search_locations or () if spec else ():
        folder = Path(root) / "templates" / "vivado" / "ap_types"
        if (folder / "ap_int.h").is_file():
            return folder
    raise ToolError(
        "ap_int.h", "not found", "C simulation of HLS C++ needs the headers of hls4ml",
        "run `make setup`, or give `make csim` AP_TYPES=DIR",
    )  # fmt: skip
