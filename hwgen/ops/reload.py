"""A feature tensor that was stored to DDR, brought back strip by strip for the ops of one band."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hwgen.engine.sizing import Sizing
from hwgen.ops.base import Array, Grid, Op, Shape, Types, register
from hwgen.ops.types import TensorType


@register
@dataclass(frozen=True, eq=False)
class Reload(Op):
    """The values of its source, features that `schedule.spill` keeps in DDR. Has no post chain.

    last > 0: the last tokens of each of its windows, (windows, last, C).
    """

    last: int = 0

    UNIT: ClassVar[str] = "LOADF"
    HLS: ClassVar[tuple[str, ...]] = ("fill_features",)
    READS: ClassVar[tuple[str, ...]] = ("feature",)
    PADDED_ROWS: ClassVar[bool] = True
    LOADED: ClassVar[bool] = True

    def sums(self, x: Array) -> tuple[Array, Array | None]:
        return (x[:, :, -self.last :] if self.last else x), None

    def result(self, x: TensorType) -> tuple[Shape, Grid]:
        if self.last:
            return (x.shape[0], self.last, x.channels), (0, 0)
        return x.shape, x.grid

    def source_rows(self, first: int, count: int) -> list[int] | None:
        return list(range(first, first + count))

    def acc_bounds(self, x: TensorType) -> tuple[int, int]:
        return x.lo, x.hi

    def beats(self, s: Sizing, types: Types) -> int:
        return 0

    def parameter_words(self, s: Sizing) -> int:
        return 0

    def execute(self, values: dict[str, Array]) -> dict[str, Array]:
        rows, _ = self.sums(values[self.sources[0]])
        return {self.name: rows}
