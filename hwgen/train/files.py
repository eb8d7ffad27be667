"""Files a training run writes: resumable state, checkpoint, manifest, calibration images."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hwgen.atomic import write_bytes_atomic
from hwgen.errors import HwgenError


def _write(path: Path, payload: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes_atomic(path, payload)


def save_torch(path: Path, value: Any) -> str:
    """torch.save whose bytes do not depend on the file's name. Returns the sha256."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    _write(path, buffer.getvalue())
    return hashlib.sha256(buffer.getvalue()).hexdigest()


def load_state(path: Path, recipe: dict[str, Any]) -> dict[str, Any]:
    """Resumable state of the same recipe.

    Raises: HwgenError if it is missing, unreadable or belongs to another recipe.
    """
    if not path.is_file():
        raise HwgenError(f"{path}", "not found", "nothing to resume", "start without resume")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise HwgenError(
            f"{path}", "is no training state", type(error).__name__, "start without resume"
        ) from None
    if state["recipe"] != json.dumps(recipe, sort_keys=True):
        raise HwgenError(
            f"{path}",
            "belongs to another recipe",
            "resuming needs the same recipe",
            "start without resume",
        )
    return state


def save_state(path: Path, recipe: dict[str, Any], **parts: Any) -> None:
    """Atomic save of everything a resumed run needs."""
    save_torch(path, {"recipe": json.dumps(recipe, sort_keys=True), **parts})


def save_calibration(path: Path, images: np.ndarray, labels: np.ndarray | None = None) -> None:
    """`images` uint8 (N, S, S, 3), and `labels` where there are any, in a compressed npz."""
    buffer = io.BytesIO()
    known = {} if labels is None else {"labels": labels}
    np.savez_compressed(buffer, allow_pickle=False, images=images, **known)
    _write(path, buffer.getvalue())


def save_manifest(path: Path, manifest: dict[str, Any]) -> None:
    """Readable JSON with sorted keys; no times, so a repeated run gives the same file."""
    _write(path, (json.dumps(manifest, indent=2, sort_keys=True) + "\n").encode())
