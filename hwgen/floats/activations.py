"""Activation functions that run on the chord table."""

import torch
import torch.nn.functional as F

from hwgen.engine.chords import Chords, fit

FUNCTIONS = {"gelu": (F.gelu, 12, False)}


def chords(name: str, frac: int | None = None) -> Chords:
    function, most, flat = FUNCTIONS[name]
    return fit(
        name,
        lambda x: function(torch.from_numpy(x)).numpy(),
        most if frac is None else frac,
        flat=flat,
    )
