"""Reference weights and outputs: nano networks in tests/vectors, others in ../shared/vectors.

Computed in float64 by a separate implementation of the two papers' networks. Tests of the larger
networks are skipped where their folder is missing.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

HERE = Path(__file__).resolve().parent / "vectors"
SHARED = Path(__file__).resolve().parents[2] / "shared" / "vectors"


def folder(arch: str) -> Path | None:
    """Where the BatchNorm statistics of a network lie."""
    return next((f for f in (HERE, SHARED) if (f / f"bn_{arch}_1.npz").is_file()), None)


def needs(arch: str, *marks: pytest.MarkDecorator):
    """A test parameter: the network's name; skipped where its vectors are missing."""
    missing = pytest.mark.skipif(folder(arch) is None, reason=f"no reference vectors of {arch}")
    return pytest.param(arch, marks=[missing, *marks])


@cache
def weights(arch: str) -> ModuleType:
    """The generator of checkpoints beside the network's statistics (`state_dict`, `digest`)."""
    place = folder(arch)
    assert place is not None
    spec = importlib.util.spec_from_file_location(
        f"weights_{place.parent.name}", place / "weights.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def expected(arch: str) -> np.lib.npyio.NpzFile:
    """Image and expected outputs of a network, seed 1."""
    place = folder(arch)
    assert place is not None
    return np.load(place / f"expected_{arch}_1.npz")
