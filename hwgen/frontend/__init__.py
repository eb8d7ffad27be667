"""Checkpoint -> network -> float graph -> integer graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from hwgen.ir import Graph

__all__ = ["lower_model"]


def lower_model(
    module: nn.Module,
    calib_images: np.ndarray | None = None,
    *,
    act_bits: int = 16,
    meta: dict[str, Any] | None = None,
) -> Graph:
    """Integer graph of a trained network; see `hwgen.passes.lower.lower_model`."""
    from hwgen.passes.lower import lower_model as lower  # passes import this package

    return lower(module, calib_images, act_bits=act_bits, meta=meta)
