"""cocotb tests of hwgen_top's pins around a stand-in compute unit; started by test_top.py."""

from __future__ import annotations

import zlib

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge
from hwgen_cocotb.engine import (
    BUSY,
    DONE,
    ID,
    IRQ_ENABLE,
    REG_BEATS_READ,
    REG_BEATS_WRITTEN,
    REG_CTRL,
    REG_CYCLES,
    REG_ID,
    REG_LINES,
    REG_PORTS,
    REG_RESULTS,
    REG_RETIRED,
    REG_RETIRED_CMP,
    REG_SIZES,
    REG_STATUS,
    START,
    Engine,
)

from hwgen.engine import isa

LANES = 16
REG_HEADS = 0x68
MAC = {"n0": 1, "n1": 1, "n3": 1, "xd": 1, "dst_en": 1}
RECORD = np.random.default_rng(3).integers(-(1 << 15), 1 << 15, (300, LANES)).astype("<i2")
IMAGE = bytes(range(64))


def program(crc_error: int = 0) -> bytes:
    data = RECORD.tobytes()
    words = [
        isa.encode("SET", kind=1),
        isa.encode("LOAD", n_wb=300, crc=zlib.crc32(data) ^ crc_error),
        isa.encode("LOADF", base_sel=1, words=4, addr=700, bytes=1),
        isa.encode("MACS", wait_dma=1, wb_w=0, n2=300, **MAC),
        isa.encode("STORE", wait_cmp=2, words=300, ddr=16),
        isa.encode("STORE", words=4, addr=700, ddr=9616),
        isa.encode("END"),
    ]
    return isa.binary(words)


def ports(dut) -> tuple[str, ...]:
    return ("m_axi",) if dut._name == "hwgen_top" else ("m_axi0", "m_axi1")


async def prepared(dut, **options) -> Engine:
    engine = Engine(dut, ports=ports(dut), **options)
    await engine.reset()
    await engine.load(program(), RECORD.tobytes(), IMAGE, 1 << 14)
    return engine


def expected() -> bytes:
    features = np.frombuffer(IMAGE, "u1").astype("<i2").tobytes()
    data = bytes(16) + RECORD.tobytes() + features
    return data + bytes((1 << 14) - len(data))


@cocotb.test()
async def registers_keep_what_is_written(dut) -> None:
    engine = Engine(dut, ports=ports(dut), stall=0.3, seed=4)
    await engine.reset()
    regs = engine.registers
    assert await regs.read(REG_ID) == ID
    sizes = await regs.read(REG_SIZES)
    assert (sizes & 0xFF, sizes >> 8 & 0xFF, sizes >> 16) == (LANES, 16, 128)
    assert await regs.read(REG_PORTS) == len(ports(dut)) | 128 << 8
    assert await regs.read(REG_STATUS) == 0
    rng = np.random.default_rng(9)
    model = dict.fromkeys([*range(0x10, 0x34, 4), 0x38, 0x3C], 0)
    for address in model:  # registers have no reset
        await regs.write(address, 0)
    for _ in range(60):
        address = int(rng.choice(list(model)))
        value, strobes = int(rng.integers(1 << 32)), int(rng.integers(16))
        mask = sum(0xFF << 8 * k for k in range(4) if strobes >> k & 1)
        model[address] = model[address] & ~mask | value & mask
        if address == REG_LINES:
            model[address] &= 0xFFFFFF
        await regs.write(address, value, strobes)
        address = int(rng.choice(list(model)))
        assert await regs.read(address) == model[address], hex(address)
    assert await regs.read(0xFC) == 0


@cocotb.test()
async def runs_and_counts(dut) -> None:
    for stall, latency in ((0.0, 40), (0.3, 5)):
        engine = await prepared(dut, stall=stall, latency=latency, seed=11)
        regs = engine.registers
        for _ in range(2):
            await engine.start()
            await regs.write(REG_CTRL, START)  # ignored: busy; clears the interrupt enable
            await regs.write(REG_CTRL, IRQ_ENABLE)
            assert await regs.read(REG_STATUS) & BUSY
            before = [m.written_beats for m in engine.memories]
            status = await engine.wait()
            assert status == DONE
            assert engine.output() == expected()
            beats = 300 * 2 + 4 + len(program()) // isa.LINE_BYTES
            assert await regs.read(REG_BEATS_READ) == beats
            assert await regs.read(REG_BEATS_WRITTEN) == 304 * 2
            written = [m.written_beats - n for m, n in zip(engine.memories, before, strict=True)]
            assert written == [304 * 2] * len(written)
            assert await regs.read(REG_RETIRED) == 4
            assert await regs.read(REG_RETIRED_CMP) == 2
            assert await regs.read(REG_RESULTS) == 300
            assert await regs.read(REG_CYCLES) > beats + 608
            await regs.write(REG_STATUS, DONE)
            assert await regs.read(REG_STATUS) == 0
            assert not int(dut.irq.value)
        assert [m.longest_burst for m in engine.memories] == [256] * len(engine.memories)


@cocotb.test()
async def soft_reset_brings_it_back(dut) -> None:
    """Stopped anywhere, with transfers outstanding, the engine runs again and is right."""
    engine = await prepared(dut, stall=0.3, seed=21, latency=30)
    good = engine.memory.regions["output"][1]
    for delay in (0, 60, 200, 500, 900, 1500, 2600):
        await engine.start()
        for _ in range(delay):
            await FallingEdge(engine.clock)
        await engine.soft_reset()
        assert not any(m.reads or m.writes for m in engine.memories)
        assert await engine.registers.read(REG_STATUS) == 0
        good[:] = bytes(len(good))
        await engine.start()
        assert await engine.wait() == DONE
        assert engine.output() == expected(), f"after a reset at {delay}"


@cocotb.test()
async def half_a_beat_outside_is_an_error(dut) -> None:
    """Of two ports only the second one gets it."""
    loadf = isa.encode("LOADF", base_sel=1, words=4, bytes=1)
    store = isa.encode("STORE", words=1, ddr=(1 << 14) - 32)
    engine = await prepared(dut, seed=6)
    text = engine.memory.regions["program"][1]
    for region, code, first in (("input", 1, loadf), ("output", 2, store)):
        short = isa.binary([first, isa.encode("END")])
        text[: len(short)] = short  # what is behind END is dropped
        data = engine.memory.regions[region][1]
        del data[-8:]
        await engine.start()
        assert await engine.wait() == code << 4, region
        data += bytes(8)
        await engine.soft_reset()
        await engine.start()
        assert await engine.wait() == DONE, region


@cocotb.test()
async def errors_stop_until_reset(dut) -> None:
    engine = await prepared(dut, seed=5)
    regs = engine.registers
    memory = engine.memory.regions["program"][1]
    cases = {
        3: program(crc_error=4),
        4: isa.binary([isa.encode("SET", kind=0), 7]),
        1: isa.binary([isa.encode("LOADF", ddr=1 << 24, words=3)]),
        2: isa.binary([isa.encode("STORE", ddr=1 << 24, words=3)]),
    }
    for code, text in cases.items():
        memory[:] = text + program()[len(text) :]
        await engine.start()
        status = await engine.wait()
        assert status == code << 4, f"{status:#x}, error {code}"
        await regs.write(REG_CTRL, START)  # ignored
        assert await regs.read(REG_STATUS) == code << 4
        await regs.read(REG_HEADS)
        await engine.soft_reset()
        memory[:] = program()
        await engine.start()
        assert await engine.wait() == DONE
        assert engine.output() == expected()
