"""What the command line takes as MODEL -> network in eval mode, and the facts about it."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from hwgen.frontend import checkpoint
from hwgen.frontend.checkpoint import CheckpointInfo
from hwgen.frontend.exported.archive import is_program
from hwgen.frontend.exported.load import load_exported
from hwgen.frontend.options import Options, own_parts
from hwgen.frontend.own import load_own


def load_network(path: Path, options: Options) -> tuple[nn.Module, CheckpointInfo]:
    """The network of `FILE.py:NAME`, of a program of torch.export, of a checkpoint.

    Raises: HwgenError (one line) for what is none of them or contradicts the options.
    """
    if own_parts(path) is not None:
        return load_own(path, options)
    if is_program(path):
        return load_exported(path, options)
    return checkpoint.load_checkpoint(path, options)
