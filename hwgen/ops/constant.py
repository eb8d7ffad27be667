"""Constant feature tensors (position embeddings), loaded from the weight image."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import ClassVar

import numpy as np

from hwgen.engine.sizing import Sizing
from hwgen.ops.base import Array, Op, Types, register


@register
@dataclass(frozen=True, eq=False)
class Constant(Op):
    """A feature tensor of fixed 16-bit values, (tokens, C). Has no sources and no post chain.

    Where all are signed bytes, as position embeddings often are, DDR has them as such.
    """

    value: Array

    UNIT: ClassVar[str] = "LOADF"
    HLS: ClassVar[tuple[str, ...]] = ("fill_features",)
    READS: ClassVar[tuple[str, ...]] = ()
    PADDED_ROWS: ClassVar[bool] = True

    @property
    def narrow(self) -> bool:
        """Whether every value is a signed byte."""
        return bool((self.value.min() >= -128) and (self.value.max() < 128))

    def sums(self) -> tuple[Array, Array | None]:
        return self.value[None], None

    def result(self) -> tuple[tuple[int, ...], tuple[int, int]]:
        assert self.feature is not None
        return self.value.shape, self.feature.grid

    def source_rows(self, first: int, count: int) -> list[int] | None:
        return []

    def acc_bounds(self) -> tuple[int, int]:
        return int(self.value.min()), int(self.value.max())

    def beats(self, s: Sizing, types: Types) -> int:
        return 0

    def parameter_words(self, s: Sizing) -> int:
        return 0

    def constant_words(self, s: Sizing) -> int:
        return ceil(self.value.size / s.lanes / (2 if self.narrow else 1))

    def execute(self, values: dict[str, Array]) -> dict[str, Array]:
        batch = next(iter(values.values())).shape[0]
        return {self.name: np.broadcast_to(self.value, (batch, *self.value.shape))}
