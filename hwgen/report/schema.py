"""report.json: what one compiled network costs and how it was checked. Unknown values are null."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

SCHEMA = "hwgen.report/1"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Model(_Section):
    """The network. MACs are per frame; `params` counts every stored number."""

    name: str
    sha256: str
    params: int
    binary_weights: int
    binary_macs: int
    float_macs: int


class Resources5(_Section):
    """36-kbit blocks (`bram36`, halves possible), 288-kbit blocks (`uram`), multipliers (`dsp`)."""

    lut: float | None = None
    ff: float | None = None
    bram36: float | None = None
    uram: float | None = None
    dsp: float | None = None


class Target(_Section):
    name: str
    part: str
    clock_mhz: float
    budget: Resources5


class Config(_Section):
    """Sizing of the engine. `array_bits` XNORs a cycle, `lanes` results a cycle; `axi_ports` memory
    ports move `axi_bits` a cycle together."""

    array_bits: int
    lanes: int
    act_bits: int
    axi_ports: int = 1
    axi_bits: int


class Spent(_Section):
    """Predicted cycles by cause (docs/architecture.md): what was busy, then three kinds of loss."""

    array: int
    lanes: int
    attention: int
    memory: int
    startup: int
    hazards: int
    edges: int


class Step(_Section):
    """One op of the network. `spent` adds up to `predicted`."""

    name: str
    unit: str
    predicted: int | None = None
    simulated: int | None = None
    spent: Spent | None = None


class Cycles(_Section):
    """Cycles per frame. `roofline`: what they were if nothing waited (hwgen.timing.bounds).

    All are those of a steady frame; `*_cold` are those of the first one, whose weights go on chip.
    """

    predicted: int | None = None
    simulated: int | None = None
    predicted_cold: int | None = None
    simulated_cold: int | None = None
    roofline: int | None = None
    steps: list[Step] = Field(default_factory=list)


class Memory(_Section):
    """Bytes that a frame reads from DDR (predicted), and of the weight image those kept on chip.

    Bandwidth: of all ports together at the planned clock, each way; of the board's DRAM, reads and
    writes together (`dram` says which and with what efficiency; None: no board, no bound). Cycles,
    predicted and simulated, are those of the smaller one.
    """

    read_bytes: int | None = None
    read_bytes_cold: int | None = None
    weight_bytes: int | None = None
    kept_bytes: int | None = None
    port_bytes_per_second: float | None = None
    dram: str | None = None
    dram_bytes_per_second: float | None = None


class Fps(_Section):
    """Frames per second of predicted and simulated cycles at `clock_mhz`, the smaller of the
    planned and the estimated clock; clock_source says which (hwgen.report.clock)."""

    predicted: float | None = None
    simulated: float | None = None
    clock_mhz: float | None = None
    clock_source: str | None = None


class UnitResources(Resources5):
    """Resources of all instances of one unit."""

    instances: int | None = None


class Resources(Resources5):
    """`source` says who counted, for example "Yosys 0.70 synth_xilinx, unit by unit"."""

    source: str | None = None
    by_unit: dict[str, UnitResources] = Field(default_factory=dict)
    fits: bool | None = None


class TimingUnit(_Section):
    """A kind of unit: ns of the slowest path that ends in one, and of those inside one alone."""

    name: str
    instances: int
    ns: float
    inside_ns: float


class TimingStage(_Section):
    """A cell of a path, the net that it drives, that net's fan-out, ns from the clock to there."""

    cell: str
    net: str
    fanout: int
    ns: float


class TimingPath(_Section):
    """A path between two registers; *_line: where each is declared, "file.v:12"."""

    ns: float
    slack_ns: float
    levels: int
    start: str
    start_line: str
    end: str
    end_line: str
    stages: list[TimingStage]


class Timing(_Section):
    """Static timing (hwgen.sta). `source` says what it is, `nets` by which model of net delays;
    clock_mhz is the planned clock, failing the ends of paths that miss it; histogram: ends of paths
    by their ns, histogram_step_ns each, from 0."""

    source: str | None = None
    nets: str | None = None
    clock_mhz: float | None = None
    fmax_mhz: float | None = None
    critical_ns: float | None = None
    endpoints: int | None = None
    failing: int | None = None
    histogram_step_ns: float | None = None
    histogram: list[int] = Field(default_factory=list)
    units: list[TimingUnit] = Field(default_factory=list)
    paths: list[TimingPath] = Field(default_factory=list)


class HlsFunction(_Section):
    """A function of the HLS C++; `rtl`: units of `Resources.by_unit` that do its work.

    `calls` and `cycles` per frame; None where they are counted with the function that calls it.
    """

    name: str
    rtl: list[str] = Field(default_factory=list)
    calls: int | None = None
    cycles: int | None = None
    lut: float
    ff: float
    bram36: float
    dsp: float


class Hls(_Section):
    """The HLS engine. Everything is estimated: from the program (cycles) and the sizes (resources);
    nothing was synthesised. `functions` add up to the other values. fps: at the clock of `Fps`,
    which is planned or the RTL's."""

    source: str = "estimated"
    cycles: int | None = None
    fps: float | None = None
    lut: float | None = None
    ff: float | None = None
    bram36: float | None = None
    dsp: float | None = None
    fits: bool | None = None
    functions: list[HlsFunction] = Field(default_factory=list)


class UsedOf(_Section):
    used: int
    available: int


class PlacedStep(_Section):
    """A delay on a path: kind clk-to-q, logic, routing or setup; `at`: the RTL name it leads to."""

    kind: str
    at: str
    cell: str
    delay_ns: float


class PlacedPath(_Section):
    """From register to register; names are of the RTL, `*_src` file:line. levels: cells between."""

    start: str
    end: str
    start_src: str | None = None
    end_src: str | None = None
    delay_ns: float
    logic_ns: float
    routing_ns: float
    levels: int
    steps: list[PlacedStep] = Field(default_factory=list)


class Place(_Section):
    """The engine placed and routed on its part, behind a serial wrapper (docs/place.md).

    `used` by the tool's names of sites. `goal_mhz`: the clock that the tool aimed at; `failing` of
    `endpoints` register inputs are later than it. `paths`: the slowest, one of each pair of
    registers, the indices of equal instances not counted.
    """

    source: str | None = None
    part: str | None = None
    seed: int | None = None
    goal_mhz: float | None = None
    fmax_mhz: float | None = None
    endpoints: int | None = None
    failing: int | None = None
    used: dict[str, UsedOf] = Field(default_factory=dict)
    paths: list[PlacedPath] = Field(default_factory=list)


class Check(_Section):
    """RTL against the golden model. `first_mismatch` names step, tensor, index, got, expected."""

    images: int | None = None
    tensors: int | None = None
    mismatches: int | None = None
    first_mismatch: str | dict[str, Any] | None = None
    seconds: float | None = None


class Closeness(_Section):
    """Relative RMS error of what leaves a block; fractions of equal signs and attention levels."""

    error: float | None = None
    signs: float | None = None
    levels: float | None = None


class BlockFidelity(_Section):
    """One block fed with its float input (`hwgen.report.blocks`) at one activation width.

    `given`: signs inside the block are the float model's; `own`: the block's own.
    """

    block: str
    act_bits: int
    given: Closeness
    own: Closeness


class Fidelity(_Section):
    """Integer against float model; all values 0..1. `blocks` is empty unless asked for."""

    top1_agreement: float | None = None
    accuracy_float: float | None = None
    accuracy_int: float | None = None
    logit_cosine: float | None = None
    blocks: list[BlockFidelity] = Field(default_factory=list)


class Report(BaseModel):
    """The whole of report.json."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, serialize_by_alias=True)

    schema_: str = Field(default=SCHEMA, alias="schema")
    model: Model
    target: Target
    config: Config
    cycles: Cycles = Field(default_factory=Cycles)
    memory: Memory = Field(default_factory=Memory)
    fps: Fps = Field(default_factory=Fps)
    resources: Resources = Field(default_factory=Resources)
    timing: Timing = Field(default_factory=Timing)
    place: Place = Field(default_factory=Place)
    hls: Hls = Field(default_factory=Hls)
    check: Check = Field(default_factory=Check)
    fidelity: Fidelity = Field(default_factory=Fidelity)

    def to_json(self) -> str:
        return self.model_dump_json(indent=2, by_alias=True) + "\n"


class BenchResult(_Section):
    """One benchmark: `value` in `unit`; `limit` is what the project promises, None if nothing."""

    name: str
    value: float
    unit: str
    limit: str | None = None
    passed: bool | None = None


class Bench(BaseModel):
    """reports/bench.json. Times depend on the machine: `cores` is all that is said about it."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, serialize_by_alias=True)

    schema_: str = Field(default="hwgen.bench/1", alias="schema")
    cores: int
    results: list[BenchResult]

    def to_json(self) -> str:
        return self.model_dump_json(indent=2, by_alias=True) + "\n"


class FidelityTable(BaseModel):
    """reports/fidelity.json: the blocks of each network."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, serialize_by_alias=True)

    schema_: str = Field(default="hwgen.fidelity/1", alias="schema")
    networks: dict[str, list[BlockFidelity]]

    def to_json(self) -> str:
        return self.model_dump_json(indent=1, by_alias=True) + "\n"


class CapabilityRow(_Section):
    """One network: costs as `hwgen analyze` counts them, capability by three countings."""

    parameters: int
    size_bytes: float
    ops: float
    binary_macs: int
    float_macs: int
    capability: int
    as_published: int
    own_inputs: int


class CapabilityTable(BaseModel):
    """reports/capability.json (docs/capability.md)."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, serialize_by_alias=True)

    schema_: str = Field(default="hwgen.capability/1", alias="schema")
    networks: dict[str, CapabilityRow]

    def to_json(self) -> str:
        return self.model_dump_json(indent=1, by_alias=True) + "\n"
