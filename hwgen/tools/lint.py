"""Warnings of every Verilog-2005 front end."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from hwgen.tools.arguments import define_args, first_error, parameter_args
from hwgen.tools.verilator import LANGUAGE, verilator_env
from hwgen.tools.versions import PathLike, available, require
from hwgen.tools.yosys import try_yosys


def lint_verilog(
    files: Sequence[PathLike],
    top: str,
    *,
    parameters: Mapping[str, str | int] | None = None,
    defines: Mapping[str, object] | Iterable[str] | None = None,
    skip: Sequence[str] = (),
) -> list[str]:
    """Warnings and errors of every Verilog-2005 front end; [] means clean.

    Verilator -Wall, Yosys `check -assert`, Pyverilog's parser, and Icarus -Wall where installed.
    A `.vlt` file (Verilator waivers) reaches Verilator only. `skip` names tools to leave out.
    """
    paths = [Path(f).resolve() for f in files]
    verilog = [p for p in paths if p.suffix != ".vlt"]
    found: list[str] = []
    if "verilator" not in skip:
        found += _lint_verilator(paths, top, parameters, defines)
    if "yosys" not in skip:
        found += _lint_yosys(verilog, top, parameters, defines)
    if "pyverilog" not in skip:
        found += _lint_pyverilog(verilog, defines)
    if "iverilog" not in skip and available("iverilog"):
        found += _lint_iverilog(verilog, top, parameters, defines)
    return found


def _lint_verilator(paths, top, parameters, defines) -> list[str]:
    # Waivers come first: they act on what follows.
    ordered = sorted(paths, key=lambda p: p.suffix != ".vlt")
    command = ["verilator", "--lint-only", "-Wall", *LANGUAGE, "--top-module", top]
    command += [*parameter_args(parameters), *define_args(defines), *map(str, ordered)]
    done = subprocess.run(command, env=verilator_env(), capture_output=True, text=True)
    log = done.stdout + done.stderr
    lines = [f"verilator: {x}" for x in log.splitlines() if x.startswith(("%Warning", "%Error"))]
    if done.returncode != 0 and not lines:
        lines = [f"verilator: {first_error(log, 'rror')}"]
    return [x for x in lines if "Exiting due to" not in x]


def _lint_yosys(paths, top, parameters, defines) -> list[str]:
    flags = " ".join(define_args(defines))
    script = [f'read_verilog {flags} "{p}"' for p in paths]
    chparam = " ".join(
        f'-chparam {k} "{v}"' if isinstance(v, str) else f"-chparam {k} {int(v)}"
        for k, v in sorted((parameters or {}).items())
    )
    script += [f"hierarchy -check -top {top} {chparam}", "proc", "check -assert"]
    log, error = try_yosys(script, None)
    lines = [x for x in log.splitlines() if x.lstrip().startswith("Warning:")]
    if error:
        lines.append(error)
    return [f"yosys: {x.strip()}" for x in dict.fromkeys(lines)]


def _lint_iverilog(paths, top, parameters, defines) -> list[str]:
    command = ["iverilog", "-g2005", "-Wall", "-tnull", "-s", top, *define_args(defines)]
    for name, value in sorted((parameters or {}).items()):
        text = f'"{value}"' if isinstance(value, str) else str(int(value))
        command.append(f"-P{top}.{name}={text}")
    done = subprocess.run([*command, *map(str, paths)], capture_output=True, text=True)
    lines = [x for x in (done.stdout + done.stderr).splitlines() if x.strip()]
    if done.returncode != 0 and not lines:
        lines = [f"exit code {done.returncode}"]
    return [f"iverilog: {x}" for x in lines]


@functools.cache
def _pyverilog_parser():
    require("pyverilog")
    import ply.yacc
    from pyverilog.vparser import parser

    # PLY would write parser.out and parsetab.py into the working folder and report on stderr.
    folder = tempfile.mkdtemp(prefix="hwgen_ply_")
    built = parser.yacc
    quiet = ply.yacc.NullLogger()
    parser.yacc = functools.partial(built, write_tables=False, errorlog=quiet)
    try:
        return parser.VerilogParser(outputdir=folder, debug=False), parser.ParseError
    finally:
        parser.yacc = built
        shutil.rmtree(folder, ignore_errors=True)


def _lint_pyverilog(paths, defines) -> list[str]:
    verilog_parser, parse_error = _pyverilog_parser()
    found = []
    names = set(defines or ())
    for path in paths:
        try:
            verilog_parser.lexer.reset_lineno()
            verilog_parser.lexer.filename = str(path)
            verilog_parser.parse(strip_conditionals(path.read_text(), names))
        except parse_error as error:
            found.append(f"pyverilog: {str(error).strip()}")
    return found


def strip_conditionals(text: str, defines: Iterable[str] = ()) -> str:
    """Resolves `ifdef, `ifndef, `else and `endif; dropped lines stay as blanks."""
    known = set(defines)
    keep = [True]
    out = []
    for line in text.splitlines():
        word = re.match(r"\s*`(ifdef|ifndef|else|endif)\b\s*(\w*)", line)
        if word is None:
            out.append(line if all(keep) else "")
            continue
        kind, name = word.groups()
        if kind == "endif":
            keep.pop()
        elif kind == "else":
            keep[-1] = not keep[-1]
        else:
            keep.append((name in known) == (kind == "ifdef"))
        out.append("")
    return "\n".join(out) + "\n"
