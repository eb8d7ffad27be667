"""Compiler wrapper for Verilator's make: compiles Verilator's own runtime once per set of flags.

Every simulation links the same verilated*.cpp; building them takes longer than most designs.
verilator_env() names this file in OBJCACHE, so make runs `python objcache.py g++ ... -c x.cpp`.
Other sources go straight to the compiler. Objects are kept in the virtual environment.
"""

import hashlib
import os
import shutil
import sys
from pathlib import Path


def cached(command: list[str], folder: Path) -> Path | None:
    """Where the object of this compilation is kept; None when it is not Verilator's runtime."""
    source = Path(command[-1])
    if "-c" not in command or "-o" not in command or not source.name.startswith("verilated"):
        return None
    if source.parent.name != "include":
        return None
    key = hashlib.sha256(source.read_bytes())
    output = command[command.index("-o") + 1]
    key.update("\0".join(a for a in command if a != output).encode())
    return folder / f"{source.stem}-{key.hexdigest()[:24]}.o"


def main(command: list[str]) -> None:
    kept = cached(command, Path(sys.executable).parent.parent / ".verilated-objects")
    if kept is None:
        os.execvp(command[0], command)
    output = Path(command[command.index("-o") + 1])
    if kept.exists():
        shutil.copyfile(kept, output)
        return
    code = os.spawnvp(os.P_WAIT, command[0], command)
    if code:
        sys.exit(code)
    kept.parent.mkdir(exist_ok=True)
    part = kept.with_suffix(f".{os.getpid()}")
    shutil.copyfile(output, part)
    part.replace(kept)


if __name__ == "__main__":
    main(sys.argv[1:])
