"""The engine under test: clock, reset, memory, registers (templates/rtl/host/axil_regs.v)."""

from __future__ import annotations

from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

from .axi import PLANE, AxiLite, AxiMemory

ID = 0x4857474E
REG_ID, REG_CTRL, REG_STATUS = 0x00, 0x08, 0x0C
REG_BASE = {"program": 0x10, "weights": 0x18, "input": 0x20, "output": 0x28}
REG_LINES, REG_SIZES, REG_PLANE, REG_CYCLES, REG_PORTS = 0x30, 0x34, 0x38, 0x40, 0x70
REG_BEATS_READ, REG_BEATS_WRITTEN, REG_RETIRED, REG_RETIRED_CMP = 0x50, 0x54, 0x58, 0x5C
REG_RESULTS = 0x6C
START, SOFT_RESET, IRQ_ENABLE = 1, 2, 4
BUSY, DONE, RESETTING = 1, 2, 4
BASES = {
    "program": 0x1000_0000,
    "weights": 0x2000_0000,
    "input": 0x3000_0000,
    "output": 0x4000_0000,
}
LINE_BYTES = 16


class Engine:
    """Clocked and reset top with the standard AXI names, a DDR model and its registers.

    ports: names of the memory ports, as their pins begin; they share the regions of `memory`.
    """

    def __init__(self, dut, *, ports=("m_axi",), rate=None, latency=40, stall=0.0, seed=1):
        self.dut, self.clock = dut, dut.aclk
        Clock(self.clock, 10, unit="ns").start()
        regions: dict[str, tuple[int, bytearray]] = {}
        options = {"regions": regions, "ports": len(ports), "rate": rate}
        options |= {"latency": latency, "stall": stall}
        self.memories = [
            AxiMemory(dut, self.clock, f"{name}_", port=k, seed=seed + 100 * k, **options)
            for k, name in enumerate(ports)
        ]
        self.memory = self.memories[0]
        self.registers = AxiLite(dut, self.clock, stall=stall, seed=seed + 1)

    async def reset(self) -> None:
        self.dut.aresetn.value = 0
        for memory in self.memories:
            memory.start()
        for _ in range(8):
            await FallingEdge(self.clock)
        self.dut.aresetn.value = 1
        await FallingEdge(self.clock)

    async def load(self, program: bytes, weights: bytes, image: bytes, output_bytes: int) -> None:
        """Fill DDR and point the registers at it."""
        contents = {
            "program": program,
            "weights": weights,
            "input": image,
            "output": bytes(output_bytes),
        }
        for name, data in contents.items():
            self.memory.add(name, BASES[name], data)
            await self.registers.write(REG_BASE[name], BASES[name])
            await self.registers.write(REG_BASE[name] + 4, 0)
        await self.registers.write(REG_PLANE, PLANE)
        await self.registers.write(REG_PLANE + 4, 0)
        await self.registers.write(REG_LINES, len(program) // LINE_BYTES)

    async def start(self) -> None:
        await self.registers.write(REG_STATUS, DONE)
        await self.registers.write(REG_CTRL, START | IRQ_ENABLE)

    async def wait(self, max_idle: int = 20_000) -> int:
        """Wait for the interrupt; the status register. A stall of `max_idle` cycles fails.

        Progress is a bus beat, a result of the lanes or a retired instruction.
        """
        before, idle = None, 0
        while not int(self.dut.irq.value):
            for _ in range(100):
                await FallingEdge(self.clock)
            now = [sum(m.read_beats + m.written_beats for m in self.memories)]
            for register in (REG_RETIRED, REG_RETIRED_CMP, REG_RESULTS):
                now.append(await self.registers.read(register))
            idle = idle + 100 if now == before else 0
            before = now
            if idle > max_idle:
                retired = {"dma": now[1] & 0xFFFF, "ldw": now[1] >> 16, "compute": now[2]}
                raise AssertionError(f"no progress for {max_idle} cycles; retired: {retired}")
        return await self.registers.read(REG_STATUS)

    async def soft_reset(self) -> None:
        await self.registers.write(REG_CTRL, SOFT_RESET)
        while await self.registers.read(REG_STATUS) & RESETTING:
            pass

    def output(self) -> bytes:
        return bytes(self.memory.regions["output"][1])
