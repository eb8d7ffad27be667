"""The steps of a compile (`hwgen.pipeline.STEPS`): each adds its result to what is known.

Modules that need PyTorch are imported by the steps that use them: simulation and synthesis do
without.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hwgen.emit import folder as output
from hwgen.emit.hls_check import check_addresses, check_hls
from hwgen.emit.image import report_rows
from hwgen.emit.vendor import why_none, write_vendor
from hwgen.engine.sizing import Sizing
from hwgen.inputs import calibration, evaluation_images
from hwgen.ir.graph import Graph
from hwgen.pictures import Preprocess, network_of
from hwgen.report import Report, save_report, sections
from hwgen.schedule import program as programs
from hwgen.search import choose
from hwgen.synth.hls import hls_section
from hwgen.targets import Target, keep_target
from hwgen.targets.fit import check_fit

if TYPE_CHECKING:
    from torch import nn

    from hwgen.floats.graph import FloatGraph
    from hwgen.frontend.checkpoint import CheckpointInfo
    from hwgen.frontend.options import Options
    from hwgen.passes.fuse import Chain
    from hwgen.passes.lower import Prepared

NOT_YET: Any = None  # what no step has found so far
SIMULATED_IMAGES = 64  # images that a compiled folder carries for `hwgen simulate`


@dataclass(frozen=True, eq=False)
class State:
    """A compile: what was asked for, and what its steps have found (None: not yet)."""

    model: Path
    calib: Path | np.ndarray | None = None
    folder: Path = NOT_YET  # where the output is written
    target: Target = NOT_YET
    overrides: Mapping[str, str] = field(default_factory=dict)
    blocks: bool = False
    backend: str = "rtl"
    preprocess: str | None = None  # of calibration pictures (hwgen.pictures.Preprocess)
    options: Options | None = None  # what the user says about the checkpoint
    module: nn.Module | None = None  # the network itself, where there is no file; model: its name
    # load
    network: nn.Module = NOT_YET
    info: CheckpointInfo = NOT_YET
    images: np.ndarray = NOT_YET  # calibration images, or noise
    labels: np.ndarray | None = None
    calibrated: bool = False  # `images` are no noise
    images_from: str = ""  # where `images` come from, for the user
    # trace; lower; calibrate
    traced: FloatGraph = NOT_YET
    float_graph: FloatGraph = NOT_YET
    chains: list[Chain] = NOT_YET
    prepared: Prepared = NOT_YET
    # search
    graph: Graph = NOT_YET
    sizing: Sizing = NOT_YET
    reasons: tuple[str, ...] = ()  # why the engine has its sizes, and what the target cannot have
    # schedule; emit; report
    program: programs.Program = NOT_YET
    shown: tuple[np.ndarray, np.ndarray | None] = NOT_YET  # images and labels to measure on
    report: Report | None = None


def load(state: State) -> State:
    """The network of a checkpoint, and images that fix its binary points."""
    network, info = _network(state)
    preprocess = Preprocess.chosen(state.preprocess, info.meta)
    asked = network_of(info.config, info.class_names)
    found = calibration(state.model, state.calib, asked, preprocess)
    return replace(
        state, network=network, info=info, images=found.images, labels=found.labels,
        calibrated=not found.noise, images_from=found.source,
    )  # fmt: skip


def _network(state: State) -> tuple[nn.Module, CheckpointInfo]:
    from hwgen.frontend.load import load_network
    from hwgen.frontend.options import Options
    from hwgen.frontend.own import describe, weights_digest

    options = state.options or Options()
    if state.module is not None:
        info = describe(state.module, state.model, options, weights_digest(state.module))
        return state.module, info
    return load_network(state.model, options)


def trace(state: State) -> State:
    """The float graph: what the network computes, node by node."""
    from hwgen.frontend import trace as frontend
    from hwgen.passes.limits import refusals_before_moves

    traced = frontend.trace(state.network, state.images.shape[1:], refusals_before_moves)
    return replace(state, traced=traced)


def lower(state: State) -> State:
    """The simplified float graph of uint8 images, and its chains: what one op computes."""
    from hwgen.passes import fuse, lower

    name = type(state.network).__name__
    graph = lower.lower(state.traced, state.info.mean, state.info.std, name)
    return replace(state, float_graph=graph, chains=fuse.fuse(graph, name))


def calibrate(state: State) -> State:
    """The largest value of every node on the images; with it the graph can become integers."""
    from hwgen.passes import calibrate, lower

    info, largest = state.info, calibrate.calibrate(state.float_graph, state.images)
    meta = {"name": info.path.stem, "sha256": info.sha256, "mean": info.mean, "std": info.std}
    facts = lower.facts(state.traced, meta)
    return replace(state, prepared=lower.Prepared(state.float_graph, state.chains, largest, facts))


def search(state: State) -> State:
    """Sizes of the engine that suit network and target; the integer graph of that width."""
    asked = str(state.overrides.get("act_bits", 16))
    graph = state.prepared.quantize(int(asked) if asked.isdigit() else 16).graph
    choice = choose.search(graph, state.target, dict(state.overrides))
    check_fit(choice.sizing, state.target, graph.meta["name"], choice.tried)
    if choice.sizing.act_bits != graph.meta["act_bits"]:
        graph = state.prepared.quantize(choice.sizing.act_bits).graph
    reasons = (*choice.reasons, f"calibrated on {state.images_from}")
    return replace(state, graph=graph, sizing=choice.sizing, reasons=reasons)


def schedule(state: State) -> State:
    """The program and its weight image, legal on the back ends asked for."""
    program = programs.schedule(state.graph, state.sizing)
    if state.backend == "rtl":
        check_addresses(program)
    else:
        check_hls(state.graph, state.sizing, program)
    return replace(state, program=program)


def emit(state: State) -> State:
    """The files of the output folder, all but the report."""
    shown = evaluation_images(state.info.meta) or (state.images, state.labels)
    images, labels = (None if a is None else a[:SIMULATED_IMAGES] for a in shown)
    assert images is not None
    rate = state.target.rate(state.sizing.axi_bits)
    output.emit(state.folder, state.program, images, labels, state.backend, rate)
    keep_target(state.folder, state.target)
    write_vendor(state.folder, state.target, state.sizing, state.backend)
    without = why_none(state.target)
    reasons = (*state.reasons, without) if without else state.reasons
    return replace(state, shown=shown, reasons=reasons)


def report(state: State) -> State:
    """What the compiled network costs, and how close it is to the float network."""
    from hwgen.analysis.counting import count
    from hwgen.analysis.fidelity import fidelity
    from hwgen.report.blocks import block_table

    real = state.calibrated or state.shown[0] is not state.images  # no noise
    total = count(state.network, state.images.shape[1:])
    body = sections.subject(state.program, state.target, total)
    body |= sections.predicted(state.program, state.target)
    body["fidelity"] = fidelity(state.network, state.graph, *state.shown) if real else {}
    if state.backend != "rtl":
        body["hls"] = hls_section(state.program, state.target).model_dump()
    if state.blocks:
        body["fidelity"]["blocks"] = block_table(state.prepared, state.images)
    nodes, rows = sections.graph_nodes(state.graph), report_rows(state.program)
    return replace(state, report=save_report(state.folder, body, nodes, rows))
