"""analyze() against numbers measured on the authors' released code."""

from __future__ import annotations

import pytest
import torch

from hwgen import zoo
from hwgen.analysis.operations import analyze
from hwgen.report.text import analysis_lines

# binary MACs, float MACs, binary weights, float parameters
TOTALS = {
    ("bhvit_tiny", True): (2539180032, 10145792, 12630016, 1153080),
    ("bhvit_tiny", False): (2462109696, 87216128, 11941888, 1838072),
    ("bhvit_small", True): (4056907776, 10145792, 21332992, 1313064),
    ("bhvit_small", False): (3979837440, 87216128, 20644864, 1998056),
    ("binaryvit_small", True): (3822206976, 10145792, 21196800, 1294971),
    ("binaryvit_small", False): (3745136640, 87216128, 20508672, 1979963),
}
# binary MACs, conv, projections, attention, MLP, float MACs, binary weights, float parameters
STEM = (0, 0, 0, 0, 0, 9633792, 0, 203968)
HEAD = (0, 0, 0, 0, 0, 512000, 0, 514024)
STAGES = {
    "bhvit_tiny": {
        "S1": (584450048, 173408256, 0, 0, 411041792, 0, 186368, 11136),
        "S2": (584450048, 173408256, 0, 0, 411041792, 0, 745472, 22272),
        "S3": (978235392, 0, 327155712, 34516992, 616562688, 0, 4718592, 132144),
        "S4": (314974208, 0, 104333312, 5120000, 205520896, 0, 6291456, 88096),
    },
    "bhvit_small": {
        "S1": (876675072, 260112384, 0, 0, 616562688, 0, 279552, 16704),
        "S2": (1168900096, 346816512, 0, 0, 822083584, 0, 1490944, 44544),
        "S3": (1304313856, 0, 436207616, 46022656, 822083584, 0, 6291456, 176192),
        "S4": (629948416, 0, 208666624, 10240000, 411041792, 0, 12582912, 176192),
    },
    "binaryvit_small": {
        "S1": (754446336, 0, 78876672, 59006976, 616562688, 0, 258048, 20739),
        "S2": (973815808, 0, 112394240, 39337984, 822083584, 0, 1376256, 55300),
        "S3": (1390477312, 0, 411041792, 157351936, 822083584, 0, 6291456, 159752),
        "S4": (626397184, 0, 205520896, 9834496, 411041792, 0, 12582912, 159748),
    },
}
DOWNSAMPLING = {
    True: {
        "ds1": (25690112, 0, 0, 0, 0, 0, 32768, 101184),
        "ds2": (25690112, 0, 0, 0, 0, 0, 131072, 51840),
        "ds3": (25690112, 0, 0, 0, 0, 0, 524288, 28416),
    },
    False: {
        "ds1": (0, 0, 0, 0, 0, 25690112, 0, 133504),
        "ds2": (0, 0, 0, 0, 0, 25690112, 0, 182016),
        "ds3": (0, 0, 0, 0, 0, 25690112, 0, 550912),
    },
}
# layers of one block of each stage: binary MACs, binary weights
MLP_A, MLP_B = 102760448, 51380224
LAYERS = {
    "S1": {
        "GC.cov1": (28901376, 9216),
        "GC.cov2": (28901376, 9216),
        "GC.cov3": (28901376, 9216),
        "intermediate.dense": (MLP_A, 32768),
        "output.dense": (MLP_A, 32768),
    },
    "S2": {
        "GC.cov1": (28901376, 36864),
        "GC.cov2": (28901376, 36864),
        "GC.cov3": (28901376, 36864),
        "intermediate.dense": (MLP_A, 131072),
        "output.dense": (MLP_A, 131072),
    },
    "S3": {
        "attention.attention.query": (13893632, 65536),
        "attention.attention.key": (13893632, 65536),
        "attention.attention.value": (13893632, 65536),
        "attention.attention.att_prob_quantizer.QK": (2876416, 0),
        "attention.attention.att_prob_quantizer.AV": (2876416, 0),
        "attention.output.dense": (12845056, 65536),
        "intermediate.dense": (MLP_B, 262144),
        "output.dense": (MLP_B, 262144),
    },
    "S4": {
        "attention.attention.query": (13107200, 262144),
        "attention.attention.key": (13107200, 262144),
        "attention.attention.value": (13107200, 262144),
        "attention.attention.att_prob_quantizer.QK": (1280000, 0),
        "attention.attention.att_prob_quantizer.AV": (1280000, 0),
        "attention.output.dense": (12845056, 262144),
        "intermediate.dense": (MLP_B, 1048576),
        "output.dense": (MLP_B, 1048576),
    },
}
PROJECTION = 12845056
BINARYVIT_LAYERS = {
    "S1": {
        "attention.attention.query": (PROJECTION, 4096),
        "attention.attention.reduction": (200704, 4096),
        "attention.attention.key": (200704, 4096),
        "attention.attention.value": (200704, 4096),
        "attention.attention.QK": (9834496, 0),
        "attention.attention.AV": (9834496, 0),
        "attention.output.dense": (PROJECTION, 4096),
        "intermediate.dense": (MLP_A, 32768),
        "output.dense": (MLP_A, 32768),
    },
    "S2": {
        "attention.attention.query": (PROJECTION, 16384),
        "attention.attention.reduction": (802816, 16384),
        "attention.attention.key": (802816, 16384),
        "attention.attention.value": (802816, 16384),
        "attention.attention.QK": (4917248, 0),
        "attention.attention.AV": (4917248, 0),
        "attention.output.dense": (PROJECTION, 16384),
        "intermediate.dense": (MLP_A, 131072),
        "output.dense": (MLP_A, 131072),
    },
    "S3": {
        "attention.attention.query": (PROJECTION, 65536),
        "attention.attention.key": (PROJECTION, 65536),
        "attention.attention.value": (PROJECTION, 65536),
        "attention.attention.QK": (9834496, 0),
        "attention.attention.AV": (9834496, 0),
        "attention.output.dense": (PROJECTION, 65536),
        "intermediate.dense": (MLP_B, 262144),
        "output.dense": (MLP_B, 262144),
    },
    "S4": {
        "attention.attention.query": (PROJECTION, 262144),
        "attention.attention.key": (PROJECTION, 262144),
        "attention.attention.value": (PROJECTION, 262144),
        "attention.attention.QK": (1229312, 0),
        "attention.attention.AV": (1229312, 0),
        "attention.output.dense": (PROJECTION, 262144),
        "intermediate.dense": (MLP_B, 1048576),
        "output.dense": (MLP_B, 1048576),
    },
}
DEPTHS = {
    "bhvit_tiny": (2, 2, 6, 2),
    "bhvit_small": (3, 4, 8, 4),
    "binaryvit_small": (3, 4, 8, 4),
}


@pytest.mark.parametrize(("name", "binary"), TOTALS)
def test_totals_and_stage_rows(name, binary):
    with torch.device("meta"):
        model = zoo.create(name, binary_downsampling=binary)
    result = analyze(model)
    total = result.total
    got = (total.binary_macs, total.float_macs, total.binary_weights, total.float_parameters)
    assert got == TOTALS[name, binary]
    assert total.parameters == sum(p.numel() for p in model.parameters())
    wanted = {"stem": STEM, "head": HEAD} | STAGES[name] | DOWNSAMPLING[binary]
    assert set(wanted) == set(result.parts)
    for part, want in wanted.items():
        t = result.parts[part]
        kinds = [result.macs(kind, part) for kind in ("conv", "proj", "attention", "mlp")]
        row = (t.binary_macs, *kinds, t.float_macs, t.binary_weights, t.float_parameters)
        assert row == want, part


def wanted_layers(name, binary):
    """name -> (binary MACs, float MACs, binary weights) of every layer."""
    bhvit = name.startswith("bhvit")
    stem = "vit.embeddings.patch_embeddings." + ("proj" if bhvit else "projection")
    out = {stem: (0, 9633792, 0), "classifier": (0, 512000, 0)}
    for k in (1, 2, 3):
        weights = DOWNSAMPLING[True][f"ds{k}"][6]
        down = (25690112, 0, weights) if binary else (0, 25690112, 0)
        out[f"vit.encoder.patch_embed{k}.proj"] = down
    depths = DEPTHS[name]
    lists = (("layerA", 0), ("layerA", depths[0]), ("layerB", 0), ("layerB", depths[2]))
    if not bhvit:
        lists = tuple(("layer", sum(depths[:stage])) for stage in range(4))
    for stage, (layers, first) in enumerate(lists):
        for block in range(first, first + depths[stage]):
            stage_layers = (LAYERS if bhvit else BINARYVIT_LAYERS)[f"S{stage + 1}"]
            for layer, (macs, weights) in stage_layers.items():
                out[f"vit.encoder.{layers}.{block}.{layer}"] = (macs, 0, weights)
    return out


@pytest.mark.parametrize(("name", "binary"), TOTALS)
def test_every_layer(name, binary):
    with torch.device("meta"):
        result = analyze(zoo.create(name, binary_downsampling=binary))
    got = {r.name: (r.binary_macs, r.float_macs, r.binary_weights) for r in result.layers}
    assert got == wanted_layers(name, binary)


def test_lines_of_the_terminal():
    with torch.device("meta"):
        lines = analysis_lines("tiny.pth", analyze(zoo.create("bhvit_tiny")))
    table = {line.split("  ")[0]: line.split()[-6:] for line in lines if "," in line}
    assert lines[1].split() == (
        ["layer", "parameters", "binary", "weights", "binary", "MACs", "float", "MACs", "OPs", "kB"]
    )
    assert table["vit.encoder.layerB.7.output.dense"] == (
        ["1,048,576", "1,048,576", "51,380,224", "0", "802,816", "131.1"]
    )
    # 3 x 64 biases of S1's convolutions belong to their layers
    assert table["vit.encoder.layerA.0.GC.cov1"][:2] == ["9,280", "9,216"]
    assert table["classifier"] == ["513,000", "0", "0", "512,000", "512,000", "2,052.0"]
    assert table["S3"] == ["4,850,736", "4,718,592", "978,235,392", "0", "15,284,928", "1,118.4"]
    assert table["all"] == (
        ["13,783,096", "12,630,016", "2,539,180,032", "10,145,792", "49,820,480", "6,191.1"]
    )
    assert len(lines) == 16 + len(wanted_layers("bhvit_tiny", True))


def test_ops_and_size_follow_their_rules():
    with torch.device("meta"):
        total = analyze(zoo.create("bhvit_small")).total
    assert round(total.ops / 1e8, 3) == 0.735
    assert round(total.size_bytes / 1e6, 3) == 7.919


def test_parts_of_fewer_stages():
    with torch.device("meta"):
        three = analyze(zoo.create("binaryvit_micro"))
        flat = analyze(zoo.create("deit_small_binary"))
    assert list(three.parts) == ["stem", "S1", "ds1", "S2", "ds2", "S3", "head"]
    assert list(flat.parts) == ["stem", "S1", "head"]
    # 12 blocks on 197 tokens: four projections, two products, two halves of the MLP
    assert flat.macs("proj", "S1") == 12 * 4 * 197 * 384**2
    assert flat.macs("attention", "S1") == 12 * 2 * 197**2 * 384
    assert flat.macs("mlp", "S1") == 12 * 2 * 197 * 384 * 1536
    # every attention of the micro network looks at the 9 tokens of its last grid
    sizes = {"S1": 144 * 9 * 64, "S2": 36 * 9 * 128, "S3": 9 * 9 * 256}
    assert {part: three.macs("attention", part) // 2 for part in sizes} == sizes


def test_layer_rows_name_the_layers():
    model = zoo.create("bhvit_nano")
    rows = {row.name: row for row in analyze(model).layers}
    assert model.training
    assert model.classifier.weight.device.type == "cpu"
    assert rows["vit.encoder.layerA.0.GC.cov2"].binary_macs == 28901376
    assert rows["vit.encoder.layerB.0.attention.attention.query"].binary_macs == 13893632
    assert rows["vit.embeddings.patch_embeddings.proj"].float_macs == 9633792
    assert rows["vit.encoder.layerB.1.output.dense"].binary_weights == 1048576
