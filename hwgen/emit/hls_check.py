"""What the HLS back end cannot hold, found before anything is written.

An op without a kernel (`Op.HLS`), a number wider than ap_int allows, a tensor, record or image
past the offsets of its memory port. Each is a HwgenError with the place and the way out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from hwgen.emit.hls import sources
from hwgen.engine.sizing import Sizing
from hwgen.errors import FitError, UnsupportedOpError
from hwgen.ir.graph import Graph
from hwgen.schedule.program import Program
from hwgen.units.dma import record_words

AP_INT_MAX_W = 1024  # of ap_int and ap_uint, unless a macro of that name says more (UG1399)
PORT_BYTES = 1 << 32  # run_hls.tcl: -m_axi_addr64=false; the program's own offsets have 32 bits
REGIONS = ("weight image", "input image", "result")  # of LOADF's base_sel

_CONSTANT = re.compile(r"constexpr int (\w+) = ([^;]+);")
_TYPE = re.compile(r"\bap_u?int<([^<>]+)>")
_EXPRESSION = re.compile(r"[\d\s()+*/-]+")


def check_hls(graph: Graph, sizing: Sizing, program: Program) -> None:
    """Raises HwgenError where the HLS back end cannot do what the graph, sizes or program ask."""
    check_kernels(graph)
    check_widths(sources(sizing))
    check_addresses(program)


def check_kernels(graph: Graph) -> None:
    """Raises UnsupportedOpError for the first op without an HLS kernel, by its module path."""
    for op in graph.ops:
        if not op.HLS:
            raise UnsupportedOpError(
                op.name, type(op).__name__, "has no HLS kernel", "use --backend rtl"
            )


def declared_widths(texts: Mapping[str, str]) -> Iterator[tuple[str, str, int]]:
    """(file, type, bits) of every ap_int of the C++ whose width follows from the sizes; those of
    template parameters are the widths that other types give them."""
    constants: dict[str, int] = {}
    for text in 2 * list(texts.values()):  # a constant may need one of a later file
        for name, value in _CONSTANT.findall(text):
            number = _evaluate(value, constants)
            if number is not None:
                constants[name] = number
    for file, text in texts.items():
        for found in _TYPE.finditer(text):
            bits = _evaluate(found[1], constants)
            if bits is not None:
                yield file, found[0], bits


def _evaluate(expression: str, constants: Mapping[str, int]) -> int | None:
    """Value of a constant integer expression; None where it has other names."""
    text = re.sub(r"[A-Za-z_]\w*", lambda m: str(constants.get(m[0], m[0])), expression)
    text = re.sub(r"//.*", "", text)
    if not _EXPRESSION.fullmatch(text):
        return None
    return int(eval(text.replace("/", "//"), {"__builtins__": {}}))


def check_widths(texts: Mapping[str, str]) -> None:
    """Raises FitError for the widest type of the C++ when it is beyond AP_INT_MAX_W."""
    file, kind, bits = max(declared_widths(texts), key=lambda found: found[2])
    if bits > AP_INT_MAX_W:
        raise FitError(
            f"hls/{file}", f"{kind} is {bits:,} bits", f"ap_int holds {AP_INT_MAX_W:,}",
            "--set lanes= or kw= smaller, or --backend rtl",
        )  # fmt: skip


def check_addresses(program: Program) -> None:
    """Raises FitError for the first tensor, record or image that a port's offset cannot reach, and
    for a program and weights that leave no room for the others."""
    s = program.sizing
    for i in program.instructions:
        if i.op == "LOAD":
            what, size = "parameters", record_words(i.fields) * s.word_bytes
        elif i.op == "LOADF":
            what = REGIONS[i.fields["base_sel"]]
            size = i.fields["words"] * (s.lanes if i.fields["bytes"] else s.word_bytes)
        elif i.op == "STORE":
            what, size = "result", i.fields["words"] * s.word_bytes
        else:
            continue
        _check_end(i.step, what, i.fields["ddr"] + size)
    (image,) = program.graph.inputs
    _check_end(image, "input image", program.image_bytes)
    whole = program.program_bytes + len(program.weights) + program.image_bytes
    _check_end("program", "program, weights, image and result", whole + program.output_bytes)


def _check_end(place: str, what: str, end: int) -> None:
    if end > PORT_BYTES:
        raise FitError(
            place, f"{what} to byte {end:,}",
            f"a memory port reaches {PORT_BYTES:,} bytes (32-bit offsets)",
            "use a smaller network or smaller images",
        )  # fmt: skip
