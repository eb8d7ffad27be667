"""Chains and numbers that no engine holds: all reasons at once, by layer."""

from __future__ import annotations

from typing import Any

import pytest
from torch import Tensor, nn

from hwgen import nn as hnn
from hwgen.errors import FitError, HwgenError
from hwgen.passes import quantize
from hwgen.passes.lower import lower_model
from tests.frontend.nets import Net, seeded
from tests.frontend.parts import binary
from tests.networks import IMAGE


def reasons(module: nn.Module) -> list[str]:
    with pytest.raises(HwgenError) as caught:
        lower_model(module, meta={"image": IMAGE})
    return list(caught.value.lines)


class Finer(nn.Module):
    """A norm of cells that are repeated: nothing that the engine can address."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side, self.norm = side, nn.LayerNorm(32)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.norm(hnn.upsample_grid(tokens, self.side, 2))


class Stages(nn.Module):
    """`count` of them, one behind the other."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 4, 4)
        self.stages = nn.ModuleList(Finer(8 << k) for k in range(count))
        self.ways = nn.ModuleList(nn.Linear(32, 32) for _ in range(count))
        self.head = nn.Linear(32, 4)

    def forward(self, image: Tensor) -> Tensor:
        x = self.stem(image).flatten(2).transpose(1, 2)
        for stage, way in zip(self.stages, self.ways, strict=True):
            x = way(stage(x))
        return self.head(x.mean(1))


TILE = (
    "layer_norm of a value after upsample; tile, pool and window_merge must feed a sum or the sign "
    "of a binary layer"
)


def test_what_no_chain_takes_is_told_for_every_layer() -> None:
    assert reasons(seeded(lambda: Stages(1))) == [f"stages.0.norm: {TILE}"]
    assert reasons(seeded(lambda: Stages(3))) == [
        f"stages.0.norm .. stages.2.norm (3 layers): {TILE}"
    ]


class Gelus(nn.Module):
    """Values that GELU's fixed binary point leaves too few bits, twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 16, 4, 4), nn.Conv2d(3, 16, 4, 4)
        self.act, self.head = nn.GELU(), nn.Linear(16, 4)
        self.first.weight.data *= 60
        self.second.weight.data *= 120

    def forward(self, x: Tensor) -> Tensor:
        return self.head(
            (self.act(self.first(x)) + nn.functional.gelu(self.second(x))).mean((2, 3))
        )


def test_too_few_bits_are_told_for_every_value() -> None:
    lines = reasons(seeded(Gelus))
    assert lines[0] == "Gelus: 2 reasons why it cannot be compiled"
    assert len(lines) == 3
    assert all("more bits at 12 fraction bits" in line for line in lines[1:])


def refuse(monkeypatch: pytest.MonkeyPatch, places: tuple[str, ...]) -> None:
    """Layers whose multipliers do not fit."""
    known = quantize.multiplier

    def multiplier(values: Any, shifts: Any, place: str, *more: Any) -> Any:
        if place in places:
            raise FitError(place, "multiplier 1e+09", "must be at most 32767", "retrain")
        return known(values, shifts, place, *more)

    monkeypatch.setattr(quantize, "multiplier", multiplier)


def two() -> nn.Module:
    return Net(nn.Sequential(*binary(32), *binary(32)))


def test_numbers_that_do_not_fit_are_told_for_every_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    module = seeded(two)
    names = [op.name for op in lower_model(module, meta={"image": IMAGE}).ops]
    first, second = names[0], next(n for n in names if n.startswith("body.2"))
    refuse(monkeypatch, (first, second))
    why = "multiplier 1e+09; must be at most 32767; retrain"
    assert reasons(module) == [f"{first} .. {second} (2 layers): {why}"]


@pytest.mark.parametrize("act_bits", [16, 12])
def test_a_stand_in_is_no_reason(monkeypatch: pytest.MonkeyPatch, act_bits: int) -> None:
    """Every layer may be the one that is refused; the others are not, whatever it would hold."""
    module = seeded(two)
    known = quantize.multiplier
    for op in lower_model(module, meta={"image": IMAGE}).ops:
        monkeypatch.setattr(quantize, "multiplier", known)
        refuse(monkeypatch, (op.name,))
        with pytest.raises(FitError) as caught:
            lower_model(module, meta={"image": IMAGE}, act_bits=act_bits)
        assert caught.value.place == op.name
