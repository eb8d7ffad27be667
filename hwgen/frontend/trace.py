"""nn.Module -> float graph: the network is recorded on an example, then imported node by node."""

from __future__ import annotations

import torch
from torch import nn

from hwgen.errors import UnsupportedOpError
from hwgen.floats.graph import FloatGraph
from hwgen.floats.layout import on_grid
from hwgen.frontend.agreement import check_agreement
from hwgen.frontend.handlers import HANDLERS
from hwgen.frontend.importer import BATCH, Importer
from hwgen.frontend.keep import lent, same_attributes
from hwgen.frontend.means import join_means
from hwgen.frontend.record import record
from hwgen.frontend.sign_nodes import skip_clamps
from hwgen.frontend.signs import recognise
from hwgen.frontend.straight_through import fold


def trace(module: nn.Module, image: tuple[int, int, int]) -> FloatGraph:
    """Float graph of a network in eval mode for images (H, W, channels).

    It is traced in double precision, or in its own where its code asks for a type, and compared
    with the network on random images. The network is left as it was.
    Raises: UnsupportedOpError naming module path, operation and what is supported.
    """
    _refuse_compiled(module)
    try:
        with lent(module):
            return _trace(module, image)
    except UnsupportedOpError as error:
        if not any(word in error.line for word in ("Double", "dtype")):
            raise
    with lent(module, double=False):
        return _trace(module, image)


def _refuse_compiled(module: nn.Module) -> None:
    for path, m in module.named_modules():
        scripted = isinstance(m, torch.jit.ScriptModule)
        if scripted or "_orig_mod" in m._modules:
            what = "a module of torch.jit" if scripted else "a module of torch.compile"
            rule, way_out = (
                "its Python cannot be traced",
                "give the nn.Module that it was made from",
            )
            raise UnsupportedOpError(path or type(m).__name__, what, rule, way_out)


def _trace(module: nn.Module, image: tuple[int, int, int]) -> FloatGraph:
    height, width, channels = image
    generator = torch.Generator().manual_seed(height * width)
    example = torch.randn(BATCH, channels, height, width, generator=generator)
    with same_attributes(module):
        recorded = record(module, example)
    fold(recorded)
    join_means(recorded)
    recognise(recorded)
    importer = Importer(module, on_grid(height, width, channels), HANDLERS)
    view = importer.run(recorded)
    graph = skip_clamps(FloatGraph(importer.nodes, "image", view.node).rewrite(()))
    check_agreement(module, recorded, importer.views, graph)
    return graph
