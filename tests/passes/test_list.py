"""The list of passes in the package's docstring."""

from __future__ import annotations

from pathlib import Path

import hwgen.passes
from hwgen.passes import lower


def listed() -> list[str]:
    """First words of the indented lines."""
    lines = (hwgen.passes.__doc__ or "").splitlines()
    return [line.split()[0] for line in lines if line.startswith("    ")]


def test_every_file_is_listed_once() -> None:
    files = {p.stem for p in Path(hwgen.passes.__file__).parent.glob("*.py")} - {"__init__"}
    assert sorted(listed()) == sorted(files)


def test_passes_are_listed_in_their_order() -> None:
    names = [rewrite.__name__ for rewrite in lower.PASSES]
    assert listed()[4 : 4 + len(names)] == names
    assert listed()[:4] == ["move_channels", "channel_nodes", "scale_image", "pad_channels"]
