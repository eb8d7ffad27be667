"""Behind every command: compile runs STEPS in their order; simulate, synth, place, run follow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hwgen import steps
from hwgen.atomic import staged_dir
from hwgen.emit.folder import BACKENDS, load_program
from hwgen.errors import HwgenError
from hwgen.evaluation import Evaluation, check_output, measure, started, write_json
from hwgen.frontend.options import Options
from hwgen.pictures import ImageSet, Preprocess, network_of, open_images
from hwgen.report import load_report, sections, update_report
from hwgen.report.schema import Timing
from hwgen.saved import FOLDER, save
from hwgen.schedule.program import Program
from hwgen.steps import State
from hwgen.stopped import LAST, mark, require_finished, require_rtl
from hwgen.targets import Target, get_target, kept_target

if TYPE_CHECKING:
    from torch import nn

BATCH = 32  # images in memory at a time
DEFAULT_IMAGES = 16  # of those in the folder, for `hwgen simulate` without --images

STEPS: dict[str, Callable[[State], State]] = {
    "load": steps.load,  # checkpoint -> network, calibration images
    "trace": steps.trace,  # -> float graph
    "lower": steps.lower,  # -> simplified float graph, chains
    "calibrate": steps.calibrate,  # -> largest value of every node
    "search": steps.search,  # -> sizes of the engine, integer graph
    "schedule": steps.schedule,  # -> program, weight image, memory map
    "emit": steps.emit,  # -> files of the output folder
    "report": steps.report,  # -> report.json, report.html
}


def load_prepared(
    model: Path, *, calib: Path | None = None, preprocess: str | None = None
) -> State:
    """The first four steps, all that no target changes: `prepared` is there, and what it is of."""
    return prepare(STEPS["load"](State(Path(model), calib, preprocess=preprocess)))


def prepare(state: State) -> State:
    """The three steps after `load`."""
    for name in ("trace", "lower", "calibrate"):
        state = STEPS[name](state)
    return state


@dataclass(frozen=True)
class CompileResult:
    """What `compile_model` made. program: None where it stopped before there was one; finished:
    all steps were run."""

    folder: Path
    program: Program | None
    target: Target
    reasons: tuple[str, ...]  # why the engine has its sizes, and what the target cannot have
    saved: tuple[Path, ...]  # files of the step after which it was told to stop
    finished: bool
    notes: tuple[str, ...] = ()  # which weights were taken, and what was assumed


def compile_model(
    model_path: Path,
    target_name: str,
    out_dir: Path,
    *,
    force: bool = False,
    overrides: dict[str, str] | None = None,
    calib: Path | np.ndarray | None = None,
    preprocess: str | None = None,
    blocks: bool = False,
    backend: str = "rtl",
    stop_after: str | None = None,
    save_steps: bool = False,
    options: Options | None = None,
    module: nn.Module | None = None,
) -> CompileResult:
    """Compile a checkpoint for a target into `out_dir` (`hwgen.emit.folder.emit` lists the folder).

    backend: rtl, hls (HLS C++, docs/hls.md) or both; the program and the weights are the same.
    calib, preprocess: images that fix the binary points, and how pictures among them are resized
    (hwgen.pictures).
    blocks: compare every block with the float network, for the report (hwgen.report.blocks).
    stop_after: end after this step, with its result (hwgen.saved) and state.json in the folder.
    save_steps: the result of every step goes to steps/NN_STEP.*.
    options: what the user says about the checkpoint. module: the network itself; model_path is
    then its name.
    Raises: HwgenError (one line) for anything the user can mend; nothing is left half-written.
    """
    target, out_dir = get_target(target_name), Path(out_dir)
    _known("--backend", backend, BACKENDS, "back end")
    _known("--stop-after", LAST if stop_after is None else stop_after, tuple(STEPS), "step")
    saved: tuple[Path, ...] = ()
    with staged_dir(out_dir, force) as folder:
        state = State(
            Path(model_path), calib, folder, target, overrides or {}, blocks, backend, preprocess,
            options, module,
        )  # fmt: skip
        for number, (name, step) in enumerate(STEPS.items(), 1):
            state = step(state)
            if save_steps:
                save(folder / FOLDER, name, state, f"{number:02}_")
            if name == stop_after:
                saved = save(folder, name, state)
                mark(folder, name, state.info.sha256)
                break
    files = tuple(out_dir / path.name for path in saved)
    finished = state.report is not None
    return CompileResult(
        out_dir, state.program, target, state.reasons, files, finished, tuple(state.info.lines())
    )


def _known(option: str, value: str, values: tuple[str, ...], what: str) -> None:
    if value not in values:
        names = f"use {', '.join(values[:-1])} or {values[-1]}"
        raise HwgenError(option, value, f"is no {what}", names)


def simulate_dir(
    folder: Path, *, images: int | None = None, threads: int = 1, stall_seed: int | None = None
) -> None:
    """Run the emitted RTL on `images` images; compare every write; put the result in the report.

    images: as many as the folder holds, up to `DEFAULT_IMAGES`, where None.
    """
    from hwgen.sim.network import simulate_program

    folder = Path(folder)
    require_rtl(folder, "simulate")
    program, pictures, _ = load_program(folder)
    rate = kept_target(folder).rate(program.sizing.axi_bits)
    if images is not None and images > len(pictures):
        raise HwgenError(
            "--images", images, f"the folder holds {len(pictures)}", f"use at most {len(pictures)}"
        )
    shown = pictures[: images or DEFAULT_IMAGES]
    if program.store_words and len(shown) == 1:  # the steady frame is the second
        shown = np.repeat(shown, 2, axis=0)
    build = folder / "sim" / "build"
    result = simulate_program(
        program, folder / "rtl", build, shown, threads=threads, stall_seed=stall_seed, rate=rate
    )
    update_report(folder, **sections.simulated(load_report(folder), result))


def synth_dir(folder: Path, *, engines: MutableMapping[str, Timing] | None = None) -> None:
    """Count the emitted RTL's resources with Yosys, unit by unit, and estimate its clock where the
    family's delays are known; put both in the report. engines: as for `timing_dir`."""
    from hwgen.sta.cells import known
    from hwgen.synth import synthesise

    folder = Path(folder)
    require_finished(folder, "synth")
    load_report(folder)  # there is one
    require_rtl(folder, "synth")
    target = kept_target(folder)
    update_report(folder, resources=synthesise(folder, target))
    if known(target.family):
        timing_dir(folder, engines=engines)


def timing_dir(
    folder: Path,
    *,
    nets: Mapping[str, float] | None = None,
    factor: float | None = None,
    vivado: Mapping[str, Path] | None = None,
    engines: MutableMapping[str, Timing] | None = None,
) -> list[str]:
    """Static timing of the emitted RTL (hwgen.sta); puts it, and frames/s at the clock that it
    allows, in the report.

    nets: fields of `hwgen.sta.NetModel` that replace its defaults. factor: replaces the derating of
    the target's family (hwgen.sta.cells). vivado: a user's reports, "timing" and "utilization"; the
    lines that are returned show them beside ours. engines: timing of those analysed before, so that
    networks of one engine share it.
    """
    from hwgen.sta import NetModel, analyse
    from hwgen.sta.cells import checked_derating
    from hwgen.vivado_reports import beside_lines, read_reports

    checked_derating(factor)
    folder = Path(folder)
    require_finished(folder, "timing")
    report = load_report(folder)
    require_rtl(folder, "timing")
    read = read_reports(vivado or {})  # a wrong file is told before the analysis
    model = NetModel(**(nets or {}))
    found = analyse(folder, kept_target(folder), nets=model, factor=factor, kept=engines)
    update_report(folder, **sections.timed(report, found))
    return beside_lines(load_report(folder), *read)


def place_dir(
    folder: Path, *, goal_mhz: float | None = None, seed: int = 1, chipdb: Path | None = None
) -> None:
    """Place and route the emitted engine with nextpnr (hwgen.place); put clock, use and slowest
    paths in the report."""
    from hwgen.place import place_engine

    folder = Path(folder)
    require_finished(folder, "place")
    load_report(folder)  # there is one
    require_rtl(folder, "place")
    found = place_engine(folder, kept_target(folder), goal_mhz=goal_mhz, seed=seed, chipdb=chipdb)
    update_report(folder, place=found)


@dataclass(frozen=True)
class Classification:
    """Logits of images (N, classes), one row per name of an image; `classes` are the classes' names
    where the checkpoint has them; notes: how the pictures were read."""

    logits: np.ndarray
    classes: tuple[str, ...]
    images: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """The five best classes of one image, one per line; of several images the best class."""
        count = self.logits.shape[1]
        name = self.classes if len(self.classes) == count else range(count)
        best = np.argsort(-self.logits, axis=1, kind="stable")
        if len(self.images) == 1:
            lines = [f"{name[k]}  {self.logits[0, k]:.4f}" for k in best[0, :5]]
        else:
            rows = zip(self.images, best[:, 0], self.logits)
            lines = [f"{image}  {name[k]}  {row[k]:.4f}" for image, k, row in rows]
        return [*lines, *self.notes]


def run_image(
    model_path: Path, image: Path, *, preprocess: str | None = None, options: Options | None = None
) -> Classification:
    """Classify a picture with the integer model, or all that `hwgen.pictures` opens at once."""
    asked = State(Path(model_path), preprocess=preprocess, options=options)
    state, images = _with_images(asked, image, "run", need_classes=False)
    graph, batches = state.prepared.quantize().graph, images.batches(BATCH)
    logits = np.concatenate([graph.logits(some) for _, some in batches])
    names = tuple(images.name(k) for k in range(len(images)))
    notes = state.info.lines() + [f"pictures    {line}" for line in images.reader.lines()]
    if not state.calibrated:
        notes.append(f"calibrated  on {state.images_from}")
    return Classification(logits, state.info.class_names, names, tuple(notes))


def evaluate_model(
    model_path: Path,
    images: Path,
    *,
    calib: Path | None = None,
    preprocess: str | None = None,
    limit: int | None = None,
    batch: int = BATCH,
    json: Path | None = None,
    options: Options | None = None,
) -> Evaluation:
    """Accuracy of the float and of the integer network on images, and how often they agree.

    images, calib, preprocess: as for hwgen.pictures; limit: that many, evenly spaced; batch: images
    in memory at a time; json: where the numbers go too; options: about the checkpoint.
    """
    from hwgen.analysis.fidelity import float_logits

    if json is not None:
        check_output(json)
    asked = State(Path(model_path), calib, preprocess=preprocess, options=options)
    state, found = _with_images(asked, images, "evaluate")
    graph = state.prepared.quantize().graph
    result = measure(
        started(graph, found, images, state.images_from), found,
        lambda some: float_logits(state.network, some, graph.meta), graph.logits, batch, limit,
    )  # fmt: skip
    if json is not None:
        write_json(json, result)
    return result


def _with_images(
    asked: State, path: Path, command: str, need_classes: bool = True
) -> tuple[State, ImageSet]:
    """A model made ready, and images for it; wrong images are told before the calibration."""
    require_finished(asked.model, command, "a checkpoint (.pt)", "give the model's file")
    state = STEPS["load"](asked)
    network = network_of(state.info.config, state.info.class_names)
    how = Preprocess.chosen(asked.preprocess, state.info.meta)
    images = open_images(Path(path), network, how, need_classes)
    images.check()
    return prepare(state), images
