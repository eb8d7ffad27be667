"""nn.Module -> float graph: the network is recorded on an example, then imported node by node."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from hwgen.errors import HwgenError, UnsupportedOpError, joined
from hwgen.floats.graph import FloatGraph
from hwgen.floats.layout import on_grid
from hwgen.frontend.agreement import check_agreement
from hwgen.frontend.decomposed import compose
from hwgen.frontend.handlers import HANDLERS
from hwgen.frontend.importer import Importer
from hwgen.frontend.keep import lent, same_attributes
from hwgen.frontend.means import join_means
from hwgen.frontend.record import record
from hwgen.frontend.sign_nodes import skip_clamps
from hwgen.frontend.signs import recognise
from hwgen.frontend.straight_through import fold
from hwgen.frontend.views import BATCH, View

Limits = Callable[[FloatGraph], Sequence[tuple[str, HwgenError]]]  # node, why it is refused


def _no_limits(graph: FloatGraph) -> Sequence[tuple[str, HwgenError]]:
    return ()


def trace(
    module: nn.Module, image: tuple[int, int, int], limits: Limits = _no_limits
) -> FloatGraph:
    """Float graph of a network in eval mode for images (H, W, channels).

    It is traced in double precision, or in its own where its code asks for a type, and compared
    with the network on random images. The network is left as it was.
    limits: what a graph is refused for after the trace (`hwgen.passes.limits`): told with
    the reasons for which there is no graph, of the nodes that there are.
    Raises: UnsupportedOpError naming module path, operation and what is supported; of several
    reasons `hwgen.errors.UnsupportedNetwork` with all.
    """
    _refuse_compiled(module)
    try:
        with lent(module):
            return _trace(module, image, limits)
    except UnsupportedOpError as error:
        if not any(word in str(error) for word in ("Double", "dtype")):
            raise
    with lent(module, double=False):
        return _trace(module, image, limits)


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


def _trace(module: nn.Module, image: tuple[int, int, int], limits: Limits) -> FloatGraph:
    height, width, channels = image
    generator = torch.Generator().manual_seed(height * width)
    example = torch.randn(BATCH, channels, height, width, generator=generator)
    with same_attributes(module):
        recorded = record(module, example)
    fold(recorded.graph)
    join_means(recorded.graph)
    compose(recorded.graph)
    recognise(recorded.graph)
    importer = Importer(module, on_grid(height, width, channels), HANDLERS)
    view = importer.run(recorded)
    if view is None or importer.stand_ins.reasons:
        unseen = recorded.stopped.place if recorded.stopped else ""
        raise _refused(importer, view, limits, unseen) from None
    graph = skip_clamps(FloatGraph(importer.nodes, "image", view.node).rewrite(()))
    check_agreement(module, recorded.graph, importer.views, graph)
    return graph


def _refused(importer: Importer, view: View | None, limits: Limits, unseen: str) -> HwgenError:
    """All reasons against a network, in the order of its nodes."""
    nodes = FloatGraph(importer.nodes, "image", view.node if view else "")
    order = list(importer.nodes)
    found = [*importer.stand_ins.reasons]
    found += [(order.index(name), reason) for name, reason in limits(nodes)]
    reasons = [reason for _, reason in sorted(found, key=lambda f: f[0])]
    return joined(type(importer.root).__name__, reasons, unseen)
