"""Random networks are natural enough to measure: attention bits of both kinds in every layer."""

from __future__ import annotations

import pytest
import torch

from hwgen.nn import attention_probabilities
from hwgen.zoo import binaryvit
from hwgen.zoo.untrained import photographs, untrained


@pytest.mark.parametrize("name", ["binaryvit_micro", "deit_small_binary"])
def test_attention_bits_of_both_kinds(name, monkeypatch):
    shares = []

    def elastic_attention(q, k, v, clip, heads):
        assert clip == 2 / k.shape[1]
        bits = (attention_probabilities(q, k, heads) / clip).round().clamp(0, 1)
        shares.append(float(bits.mean()))
        return original(q, k, v, clip, heads)

    original = binaryvit.elastic_attention
    sizes = {"depths": (2,), "image_size": 64} if name.startswith("deit") else {}
    network = untrained(name, photographs(48 if not sizes else 64), **sizes)
    monkeypatch.setattr(binaryvit, "elastic_attention", elastic_attention)
    size = network.config.image_size
    with torch.no_grad():
        network(torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0)))
    assert len(shares) == sum(network.config.depths)
    assert all(0.1 < share < 0.9 for share in shares), shares
