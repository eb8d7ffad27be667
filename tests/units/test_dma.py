"""DMA, sequencer, weight loader and harness: random programs, faults, exact cycles.

The compute unit is a stand-in (rtl/stub/compute_unit.v), everything around it is real.
"""

from __future__ import annotations

import re
import zlib
from pathlib import Path

import numpy as np
import pytest

from hwgen.engine import isa
from hwgen.errors import SimulationError
from hwgen.paths import rtl_source
from hwgen.sim import harness
from hwgen.targets.memory import DEPTH, Rate
from hwgen.tools.lint import lint_verilog
from hwgen.units.compute_unit import SWAP_HEARD, ComputeUnit
from hwgen.units.decode import write_decoders
from hwgen.units.dma import FRONT, RETIRE, Dma
from hwgen.units.sequencer import (
    LDW_FRONT,
    LDW_FULL,
    SWAP_TO_LDW,
    Ldw,
    Sequencer,
    ldw_cycles,
    run_cycles,
)
from tests.units.frame_reference import STUB, Program, Reference, stub_sources

CORE = ["hwgen_core", "core_state", "core_queues", "core_transfer", "axil_regs", "run_counter"]
FRAME = [
    *CORE,
    "sequencer",
    "dma",
    "dma_front",
    "dma_pack",
    "dma_word",
    "dma_place",
    "axi_bursts",
    "axi_read",
    "axi_write",
    "crc32",
    "fifo_lut",
    "register_copy",
    "ldw",
    "weight_buffer",
    "weight_store",
]
SMALL = {"LANES": 16, "ACT_BITS": 16, "KW": 128}
WIDE = {"LANES": 64, "ACT_BITS": 12, "KW": 256}
CASES = {  # memory ports: their number, and the bits of all together
    "micro": SMALL | {"AXI_PORTS": 1, "AXI_BITS": 128, "STORE_WORDS": 160},
    "wide": WIDE | {"AXI_PORTS": 2, "AXI_BITS": 64, "STORE_WORDS": 4096 + 100},
    "plain": SMALL | {"AXI_PORTS": 1, "AXI_BITS": 64},
    "two ports": SMALL | {"AXI_PORTS": 2, "AXI_BITS": 128},
    "narrow": SMALL | {"AXI_PORTS": 1, "AXI_BITS": 32},
}
for case, params in CASES.items():  # queues as narrow as the engine has them; wide: more bits
    if case != "wide":
        dma_bits = isa.queue_bits("dma", "STORE_WORDS" in params)
        params |= {"DMA_BITS": dma_bits, "LDW_BITS": isa.queue_bits("ldw")}
UNITS = (Dma(), Sequencer(), Ldw())
INPUT_WORDS = 20
LATENCY = 40


def sources(folder: Path) -> list[Path]:
    return [*(rtl_source(f"{name}.v") for name in FRAME), *stub_sources(folder)]


def build(folder: Path, params: dict[str, int], files=None) -> Path:
    files = sources(folder) if files is None else files
    return harness.build(folder / "build", files, params, optimise="-O1")


@pytest.fixture(scope="module")
def engines(tmp_path_factory):
    """Executables by case, built when first asked for."""
    built: dict[str, Path] = {}

    def get(case: str) -> Path:
        if case not in built:
            built[case] = build(tmp_path_factory.mktemp(case), CASES[case])
        return built[case]

    return get


class Files:
    """Program, weights and images of one run in a folder."""

    def __init__(self, folder: Path, program: bytes, weights: bytes = b""):
        self.folder = folder
        self.program, self.weights = folder / "program", folder / "weights"
        self.program.write_bytes(program)
        self.weights.write_bytes(weights)
        self.images: list[harness.Image] = []

    def image(self, data: bytes, dst: bytes | None = None, bit: bytes | None = None) -> None:
        n = len(self.images)
        paths = []
        for name, content in (("input", data), ("dst", dst), ("bit", bit)):
            path = self.folder / f"{name}{n}"
            if content is not None:
                path.write_bytes(content)
            paths.append(None if content is None else path)
        self.images.append(harness.Image(*paths, self.folder / f"output{n}"))

    def run(self, exe: Path, **options) -> dict:
        return harness.run(exe, self.program, self.weights, self.images, timeout=120, **options)


def random_files(folder: Path, case: str, seed: int, images: int = 3, length: int = 60):
    lanes, act_bits = CASES[case]["LANES"], CASES[case]["ACT_BITS"]
    program = Program(lanes, act_bits, seed).random(
        length, INPUT_WORDS, CASES[case].get("STORE_WORDS", 0)
    )
    files = Files(folder, program.binary(), program.weights)
    reference = Reference(lanes, act_bits)
    outputs = []
    for _ in range(images):
        image = program.rng.integers(0, 256, INPUT_WORDS * lanes).astype(np.uint8).tobytes()
        dst, bit, out = reference.run(program, image)
        files.image(image, dst, bit)
        outputs.append(out)
    return program, files, outputs


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_random_programs(case, engines, tmp_path):
    for seed in range(8):
        folder = tmp_path / str(seed)
        folder.mkdir()
        program, files, outputs = random_files(folder, case, seed)
        unit = Dma(CASES[case]["LANES"], CASES[case]["AXI_BITS"])
        for stall_seed, latency in ((None, LATENCY), (seed + 1, 3), (seed + 100, 90)):
            report = files.run(engines(case), stall_seed=stall_seed, latency=latency)
            problems = [harness.describe(f) for f in report["frames"]]
            assert report["ok"], f"seed {seed}, stalls {stall_seed}: {problems}"
            for n, want in enumerate(outputs):
                got = (folder / f"output{n}").read_bytes()
                assert got == want, f"seed {seed}, stalls {stall_seed}: output of image {n}"
            first, *warm = (f["beats_read"] for f in report["frames"])
            assert [first - n for n in warm] == [program.kept_words * unit.word_beats] * 2
        assert (program.kept_words > 0) == ("STORE_WORDS" in CASES[case])


@pytest.mark.slow
def test_a_new_base_address_makes_the_store_cold(engines, tmp_path):
    _, files, _ = random_files(tmp_path, "wide", 5)
    warm, cold = (files.run(engines("wide"), cold=cold) for cold in (False, True))
    assert warm["ok"]
    assert cold["ok"]
    beats = [[f["beats_read"] for f in report["frames"]] for report in (warm, cold)]
    assert beats[0][0] > beats[0][1] == beats[0][2]
    assert beats[1] == [beats[0][0]] * 3


@pytest.mark.slow
def test_a_frame_with_an_error_leaves_the_store_cold(engines, tmp_path):
    """The engine stops at the wrong record, and STATUS does not say that the store is full."""
    program, files, _ = random_files(tmp_path, "micro", 1)
    kept = [f["ddr"] for op, f in program.steps if op == "LOAD" and f.get("keep") and f["n_wb"]]
    for weights, full in ((program.weights, True), (flipped(program.weights, kept[-1]), False)):
        files.weights.write_bytes(weights)
        frame = files.run(engines("micro"))["frames"][0]
        assert (frame["done"], frame["store_full"]) == (full, full)


def flipped(data: bytes, byte: int) -> bytes:
    return data[:byte] + bytes([data[byte] ^ 4]) + data[byte + 1 :]


# ---------------------------------------------------------------- planted faults


def checked_load(lanes: int) -> tuple[bytes, bytes, np.ndarray]:
    words = np.random.default_rng(5).integers(-9, 9, (6, lanes)).astype("<i2")
    data = words.tobytes()
    program = [
        isa.encode("LOAD", n_wb=6, wb=1, crc=zlib.crc32(data)),
        isa.encode("MACS", wait_dma=1, n0=1, n1=1, n2=6, n3=1, xd=1, wb_w=1, dst_en=1, dst_base=9),
        isa.encode("END"),
    ]
    return isa.binary(program), data, words


@pytest.mark.slow
def test_weight_fault_stops_before_it_is_used(engines, tmp_path):
    program, data, words = checked_load(16)
    dst = harness.dst_records(0, np.arange(9, 15), words).tobytes()
    good = Files(tmp_path, program, data)
    good.image(b"", dst)
    assert good.run(engines("micro"))["ok"]
    for bit in (0, 777, len(data) * 8 - 1):
        bad = bytearray(data)
        bad[bit // 8] ^= 1 << bit % 8
        files = Files(tmp_path, program, bytes(bad))
        files.image(b"", dst)
        frame = files.run(engines("micro"))["frames"][0]
        assert (frame["error"], frame["dst_writes"], frame["done"]) == (3, 0, False)
        assert harness.describe(frame).endswith("error 3 (CRC of a weight record)")


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_constant_tensors_are_checked_as_well(case, engines, tmp_path):
    lanes = CASES[case]["LANES"]
    data = np.random.default_rng(6).integers(-9, 9, (5, lanes)).astype("<i2").tobytes()
    loadf = isa.encode("LOADF", words=5, addr=2, crc=zlib.crc32(data))
    words = [loadf, isa.encode("STORE", wait_dma=1, words=5, addr=2), isa.encode("END")]
    program = isa.binary(words)
    files = Files(tmp_path, program, data)
    files.image(b"")
    assert files.run(engines(case))["ok"]
    assert (tmp_path / "output0").read_bytes()[: len(data)] == data
    for bit in (0, len(data) * 8 - 1):
        bad = bytearray(data)
        bad[bit // 8] ^= 1 << bit % 8
        files = Files(tmp_path, program, bytes(bad))
        files.image(b"")
        frame = files.run(engines(case))["frames"][0]
        assert (frame["error"], frame["done"]) == (3, False)


@pytest.mark.slow
def test_comparison_finds_planted_differences(engines, tmp_path):
    _, files, _ = random_files(tmp_path, "micro", 3, images=1)
    lanes = 16
    dst, bit = (Path(getattr(files.images[0], n)) for n in ("expected_dst", "expected_bit"))
    good_dst, good_bit = dst.read_bytes(), bit.read_bytes()
    size = 4 + 2 * lanes
    faults = {
        "value": (dst, 3 * size + 4 + 2 * 7, "dst", 3, 7),
        "mem": (dst, 5 * size, "dst", 5, -1),
        "mask": (dst, 6 * size + 1, "dst", 6, -1),
        "addr": (dst, 8 * size + 2, "dst", 8, -1),
        "bit value": (bit, 2 * 4 + 3, "bit", 2, 8),
        "bit addr": (bit, 4 * 4, "bit", 4, -1),
    }
    for name, (path, at, stream, index, lane) in faults.items():
        dst.write_bytes(good_dst)
        bit.write_bytes(good_bit)
        data = bytearray(path.read_bytes())
        data[at] ^= 1
        path.write_bytes(data)
        bad = files.run(engines("micro"))["frames"][0]["first_mismatch"]
        got = (bad["field"], bad["stream"], bad["index"], bad["lane"])
        assert got == (name.removeprefix("bit "), stream, index, lane)
    bit.write_bytes(good_bit)
    for data, field in (
        (good_dst[:-size], "extra write"),
        (good_dst + good_dst[:size], "missing writes"),
    ):
        dst.write_bytes(data)
        assert files.run(engines("micro"))["frames"][0]["first_mismatch"]["field"] == field


@pytest.mark.slow
def test_errors_and_hangs_are_named(engines, tmp_path):
    end = isa.encode("END")
    cases = {
        "read outside the memory": ([isa.encode("LOADF", ddr=1 << 20, words=1), end], 1),
        "write outside the memory": ([isa.encode("STORE", ddr=1 << 30, words=1), end], 2),
        "illegal opcode": ([5, end], 4),
        "no END": ([isa.encode("SET", kind=0)], 5),
        "a program that ends within an instruction": ([isa.encode("SET", kind=0), 3 << 4 | 9], 5),
    }
    for name, (words, code) in cases.items():
        cut = -isa.LINE_BYTES if name.endswith("within an instruction") else None
        files = Files(tmp_path, isa.binary(words)[:cut])
        files.image(bytes(64))
        frame = files.run(engines("micro"))["frames"][0]
        assert (frame["error"], frame["done"]) == (code, False), name

    hangs = {
        "sequencer; sequencer": [isa.encode("LDW", n=1), isa.encode("LDW", n=1), end],
        "cmp": [isa.encode("XLIN", swap=1, n2=1), end],
        "program": [isa.encode("LDW", n=1, wait_cmp=3), end],
    }
    seen = {}
    for name, words in hangs.items():
        files = Files(tmp_path, isa.binary(words))
        files.image(bytes(64))
        seen[name] = files.run(engines("micro"), max_idle=500)["frames"][0]
    # a second LDW waits for the swap of the first; XLIN for weights; LDW for compute 3
    text = [harness.describe(frame) for frame in seen.values()]
    assert text[0].endswith("no progress in ldw; ldw holds LDW")
    assert text[1].endswith("no progress in cmp; cmp holds XLIN")
    assert text[2].endswith("no progress in program; ldw holds LDW, waits for cmp 3 (at 0)")


@pytest.mark.slow
def test_harness_reports_wrong_files(engines, tmp_path):
    files = Files(tmp_path, checked_load(16)[0])
    files.image(bytes(16), dst=b"123")
    with pytest.raises(SimulationError, match="not a multiple of 36 bytes"):
        files.run(engines("micro"))


MUTANTS = {
    "CM words of a quad record in one bank": (
        "dma_place.v", "!(at_cm_q && cm_quad_q)", "1'b1"
    ),
    "QM fields all in the first": ("dma_place.v", "fields_q & (fields_q - 6'd1)", "fields_q"),
    "bytes without a sign": ("dma_word.v", "{8{sign && beat[8*b+7]}}", "8'd0"),
    "lines of the instruction before": (
        "sequencer.v", "k != 0 && f_valid && open_q && here_q[0]", "1'b0"
    ),
    "CRC not compared": ("dma_pack.v", "crc_now == ~want_q;", "crc_now != 0 || want_q != 0;"),
    "wait_cmp ignored": ("dma_front.v", "!ahead_ldw[15] && !ahead_cmp[15];", "!ahead_ldw[15];"),
    "WB read not held for MACS": ("weight_buffer.v", "ldw_ready = !cmp_re;", "ldw_ready = 1'b1;"),
    "a bit of the store flipped": (
        "weight_store.v",
        "if (we && wr_tail) mem[wr_addr[AW-1:0]] <= wr_word;",
        "if (we && wr_tail) mem[wr_addr[AW-1:0]] <= wr_word ^ {{WIDTH - 1{1'b0}}, wr_addr == 1};",
    ),
    "store read one word further": (
        "dma_place.v", "st_addr = store_q;", "st_addr = store_q + {15'd0, st_re};"
    ),
}  # fmt: skip


MAC = {"n0": 1, "n1": 1, "n3": 1, "xd": 1, "dst_en": 1}


def directed(name: str) -> Program:
    """The program that shows the mutant of that name and no other one."""
    p = Program(16, 16, 7)
    words = p.rng.integers(-(1 << 15), 1 << 15, (40, 16))
    if name.startswith("QM fields"):
        fields = {"n_qm": 2, "qm": 3, "qm_fields": 0b101001, "qm_words": 6}
        p.add("LOAD", (), ("par",), words[:6], n_wb=0, **fields)
        p.add("LNAPPLY", ("par",), (), src_base=(2 << 11) + (3 << 3), n2=16, **MAC)
    elif name.startswith("CM words"):
        p.add("LOAD", (), ("par",), words[:10], n_wb=0, n_cm=10, cm=3, cm_quad=1)
        p.add("LNAPPLY", ("par",), (), src_base=3 << 3, n2=20, **MAC)
    elif "store" in name:
        # word 1 has the flipped bit; the third word of a record is the first read too far
        p.store_words, p.stored = 160, 100 if "further" in name else 0
        n = 40 if "further" in name else 2
        while not p.kept_words:
            p.add("LOAD", (), ("wb",), words[:n], n_wb=n)
        p.add("MACS", ("wb",), (), wb_w=0, n2=n, **MAC)
    elif name.startswith("bytes"):
        p.add("LOAD", (), ("wb",), words[:4], n_wb=4)
        crc = zlib.crc32(p.weights[: 4 * 16])
        p.add("LOADF", (), ("fm",), words=4, bytes=1, sign=1, crc=crc)
        p.add("STORE", ("fm",), ("out",), words=4)
        p.add("MACS", ("wb",), (), wb_w=0, n2=4, dst_base=9, **MAC)
    elif name.startswith("lines"):  # the second has two, the first four
        p.add("LOAD", (), ("wb",), words, n_wb=40)
        p.add("MACS", ("wb",), (), wb_w=0, n2=8, bit_en=1, pre_en=1, **MAC)
        p.add("MACS", ("wb",), (), wb_w=8, n2=8, **MAC | {"dst_en": 0})
    elif name == "wait_cmp ignored":
        p.add("LOAD", (), ("wb",), words, n_wb=40)
        for k in range(6):
            p.add("MACS", ("wb",), ("fm",), wb_w=k, n2=30, **MAC)
        p.add("STORE", ("fm",), ("out",), words=30)
    else:
        p.add("LOAD", (), ("wb",), words, n_wb=40)
        p.add("MACS", ("wb",), (), wb_w=0, n2=40, **MAC)
        p.add("LDW", ("wb",), (), wb=3, n=8)
        p.add("XLIN", swap=1, n2=8, **MAC)
    p.words.append(isa.encode("END"))
    return p


def behaves(exe: Path, folder: Path, name: str) -> bool:
    if name == "CRC not compared":
        program, data, _ = checked_load(16)
        files = Files(folder, program, bytes([data[0] ^ 1]) + data[1:])
        files.image(b"")
        return files.run(exe)["frames"][0]["error"] == 3
    program = directed(name)
    files = Files(folder, program.binary(), program.weights)
    dst, bit, out = Reference(16, 16).run(program, b"")
    files.image(b"", dst, bit)
    files.image(b"", dst, bit)  # this one from the store
    return files.run(exe, latency=3)["ok"] and (folder / "output1").read_bytes() == out


@pytest.mark.slow
def test_planted_rtl_faults_are_caught(engines, tmp_path):
    """All mutants in one build; each has a program that meets only its own."""
    files = []
    for path in sources(tmp_path):
        text = path.read_text()
        for file, old, new in MUTANTS.values():
            if path.name == file:
                assert text.count(old) == 1, old
                text = text.replace(old, new)
        (tmp_path / path.name).write_text(text)
        files.append(tmp_path / path.name)
    exe = build(tmp_path, CASES["micro"], files)
    for name in MUTANTS:
        assert behaves(engines("micro"), tmp_path, name), name
        assert not behaves(exe, tmp_path, name), name


PORT_MUTANTS = {
    "second port reads plane 0": (
        "axi_read.v", "k == 0 ? {ADDR_BITS{1'b0}} : plane;", "{ADDR_BITS{k == 2}};"
    ),
    "second port writes plane 0": (
        "axi_write.v", "k == 0 ? {ADDR_BITS{1'b0}} : plane;", "{ADDR_BITS{k == 2}};"
    ),
    "a beat is there with port 0": ("axi_read.v", "wire whole = &here;", "wire whole = here[0];"),
    "a beat is sent with port 0": (
        "axi_write.v", "(w_valid_q & ~w_ready) == {AXI_PORTS{1'b0}};",
        "!w_valid_q[0] || w_ready[0];",
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", PORT_MUTANTS)
def test_planted_faults_of_two_ports_are_caught(name, engines, tmp_path):
    file, right, wrong = PORT_MUTANTS[name]
    files = []
    for path in sources(tmp_path):
        text = path.read_text()
        if path.name == file:
            assert text.count(right) == 1
            text = text.replace(right, wrong)
        (tmp_path / path.name).write_text(text)
        files.append(tmp_path / path.name)
    exe = build(tmp_path, CASES["two ports"], files)
    _, program, outputs = random_files(tmp_path, "two ports", 2)

    def right_outputs(engine: Path) -> bool:
        ok = program.run(engine, stall_seed=5)["ok"]
        return ok and [i.output.read_bytes() for i in program.images] == outputs

    assert right_outputs(engines("two ports"))
    assert not right_outputs(exe)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["micro", "two ports"])
def test_memory_delivers_at_most_its_rate(case, engines, tmp_path):
    """Records one after another: the bus is busy all the time."""
    size, count = 60, 30
    dma = Dma(CASES[case]["LANES"], CASES[case]["AXI_BITS"])
    record = isa.encode("LOAD", n_wb=size, crc=zlib.crc32(bytes(32 * size)))
    words = [record] * count + [isa.encode("END")]
    beats = size * count * dma.word_beats
    for rate in (Rate(2, 5), Rate(4, 5)):
        frame = cycles_of(engines(case), tmp_path, words, rate=rate)
        floor = (beats - DEPTH) * rate.cycles / rate.beats
        assert floor < frame["cycles"] < 1.1 * floor + 300


# ---------------------------------------------------------------- cycles


def cycles_of(
    exe: Path, folder: Path, words: list[int], weights: bytes = bytes(1 << 16), **options
) -> dict:
    files = Files(folder, isa.binary(words), weights)
    files.image(bytes(1 << 14))
    report = files.run(exe, latency=LATENCY, **options)
    assert report["ok"], harness.describe(report["frames"][0])
    return report["frames"][0]


def front_starts(seq: Sequencer, words: list[int]) -> list[int]:
    """Starts of DMA instructions that wait for nothing: the front takes one at a time."""
    out: list[int] = []
    for dispatched in seq.dispatches([isa.lines(word) for word in words], LATENCY):
        out.append(max([dispatched, *out[-1:]]) + FRONT)
    return out


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_cycles_are_those_of_the_formulas(case, engines, tmp_path):
    params = CASES[case]
    dma, seq = Dma(params["LANES"], params["AXI_BITS"]), Sequencer(params["AXI_BITS"])
    zeros = {n: zlib.crc32(bytes(2 * params["LANES"] * n)) for n in range(200)}
    end = isa.encode("END")

    def load(n_wb: int, **fields: int) -> tuple[str, dict]:
        return "LOAD", {"n_wb": n_wb, "crc": zeros[n_wb], **fields}

    fields = {"n_cm": 2, "n_om": 1, "n_qm": 2, "qm_fields": 15, "qm_words": 8}
    singles = [load(0), load(1), load(40), load(3, **fields, crc=zeros[14])]
    singles += [
        ("LOADF", {"base_sel": 1, "words": n, "bytes": b}) for n in (0, 1, 9) for b in (0, 1)
    ]
    singles += [("STORE", {"words": n}) for n in (0, 1, 5)]
    for op, fields in singles:
        words = [isa.encode(op, **fields), end]
        dispatched = seq.dispatches(list(map(isa.lines, words)), LATENCY)
        frame = cycles_of(engines(case), tmp_path, words)
        full = {"n_wb": 0, "n_cm": 0, "n_om": 0, "qm_words": 0, "bytes": 0} | fields
        beats = dma.beats(op, full)
        start = dispatched[0] + FRONT
        retire = start + dma.alone(op, beats, LATENCY) + RETIRE
        assert frame["dma"] == [[start, retire]], (op, fields)
        assert frame["cycles"] == run_cycles(retire, dispatched[1]), (op, fields)

    # A queue of records: the latency is paid once. Few, as later program beats share the bus.
    sizes = [6, 1, 12, 3] if case == "micro" else [2, 1, 3, 1]  # within IN_FLIGHT
    if case == "narrow":  # END in the first request of the program
        sizes.pop()
    words = [isa.encode("LOAD", **load(n)[1]) for n in sizes]
    frame = cycles_of(engines(case), tmp_path, [*words, end])
    starts = front_starts(seq, words)
    assert [s for s, _ in frame["dma"]] == starts
    retired = dma.queued([n * dma.word_beats for n in sizes], starts, LATENCY)
    assert [r for _, r in frame["dma"]] == retired

    # LDW: dispatch, load, swap, next.
    swap = {"swap": 1, "n0": 1, "n1": 1, "n2": 3, "n3": 1, "xd": 1, "dst_en": 1}
    words = [isa.encode("LDW", n=8), isa.encode("LDW", n=5), isa.encode("XLIN", **swap), end]
    # the second LDW waits for the swap of the XLIN behind it
    frame = cycles_of(engines(case), tmp_path, words[:1] + words[2:3] + words[1:2] + words[3:])
    first, second = frame["ldw"]
    dispatched = seq.dispatches([isa.lines(words[k]) for k in (0, 2, 1)], LATENCY)
    start = dispatched[0] + LDW_FRONT
    assert first == [start, start + ldw_cycles(8)]
    swapped = frame["steps"][0][0]
    assert swapped == max(first[1] + LDW_FULL, dispatched[1] + 2)
    heard = SWAP_TO_LDW - SWAP_HEARD  # the stand-in tells of a swap at once
    start = max(swapped + heard, dispatched[2] + LDW_FRONT)
    assert second == [start, start + ldw_cycles(5)]


@pytest.mark.slow
def test_cycles_of_records_from_the_store(engines, tmp_path):
    """A warm frame: records of the store, with a read of DDR and one without words among them."""
    dma, seq = Dma(16, 128), Sequencer(128)
    sizes = [1, 48, 3, 0, 7]
    words = []
    for k, n in enumerate(sizes):
        keep = {} if n == 3 else {"keep": 1, "store": 20 * k}
        words.append(isa.encode("LOAD", n_wb=n, crc=zlib.crc32(bytes(32 * n)), **keep))
    words.append(isa.encode("END"))
    files = Files(tmp_path, isa.binary(words), bytes(1 << 11))
    for _ in range(2):
        files.image(b"")
    report = files.run(engines("micro"), latency=LATENCY)
    assert report["ok"]
    starts = front_starts(seq, words[: len(sizes)])
    retired = [starts[0]]
    for n, start in zip(sizes, starts, strict=True):
        beats = n * dma.word_beats
        if n == 3:
            alone = start + dma.alone("LOAD", beats, LATENCY)
            retired.append(max(alone, retired[-1] + dma.behind(beats)))
        else:
            retired.append(max(start, retired[-1]) + dma.kept(n))
    retired = [end + RETIRE for end in retired[1:]]
    assert report["frames"][1]["dma"] == [list(t) for t in zip(starts, retired, strict=True)]


@pytest.mark.slow
def test_latency_is_hidden_when_records_queue(engines, tmp_path):
    """100 records: the bus is busy all the time but for the gap between records."""
    dma = Dma(16, 128)
    size = 30
    words = [isa.encode("LOAD", n_wb=size, crc=zlib.crc32(bytes(32 * size)))] * 100
    frame = cycles_of(engines("micro"), tmp_path, [*words, isa.encode("END")])
    beats = size * dma.word_beats
    retired = [r for _, r in frame["dma"]]
    gaps = np.diff(retired)
    assert gaps.min() == dma.behind(beats)
    # program beats share the bus: 4 a record
    assert gaps.mean() <= beats + 4 + 3


# ---------------------------------------------------------------- sources


@pytest.mark.parametrize("case", CASES)
def test_sources_pass_every_front_end(case, tmp_path):
    params = {**CASES[case], "ADDR_BITS": 40 if case == "wide" else 32}
    files = [rtl_source(f"{name}.v") for name in ("hwgen_top", *FRAME)]
    files += write_decoders(tmp_path, {n for u in UNITS for n in u.decoders})
    # the ports of the compute unit, outputs 0
    text = rtl_source("compute_unit.v").read_text()
    head = text[text.index("module compute_unit") : text.index("\n);\n") + 4]
    outputs = re.findall(r"output wire\s*(?:\[[^\]]*\])?\s*(\w+)", head)
    empty = tmp_path / "compute_unit.v"
    empty.write_text(head + "".join(f"  assign {n} = 0;\n" for n in outputs) + "endmodule\n")
    found = lint_verilog([*files, empty], "hwgen_top", parameters=params)
    assert [line for line in found if "compute_unit.v" not in line] == []


def test_stand_in_has_the_ports_of_the_compute_unit():
    def ports(path):
        text = path.read_text()
        head = text[text.index("module compute_unit") : text.index("\n);\n")]
        return re.findall(r"(input|output)\s+(?:wire|reg)\s*(\[[^\]]*\])?\s*(\w+)", head)

    assert ports(STUB) == ports(rtl_source("compute_unit.v"))


def test_units_list_their_sources():
    listed = {Path(f).stem for u in UNITS for f in u.verilog}
    assert listed | set(CORE) == set(FRAME)


def test_units_list_their_decoders():
    for unit in (*UNITS, ComputeUnit()):
        texts = [rtl_source(Path(f).name).read_text() for f in unit.verilog]
        used = {name for text in texts for name in re.findall(r"^ *(decode_\w+) u_", text, re.M)}
        assert used == set(unit.decoders), unit
