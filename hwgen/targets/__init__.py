"""Targets: what a device offers, and the DRAM of a board. One TOML file each beside this module,
or a file of the user's (`--target ./myboard.toml`)."""

from __future__ import annotations

import difflib
import functools
import json
import tomllib
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from hwgen.engine.sizing import Sizing
from hwgen.errors import HwgenError
from hwgen.targets.memory import PORTS_ONLY, Rate

FOLDER = Path(__file__).resolve().parent
SUFFIX = ".toml"  # of a target's file; what ends so after --target is one
FILE = "target.json"  # what an output folder keeps of its target
BEAT = 128  # bits, the most of all memory ports together
AXI_SIZES = ("axi_ports", "axi_bits")  # sizes of an engine that are its target's


class Budget(BaseModel):
    """Device resources. bram36 counts 36-kbit blocks, uram 288-kbit blocks, dsp multipliers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lut: int
    ff: int
    bram36: int
    uram: int
    dsp: int


class Dram(BaseModel):
    """The memory of a board: `bus_bits` data pins with `mega_transfers` x 10^6 transfers a second.

    `efficiency` is the share of that rate which reaches the engine: refresh, row changes, turns
    between reads and writes and what the processors take are the rest. The default is assumed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    kind: str
    bus_bits: Literal[8, 16, 32, 64]
    mega_transfers: Annotated[int, Field(ge=1, le=20_000)]
    efficiency: Annotated[float, Field(gt=0, le=1)] = 0.7

    @property
    def bytes_per_second(self) -> Fraction:
        share = Fraction(str(self.efficiency))
        return self.bus_bits * self.mega_transfers * 1_000_000 * share / 8

    @property
    def words(self) -> str:
        """For people: what it is, without its bandwidth."""
        rate = f"{self.bus_bits} bits x {self.mega_transfers} MT/s x {self.efficiency:g}"
        return f"{self.kind}, {rate}"


class Target(BaseModel):
    """A device, alone or on a board with its DRAM, and the clock that hwgen plans for.

    `family` is Yosys's name (`synth_xilinx -family`), or `ecp5`. `axi_ports` memory ports of
    `axi_bits` each, at most BEAT bits together. `clock_mhz` is a plan, never a measured Fmax.
    `engine` holds the sizes (`hwgen.engine.sizing.Sizing`) of one engine for many networks, if the
    target has one. Without `dram`, memory is as fast as the ports.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str
    part: str
    family: Literal["xc7", "xcu", "xcup", "ecp5"]
    clock_mhz: Annotated[int, Field(ge=1, le=1000)]
    lut: PositiveInt
    ff: PositiveInt
    bram36: PositiveInt
    uram: Annotated[int, Field(ge=0)] = 0
    dsp: Annotated[int, Field(ge=0)]
    axi_ports: Literal[1, 2] = 1
    axi_bits: Literal[32, 64, 128]
    lut_inputs: Literal[4, 6] = 6
    dram: Dram | None = None
    engine: dict[str, int] = {}

    @property
    def budget(self) -> Budget:
        return Budget(lut=self.lut, ff=self.ff, bram36=self.bram36, uram=self.uram, dsp=self.dsp)

    @property
    def bram_bits(self) -> int:
        """On-chip memory in bits, parity bits included."""
        return self.bram36 * 36 * 1024 + self.uram * 288 * 1024

    @property
    def beat_bits(self) -> int:
        """Bits that all memory ports move in a cycle."""
        return self.axi_ports * self.axi_bits

    def port_bytes_per_second(self, beat_bits: int, clock_mhz: int | None = None) -> Fraction:
        """What ports of `beat_bits` together move at a clock, the planned one where None."""
        return Fraction(beat_bits * (clock_mhz or self.clock_mhz) * 1_000_000, 8)

    def rate(self, beat_bits: int, clock_mhz: int | None = None) -> Rate:
        """Beats of `beat_bits` per cycle of a clock (the planned one) that memory delivers."""
        if self.dram is None:
            return PORTS_ONLY
        ports = self.port_bytes_per_second(beat_bits, clock_mhz)
        return Rate.of(self.dram.bytes_per_second / ports)


@functools.cache
def target_names() -> tuple[str, ...]:
    """All targets, smallest first, a part before its boards."""
    targets = [get_target(path.stem) for path in FOLDER.glob(f"*{SUFFIX}")]
    order = sorted(targets, key=lambda t: (t.lut, t.dram is not None, t.name))
    return tuple(t.name for t in order)


def get_target(name: str) -> Target:
    """The target `name`, or that of a TOML file. Raises HwgenError: which field is wrong, or the
    nearest names if there is none."""
    return load_target(Path(name)) if name.endswith(SUFFIX) else _known(name)


def target_label(name: str) -> str:
    """A target as names of folders have it."""
    return Path(name).stem if name.endswith(SUFFIX) else name


@functools.cache
def _known(name: str) -> Target:
    return load_target(_file(name, "--target"))


def _file(name: str, place: str) -> Path:
    """The file of a target that hwgen ships."""
    known = sorted(path.stem for path in FOLDER.glob(f"*{SUFFIX}"))
    if name not in known:
        near = [k for k in known if len(name) > 2 and k.startswith(name.lower())][:2]
        near = near or difflib.get_close_matches(name.lower(), known, n=2, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "see `hwgen targets`"
        also = f", or a file that ends in {SUFFIX}" if place == "--target" else ""
        rule = f"must be one of {', '.join(known)}{also}"
        raise HwgenError(place, repr(name), rule, hint)
    return FOLDER / f"{name}{SUFFIX}"


def load_target(path: Path) -> Target:
    """Reads one target file. `extends` names a shipped target, whose fields it has where it says
    nothing else. Raises HwgenError with the field that is wrong."""
    own, shipped = _read(path), path.resolve().parent == FOLDER
    if not shipped and (FOLDER / path.name).exists():
        raise HwgenError(
            str(path), repr(path.stem), "is the name of a target that hwgen ships",
            "rename the file: reports name it",
        )  # fmt: skip
    fields = _with_base(path, own)
    return _checked(path, {"name": path.stem, **fields})


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error) or "nested too deep"
        if isinstance(error, RecursionError):
            reason = "nested too deep"
        raise HwgenError(
            str(path), str(reason), "must be a TOML file", "see `Add a target` in CONTRIBUTING.md"
        ) from error


def _with_base(path: Path, own: dict[str, Any]) -> dict[str, Any]:
    base = own.pop("extends", None)
    if base is None:
        return own
    below = _file(str(base), f"{path}: extends")
    return _with_base(below, _read(below)) | own


def _checked(path: Path, fields: dict[str, Any]) -> Target:
    """The target, its engine with the ports and the kind of memory that it has."""
    example = f"see {FOLDER / 'zynq.toml'}"
    try:
        target = Target(**fields)
    except ValidationError as error:
        raise _refused(path, error, example) from error
    if target.beat_bits > BEAT:
        rule = f"axi_ports x axi_bits must be at most {BEAT}"
        raise HwgenError(
            f"{path}: axi_bits", f"{target.axi_ports} x {target.axi_bits} bits", rule, example
        )
    if not target.engine:
        return target
    own = {"axi_ports": target.axi_ports, "axi_bits": target.beat_bits}
    own["ultra"] = int(target.uram > 0)
    for name in target.engine:
        if name in AXI_SIZES or name not in Sizing.__dataclass_fields__:
            rule = "is the target's own" if name in AXI_SIZES else "is not a size of the engine"
            raise HwgenError(f"{path}: engine", name, rule, example)
    try:
        Sizing(**(own | target.engine))
    except HwgenError as error:
        value, rule, *_ = error.line.removeprefix("sizing: ").split("; ")
        raise HwgenError(f"{path}: engine", value, rule, example) from error
    return target.model_copy(update={"engine": own | target.engine})


def _refused(path: Path, error: ValidationError, example: str) -> HwgenError:
    first = error.errors()[0]
    field = ".".join(map(str, first["loc"]))
    if first["type"] == "missing":
        return HwgenError(f"{path}: {field}", "is missing", "every target needs it", example)
    if first["type"] == "extra_forbidden":
        return HwgenError(f"{path}: {field}", "is no field", "a target has none of it", example)
    shown = repr(first["input"])
    shown = shown if len(shown) <= 40 else f"{shown[:40]}..."
    return HwgenError(f"{path}: {field}", shown, first["msg"], example)


def keep_target(folder: Path, target: Target) -> None:
    """Write what a compiled folder needs of its target: a file of the user's may go away."""
    (folder / FILE).write_text(target.model_dump_json(indent=1) + "\n")


def kept_target(folder: Path) -> Target:
    """The target of a compiled folder. Raises HwgenError where it does not say."""
    path = folder / FILE
    try:
        body = json.loads(path.read_text())
        if isinstance(body, Mapping):
            return Target(**body)
    except (OSError, ValueError):
        pass
    raise HwgenError(
        str(path), "is missing or damaged", "says what was compiled for", "compile again"
    )
