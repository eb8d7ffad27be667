"""Options of the command line about MODEL (hwgen.frontend.options), which several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ModelArgument = Annotated[
    Path,
    typer.Argument(
        metavar="MODEL",
        help="A checkpoint (.pt, .pth, .pth.tar, .ckpt, .safetensors) of a trained network, or a "
        "Hugging Face folder; or FILE.py:NAME, a function of yours that builds the network: your "
        "code is run.",
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
