"""Writes a compiled network: RTL, memory image, golden model, simulation, driver."""

from hwgen.emit.folder import emit

__all__ = ["emit"]
