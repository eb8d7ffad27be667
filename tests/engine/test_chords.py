"""Chords of activation functions: their error, their ends, their ranges."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hwgen.engine.chords import CHORDS, LIMIT, SLOPE_FRAC, Chords, fit
from hwgen.floats.kinds import KINDS, Tabulated

# largest error, in units of 1: half a chord's deviation and the rounding, or the flat ends
ERROR = {
    "gelu": 1.1e-3, "silu": 3.1e-3, "hardswish": 6e-4, "sigmoid": 8e-4, "tanh": 1.3e-3,
    "clamp": 8.2e-3, "relu6": 1e-9,
}  # fmt: skip
PARAMS = {"clamp": {"low": -0.53, "high": 1.07}, "relu6": {"low": 0.0, "high": 6.0}}
ACTIVATIONS = {k.name: k for k in KINDS.values() if issubclass(k, Tabulated)}


def table(name: str, **params: float) -> tuple[Chords, dict]:
    kind, params = ACTIVATIONS[name], params or PARAMS.get(name, {})
    return kind.chords(params, 11 if name == "relu6" else kind.frac), params


def test_every_activation_is_measured() -> None:
    assert ACTIVATIONS.keys() == ERROR.keys()


@pytest.mark.parametrize("name", ERROR)
def test_error_over_all_integers(name: str) -> None:
    """Also outside the chords, as far as y2 goes (19 bits)."""
    chords, params = table(name)
    t = np.arange(-(1 << 18), 1 << 18)
    real = torch.from_numpy(t * 2.0**-chords.frac)
    want = ACTIVATIONS[name].curve(params, real).numpy()
    error = np.abs(chords(t) * 2.0**-chords.frac - want)
    assert error.max() < ERROR[name], real[error.argmax()]
    assert error.max() > ERROR[name] / 4 or name == "relu6"  # the bound says something


@pytest.mark.parametrize(("name", "low", "high"), [("clamp", -1.0, 1.0), ("relu6", 0.0, 6.0)])
def test_limits_at_the_ends_of_chords_are_exact(name: str, low: float, high: float) -> None:
    chords, params = table(name, low=low, high=high)
    t = np.arange(-(1 << 18), 1 << 18)
    limits = (round(params[k] * 2**chords.frac) for k in ("low", "high"))
    assert np.array_equal(chords(t), np.clip(t, *limits))


@pytest.mark.parametrize("name", ERROR)
def test_bounds_are_those_of_all_integers(name: str) -> None:
    chords, _ = table(name)
    rng = np.random.default_rng(0)
    low = rng.integers(-3 * LIMIT, 2 * LIMIT, 40)
    high = low + rng.integers(0, 2 * LIMIT, 40) * (rng.random(40) < 0.7)
    least, most = chords.bounds(low, high)
    for k in range(40):
        values = chords(np.arange(low[k], high[k] + 1))
        assert (least[k], most[k]) == (values.min(), values.max())


def test_outside_the_chords() -> None:
    ends = np.array([-LIMIT - 1, LIMIT, 100000])
    slope = np.arange(CHORDS)
    line = Chords("any", 12, False, slope, slope + 7)
    assert line(ends).tolist() == [0, LIMIT, 100000]
    flat = Chords("any", 12, True, slope, slope + 7)
    assert flat(ends).tolist() == [7, 70, 70]


def test_what_does_not_fit_sixteen_bits() -> None:
    with pytest.raises(ValueError, match=r"^steep at frac 12: slope does not fit 16 bits"):
        fit("steep", lambda x: 3.0 * x, 12)
    with pytest.raises(ValueError, match=r"^far at frac 12: intercept does not fit 16 bits"):
        fit("far", lambda x: 0 * x + 20.0, 12)
    assert fit("line", lambda x: x, 12).slope.tolist() == [1 << SLOPE_FRAC] * CHORDS


def test_equal_tables_have_equal_keys() -> None:
    a, b = (fit("f", np.tanh, 12, flat=True) for _ in range(2))
    assert a.key == b.key != fit("f", np.tanh, 12).key
