"""analyze() against numbers measured on the authors' released code."""

from __future__ import annotations

import pytest
import torch

from hwgen import zoo

# binary MACs, float MACs, binary weights, float parameters
TOTALS = {
    ("bhvit_tiny", True): (2539180032, 10145792, 12630016, 1153080),
    ("bhvit_tiny", False): (2462109696, 87216128, 11941888, 1838072),
    ("bhvit_small", True): (4056907776, 10145792, 21332992, 1313064),
    ("bhvit_small", False): (3979837440, 87216128, 20644864, 1998056),
}
# binary MACs, conv, projections, attention, MLP, float MACs, binary weights, float parameters
ROWS = {
    ("bhvit_tiny", True): {
        "stem": (0, 0, 0, 0, 0, 9633792, 0, 203968),
        "S1": (584450048, 173408256, 0, 0, 411041792, 0, 186368, 11136),
        "ds1": (25690112, 0, 0, 0, 0, 0, 32768, 101184),
        "S2": (584450048, 173408256, 0, 0, 411041792, 0, 745472, 22272),
        "ds2": (25690112, 0, 0, 0, 0, 0, 131072, 51840),
        "S3": (978235392, 0, 327155712, 34516992, 616562688, 0, 4718592, 132144),
        "ds3": (25690112, 0, 0, 0, 0, 0, 524288, 28416),
        "S4": (314974208, 0, 104333312, 5120000, 205520896, 0, 6291456, 88096),
        "head": (0, 0, 0, 0, 0, 512000, 0, 514024),
    },
    ("bhvit_small", False): {
        "stem": (0, 0, 0, 0, 0, 9633792, 0, 203968),
        "S1": (876675072, 260112384, 0, 0, 616562688, 0, 279552, 16704),
        "ds1": (0, 0, 0, 0, 0, 25690112, 0, 133504),
        "S2": (1168900096, 346816512, 0, 0, 822083584, 0, 1490944, 44544),
        "ds2": (0, 0, 0, 0, 0, 25690112, 0, 182016),
        "S3": (1304313856, 0, 436207616, 46022656, 822083584, 0, 6291456, 176192),
        "ds3": (0, 0, 0, 0, 0, 25690112, 0, 550912),
        "S4": (629948416, 0, 208666624, 10240000, 411041792, 0, 12582912, 176192),
        "head": (0, 0, 0, 0, 0, 512000, 0, 514024),
    },
}


@pytest.mark.parametrize(("name", "binary"), TOTALS)
def test_totals_and_stage_rows(name, binary):
    with torch.device("meta"):
        model = zoo.create(name, binary_downsampling=binary)
    result = zoo.analyze(model)
    total = result.total
    got = (total.binary_macs, total.float_macs, total.binary_weights, total.float_parameters)
    assert got == TOTALS[name, binary]
    assert total.parameters == sum(p.numel() for p in model.parameters())
    for part, want in ROWS.get((name, binary), {}).items():
        t = result.parts[part]
        kinds = [result.macs(kind, part) for kind in ("conv", "proj", "attention", "mlp")]
        row = (t.binary_macs, *kinds, t.float_macs, t.binary_weights, t.float_parameters)
        assert row == want, part


def test_ops_and_size_follow_their_rules():
    with torch.device("meta"):
        total = zoo.analyze(zoo.create("bhvit_small")).total
    assert round(total.ops / 1e8, 3) == 0.735
    assert round(total.size_bytes / 1e6, 3) == 7.919


def test_layer_rows_name_the_layers():
    model = zoo.create("bhvit_nano")
    rows = {row.name: row for row in zoo.analyze(model).layers}
    assert model.training
    assert model.classifier.weight.device.type == "cpu"
    assert rows["vit.encoder.layerA.0.GC.cov2"].binary_macs == 28901376
    assert rows["vit.encoder.layerB.0.attention.attention.query"].binary_macs == 13893632
    assert rows["vit.embeddings.patch_embeddings.proj"].float_macs == 9633792
    assert rows["vit.encoder.layerB.1.output.dense"].binary_weights == 1048576
