"""hwgen.atomic: an output folder is complete or not there."""

import os

import pytest

from hwgen.atomic import staged_dir, write_text_atomic
from hwgen.errors import HwgenError


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_the_folder_appears_at_the_end(tmp_path):
    out = tmp_path / "a" / "out"
    with staged_dir(out) as stage:
        (stage / "report.json").write_text("{}")
        assert not out.exists()
        assert stage.parent == out.parent
    assert names(out) == ["report.json"]
    assert names(out.parent) == ["out"]
    assert out.stat().st_mode & 0o777 == 0o777 & ~_umask()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("force", [False, True])
def test_a_failure_leaves_nothing(tmp_path, force):
    out = tmp_path / "out"
    with pytest.raises(RuntimeError), staged_dir(out, force) as stage:
        (stage / "half").write_text("")
        raise RuntimeError
    assert names(tmp_path) == []


def test_not_empty_needs_force(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.json").write_text("old")
    with pytest.raises(HwgenError) as error, staged_dir(out):
        pytest.fail("must not be entered")
    assert error.value.line == (
        f"--out {out}: folder is not empty; nothing is overwritten unasked; "
        "choose another folder or add --force"
    )
    with pytest.raises(RuntimeError), staged_dir(out, force=True):
        raise RuntimeError
    assert (out / "report.json").read_text() == "old"
    with staged_dir(out, force=True) as stage:
        (stage / "new").write_text("")
    assert names(out) == ["new"]
    assert names(tmp_path) == ["out"]


def test_an_empty_folder_is_filled(tmp_path):
    with staged_dir(tmp_path / "out") as stage:
        (stage / "x").write_text("")
    empty = tmp_path / "empty"
    empty.mkdir()
    with staged_dir(empty) as stage:
        (stage / "x").write_text("")
    assert names(empty) == ["x"]


def test_force_spares_what_hwgen_did_not_write(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(HwgenError) as error, staged_dir(tmp_path, force=True):
        pytest.fail("must not be entered")
    assert error.value.line == (
        f"--out {tmp_path}: not an hwgen output folder; "
        "--force replaces only what hwgen wrote; choose another folder"
    )


def test_a_file_is_not_a_folder(tmp_path):
    path = tmp_path / "file"
    path.write_text("x")
    with pytest.raises(HwgenError) as error, staged_dir(path, force=True):
        pytest.fail("must not be entered")
    assert error.value.line == (f"--out {path}: is not a folder; must be a folder; choose another")


def test_text_is_replaced_whole(tmp_path):
    path = tmp_path / "a.txt"
    write_text_atomic(path, "one")
    write_text_atomic(path, "two µ")
    assert path.read_text() == "two µ"
    assert names(tmp_path) == ["a.txt"]
    with pytest.raises(UnicodeEncodeError):
        write_text_atomic(path, "\ud800")
    assert path.read_text() == "two µ"
