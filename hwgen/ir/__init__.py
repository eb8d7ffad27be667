"""Integer graph: typed tensors, ops that execute themselves, invariants, JSON."""

from hwgen.ir.graph import Graph
from hwgen.ops.types import TensorType

__all__ = ["Graph", "TensorType"]
