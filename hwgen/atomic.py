"""Output that is there completely or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hwgen.errors import HwgenError
from hwgen.stopped import last_step

# A folder with one of these was written by hwgen, so --force may replace it; so may a compile that
# stopped early (hwgen.stopped).
MARKERS = ("report.json", "rtl")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _check(out: Path, force: bool) -> None:
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise HwgenError(f"--out {out}", "is not a folder", "must be a folder", "choose another")
    if not out.is_dir() or not any(out.iterdir()):
        return
    if not force:
        raise HwgenError(
            f"--out {out}",
            "folder is not empty",
            "nothing is overwritten unasked",
            "choose another folder or add --force",
        )
    if last_step(out) is None and not any((out / name).exists() for name in MARKERS):
        raise HwgenError(
            f"--out {out}",
            "not an hwgen output folder",
            "--force replaces only what hwgen wrote",
            "choose another folder",
        )


@contextmanager
def staged_dir(out: Path | str, force: bool = False) -> Iterator[Path]:
    """A temporary sibling of `out` to write into; it becomes `out` when the block ends well.

    When the block raises, `out` is as it was and nothing is left behind. Raises HwgenError at once
    if `out` is a file, is not empty without `force`, or holds what hwgen did not write.
    """
    out = Path(out)
    _check(out, force)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise HwgenError(
            f"--out {out}", error.strerror or error, "must be writable", "choose another folder"
        ) from error
    try:
        stage.chmod(0o777 & ~_umask())
        yield stage
        _replace(stage, out, force)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _replace(stage: Path, out: Path, force: bool) -> None:
    _check(out, force)
    if not out.exists():
        stage.rename(out)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{out.name}.old.", dir=out.parent))
    out.rename(old)
    try:
        stage.rename(out)
    except OSError:
        old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)


def write_bytes_atomic(path: Path | str, data: bytes) -> None:
    """Writes a file through a temporary sibling, so that a reader sees the old one or the new."""
    path = Path(path)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def write_text_atomic(path: Path | str, text: str) -> None:
    """As `write_bytes_atomic`, for UTF-8 text."""
    write_bytes_atomic(path, text.encode())
