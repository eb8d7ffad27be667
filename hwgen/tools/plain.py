"""Paths that make, Verilator and Yosys take: no spaces, no quotes, ASCII only.

Links in a temporary folder stand for the others. Only the standard library is imported here:
`hwgen compile` puts a copy of this file beside the cocotb tests, which run without hwgen.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

_PLAIN = re.compile(r"[A-Za-z0-9_./+@-]+")  # no comma: it splits g++'s -Wl,-rpath,DIR
_ROOTS = ("/tmp", "/var/tmp")


def is_plain(path: str | os.PathLike[str]) -> bool:
    """Whether every tool takes `path` as it is."""
    return _PLAIN.fullmatch(os.fspath(path)) is not None


class PlainPaths:
    """`plain(path)` is `path` itself or a link to it without awkward letters, until the end.

        with PlainPaths() as plain:
            run(["verilator", "--Mdir", plain.folder(), plain(source)])

    The links lie in a temporary folder that is made when the first is needed and removed at the
    end; what they point to is not touched. Raises OSError where no such folder can be made.
    """

    def __init__(self) -> None:
        self._tmp: tempfile.TemporaryDirectory[str] | None = None
        self._links: dict[Path, Path] = {}
        self._names = 0

    def __enter__(self) -> PlainPaths:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the links."""
        if self._tmp is not None:
            self._tmp.cleanup()  # takes links away, not what is behind them
        self._tmp = None
        self._links.clear()

    def __call__(self, path: str | os.PathLike[str]) -> Path:
        path = Path(os.path.abspath(path))
        if is_plain(path):
            return path
        if path.is_file() and is_plain(path.name):  # its neighbours are found as well
            return self(path.parent) / path.name
        if path not in self._links:
            suffix = path.suffix if is_plain(path.suffix or "-") else ""
            link = self._new(suffix)
            link.symlink_to(path)
            self._links[path] = link
        return self._links[path]

    @property
    def used(self) -> bool:
        """Whether any path got a link."""
        return bool(self._links)

    def folder(self) -> Path:
        """A new empty folder with a plain path."""
        made = self._new("")
        made.mkdir()
        return made

    def restore(self, text: str) -> str:
        """`text` with the paths that the links stand for."""
        for path, link in self._links.items():
            mine = str(path).replace("\\", r"\\")
            text = re.sub(re.escape(str(link)) + r"(?![\w.])", mine, text)
        return text

    def _new(self, suffix: str) -> Path:
        if self._tmp is None:
            roots = [r for r in (tempfile.gettempdir(), *_ROOTS) if is_plain(r)]
            root = next((r for r in roots if os.access(r, os.W_OK | os.X_OK)), None)
            if root is None:
                raise OSError(
                    f"{tempfile.gettempdir()}: no temporary folder whose path has only A-Z a-z 0-9 "
                    "_ . / + @ -; set TMPDIR to one"
                )
            self._tmp = tempfile.TemporaryDirectory(prefix="hwgen_plain_", dir=root)
        self._names += 1
        return Path(self._tmp.name) / f"{self._names}{suffix}"
