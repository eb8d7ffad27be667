"""Reference networks: every op, then every block, on the values it has in float64."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import ArrayLike

from hwgen import ops
from tests.passes.reference import (
    VECTORS,
    Reference,
    exact_tensors,
    exact_values,
    final_op,
    reference,
    run_block,
)

pytestmark = pytest.mark.skipif(not VECTORS.is_dir(), reason="no reference vectors")
ARCHS = [
    "bhvit_nano",
    pytest.param("bhvit_nano_fp", marks=pytest.mark.full),
    pytest.param("bhvit_tiny", marks=pytest.mark.full),
    pytest.param("bhvit_small", marks=pytest.mark.full),
]
OP_ERROR = 0.01  # relative RMS of one op fed with exact values
# LayerNorm saturates at 8 deviations (3 values in 10,000 of bhvit_tiny); a score that ties with an
# attention threshold within 20 bits changes the level of all its keys (1 query in 3,000)
COARSE = (ops.layernorm.LayerNorm, ops.attention.Attention)
COARSE_ERROR = 0.02
SIGNS = 0.995
BLOCK_ERROR = 0.2  # a random network turns one wrong sign into others; see test_blocks


def relative_rms(got: ArrayLike, want: ArrayLike) -> float:
    error = np.asarray(got) - np.asarray(want)
    return float(np.sqrt((error**2).mean() / np.maximum((np.asarray(want) ** 2).mean(), 1e-30)))


@pytest.mark.parametrize("arch", ARCHS)
def test_every_op_on_exact_inputs(arch: str) -> None:
    """Feature within 1 % RMS, signs 99.5 %, sums and attention levels exact, op by op."""
    ref = reference(arch)
    exact = exact_values(ref)
    tensors = exact_tensors(ref, exact)
    errors, signs = {}, {}
    for op in ref.graph.ops:
        chain = ref.lowered.chains.get(op.name)
        if chain is None:
            continue
        got = op.execute(tensors)
        if op.feature is not None:
            value = got[op.name] * 2.0**-op.feature.frac
            errors[op.name] = relative_rms(value, exact[chain.final])
        if op.bits is not None:
            name = f"{op.name}.bits"
            signs[name] = float((got[name] == tensors[name]).mean())
    worst, wrong = max(errors, key=errors.get), min(signs, key=signs.get)
    print(f"{arch}: worst op {worst} {errors[worst]:.2e}; worst signs {wrong} {signs[wrong]:.5f}")
    for name, error in errors.items():
        coarse = isinstance(ref.graph.op(name), COARSE)
        assert error < (COARSE_ERROR if coarse else OP_ERROR), f"{name}: {error}"
    assert signs[wrong] > SIGNS, f"{wrong}: {signs[wrong]}"
    _check_levels(ref, tensors)
    _check_sums(ref, tensors)


def _check_levels(ref: Reference, tensors: dict[str, np.ndarray]) -> None:
    keys = [k for k in ref.expected.files if k.startswith("levels/")]
    assert keys
    for key in keys:
        op = ref.graph.op(
            f"vit.encoder.{key.removeprefix('levels/')}.attention.attention.att_prob_quantizer"
        )
        q, k, _ = (tensors[s] for s in op.sources)
        got, want = op.levels(q, k)[0], ref.expected[key]
        agree = float((got == want).mean())
        print(f"{key}: levels agree {agree:.6f}")
        assert got.shape == want.shape
        assert agree > 0.999


def _check_sums(ref: Reference, tensors: dict[str, np.ndarray]) -> None:
    keys = [k for k in ref.expected.files if k.startswith("sums/")]
    assert keys
    for key in keys:
        if "vit.encoder." + key.removeprefix("sums/") not in ref.lowered.chains:
            continue  # a full-precision convolution
        op = ref.graph.op("vit.encoder." + key.removeprefix("sums/"))
        got, _ = op.sums(*(tensors[s] for s in op.sources))
        np.testing.assert_array_equal(got[0], ref.expected[key], err_msg=key)


@pytest.mark.parametrize("arch", ARCHS)
def test_blocks(arch: str) -> None:
    """Every block, fed with its float64 input rounded to 16 bits.

    A sign near zero flips with probability ~ 1e-4 after that rounding; a dot product of K signs
    with K p wrong ones errs by 2 sqrt(p) of its deviation (2 %), and the next signs amplify it.
    """
    ref = reference(arch)
    types, names = ref.graph.types(), list(ref.blocks)
    for before, block in pairwise(names):
        target = final_op(block)
        values = run_block(ref.graph, final_op(before), ref.blocks[before], target)
        error = relative_rms(values[target][0] * 2.0 ** -types[target].frac, ref.blocks[block])
        print(f"{arch} {block}: relative RMS {error:.4f}")
        assert error < BLOCK_ERROR, block


def test_logits_are_those_of_the_vectors() -> None:
    """The float64 network agrees with the vectors, so the tests above compare with them."""
    ref = reference("bhvit_nano")
    got = ref.graph.logits(ref.expected["image"][None])[0]
    want = ref.expected["logits"]
    stride = int(ref.expected["channel_stride"])
    for block, value in ref.blocks.items():
        np.testing.assert_allclose(
            value[:, ::stride], ref.expected[f"out/{block}"], atol=2e-6, err_msg=block
        )
    assert np.corrcoef(got, want)[0, 1] > 0.8
    assert isinstance(ref.graph.ops[-1], ops.dense.PatchConv)
