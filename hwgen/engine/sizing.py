"""Sizes of one engine: the parameters of the RTL (docs/architecture.md)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

from hwgen.engine.isa import queue_bits
from hwgen.engine.numerics import HEAD_DIM
from hwgen.errors import HwgenError


def power_of_two(n: int) -> bool:
    return n > 0 and n & (n - 1) == 0


OF_THE_SCHEDULE = ("strip_tokens", "spill_words")  # sizes that the RTL does not know
STORE_ROW = 4096  # words, the depth of an ultra RAM


@dataclass(frozen=True)
class Sizing:
    """Parameters of the engine; `parameters()` are the Verilog parameters of the same names.

    strip_tokens and spill_words are the schedule's choice: grids with more tokens run in strips (0:
    none do), and features of at least so many words are kept in DDR (0: none are).
    """

    lanes: int = 16
    act_bits: int = 16
    kw: int = 128
    axi_ports: int = 1
    axi_bits: int = 128  # of a beat, all ports together
    gu: int = 4
    gs: int = 8
    fm_words: int = 4096
    tm_words: int = 2048
    bm_rows: int = 1024
    wb_words: int = 512
    ps_words: int = 256
    cm_slots: int = 64
    om_slots: int = 64
    qm_slots: int = 32
    nt_words: int = 64
    pk: int = 8
    head: int = HEAD_DIM  # channels of an attention head
    store_words: int = 0  # weight store; 0: none
    ultra: int = 0  # 1: ultra RAM may hold FM and TM, and holds rows of the weight store
    strip_tokens: int = 0  # of the schedule, not of the RTL: `plan`
    spill_words: int = 0  # the same: `spill`

    def __post_init__(self) -> None:
        rules = {
            "lanes": (power_of_two(self.lanes) and 8 <= self.lanes <= 64, "8, 16, 32 or 64"),
            "act_bits": (8 <= self.act_bits <= 16, "8 to 16"),
            "kw": (
                power_of_two(self.kw) and self.kw >= max(64, self.lanes),
                "a power of two >= 64",
            ),
            "axi_ports": (self.axi_ports in (1, 2), "1 or 2"),
            "axi_bits": (
                self.axi_bits in (32, 64, 128)
                and self.axi_bits >= 32 * self.axi_ports
                and self.lanes * 8 % self.axi_bits == 0,
                "32, 64 or 128, at least 32 a port, dividing 8 x lanes",
            ),
            "gu": (power_of_two(self.gu) and self.gu <= self.gs, "a power of two <= gs"),
            "gs": (
                power_of_two(self.gs) and 9 * self.gs <= self.kw and self.gs <= self.lanes,
                "a power of two with 9 gs <= kw, gs <= lanes",
            ),
            "pk": (
                power_of_two(self.pk) and 4 <= self.pk <= min(64, 4 * self.lanes),
                "a power of two, 4 to 64 (8 lanes: to 32)",
            ),
            "head": (
                16 <= self.head <= 256 and self.head % 16 == 0 and self.head % self.lanes == 0,
                "a multiple of 16 and of the lanes, 16 to 256",
            ),
            "bm_rows": (8 <= self.bm_rows <= 65536, "8 to 65536"),
            "cm_slots": (16 <= self.cm_slots <= 256, "16 to 256"),
            "om_slots": (32 <= self.om_slots <= 256, "32 to 256"),
            "qm_slots": (8 <= self.qm_slots <= 64, "8 to 64"),
            "fm_words": (64 <= self.fm_words <= 1 << 14, "64 to 16384"),
            "tm_words": (64 <= self.tm_words <= 1 << 14, "64 to 16384"),
            "store_words": (
                0 <= self.store_words <= 1 << 16 and self.store_words % 2 == 0,
                "even, 0 to 65536",
            ),
            "ultra": (self.ultra in (0, 1), "0 or 1"),
        }
        for name, (good, valid) in rules.items():
            if not good:
                raise HwgenError(
                    "sizing",
                    f"{name}={getattr(self, name)}",
                    f"must be {valid}",
                    f"change --set {name}=",
                )

    @property
    def array_bits(self) -> int:
        return self.lanes * self.kw

    @property
    def row_elements(self) -> int:
        """Elements of L bits in a row of the bit memory."""
        return self.kw // self.lanes

    @property
    def quad_slots(self) -> int:
        """CM slots with four banks (lanes.v): rows of four weights of a quad MACS."""
        return min(self.cm_slots, 32)

    @property
    def store_rows(self) -> tuple[int, int]:
        """Rows of the weight store, and the words behind the last whole one (weight_store.v)."""
        return divmod(self.store_words, STORE_ROW)

    @property
    def word_bytes(self) -> int:
        """Bytes of a word of L x 16 bits in DDR."""
        return self.lanes * 2

    def parameters(self) -> dict[str, int]:
        """Verilog parameters of the engine: the sizes, and the widths of its narrow queues."""
        sizes = {k.upper(): v for k, v in asdict(self).items() if k not in OF_THE_SCHEDULE}
        queues = {
            "DMA_BITS": queue_bits("dma", store=self.store_words > 0),
            "LDW_BITS": queue_bits("ldw"),
        }
        return sizes | queues

    def replace(self, **changes: int) -> Sizing:
        known = {f.name for f in fields(self)}
        for name in changes:
            if name not in known:
                raise HwgenError(
                    "--set", name, "is not a size of the engine", f"use {', '.join(sorted(known))}"
                )
        return Sizing(**(asdict(self) | changes))


def bit_stride(channels: int, s: Sizing) -> int:
    """Elements from token to token: a power of two below a row, whole rows above."""
    elements = -(-channels // s.lanes)
    if elements >= s.row_elements:
        return -(-elements // s.row_elements) * s.row_elements
    return 1 << (elements - 1).bit_length()
