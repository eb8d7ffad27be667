"""The legal integer graph, written down as rules; `check` names the op, the value and the rule."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hwgen.engine.numerics import (
    ACC_BITS,
    LANE_CHANNELS,
    PARAM_BITS,
    SH1_SHIFTS,
    SH2_SHIFTS,
    SH3_SHIFTS,
)
from hwgen.errors import HwgenError
from hwgen.ir.graph import Graph
from hwgen.ops.base import Op
from hwgen.ops.types import TensorType

SHIFTS = {"sh1": SH1_SHIFTS, "sh2": SH2_SHIFTS, "sh3": SH3_SHIFTS}
MAX_POOL = 3
VECTORS = ("b", "slope", "m3", "b3", "t")


def check(graph: Graph) -> None:
    """Raise HwgenError for the first broken rule."""
    for place, problem in problems(graph):
        raise HwgenError(place, problem)


def problems(graph: Graph) -> Iterator[tuple[str, str]]:
    """(op, 'value; rule') of every broken rule; an unknown name ends the list."""
    types: dict[str, TensorType] = dict(graph.inputs)
    for op in graph.ops:
        missing = [n for n in op.inputs if n not in types]
        if missing:
            yield op.name, f"reads {missing[0]}; no earlier op makes it"
            return
        if op.name in types or f"{op.name}.bits" in types:
            yield op.name, "name used twice; names are unique"
        for problem in _op_problems(op, types):
            yield op.name, problem
        types |= op.outputs()
    if graph.output not in types or types[graph.output].kind != "feature":
        yield graph.output, "output; must be a feature that an op makes"
    elif graph.meta.get("classes", 0) > types[graph.output].channels:
        yield graph.output, f"{types[graph.output].channels} channels; must hold every class"


def _op_problems(op: Op, types: dict[str, TensorType]) -> Iterator[str]:
    sources = [types[n] for n in op.sources]
    for name, kind in zip(op.sources, sources):
        if kind.kind not in op.READS:
            yield f"source {name} is {kind.kind}; must be {' or '.join(op.READS)}"
            return
    found = list(op.violations(*sources))
    yield from found
    if found:
        return
    shape, grid = op.result(*sources)
    yield from _outputs(op, shape, grid)
    yield from _parameters(op, shape[-1])
    yield from _residuals(op, types, shape, grid)
    low, high = op.acc_bounds(*sources)
    limit = 1 << (ACC_BITS - 1)
    if low < -limit or high >= limit:
        yield f"accumulator range [{low}, {high}]; must fit {ACC_BITS} bits"
        return
    if op.feature is not None:
        post = op.post
        lo, hi = low, high
        if op.sources:
            residuals = [types[n] if n else None for n in (post.pre, post.mid, post.out)]
            lo, hi = post.bounds(low, high, *residuals)
        if lo < op.feature.lo or hi > op.feature.hi:
            yield f"range [{op.feature.lo}, {op.feature.hi}]; must hold [{lo}, {hi}]"


def _outputs(op: Op, shape: tuple[int, ...], grid: tuple[int, int]) -> Iterator[str]:
    post = op.post
    if op.feature is None and op.bits is None:
        yield "no output; keeps a feature, bits or both"
    if (op.bits is None) != (post.t is None):
        yield f"bits {op.bits is not None}, thresholds {post.t is not None}; need each other"
    if shape[-1] % LANE_CHANNELS:
        yield f"{shape[-1]} channels; must be a multiple of {LANE_CHANNELS}; pad or widen the layer"
    if op.bits is not None and (op.bits.kind, op.bits.shape, op.bits.grid) != ("bits", shape, grid):
        yield f"bits {op.bits.shape} on {op.bits.grid}; must be {shape} on {grid}"
    if op.feature is None:
        return
    pooled = (*shape[:-1], shape[-1] >> post.pool)
    f = op.feature
    if (f.kind, f.shape, f.grid) != ("feature", pooled, grid):
        yield f"feature {f.shape} on {f.grid}; must be {pooled} on {grid}"
    if pooled[-1] % LANE_CHANNELS:
        yield f"{pooled[-1]} pooled channels; must be a multiple of {LANE_CHANNELS}"
    limit = 1 << (post.act_bits - 1)
    if not -limit <= f.lo <= f.hi < limit:
        yield f"range [{f.lo}, {f.hi}]; must be in order and fit {post.act_bits} bits"


def _parameters(op: Op, channels: int) -> Iterator[str]:
    post, limit = op.post, 1 << (PARAM_BITS - 1)
    vectors = {name: getattr(post, name) for name in VECTORS}
    for name, value in vectors.items():
        if value is not None and value.shape != (channels,):
            yield f"{name} of shape {value.shape}; must be ({channels},)"
    for name, value in {**vectors, **op.parameters()}.items():
        if not isinstance(value, np.ndarray) or name in op.OWN_WIDTH:
            continue
        if value.dtype == np.uint8:
            if value.max(initial=0) > 1:
                yield f"{name} up to {value.max()}; must be 0 or 1"
        elif value.min(initial=0) < -limit or value.max(initial=0) >= limit:
            yield f"{name} in [{value.min()}, {value.max()}]; must fit {PARAM_BITS} bits"
        if name == "m" and value.shape[-1] != channels:
            yield f"m of shape {value.shape}; must end in {channels}"
    multiplies = {"m", "weight"} & op.parameters().keys()
    used = {"sh1": multiplies, "sh2": post.slope is not None, "sh3": post.m3 is not None}
    for name, allowed in SHIFTS.items():
        valid = allowed if used[name] else (0,)
        if getattr(post, name) not in valid:
            yield f"{name}={getattr(post, name)}; must be one of {', '.join(map(str, valid))}"
    if not 0 <= post.pool <= MAX_POOL:
        yield f"pool={post.pool}; must be 0..{MAX_POOL}"
    if post.m3 is not None and post.b3 is None:
        yield "m3 without b3; needs it"
    if post.slope is not None and post.chords is not None:
        yield f"slope and {post.chords.name}; must be one of them"


def _residuals(
    op: Op, types: dict[str, TensorType], shape: tuple[int, ...], grid: tuple[int, int]
) -> Iterator[str]:
    post, frac = op.post, None
    grids: set[tuple[int, int]] = set()  # coarser ones
    for field in ("pre", "mid", "out"):
        name = getattr(post, field)
        if name is None:
            continue
        t = types[name]
        if t.kind != "feature":
            yield f"{field} {name} is {t.kind}; must be a feature"
            continue
        grids |= {t.grid} if op.is_coarse(t, grid) else set()
        if shape[-1] % t.channels or not op.residual_fits(t, shape, grid):
            yield f"{field} {name} of shape {t.shape}; must match {shape}, its channels divide"
        if field == "out" and post.m3 is not None:
            frac = None  # the affine step moved the binary point
        chords = post.chords
        if field != "out" and chords is not None and t.frac != chords.frac:
            rule = f"must be frac {chords.frac} beside {chords.name}"
            yield f"{field} {name} at frac {t.frac}; {rule}"
        if frac is not None and t.frac != frac:
            yield f"{field} {name} at frac {t.frac}; must be frac {frac} of the other residuals"
        frac = t.frac
    if len(grids) > 1:
        yield f"residuals on grids {sorted(grids)}; must be on one besides {grid}"
    if post.m3 is not None and post.out is None:
        frac = None
    if frac is not None and op.feature is not None and op.feature.frac != frac:
        yield f"feature at frac {op.feature.frac}; must be frac {frac} of its residuals"
