"""Targets: what a device offers. One TOML file per target beside this module."""

from __future__ import annotations

import difflib
import functools
import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError

from hwgen.errors import HwgenError

FOLDER = Path(__file__).resolve().parent


class Budget(BaseModel):
    """Device resources. bram36 counts 36-kbit blocks, uram 288-kbit blocks, dsp multipliers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lut: int
    ff: int
    bram36: int
    uram: int
    dsp: int


class Target(BaseModel):
    """A device and the clock that hwgen plans for.

    `family` is Yosys's name (`synth_xilinx -family`), or `ecp5`. `axi_bits` is the width of the
    memory port. `clock_mhz` is a plan, never a measured Fmax. `engine` holds the sizes
    (`hwgen.engine.sizing.Sizing`) of one engine for many networks, if the target has one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    part: str
    family: Literal["xc7", "xcu", "xcup", "ecp5"]
    clock_mhz: PositiveInt
    lut: PositiveInt
    ff: PositiveInt
    bram36: PositiveInt
    uram: int = 0
    dsp: int
    axi_bits: Literal[32, 64, 128]
    lut_inputs: Literal[4, 6] = 6
    engine: dict[str, int] = {}

    @property
    def budget(self) -> Budget:
        return Budget(lut=self.lut, ff=self.ff, bram36=self.bram36, uram=self.uram, dsp=self.dsp)

    @property
    def bram_bits(self) -> int:
        """On-chip memory in bits, parity bits included."""
        return self.bram36 * 36 * 1024 + self.uram * 288 * 1024


@functools.cache
def target_names() -> tuple[str, ...]:
    """All targets, smallest first."""
    names = [path.stem for path in FOLDER.glob("*.toml")]
    return tuple(sorted(names, key=lambda n: (get_target(n).lut, n)))


@functools.cache
def get_target(name: str) -> Target:
    """The target `name`. Raises HwgenError with the nearest names if there is none."""
    known = sorted(path.stem for path in FOLDER.glob("*.toml"))
    if name not in known:
        near = difflib.get_close_matches(name.lower(), known, n=2, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "see `hwgen targets`"
        raise HwgenError("--target", repr(name), f"must be one of {', '.join(known)}", hint)
    return load_target(FOLDER / f"{name}.toml")


def load_target(path: Path) -> Target:
    """Reads one target file. Raises HwgenError with the field that is wrong."""
    try:
        return Target(name=path.stem, **tomllib.loads(path.read_text()))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise HwgenError(str(path), str(error), "must be a TOML file", "see docs") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise HwgenError(
            f"{path}: {field}", first.get("input"), first["msg"], f"see {FOLDER / 'zynq.toml'}"
        ) from error
