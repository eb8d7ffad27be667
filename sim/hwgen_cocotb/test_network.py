"""The compiled network in this folder, on the pins of its engine; run by `make`.

Loads ../image and input.bin into the memory that memory.json describes, starts the engine through
its registers, and compares the output in DDR with the golden model's (expected_output.bin): once on
a bus that never stalls, once with every channel stalled at random, and once with a bit of the first
weight record (first_record.txt: its offset) flipped, which the engine has to refuse.
"""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import cocotb

from .engine import BUSY, DONE, ID, REG_CYCLES, REG_ID, Engine

FOLDER = Path(os.environ.get("HWGEN_SIM_DIR", Path(__file__).resolve().parent.parent))
ERROR_CRC = 3


def read(path: str) -> bytes:
    return (FOLDER / path).read_bytes()


def logits(data: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(data) // 2}h", data)


async def run(dut, weights: bytes, **options) -> tuple[Engine, int]:
    engine = Engine(dut, **json.loads(read("memory.json")), **options)
    await engine.reset()
    assert await engine.registers.read(REG_ID) == ID
    ddr = {region["name"]: region for region in json.loads(read("../image/memory_map.json"))["ddr"]}
    *_, last = ddr.values()  # the output, or the features behind it that are kept in DDR
    room = last["offset"] + last["bytes"] - ddr["output"]["offset"]
    await engine.load(read("../image/program.bin"), weights, read("input.bin"), room)
    await engine.start()
    return engine, await engine.wait()


async def check(dut, **options) -> None:
    engine, status = await run(dut, read("../image/weights.bin"), **options)
    assert status & DONE, f"status {status:#x}: error {status >> 4 & 15}"
    assert status >> 4 & 31 == 0, f"status {status:#x}"
    assert not status & BUSY
    expected = read("expected_output.bin")
    want = logits(expected)
    got = logits(engine.output()[: len(expected)])
    bad = [n for n in range(len(want)) if got[n] != want[n]]
    assert not bad, f"output {bad[0]}: got {got[bad[0]]}, golden {want[bad[0]]} ({len(bad)} differ)"
    dut._log.info("%d cycles, outputs equal", await engine.registers.read(REG_CYCLES))


@cocotb.test()
async def ideal_bus(dut) -> None:
    await check(dut)


@cocotb.test()
async def stalled_bus(dut) -> None:
    await check(dut, latency=70, stall=0.25, seed=7)


@cocotb.test()
async def flipped_weight_bit_is_refused(dut) -> None:
    weights = bytearray(read("../image/weights.bin"))
    weights[int(read("first_record.txt"))] ^= 1
    _, status = await run(dut, bytes(weights))
    assert (status >> 4 & 15, status & DONE) == (ERROR_CRC, 0), f"status {status:#x}"
