"""What is known of a network of the user's own."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class OwnConfig:
    """Its image (height, width) in pixels, its channels, and its classes."""

    image_size: tuple[int, int]
    in_channels: int
    classes: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
