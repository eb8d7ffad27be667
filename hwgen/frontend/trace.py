"""nn.Module -> float graph: one pass over the torch.fx graph, node by node, shapes included."""

from __future__ import annotations

import torch
from torch import fx, nn

from hwgen.errors import HwgenError, UnsupportedOpError
from hwgen.floats.graph import FloatGraph
from hwgen.floats.layout import on_grid
from hwgen.frontend.handlers import HANDLERS
from hwgen.frontend.importer import BATCH, Importer
from hwgen.nn import trace as fx_trace


def trace(module: nn.Module, image: tuple[int, int, int]) -> FloatGraph:
    """Float graph of a network in eval mode for images (H, W, channels).

    Raises: UnsupportedOpError naming module path, operation and what is supported.
    """
    height, width, channels = image
    module = module.eval()
    try:
        traced = fx_trace(module)
    except fx.proxy.TraceError as error:
        reason = str(error).splitlines()[0]
        raise UnsupportedOpError(
            type(module).__name__, reason, "control flow must not depend on tensors"
        ) from None
    importer = Importer(traced, on_grid(height, width, channels), HANDLERS)
    parameter = next(module.parameters(), torch.zeros(()))
    example = torch.zeros(BATCH, channels, height, width, dtype=parameter.dtype)
    with torch.no_grad():
        try:
            importer.run(example)
        except HwgenError as error:  # torch.fx has appended its own lines to the message
            raise type(error)(error.line) from None
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise UnsupportedOpError(
                importer.place or "forward",
                f"fails on an image of {height}x{width}x{channels}: {reason}",
                "the network must run on its calibration images",
            ) from None
    (result,) = (n.args[0] for n in traced.graph.nodes if n.op == "output")
    view = importer.views.get(result) if isinstance(result, fx.Node) else None
    if view is None or importer.layout(view).grid != (1, 1):
        raise UnsupportedOpError(
            type(module).__name__, "the output is no vector", "a network returns its logits (B, n)"
        )
    graph = FloatGraph(importer.nodes, "image", view.node)
    return graph.rewrite(())
