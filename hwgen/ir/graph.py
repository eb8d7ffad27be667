"""The integer graph: ordered ops over named tensors; executes itself; JSON in and out."""

from __future__ import annotations

import base64
import json
import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from math import prod

import networkx as nx
import numpy as np
from threadpoolctl import threadpool_limits

from hwgen.engine.chords import Chords
from hwgen.ops.base import REGISTRY, Op
from hwgen.ops.post import Post
from hwgen.ops.types import TensorType

Array = np.ndarray
FORMAT = 3
IN_CACHE = 1 << 21  # values of the largest tensor of the images that run together


@dataclass(frozen=True, eq=False)
class Graph:
    """Ops in execution order. `inputs` maps graph inputs to types; `output` names the logits.

    `meta` holds plain values about the model (name, sha256, class count, logit scale, ...).
    """

    inputs: dict[str, TensorType]
    ops: tuple[Op, ...]
    output: str
    meta: dict

    def types(self) -> dict[str, TensorType]:
        """Type of every tensor by name."""
        out = dict(self.inputs)
        for op in self.ops:
            out |= op.outputs()
        return out

    def op(self, tensor: str) -> Op:
        """The op that produces a tensor."""
        name = tensor.removesuffix(".bits")
        return next(o for o in self.ops if o.name == name)

    def network(self) -> nx.DiGraph:
        """Ops (and inputs) as nodes, tensors as edges."""
        g = nx.DiGraph()
        for name in self.inputs:
            g.add_node(name, op=None)
        for op in self.ops:
            g.add_node(op.name, op=op)
            for tensor in op.inputs:
                g.add_edge(tensor.removesuffix(".bits"), op.name, tensor=tensor)
        return g

    def run(self, images: Array, keep: bool = True) -> dict[str, Array]:
        """Execute exactly on uint8 images (batch, H, W, 3); every tensor by name.

        keep = False drops tensors after their last use (the output stays).
        """
        (name,) = self.inputs
        values = {name: np.asarray(images).astype(np.int64)}
        last = {} if keep else {t: i for i, op in enumerate(self.ops) for t in op.inputs}
        for i, op in enumerate(self.ops):
            values |= op.execute(values)
            for t in op.inputs:
                if last.get(t) == i:
                    values.pop(t, None)  # an op may read a tensor twice
        return values

    def logits(self, images: Array) -> Array:
        """Real-valued logits (batch, classes). Each core takes a few images at a time, so that
        their tensors stay in its cache."""
        types = self.types()
        cores = os.cpu_count() or 1
        size = max(prod(t.shape) for t in types.values())
        step = max(1, min(IN_CACHE // size, -(-len(images) // cores)))

        def part(start: int) -> Array:
            return self.run(images[start : start + step], keep=False)[self.output]

        starts = range(0, len(images), step)
        if len(starts) == 1:
            parts = [part(0)]
        else:  # BLAS threads of its own would only compete with these
            with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(cores) as pool:
                parts = list(pool.map(part, starts))
        out = np.concatenate([p.reshape(len(p), -1)[:, : self.meta["classes"]] for p in parts])
        return out * 2.0 ** -types[self.output].frac

    def to_json(self) -> str:
        """Deterministic JSON; arrays are zlib + base64 of little-endian int64 (or uint8)."""
        body = {
            "format": FORMAT,
            "inputs": {k: _pack(v) for k, v in self.inputs.items()},
            "output": self.output,
            "meta": self.meta,
            "ops": [_pack(op) for op in self.ops],
        }
        return json.dumps(body, indent=1, sort_keys=True)

    @staticmethod
    def from_json(text: str) -> Graph:
        """Inverse of `to_json`: an equal graph."""
        body = json.loads(text)
        if body.get("format") != FORMAT:
            raise ValueError(f"graph format {body.get('format')}; this version reads {FORMAT}")
        return Graph(
            {k: _unpack(v) for k, v in body["inputs"].items()},
            tuple(_unpack(op) for op in body["ops"]),
            body["output"],
            body["meta"],
        )


_CLASSES = {"TensorType": TensorType, "Post": Post, "Chords": Chords}


def _pack(value):
    if isinstance(value, np.ndarray):
        data = np.ascontiguousarray(value.astype("<u1" if value.dtype == np.uint8 else "<i8"))
        text = base64.b64encode(zlib.compress(data.tobytes(), 6)).decode()
        return {"array": text, "dtype": data.dtype.str, "shape": list(value.shape)}
    if isinstance(value, tuple):
        return {"tuple": [_pack(v) for v in value]}
    if isinstance(value, Op | Post | TensorType | Chords):
        return {"class": type(value).__name__} | {
            f.name: _pack(getattr(value, f.name)) for f in fields(value)
        }
    if isinstance(value, np.integer):
        return int(value)
    return value


def _unpack(value):
    if not isinstance(value, dict):
        return value
    if "array" in value:
        raw = zlib.decompress(base64.b64decode(value["array"]))
        return (
            np.frombuffer(raw, dtype=value["dtype"])
            .reshape(value["shape"])
            .astype(value["dtype"][1:])
        )
    if "tuple" in value:
        return tuple(_unpack(v) for v in value["tuple"])
    cls = _CLASSES.get(value["class"]) or REGISTRY[value["class"]]
    return cls(**{k: _unpack(v) for k, v in value.items() if k != "class"})
