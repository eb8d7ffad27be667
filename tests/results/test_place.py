"""The engine that `make reports` places fits its part with room, and holds the network."""

from __future__ import annotations

from pathlib import Path

from hwgen.paths import models_dir
from hwgen.pipeline import compile_model
from hwgen.results.place import MODEL, SIZES, TARGET


def test_the_sizes_hold_the_network(tmp_path: Path) -> None:
    sizes = {k: str(v) for k, v in SIZES.items()}
    model = models_dir() / f"{MODEL}.pt"
    found = compile_model(
        model, TARGET, tmp_path / "out", overrides=sizes, stop_after="schedule"
    ).program
    assert found is not None
    assert {k: getattr(found.sizing, k) for k in SIZES} == SIZES
