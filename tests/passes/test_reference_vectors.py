"""Reference networks: every op, then every block, on the values it has in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hwgen import ops
from hwgen.floats.evaluate import Evaluator
from hwgen.report.blocks import block_name, compare_blocks, relative_rms
from tests.passes.reference import (
    Reference,
    final_op,
    reference,
)
from tests.reference_vectors import needs

ARCHS = [
    needs("bhvit_nano"),
    needs("bhvit_nano_fp", pytest.mark.full),
    needs("bhvit_tiny", pytest.mark.full),
    needs("bhvit_small", pytest.mark.full),
]
OP_ERROR = 0.01  # relative RMS of one op fed with exact values
# a score that ties with an attention threshold within 20 bits changes the level of all its keys (1
# query in 3,000 of bhvit_tiny)
TIES_ERROR = 0.02
SIGNS = 0.995
OWN_OVER_FLOOR = 2  # float64 with rounded features errs as much; measured: at most 1.7


@pytest.mark.parametrize("arch", ARCHS)
def test_every_op_on_exact_inputs(arch: str) -> None:
    """Feature within 1 % RMS, signs 99.5 %, sums and attention levels exact, op by op."""
    ref = reference(arch)
    tensors = ref.values.exact(ref.lowered)
    errors, signs = {}, {}
    for op in ref.graph.ops:
        if op.name not in ref.lowered.chains:
            continue
        got = op.execute(tensors)
        if op.feature is not None:
            value = got[op.name] * 2.0**-op.feature.frac
            errors[op.name] = relative_rms(value, ref.values.features[op.name])
        if op.bits is not None:
            name = f"{op.name}.bits"
            signs[name] = float((got[name] == tensors[name]).mean())
    worst, wrong = max(errors, key=errors.get), min(signs, key=signs.get)
    print(f"{arch}: worst op {worst} {errors[worst]:.2e}; worst signs {wrong} {signs[wrong]:.5f}")
    for name, error in errors.items():
        ties = isinstance(ref.graph.op(name), ops.attention.Attention)
        assert error < (TIES_ERROR if ties else OP_ERROR), f"{name}: {error}"
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
    """Every block fed with its float64 input: 1 % RMS, 99.5 % of signs and of attention levels.

    That is with float64 signs inside the block. With its own signs no arithmetic on these features
    holds 1 % in a random network: see test_own_signs_err_as_the_features_do.
    """
    ref = reference(arch)
    for row in compare_blocks(ref.lowered, ref.values):
        print(f"{arch} {row.block}: {row.given} own {row.own}")
        assert row.given.error < OP_ERROR, row.block
        for share in (row.given.signs, row.given.levels):
            assert share is None or share > SIGNS, row


@pytest.mark.parametrize("arch", ARCHS)
def test_own_signs_err_as_the_features_do(arch: str) -> None:
    """With its own signs a block errs little more than float64 with stored features rounded.

    Rounding a feature of 3e3 steps of deviation flips 1 sign in 10,000; a dot product of K signs
    with K p wrong ones errs by 2 sqrt(p) of its deviation (2 %), and the next signs amplify it.
    """
    ref = reference(arch)
    floor = rounded_features(ref)
    for row in compare_blocks(ref.lowered, ref.values):
        print(
            f"{arch} {row.block}: own {row.own.error:.2e}, rounded features {floor[row.block]:.2e}"
        )
        assert row.own.error < max(OP_ERROR, OWN_OVER_FLOOR * floor[row.block]), row.block


def rounded_features(ref: Reference) -> dict[str, float]:
    """Relative RMS by block of float64 arithmetic whose stored features are rounded."""
    chains = [c for c in ref.prepared.chains if c.store]
    last = {block_name(c.name): c.name for c in chains}
    by_final = {c.final: c.name for c in chains}
    errors = {}

    def rounded(node: str, value: torch.Tensor) -> torch.Tensor:
        name = by_final.get(node)
        if name is None:
            return value
        value = torch.round(value * 2.0 ** (f := ref.graph.op(name).feature.frac)) * 2.0**-f
        if last[block_name(name)] == name:  # the next block starts from float64 again
            want = ref.values.features[name]
            errors[block_name(name)] = relative_rms(value.numpy(), want)
            value = torch.from_numpy(want)
        return value

    evaluator = Evaluator(ref.prepared.float_graph, torch.float64, change=rounded)
    assert all(node for node, _ in evaluator.steps(ref.values.images))
    return errors


def test_logits_are_those_of_the_vectors() -> None:
    """Module and float graph agree with the vectors, so the tests above compare with them."""
    ref = reference("bhvit_nano")
    got = ref.graph.logits(ref.expected["image"][None])[0]
    want = ref.expected["logits"]
    stride = int(ref.expected["channel_stride"])
    for block, value in ref.blocks.items():
        np.testing.assert_allclose(
            value[:, ::stride], ref.expected[f"out/{block}"], atol=2e-6, err_msg=block
        )
        lowered = ref.values.features[final_op(block)][0]
        np.testing.assert_allclose(lowered, value, atol=1e-9, err_msg=block)
    assert np.corrcoef(got, want)[0, 1] > 0.8
    assert isinstance(ref.graph.ops[-1], ops.dense.PatchConv)
