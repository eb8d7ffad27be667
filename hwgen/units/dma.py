"""DMA: parameters, sources and cycles of `dma.v` with its AXI masters and CRC.

Cycles are those of the strobes `start` (conditions met, reads requested) and `retire`; the retired
count is visible one cycle after `retire`. `latency` is the number of cycles from a read address on
the bus to its first beat (or from the last written beat to its response). Exact while the bus
serves nothing else and never stalls; the tests assert these numbers against the RTL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hwgen.paths import templates_dir
from hwgen.units.decode import write_decoders

FRONT = 4  # dispatch -> start of an instruction that waits for nothing
REACHED = 2  # its last awaited count -> start
FREE = 2  # a descriptor is taken -> start of an instruction that needs its place
START_TO_AR = 3  # start -> read address on the bus
PORT = 1  # beat on the bus -> out of the ports' FIFO (axi_read.v)
READ_TAIL = 2  # last beat out of the FIFO -> end: the next instruction follows in the cycle after
RETIRE = 2  # end -> retire: by then the CRC is compared
# start -> end of a lone read besides latency and beats
READ_ALONE = START_TO_AR + PORT + 1 + READ_TAIL - 1
READ_BEHIND = 3  # what a read costs besides its beats right behind another instruction
KEPT = 4  # what a record of the weight store costs besides its words
STORE_ALONE = 5  # start -> end of a STORE besides latency and words
STORE_WORD = 4  # cycles of a STORE word besides its beats
STORE_FIRST = 9  # start -> first beat of a STORE on the bus
DESCRIPTORS = 4  # instructions between its front and its back
MAX_BURST = 64  # beats of a burst (parameter of the RTL)
IN_FLIGHT = 128  # beats requested ahead; a new burst needs fewer outstanding


def record_words(fields: Mapping[str, int]) -> int:
    """Words of L x 16 bits of a LOAD record."""
    return fields["n_wb"] + fields["n_cm"] + fields["n_om"] + fields["qm_words"]


@dataclass(frozen=True)
class Dma:
    """`dma`, `axi_read`, `axi_write`: DDR to buffers and parameter memories, and back.

    lanes: power of two; axi_bits (of a beat, all ports together) 32, 64 or 128,
    dividing 8 lanes; one beat per cycle.

    `dma` with its CRC (Yosys, axi_bits 128), LUT RAM included: lanes 32, no store: 1,653 LUT,
    1,893 FF; with a store, lanes 16: 1,755 LUT, 1,418 FF; lanes 64: 2,762 LUT, 2,955 FF.
    """

    lanes: int = 16
    axi_bits: int = 128

    verilog = (
        "rtl/frame/dma.v",
        "rtl/frame/dma_front.v",
        "rtl/frame/dma_pack.v",
        "rtl/frame/dma_word.v",
        "rtl/frame/dma_place.v",
        "rtl/frame/weight_store.v",
        "rtl/host/axi_bursts.v",
        "rtl/host/axi_read.v",
        "rtl/host/axi_write.v",
        "rtl/lib/crc32.v",
        "rtl/lib/fifo_lut.v",
        "rtl/lib/register_copy.v",
    )
    decoders = ("decode_header", "decode_dma_op", "decode_load", "decode_loadf", "decode_store")

    def parameters(self) -> dict[str, int]:
        """Verilog parameters of `dma`."""
        return {"LANES": self.lanes, "AXI_BITS": self.axi_bits}

    def write_sources(self, folder: Path) -> list[Path]:
        """Renders the unit's decoders into `folder`; returns all Verilog files, top first."""
        plain = [templates_dir() / name for name in self.verilog]
        return plain + write_decoders(folder, self.decoders)

    @property
    def word_beats(self) -> int:
        """Beats of a word of lanes x 16 bits."""
        return 16 * self.lanes // self.axi_bits

    @property
    def stored_word(self) -> int:
        """Cycles of a word of a STORE: a beat every other one."""
        return STORE_WORD + 2 * self.word_beats

    def stores(self, start: int, beats: int) -> list[int]:
        """Cycles of the beats of a STORE that starts in `start` and finds the DMA idle."""
        first, per_word = start + STORE_FIRST, self.word_beats
        return [first + n // per_word * self.stored_word + n % per_word * 2 for n in range(beats)]

    def beats(self, op: str, fields: Mapping[str, int], warm: bool = False) -> int:
        """Bus beats of LOAD, LOADF or STORE; warm: of a frame that has a weight store filled."""
        if op == "LOAD":
            if warm and fields["keep"]:
                return 0
            return record_words(fields) * self.word_beats
        beats = fields["words"] * self.word_beats
        return beats // 2 if op == "LOADF" and fields["bytes"] else beats

    def alone(self, op: str, beats: int, latency: int) -> int:
        """Cycles from start to end of an instruction that finds the DMA idle."""
        if op == "STORE":
            words = beats // self.word_beats
            return latency + STORE_ALONE + words * self.stored_word if words else 1
        return latency + beats + READ_ALONE if beats else 2

    def kept(self, words: int) -> int:
        """Cycles to the end of a record of the weight store, from its start or, behind another
        instruction, from that one's end."""
        return words + KEPT if words else 2

    def behind(self, beats: int) -> int:
        """Least cycles from the end of the instruction before to that of a read of `beats`."""
        return beats + READ_BEHIND if beats else 2

    def queued(self, beats: list[int], starts: list[int], latency: int) -> list[int]:
        """Retire cycles of consecutive reads with the given start cycles.

        Beats share one bus: a read's first beat comes `latency` after its address or right after
        the beats before. Holds while fewer than IN_FLIGHT beats limit no request.
        """
        retired: list[int] = []
        bus = -1  # cycle of the last beat on the bus
        before = -READ_BEHIND - 1
        for n, start in zip(beats, starts, strict=True):
            bus = max(start + START_TO_AR + latency, bus + 1) + n - 1
            before = max(bus + PORT + 1 + READ_TAIL, before + self.behind(n))
            retired.append(before + RETIRE)
        return retired
