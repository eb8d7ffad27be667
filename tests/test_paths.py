"""hwgen.paths: the checkout's folders, or one clear line."""

import pytest

from hwgen import paths
from hwgen.errors import HwgenError


def test_the_checkout_has_them():
    assert (paths.templates_dir() / "report" / "report.html.j2").is_file()
    assert paths.templates_dir().parent == paths.CHECKOUT


def test_a_missing_folder_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "ROOTS", (tmp_path,))
    with pytest.raises(HwgenError) as error:
        paths.templates_dir()
    assert error.value.line == (
        "templates/: not found; hwgen needs its templates folder at "
        f"{paths.CHECKOUT}/templates; install from a full checkout with `make setup`"
    )


def test_a_wheel_keeps_them_inside(monkeypatch, tmp_path):
    (tmp_path / "_data" / "sim").mkdir(parents=True)
    monkeypatch.setattr(paths, "ROOTS", (tmp_path, tmp_path / "_data"))
    assert paths.sim_dir() == tmp_path / "_data" / "sim"
