"""Whole frames of the paper's networks: compile, simulate one photograph, synthesise, record.

python -m hwgen.results.frames bhvit_tiny bhvit_small_fp bhvit_tiny:kv260

The weights are random (hwgen.zoo.untrained); `_fp`: full-precision downsampling; `:target`, else
zynq. Minutes per network. Networks of one engine share its synthesis (hwgen.synth.run keeps it) and
the estimate of its clock, which is made once.
"""

from __future__ import annotations

import sys
from collections.abc import MutableMapping
from pathlib import Path

import numpy as np
import torch

from hwgen.pipeline import compile_model, simulate_dir, synth_dir
from hwgen.report.schema import Timing
from hwgen.results.readme import main as fill_readme
from hwgen.results.record import record
from hwgen.zoo.untrained import photographs, untrained

FULL_PRECISION = "_fp"


def frame(name: str, target: str, out: Path, engines: MutableMapping[str, Timing]) -> Path:
    """Runs one network through everything; the path of the kept report.

    engines: timing of the engines so far (`hwgen.pipeline.timing_dir`).
    """
    images = photographs(224)
    arch = name.removesuffix(FULL_PRECISION)
    options = {} if arch == name else {"binary_downsampling": False}
    network = untrained(arch, images, **options)
    out.mkdir(parents=True, exist_ok=True)
    model = out / f"{name}_untrained.pth"
    torch.save(network.state_dict(), model)
    np.savez(model.with_suffix(".calib.npz"), images=images)
    folder = out / f"{model.stem}-{target}"
    for line in compile_model(model, target, folder, force=True, blocks=True).reasons:
        print(line)
    simulate_dir(folder, images=1)
    synth_dir(folder, engines=engines)
    return record(folder)


if __name__ == "__main__":
    timed: dict[str, Timing] = {}
    for argument in sys.argv[1:]:
        network, _, device = argument.partition(":")
        print(frame(network, device or "zynq", Path("out/frames"), timed))
    fill_readme()
