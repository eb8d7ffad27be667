"""hwgen compiles trained binarized vision transformers into FPGA accelerators."""

from typing import TYPE_CHECKING, Any

from hwgen.version import __version__

if TYPE_CHECKING:
    from hwgen.api import CompiledModel, compile

__all__ = ["CompiledModel", "__version__", "compile"]


def __getattr__(name: str) -> Any:
    """`compile` and `CompiledModel` when they are first asked for: they need PyTorch."""
    if name in ("CompiledModel", "compile"):
        from hwgen import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
