"""`hwgen.compile` for Python: a network or a model file -> its accelerator, as an object.

import hwgen
made = hwgen.compile(network, "zynq", calibration=images, image_size=32)
made.simulate(images=2)
made.synth()
print(made.report.fps.clock_mhz)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hwgen import pipeline
from hwgen.emit.folder import load_program
from hwgen.errors import SimulationError
from hwgen.frontend.options import Options
from hwgen.report import load_report, summary
from hwgen.report.schema import Report
from hwgen.targets import target_label

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class CompiledModel:
    """An output folder of `hwgen compile` and what can be done with it.

    notes: which weights were taken and what was assumed; reasons: why the engine has its sizes.
    """

    folder: Path
    notes: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    @property
    def report(self) -> Report:
        """report.json as it is now: cycles, fps, resources, timing, check."""
        return load_report(self.folder)

    def summary(self) -> list[str]:
        """The report in lines, as the command line shows it."""
        return summary(self.report)

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Logits (N, classes) of the integer network, bit for bit those of the RTL.

        images: uint8 (N, H, W, channels).
        """
        return self._program.graph.logits(images)

    def simulate(self, images: int | None = None, threads: int = 1) -> Report:
        """Run the RTL on images of the folder and compare every tensor with the golden model.

        Raises: SimulationError where one differs (a bug in hwgen); HwgenError for a folder
        without Verilog.
        """
        pipeline.simulate_dir(self.folder, images=images, threads=threads)
        report = self.report
        if report.check.mismatches:
            raise SimulationError(
                f"{self.folder}", "the RTL differs from the golden model", "a bug in hwgen"
            )
        return report

    def synth(self) -> Report:
        """Count the RTL's resources with Yosys and estimate its clock."""
        pipeline.synth_dir(self.folder)
        return self.report

    def timing(self) -> Report:
        """Estimate the RTL's clock by static timing: no placement, no vendor tool."""
        pipeline.timing_dir(self.folder)
        return self.report

    @cached_property
    def _program(self):
        return load_program(self.folder)[0]


def compile(
    model: nn.Module | str | Path,
    target: str = "zynq",
    *,
    calibration: np.ndarray | str | Path | None = None,
    out: str | Path | None = None,
    force: bool = False,
    name: str | None = None,
    image_size: int | tuple[int, int] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    weights: str | Path | None = None,
    config: str | Path | None = None,
    ema: bool = False,
    backend: str = "rtl",
    sizes: Mapping[str, int] | None = None,
) -> CompiledModel:
    """Compile a network into RTL or HLS C++, program, weights, driver and report.

    model: an nn.Module (B, channels, H, W) -> logits (B, n), left as it was; or what the command
    line takes: a checkpoint, a folder, "net.py:build".
    calibration: uint8 images (N, H, W, channels), whose size is then the image size, or what
    `hwgen compile --calib` takes; None: as there. out: the folder, default out/NAME-TARGET; force:
    replace it. name: of an nn.Module, default its class. mean, std: of the input x = (uint8 / 255 -
    mean) / std. The others are the options of the command line; `sizes` are those of --set.
    Raises: HwgenError (one line) for anything the user can mend; nothing is left half-written.
    """
    calib = calibration if isinstance(calibration, np.ndarray) else _path(calibration)
    if isinstance(calib, np.ndarray) and image_size is None and calib.ndim == 4:
        image_size = (calib.shape[1], calib.shape[2])
    options = Options(
        ema, _path(config), image_size, _numbers(mean), _numbers(std), _path(weights)
    )  # fmt: skip
    if isinstance(model, str | Path):
        path, module = Path(model), None
    else:
        path, module = Path(name or type(model).__name__), model
        options.check_no_weights()
    folder = Path(out) if out is not None else Path("out") / f"{path.stem}-{target_label(target)}"
    with _eval(module):
        result = pipeline.compile_model(
            path, target, folder, force=force,
            overrides={k: str(v) for k, v in (sizes or {}).items()},
            calib=calib, backend=backend, options=options, module=module,
        )  # fmt: skip
    return CompiledModel(folder, result.notes, result.reasons)


def _path(value: str | Path | None) -> Path | None:
    return None if value is None else Path(value)


def _numbers(values: Sequence[float] | None) -> tuple[float, ...] | None:
    return None if values is None else tuple(float(v) for v in values)


@contextmanager
def _eval(module: nn.Module | None) -> Iterator[None]:
    """A network in eval mode, afterwards in the modes that it had."""
    modes = [] if module is None else [(m, m.training) for m in module.modules()]
    try:
        yield
    finally:
        for m, training in modes:
            m.training = training
