"""Arguments and options of the command line; those about MODEL are hwgen.frontend.options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ModelArgument = Annotated[
    Path,
    typer.Argument(
        metavar="MODEL",
        help="A checkpoint (.pt, .pth, .pth.tar, .ckpt, .safetensors) of a trained network, or a "
        "Hugging Face folder; a program of torch.export (.pt2); or FILE.py:NAME, a function of "
        "yours that builds the network: your code is run.",
    ),
]
EmaOption = Annotated[
    bool, typer.Option("--ema", help="Take the averaged weights (EMA) of the checkpoint.")
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", help="JSON or TOML: replaces what the checkpoint states."
    ),
]
SizeOption = Annotated[
    str | None,
    typer.Option(
        "--image-size", metavar="N", help="Side in pixels of a ResNet's images, or of your own "
        "network's (N or HEIGHTxWIDTH).",
        show_default="as the checkpoint states, else 224",
    ),
]  # fmt: skip
_STATISTICS = "of the images (0 to 1), one number per channel, e.g. 0.5,0.5,0.5."
MeanOption = Annotated[
    str | None,
    typer.Option(
        "--mean", metavar="R,G,B", help=f"Mean {_STATISTICS}",
        show_default="as the checkpoint states, else ImageNet's",
    ),
]  # fmt: skip
StdOption = Annotated[
    str | None,
    typer.Option(
        "--std", metavar="R,G,B", help=f"Standard deviation {_STATISTICS}",
        show_default="as the checkpoint states, else ImageNet's",
    ),
]  # fmt: skip
WeightsOption = Annotated[
    Path | None,
    typer.Option(
        "--weights", metavar="FILE", help="The weights of FILE.py:NAME; of this file no code runs."
    ),
]
DirArgument = Annotated[
    Path, typer.Argument(metavar="DIR", help="An output folder of `hwgen compile`.")
]
TargetOption = Annotated[
    str,
    typer.Option(
        "--target", "-t", metavar="NAME|FILE.toml",
        help="A target of `hwgen targets`, or the file of another one.",
    ),
]  # fmt: skip
ForceOption = Annotated[
    bool, typer.Option("--force", help="Replace an output folder that hwgen wrote.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Override a size of the engine, e.g. array_bits=2048."
    ),
]
CalibOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE|FOLDER",
        help="Calibration images: .npz, .npy, .pt or a folder of pictures; "
        "default: MODEL.calib.npz beside the model, else noise.",
    ),
]
PreprocessOption = Annotated[
    str | None,
    typer.Option(
        "--preprocess",
        metavar="MODE[:RATIO][:FILTER]",
        help="How pictures get the network's size: crop (shorter side resized, centre taken; "
        "ratio 0.875), squeeze or pad; bicubic, bilinear or lanczos.",
        show_default="crop, or as the checkpoint was trained",
    ),
]
FidelityOption = Annotated[
    bool,
    typer.Option(
        "--fidelity",
        help="Compare every block with the float network at 16, 14, 12 and 10 bits.",
    ),
]
BackendOption = Annotated[
    str, typer.Option("--backend", help="rtl (Verilog), hls (C++ for Vitis HLS) or both.")
]
StopOption = Annotated[
    str | None,
    typer.Option(
        "--stop-after",
        metavar="STEP",
        help="Stop after a step and save what it found: load, trace, lower, calibrate, search, "
        "schedule, emit or report.",
    ),
]
SaveOption = Annotated[
    bool, typer.Option("--save-steps", help="Keep what every step found, in steps/.")
]
IMAGES_HELP = "How many images to simulate."
ImagesOption = Annotated[int, typer.Option(min=1, help=IMAGES_HELP)]
ThreadsOption = Annotated[int, typer.Option(min=1, help="Threads of the simulation.")]
