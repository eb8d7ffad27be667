"""Packed weights: what a binary layer reads of them comes back exactly."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hwgen import zoo
from hwgen.errors import CheckpointError
from hwgen.frontend.checkpoint import load_checkpoint
from hwgen.frontend.packed import packed, unpacked
from hwgen.nn.functional import row_scale_sign

PATH = Path("net.pt")


@pytest.fixture
def model() -> torch.nn.Module:
    torch.manual_seed(0)
    return zoo.create("bhvit_micro").eval()


def binary(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {k: v for k, v in model.state_dict().items() if f"{k}.signs" in packed(model)}


def test_signs_are_equal_and_scales_are_half_floats(model):
    state = packed(model)
    back = unpacked(state, PATH)
    assert back.keys() == model.state_dict().keys()
    assert binary(model)
    for key, weight in binary(model).items():
        scale, sign = row_scale_sign(weight)
        again = row_scale_sign(back[key])
        assert torch.equal(again[1], sign), key
        assert torch.equal(again[0], scale.half().double()), key
    assert unpacked(back, PATH).keys() == back.keys()


def test_a_packed_checkpoint_is_small_and_computes_the_same(model, tmp_path):
    torch.save({"model": model.state_dict()}, tmp_path / "plain.pt")
    torch.save({"model": packed(model)}, tmp_path / "packed.pt")
    plain, small = ((tmp_path / name).stat().st_size for name in ("plain.pt", "packed.pt"))
    assert small < plain / 3
    loaded, _ = load_checkpoint(tmp_path / "packed.pt")
    model.load_state_dict(unpacked(packed(model), PATH))
    x = torch.rand(2, 3, 96, 96)
    with torch.no_grad():
        assert torch.equal(loaded(x), model(x))


def test_parts_that_do_not_fit(model):
    state = packed(model)
    key = next(iter(binary(model)))
    state[f"{key}.signs"] = state[f"{key}.signs"][1:]
    with pytest.raises(CheckpointError, match=r"do not make a weight of shape .*; save it again"):
        unpacked(state, PATH)
