"""A process with Yosys that synthesises designs, each in a fork of its own.

Run as a file; the job comes as JSON on stdin::

    {"jobs": processes at once, "setup": [commands],
     "designs": [{"name", "folder", "before": [..], "memory": [..], "after": [..]}]}

The commands in `setup` run once. Every design starts from that state, so its result does not depend
on the others. `memory` (slow even with nothing to map) runs only if memories are left after
`before`. Logs go to FOLDER/yosys.log; the names of designs that failed are printed one per line.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def main() -> None:
    job = json.load(sys.stdin)
    print_to = os.dup(1)
    _log_to(os.devnull)
    from pyosys import libyosys as ys

    design = ys.Design()
    for command in job["setup"]:
        ys.run_pass(command, design)
    running: dict[int, str] = {}
    failed = []
    for task in job["designs"]:
        while len(running) >= job["jobs"]:
            failed += _wait(running)
        pid = os.fork()
        if pid == 0:
            _synthesise(ys, design, task)
        running[pid] = task["name"]
    while running:
        failed += _wait(running)
    os.write(print_to, "".join(f"{name}\n" for name in failed).encode())


def _log_to(path: str) -> None:
    """Sends this process's stdout and stderr to `path`."""
    out = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    os.dup2(out, 2)


def _wait(running: dict[int, str]) -> list[str]:
    """Waits for a child; its name if it failed."""
    pid, status = os.wait()
    name = running.pop(pid)
    return [name] if status else []


def _synthesise(ys, design, task: dict) -> None:
    """All commands of a design, then the end of this process."""
    folder = Path(task["folder"])
    _log_to(str(folder / "yosys.log"))
    for command in task["before"]:
        ys.run_pass(command, design)
    ys.run_pass(f'tee -q -o "{folder / "before.json"}" stat -json', design)
    steps = task["memory"] if '"$mem' in (folder / "before.json").read_text() else []
    for command in [*steps, *task["after"]]:
        ys.run_pass(command, design)
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
