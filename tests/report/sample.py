"""A made-up report with the shape of a real one; nothing in it was measured."""

from hwgen.report import sections
from hwgen.report.schema import Place, PlacedPath, PlacedStep, Report, Timing, UsedOf


def report(
    blocks: int = 4, simulated: bool = True, per_block: int = 1, hls: bool = False
) -> Report:
    steps = [
        step("vit.patch_embed.stem", "dma", 1_800),
        step("vit.patch_embed.stem", "lanes", 9_400),
    ]
    for b in range(blocks):
        for part, unit, cycles in BLOCK:
            for k in range(per_block):
                suffix = f"[{k}]" if per_block > 1 else ""
                steps.append(
                    step(f"vit.layer{'AB'[b % 2]}.{b // 2}.{part}{suffix}", unit, cycles + 31 * b)
                )
    steps += [step("norm", "norm", 420), step("head", "lanes", 260), step("head.store", "dma", 40)]
    if not simulated:
        for s in steps:
            s["simulated"] = None
    total = sum(s["predicted"] for s in steps if s["unit"] not in ("dma", "ldw"))
    return Report.model_validate(
        {
            "model": {
                "name": "bhvit_sample",
                "sha256": "0123456789abcdef" * 4,
                "params": 61_234,
                "binary_weights": 48_640,
                "binary_macs": 5_120_000,
                "float_macs": 410_000,
            },
            "target": {
                "name": "zynq",
                "part": "xc7z020clg400-1",
                "clock_mhz": 200,
                "budget": {"lut": 53_200, "ff": 106_400, "bram36": 140, "uram": 0, "dsp": 220},
            },
            "config": {
                "array_bits": 2_048,
                "lanes": 16,
                "act_bits": 16,
                "axi_ports": 2,
                "axi_bits": 128,
            },
            "cycles": {
                "predicted": total,
                "simulated": total + 57 if simulated else None,
                "predicted_cold": total + 4_000,
                "simulated_cold": total + 4_060 if simulated else None,
                "roofline": int(total * 0.71),
                "steps": steps,
            },
            "memory": {
                "read_bytes": 96_000,
                "read_bytes_cold": 160_000,
                "weight_bytes": 90_000,
                "kept_bytes": 64_000,
                "port_bytes_per_second": 3.2e9,
                "dram": "DDR3, 16 bits x 1050 MT/s x 0.7",
                "dram_bytes_per_second": 1.47e9,
            },
            "fps": {
                "predicted": 200e6 / total,
                "simulated": 200e6 / (total + 57) if simulated else None,
            },
            "resources": RESOURCES if simulated else {},
            "hls": HLS if hls else {},
            "check": CHECK if simulated else {},
            "fidelity": {
                "top1_agreement": 0.9972,
                "accuracy_float": 0.9667,
                "accuracy_int": 0.9639,
                "logit_cosine": 0.99931,
                "blocks": BLOCKS if simulated else [],
            },
        }
    )


def timed(fmax_mhz: float, old: Report | None = None) -> Report:
    """The sample, or another report, with an estimated clock."""
    old = old or report()
    timing = Timing(
        source="estimated, no placement (Yosys)", nets="made up", clock_mhz=200, fmax_mhz=fmax_mhz
    )
    body = old.model_dump(by_alias=True)
    for name, section in sections.timed(old, timing).items():
        body[name] |= section
    return Report.model_validate(body)


def of_old(now: Report) -> dict:
    """A report as hwgen wrote it before there were estimated clocks, boards and two ports."""
    body = now.model_dump(by_alias=True)
    for name in ("timing", "place"):
        del body[name]
    for name in ("port_bytes_per_second", "dram", "dram_bytes_per_second"):
        del body["memory"][name]
    for name in ("clock_mhz", "clock_source"):
        del body["fps"][name]
    del body["config"]["axi_ports"]
    return body


def step(name, unit, cycles):
    spent = dict.fromkeys(
        ("array", "lanes", "attention", "memory", "startup", "hazards", "edges"), 0
    )
    cause = {"xnor": "array", "attention": "attention", "dma": "memory"}.get(unit, "lanes")
    spent |= {"hazards": cycles // 10, "edges": cycles // 20}
    spent[cause] = cycles - spent["hazards"] - spent["edges"]
    return {
        "name": name, "unit": unit, "predicted": cycles, "simulated": cycles + cycles // 300,
        "spent": spent,
    }  # fmt: skip


BLOCK = [
    ("attn.load", "dma", 610),
    ("attn.q", "xnor", 1_240),
    ("attn.k", "xnor", 1_240),
    ("attn.v", "xnor", 1_240),
    ("attn.qd", "attention", 2_980),
    ("attn.proj", "xnor", 1_260),
    ("token.shift", "lanes", 1_730),
    ("norm", "norm", 640),
    ("mlp.fc1", "xnor", 3_310),
    ("mlp.fc2", "xnor", 2_260),
    ("mlp.weights", "ldw", 420),
]
BLOCKS = [
    {
        "block": name,
        "act_bits": bits,
        "given": {"error": error / 4, "signs": 0.9991, "levels": levels},
        "own": {"error": error, "signs": 0.9962, "levels": levels},
    }
    for bits, error in ((16, 0.0084), (10, 0.0731))
    for name, levels in (("vit.layerA.0", None), ("vit.layerB.0", 0.9983))
]
CHECK = {"images": 16, "tensors": 1_472, "mismatches": 0, "seconds": 7.1}


def unit(instances, lut, ff, bram36, dsp):
    return {
        "instances": instances, "lut": lut, "ff": ff, "bram36": bram36, "uram": 0, "dsp": dsp
    }  # fmt: skip


RESOURCES = {
    "source": "Yosys 0.70 synth_xilinx, unit by unit",
    "lut": 20_930, "ff": 17_360, "bram36": 61.5, "uram": 0, "dsp": 48,
    "by_unit": {
        "xnor_front": unit(1, 8_410, 6_120, 12, 0),
        "lanes": unit(16, 5_960, 5_030, 9.5, 48),
        "attention": unit(1, 2_740, 1_980, 3, 0),
        "norm_unit": unit(1, 1_210, 930, 1, 0),
        "dma": unit(1, 1_490, 1_900, 4, 0),
        "compute_unit": unit(1, 1_120, 1_400, 32, 0),
    },
    "fits": True,
}  # fmt: skip


def function(name, rtl, calls, cycles, lut, ff, bram36, dsp):
    return {
        "name": name, "rtl": rtl, "calls": calls, "cycles": cycles,
        "lut": lut, "ff": ff, "bram36": bram36, "dsp": dsp,
    }  # fmt: skip


HLS = {
    "source": "estimated", "cycles": 301_200, "fps": 664.0,
    "lut": 61_050, "ff": 42_000, "bram36": 84.5, "dsp": 96, "fits": False,
    "functions": [
        function("fetch", ["sequencer"], 900, 41_200, 50, 1_000, 0, 0),
        function("compute, MAC", ["lanes", "compute_unit"], 170, 260_000, 61_000, 41_000, 4, 96),
        function("BitMemory", ["bit_memory"], None, None, 0, 0, 80.5, 0),
    ],
}  # fmt: skip

MEMORY_MAP = [
    {"name": "program", "base": 0x0000_0000, "bytes": 9_216, "what": "144 instructions"},
    {"name": "weights", "base": 0x0001_0000, "bytes": 31_744, "what": "records with CRC-32"},
    {"name": "input", "base": 0x0002_0000, "bytes": 3_072, "what": "uint8 32 x 32 x 3"},
    {"name": "output", "base": 0x0003_0000, "bytes": 64, "what": "10 scores"},
]


def graph(blocks: int = 4) -> list[dict]:
    nodes = [
        node("image", "Input", None, (32, 32, 3), []),
        node("vit.patch_embed.conv1", "Conv8", "lanes", (16, 16, 32), ["image"]),
        node("vit.patch_embed.gelu", "GeluTable", "lanes", (16, 16, 32), ["vit.patch_embed.conv1"]),
        node("vit.patch_embed.conv2", "Conv8", "lanes", (64, 64), ["vit.patch_embed.gelu"]),
    ]
    last = "vit.patch_embed.conv2"
    for b in range(blocks):
        p = f"vit.layer{'AB'[b % 2]}.{b // 2}"
        c = 64 if b < 2 else 128
        n = 64 if b < 2 else 16
        bits = []
        for k in "qkv":
            nodes.append(node(f"{p}.attn.{k}_sign", "Binarize", "post lanes", (n, c), [last]))
            nodes.append(
                node(f"{p}.attn.{k}", "XnorLinear", "xnor", (n, c), [f"{p}.attn.{k}_sign"])
            )
            bits.append(f"{p}.attn.{k}")
        nodes += [
            node(f"{p}.attn.qd", "QDAttention", "attention", (n, c), bits),
            node(f"{p}.attn.proj", "XnorLinear", "xnor", (n, c), [f"{p}.attn.qd"]),
            node(f"{p}.shift", "CrossFilter", "post lanes", (n, c), [last]),
            node(f"{p}.add", "Add", "post lanes", (n, c), [f"{p}.attn.proj", f"{p}.shift", last]),
            node(f"{p}.norm", "LayerNorm", "norm", (n, c), [f"{p}.add"]),
            node(f"{p}.mlp.fc1", "XnorLinear", "xnor", (n, 4 * c), [f"{p}.norm"]),
            node(f"{p}.mlp.rprelu", "RPReLU", "post lanes", (n, 4 * c), [f"{p}.mlp.fc1"]),
            node(f"{p}.mlp.fc2", "XnorLinear", "xnor", (n, c), [f"{p}.mlp.rprelu"]),
            node(f"{p}.out", "Add", "post lanes", (n, c), [f"{p}.mlp.fc2", f"{p}.add"]),
        ]
        last = f"{p}.out"
    nodes += [
        node("norm", "LayerNorm", "norm", (16, 128), [last]),
        node("pool", "MeanTokens", "post lanes", (128,), ["norm"]),
        node("head", "Linear16", "post lanes", (10,), ["pool"]),
    ]
    return nodes


def node(name, op, unit_name, shape, inputs):
    return {"name": name, "op": op, "unit": unit_name, "shape": list(shape), "inputs": inputs}


PLACE = Place(
    source="placed and routed (nextpnr 0.11.1)", part="LFE5UM5G-85F-8BG381C", seed=3,
    goal_mhz=80, fmax_mhz=71.25,
    endpoints=50_000, failing=123,
    used={
        "TRELLIS_FF": UsedOf(used=40_432, available=83_640),
        "TRELLIS_COMB": UsedOf(used=67_881, available=83_640),
        "TRELLIS_IO": UsedOf(used=4, available=365),
        "DP16KD": UsedOf(used=83, available=208),
        "MULT18X18D": UsedOf(used=106, available=156),
    },
    paths=[
        PlacedPath(
            start="u_fetch.conv_q", end="u_compute.addr_q", start_src="activation_fetch.v:31",
            delay_ns=14.035, logic_ns=5.0, routing_ns=9.035, levels=9,
            steps=[
                PlacedStep(kind="logic", at="u_fetch.ready", cell="TRELLIS_COMB", delay_ns=0.2),
                PlacedStep(kind="routing", at="u_fetch.ready", cell="TRELLIS_COMB", delay_ns=0.2),
                PlacedStep(kind="logic", at="u_compute.wait_ok", cell="TRELLIS_COMB", delay_ns=0.2),
            ],
        )
    ],
)  # fmt: skip
