"""AXI4 memory and AXI4-Lite driver for cocotb 2: small, seeded, with random stalls.

Signals are driven at the falling edge and handshakes taken just before the rising edge, so the
models work with any simulator and need no delays.
"""

from __future__ import annotations

import random
from collections import deque

import cocotb
from cocotb.triggers import FallingEdge, ReadOnly, RisingEdge

DECERR = 3
PLANE = 0x0800_0000  # bytes from a plane to the next


class AxiMemory:
    """DDR behind the AXI4 master `prefix` of `dut`, which is `port` of so many `ports`.

    `regions`, shared by the ports, maps a name to (base, bytearray); an access outside is answered
    with DECERR. Of every beat a port sees its part, PLANE bytes behind that of the port before.
    A read burst gives its first beat `latency` cycles after its address, and memory delivers `rate`
    (hwgen/timing/memory.py: beats, cycles, depth; None: no bound). With `stall` > 0 every channel
    refuses that share of the cycles, from `seed`. Violations of AXI raise AssertionError.
    """

    def __init__(
        self, dut, clock, prefix="m_axi_", *, regions=None, port=0, ports=1, rate=None,
        latency=40, stall=0.0, seed=1,
    ):  # fmt: skip
        self.dut, self.clock, self.prefix = dut, clock, prefix
        self.port, self.ports, self.latency, self.stall = port, ports, latency, stall
        self.random = random.Random(seed)
        self.regions: dict[str, tuple[int, bytearray]] = {} if regions is None else regions
        self.bytes = len(self.pin("wstrb"))
        self.rate = {"beats": 2, "cycles": 1, "depth": 1} if rate is None else rate
        self.tokens = self.rate["depth"] * self.rate["cycles"]
        self.written = 0  # when the next beat can be written, in 1 / rate["beats"] of a cycle
        self.reads: deque[list[int]] = deque()  # ready cycle, address, beats left
        self.writes: deque[list[int]] = deque()  # address, beats left, bad
        self.data: deque[tuple[int, int, bool]] = deque()
        self.when: deque[int] = deque()  # cycle in which memory writes each
        self.responses: deque[tuple[int, int]] = deque()
        self.read_beats = self.written_beats = self.longest_burst = 0
        self.held: dict[str, tuple] = {}

    def pin(self, name: str):
        return getattr(self.dut, self.prefix + name)

    def get(self, name: str) -> int:
        return int(self.pin(name).value)

    def add(self, name: str, base: int, data: bytes) -> bytearray:
        beat = self.bytes * self.ports
        size = -(-len(data) // beat) * beat
        self.regions[name] = (base, bytearray(data) + bytearray(size - len(data)))
        return self.regions[name][1]

    def start(self) -> None:
        for name in ("arready", "rvalid", "awready", "wready", "bvalid"):
            self.pin(name).value = 0
        cocotb.start_soon(self._run())

    def find(self, address: int) -> tuple[bytearray, int] | None:
        for base, data in self.regions.values():
            beat, byte = divmod(address - base - self.port * PLANE, self.bytes)
            at = (beat * self.ports + self.port) * self.bytes + byte
            if beat >= 0 and at + self.bytes <= len(data):
                return data, at
        return None

    def open(self) -> bool:
        return self.random.random() >= self.stall

    async def _run(self) -> None:
        r_valid = b_valid = False
        cycle = 0
        while True:
            await FallingEdge(self.clock)
            cycle += 1
            most = self.rate["depth"] * self.rate["cycles"]
            self.tokens = min(most, self.tokens + self.rate["beats"])
            for name in ("arready", "awready", "wready"):
                self.pin(name).value = int(self.open())
            due = not r_valid and self.reads and cycle >= self.reads[0][0]
            if due and self.tokens >= self.rate["cycles"] and self.open():
                r_valid = True
                self.tokens -= self.rate["cycles"]
                _, address, left = self.reads[0]
                where = self.find(address)
                data = where[0][where[1] : where[1] + self.bytes] if where else bytes(self.bytes)
                self.pin("rdata").value = int.from_bytes(data, "little")
                self.pin("rresp").value = 0 if where else DECERR
                self.pin("rlast").value = int(left == 1)
            self.pin("rvalid").value = int(r_valid)
            if not b_valid and self.responses and cycle >= self.responses[0][0] and self.open():
                b_valid = True
                self.pin("bresp").value = self.responses[0][1]
            self.pin("bvalid").value = int(b_valid)

            await ReadOnly()
            self.check_held()
            if self.fires("ar"):
                address, beats = self.burst("ar")
                self.reads.append([cycle + self.latency, address, beats])
            if r_valid and self.get("rready"):
                r_valid = False
                self.read_beats += 1
                burst = self.reads[0]
                burst[1] += self.bytes
                burst[2] -= 1
                if burst[2] == 0:
                    self.reads.popleft()
            if self.fires("aw"):
                self.writes.append([*self.burst("aw"), 0])
            if self.fires("w"):
                self.written_beats += 1
                self.tokens -= self.rate["cycles"]
                self.written = max(self.written, cycle * self.rate["beats"])
                self.data.append((self.get("wdata"), self.get("wstrb"), bool(self.get("wlast"))))
                self.when.append(-(-self.written // self.rate["beats"]))
                self.written += self.rate["cycles"]
            if b_valid and self.get("bready"):
                b_valid = False
                self.responses.popleft()
            while self.writes and self.data:
                self.store(cycle)

    def fires(self, channel: str) -> bool:
        return bool(self.get(f"{channel}valid") and self.get(f"{channel}ready"))

    def burst(self, channel: str) -> tuple[int, int]:
        address, beats = self.get(f"{channel}addr"), self.get(f"{channel}len") + 1
        assert address % self.bytes == 0, f"{channel}addr {address:#x} is not aligned"
        assert 1 << self.get(f"{channel}size") == self.bytes, f"{channel}size"
        assert self.get(f"{channel}burst") == 1, f"{channel}burst is not INCR"
        last = address + beats * self.bytes - 1
        assert address >> 12 == last >> 12, f"burst {address:#x} x {beats} crosses 4 KiB"
        self.longest_burst = max(self.longest_burst, beats)
        return address, beats

    def check_held(self) -> None:
        """A valid that was refused stays, and so does what it offers."""
        names = {"ar": ("addr", "len"), "aw": ("addr", "len"), "w": ("data", "strb", "last")}
        for channel, parts in names.items():
            valid = self.get(f"{channel}valid")
            now = tuple(self.get(channel + part) for part in parts) if valid else None
            if channel in self.held:
                assert now == self.held[channel], f"{channel}valid was dropped or changed"
            if valid and not self.get(f"{channel}ready"):
                self.held[channel] = now
            else:
                self.held.pop(channel, None)

    def store(self, cycle: int) -> None:
        burst = self.writes[0]
        word, strobes, last = self.data.popleft()
        written = self.when.popleft()
        assert last == (burst[1] == 1), "wlast does not mark the last beat"
        where = self.find(burst[0])
        if where:
            for k, byte in enumerate(word.to_bytes(self.bytes, "little")):
                if strobes >> k & 1:
                    where[0][where[1] + k] = byte
        else:
            burst[2] = DECERR
        burst[0] += self.bytes
        burst[1] -= 1
        if burst[1] == 0:
            self.responses.append((max(cycle, written) + self.latency, burst[2]))
            self.writes.popleft()


class AxiLite:
    """Driver of the AXI4-Lite slave `prefix` of `dut`; one access at a time.

    With `stall` > 0 address and data of a write come apart, and responses are taken late.
    """

    def __init__(self, dut, clock, prefix="s_axil_", *, stall=0.0, seed=1):
        self.dut, self.clock, self.prefix, self.stall = dut, clock, prefix, stall
        self.random = random.Random(seed)
        for name in (
            "awvalid",
            "wvalid",
            "bready",
            "arvalid",
            "rready",
            "awaddr",
            "wdata",
            "wstrb",
        ):
            self.pin(name).value = 0
        for name in ("araddr", "awprot", "arprot"):
            self.pin(name).value = 0

    def pin(self, name: str):
        return getattr(self.dut, self.prefix + name)

    async def _offer(self, channels: dict[str, dict[str, int]], limit: int = 1000) -> None:
        """Offer every channel until all were taken."""
        pending = set(channels)
        offered: set[str] = set()
        for _ in range(limit):
            await FallingEdge(self.clock)
            for channel in channels:
                if channel in pending and (
                    channel in offered or self.random.random() >= self.stall
                ):
                    offered.add(channel)
                    for name, value in channels[channel].items():
                        self.pin(name).value = value
                self.pin(f"{channel}valid").value = int(channel in pending & offered)
            await ReadOnly()
            for channel in list(pending & offered):
                if int(self.pin(f"{channel}ready").value):
                    pending.discard(channel)
            if not pending:
                await RisingEdge(self.clock)
                await FallingEdge(self.clock)
                for channel in channels:
                    self.pin(f"{channel}valid").value = 0
                return
        raise AssertionError(f"{self.prefix}{sorted(pending)} never ready")

    async def _response(self, channel: str, limit: int = 1000) -> int:
        """Take a response; the value of rdata, or 0. It must be OKAY."""
        for _ in range(limit):
            ready = self.random.random() >= self.stall
            self.pin(f"{channel}ready").value = int(ready)
            await ReadOnly()
            if ready and int(self.pin(f"{channel}valid").value):
                assert int(self.pin(f"{channel}resp").value) == 0
                value = int(self.pin("rdata").value) if channel == "r" else 0
                await FallingEdge(self.clock)
                self.pin(f"{channel}ready").value = 0
                return value
            await FallingEdge(self.clock)
        raise AssertionError(f"{self.prefix}{channel}valid never came")

    async def write(self, address: int, value: int, strobes: int = 15) -> None:
        await self._offer({"aw": {"awaddr": address}, "w": {"wdata": value, "wstrb": strobes}})
        await self._response("b")

    async def read(self, address: int) -> int:
        await self._offer({"ar": {"araddr": address}})
        return await self._response("r")
