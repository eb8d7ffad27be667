"""Whole frames of the paper's networks: compile, simulate one photograph, synthesise, record.

python -m hwgen.report.frames bhvit_tiny bhvit_small bhvit_tiny@kv260

A name without @target is for TARGET. The weights are random (hwgen.zoo.untrained). Minutes per
network.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from hwgen.pipeline import compile_model, simulate_dir, synth_dir
from hwgen.report.readme import main as fill_readme
from hwgen.report.record import record
from hwgen.zoo.untrained import photographs, untrained

TARGET = "zynq"


def frame(name: str, target: str, out: Path) -> Path:
    """Runs one network through everything; the path of the kept report."""
    images = photographs(224)
    out.mkdir(parents=True, exist_ok=True)
    model = out / f"{name}_untrained.pth"
    torch.save(untrained(name, images).state_dict(), model)
    np.savez(model.with_suffix(".calib.npz"), images=images)
    folder = out / f"{model.stem}-{target}"
    for line in compile_model(model, target, folder, force=True).reasons:
        print(line)
    simulate_dir(folder, images=1)
    synth_dir(folder)
    return record(folder)


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        network, _, part = argument.partition("@")
        print(frame(network, part or TARGET, Path("out/frames")))
    fill_readme()
